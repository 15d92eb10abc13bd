"""Very many workers of one shadow, and one worker with very many slots.  Server only."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from shadows import BrokerUnavailable, Worker
from tests.front.acts import working

if TYPE_CHECKING:
    from tests.front.places import ServerPlace

MANY = 200


def scripts_run(far: ServerPlace) -> int:
    """Return how many scripts the server has run."""
    for line in far.curtain.ask("INFO", "commandstats").decode().splitlines():
        if line.startswith("cmdstat_evalsha:"):
            return int(line.partition("calls=")[2].partition(",")[0])
    return 0


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_two_hundred_workers_that_start_at_once_are_no_herd(far: ServerPlace) -> None:
    """FAULT 81: all are listed, a call runs once, and idle they ask no more often than a few times a second each."""
    ran: list[int] = []

    async def note(number: int) -> None:
        ran.append(number)

    async with far.shadow(add_deadline=timedelta(minutes=2)) as shadows, AsyncExitStack() as stack:
        shadows.register(note)
        workers = [
            await stack.enter_async_context(Worker(shadows, name=f"w{number}", redelivery_timeout=timedelta(minutes=1)))
            for number in range(MANY)
        ]
        running = [asyncio.create_task(worker.run_forever()) for worker in workers]

        async def all_listed() -> bool:
            with suppress(BrokerUnavailable):  # so many in one process keep each other waiting
                return len(await shadows.workers()) == MANY
            return False

        async with asyncio.timeout(120):
            while not await all_listed():  # noqa: ASYNC110 - they are listed by the server
                await asyncio.sleep(0.1)
            await shadows.add_many([shadows.call(note)(number) for number in range(1000)])
            while len(ran) < 1000:  # noqa: ASYNC110 - a body may not wait for its neighbours
                await asyncio.sleep(0.1)
        before, since = scripts_run(far), asyncio.get_running_loop().time()
        await asyncio.sleep(3)
        asked = scripts_run(far) - before
        seconds = asyncio.get_running_loop().time() - since
        for worker in workers:
            worker.stop()
        await asyncio.gather(*running)
    assert sorted(ran) == [*range(1000)]
    assert asked <= 4 * MANY * seconds


async def test_one_worker_has_a_thousand_slots(far: ServerPlace) -> None:
    """FAULT 81: all of them are taken at the same time, and all calls end."""
    at_once = most = 0
    full = asyncio.Event()

    async def hold() -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        if most == 1000:
            full.set()
        await full.wait()
        at_once -= 1

    async with far.shadow() as shadows:
        shadows.register(hold)
        executions = await shadows.add_many([shadows.call(hold)() for _ in range(1000)])
        async with working(shadows, concurrency=1000, within=timedelta(seconds=10)):
            for execution in executions:
                await execution.get_result(timeout=30)
    assert most == 1000
