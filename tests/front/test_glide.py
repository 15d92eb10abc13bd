"""Shadows that valkey-glide serves, in a run that does not ask for it: that it is there, and how it follows a cluster.

`--client glide` lets it serve all the other tests of the front doors and of the contract.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from shadows import Shadow
from shadows.adapters.redis.glide_driver import GlideDriver
from tests.front import test_failover as failover
from tests.front.acts import DEADLINE, comes_true, working
from tests.servers import wanted
from tests.topologies import Cluster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.front.places import ServerPlace

SOON = timedelta(seconds=1)


async def double(number: int) -> int:
    """Do something that can be told from nothing."""
    return 2 * number


@pytest.fixture
def nodes() -> Iterator[Cluster]:
    """Give three nodes with a replica each."""
    if not wanted():
        pytest.skip("this run wants no servers")
    failover.ran.clear()
    with Cluster(replicas=True) as servers:
        yield servers


def in_cluster(servers: Cluster) -> Shadow:
    """Return a client that rides out a failover."""
    url = servers.url.replace("redis+cluster://", "valkey+cluster://")
    made = Shadow("shop", url, add_deadline=failover.PATIENCE)
    made.register(failover.note)
    return made


async def test_a_valkey_url_is_served_by_glide(far: ServerPlace) -> None:
    """SPEC, URLs: producer, worker and whoever waits for a result."""
    url = f"valkey://127.0.0.1:{far.server.port}/0"  # type: ignore[union-attr]
    async with Shadow(far.name, url) as shadows:
        assert isinstance(shadows.backend().broker.driver, GlideDriver)  # type: ignore[attr-defined]
        shadows.register(double)
        doubled = await shadows.add(double)(21)
        async with working(shadows):
            assert await doubled.get_result(timeout=DEADLINE) == 42


@pytest.mark.timeout(180)
@pytest.mark.parametrize("strike", [failover.move_home, failover.kill_home, failover.freeze_home])
async def test_glide_follows_a_cluster(nodes: Cluster, strike: Callable[[Cluster], None]) -> None:
    """FAULTS 58 and 70: the replica has taken over, and what was placed before is run as well."""
    async with in_cluster(nodes) as shadows:
        note = failover.note
        later = await shadows.add(note, key="later", when=timedelta(seconds=2))("later")
        async with working(shadows, reconnection_delay=SOON):
            assert await failover.result(await shadows.add(note)("before")) == "before"
            await asyncio.to_thread(strike, nodes)
            assert await failover.result(await shadows.add(note)("after")) == "after"
            assert await failover.result(later) == "later"
    assert sorted(set(failover.ran)) == ["after", "before", "later"]


@pytest.mark.timeout(180)
async def test_with_glide_a_slot_moves_under_load_and_nothing_is_lost(nodes: Cluster) -> None:
    """FAULT 71: every script that is refused meanwhile is run again."""
    async with in_cluster(nodes) as shadows, working(shadows, reconnection_delay=SOON):
        placing = asyncio.create_task(failover._place_until(shadows, moved := asyncio.Event()))
        await comes_true(lambda: len(failover.ran) > 20)
        await asyncio.to_thread(nodes.migrate, "shop")
        moved.set()
        words = await placing
        await comes_true(lambda: set(failover.ran) == set(words))
    assert sorted(failover.ran) == sorted(words)
