"""What a worker tells of itself: whether it lives, and whether it is ready to take work."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

from shadows import Worker
from tests.front.acts import comes_true, heard, working

if TYPE_CHECKING:
    from shadows import Shadow
    from shadows.core.health import Health
    from tests.front.proxy import Proxy


async def test_a_worker_is_ready_when_it_could_have_claimed(shadows: Shadow) -> None:
    """INV 34: from its first look on, also when all of its slots are taken, and from then on in presence too."""
    began, go = asyncio.Event(), asyncio.Event()

    async def body() -> None:
        began.set()
        await heard(go)

    async with working(shadows, concurrency=1) as worker:
        assert not worker.health().ready
        await comes_true(lambda: worker.health().ready)
        await comes_true(lambda: _is_listed(shadows, worker))
        execution = await shadows.add(body)()
        await heard(began)
        before = worker._loop and worker._loop.signs.looked
        await comes_true(lambda: (worker._loop and worker._loop.signs.looked) != before)
        assert worker.health().ready
        go.set()
        await execution.get_result(timeout=15)


async def test_a_worker_that_stops_or_does_not_run_is_not_ready(shadows: Shadow) -> None:
    """INV 34: nor is it dead, for nothing is wrong with it."""
    began, go = asyncio.Event(), asyncio.Event()

    async def body() -> None:
        began.set()
        await heard(go)

    await shadows.add(body)()
    async with Worker(shadows) as worker:
        assert (worker.health().alive, worker.health().ready, worker.health().words) == (True, False, "not running")
        run = asyncio.create_task(worker.run_forever())
        await heard(began)
        worker.stop()
        assert (worker.health().alive, worker.health().ready, worker.health().words) == (True, False, "stopping")
        go.set()
        await run
        assert worker.health().words == "not running"


async def test_a_worker_that_lost_its_server_is_not_ready_until_it_is_back(proxy: Proxy) -> None:
    """INV 34: it notices by itself; being alive does not depend on the server."""
    async with proxy.shadow() as shadows, working(shadows) as worker:
        await comes_true(lambda: worker.health().ready)
        await proxy.down()
        await comes_true(lambda: worker.health().words == "the broker is away")
        assert (worker.health().alive, worker.health().ready) == (True, False)
        await proxy.up()
        await comes_true(lambda: worker.health().ready)


async def test_any_thread_may_ask(shadows: Shadow) -> None:
    """So that somebody can answer for a worker whose event loop is blocked."""
    found: list[Health] = []
    async with working(shadows) as worker:
        await comes_true(lambda: worker.health().ready)
        thread = threading.Thread(target=lambda: found.append(worker.health()))
        thread.start()
        thread.join()
    assert found[0].ready


async def _is_listed(shadows: Shadow, worker: Worker) -> bool:
    return worker.name in {one.name for one in await shadows.workers()}
