"""What ``shadows acl`` prints is what a user needs, and no more."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import redis

from shadows import ExecutionCancelled, ExecutionState, NotAllowed, Shadow, Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.servers import Servers
    from tests.system.conftest import Said

    type Run = Callable[..., Said]

HOUR = timedelta(hours=1)


async def double(n: int) -> int:
    """Return twice as much."""
    return 2 * n


@pytest.fixture
def line(one_name: str, servers: Servers) -> Iterator[redis.Redis]:
    """Give a connection that may make users; they are gone after the test."""
    with redis.Redis.from_url(servers.get(one_name).url, decode_responses=True) as client:
        before: Any = set(client.acl_users())
        yield client
        for user in {*client.acl_users()} - before:
            client.acl_deluser(user)


@pytest.fixture
def as_role(
    shadows: Run, line: redis.Redis, one_name: str, servers: Servers, shadow_name: str
) -> Callable[..., Shadow]:
    """Give a function that makes a user by the printed line, and returns the shadow as that user sees it."""

    def made(role: str, name: str = shadow_name) -> Shadow:
        printed = shadows("acl", "--role", role, "--shadows", shadow_name).out.replace("PASSWORD", "secret").split()
        line.execute_command(*printed)
        url = servers.get(one_name).url.replace("//", f"//{shadow_name}-{role}:secret@")
        shadow = Shadow(name, url, add_deadline=timedelta(seconds=5))
        shadow.register(double)
        return shadow

    return made


async def test_a_producer_places_and_waits_and_a_worker_runs(as_role: Callable[..., Shadow], line: redis.Redis) -> None:
    """Issue 6, least privilege: nothing that they do is refused."""
    line.execute_command("ACL", "LOG", "RESET")
    async with as_role("producer") as producer, as_role("worker") as shadow:
        execution = await producer.add(double)(21)
        later = await producer.add(double, when=HOUR, key="later")(1)
        await producer.replace(double, later.when, "later")(2)
        await producer.cancel("later")
        async with Worker(shadow) as worker:
            await worker.run_until_finished()
        assert await execution.get_result(timeout=timedelta(seconds=10)) == 42
        await producer.clear()
    refused: Any = line.execute_command("ACL", "LOG")
    # With this redis-py introduces itself; only Redis 7.2 and later know it, so that no line can grant it everywhere.
    assert {entry["object"] for entry in refused} <= {"client|setinfo"}


async def test_an_observer_looks_and_changes_nothing(as_role: Callable[..., Shadow]) -> None:
    """Issue 6, least privilege: what it may not do is refused before anything is written."""
    async with as_role("producer") as producer, as_role("observer") as observer:
        await producer.add(double, when=HOUR, key="later")(1)
        assert (await observer.snapshot()).total_tasks == 1
        execution = await observer.get_execution("later")
        assert execution is not None
        assert execution.state is ExecutionState.SCHEDULED
        assert await observer.workers() == []
        waiting = asyncio.create_task(execution.get_result(timeout=timedelta(seconds=20)))
        await asyncio.sleep(0)
        await producer.cancel("later")
        with pytest.raises(ExecutionCancelled):
            await waiting
        await producer.add(double, when=HOUR, key="later")(1)
        for attempt in (observer.add(double)(1), observer.cancel("later"), observer.strike("double")):
            with pytest.raises(NotAllowed):
                await attempt
        assert (await producer.snapshot()).total_tasks == 1
        await producer.clear()


async def test_an_admin_strikes_and_replays(as_role: Callable[..., Shadow]) -> None:
    """Issue 6, least privilege: and is told by the server how it is."""
    async with as_role("admin") as admin:
        await admin.strike("double")
        assert len(await admin.strikes()) == 1
        await admin.restore("double")
        await admin.dead_letters(10)
        vitals = await admin.backend().vitals()
        assert (vitals.lacking, vitals.hidden) == ((), ())


async def test_nobody_touches_the_shadow_of_another(as_role: Callable[..., Shadow], shadow_name: str) -> None:
    """Issue 6, least privilege: though its name begins alike."""
    async with as_role("admin", f"{shadow_name}2") as other:
        for attempt in (other.add(double)(1), other.clear(), other.snapshot(), other.strike("double")):
            with pytest.raises(NotAllowed):
                await attempt


def test_the_line_is_for_the_place_of_the_shadow(shadows: Run) -> None:
    """In a cluster the keys stand in braces, and the way to them must be asked for."""
    said = json.loads(shadows("acl", "--role", "worker", "--json", "--shadows", "shop").out)
    assert (said["user"], said["role"], said["rules"][:2]) == ("shop-worker", "worker", ["~shop:*", "&shop:*"])
    said = shadows("acl", "--role=producer", "--user=web", "--shadows=shop", "--url=redis+cluster://h").out
    assert said.startswith("ACL SETUSER web reset on >PASSWORD ~{shop}:* &{shop}:* ")
    assert said.endswith("+cluster|slots\n")
    assert shadows("acl", "--role", "king").code == 2
