"""What the tests at the front doors do over and over."""

from __future__ import annotations

import asyncio
import inspect
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shadows import Shadow, Worker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

DEADLINE = 15.0
"""Seconds after which a test no longer expects what it waits for."""
SOON = timedelta(milliseconds=60)
HOUR = timedelta(hours=1)


@asynccontextmanager
async def working(shadows: Shadow, *, within: timedelta = timedelta(0), **options: Any) -> AsyncIterator[Worker]:
    """Run a worker beside the test; it ends ``within`` so long after it, and whatever broke it is raised here."""
    async with Worker(shadows, **options) as worker:
        run = asyncio.create_task(worker.run_forever())
        await asyncio.sleep(0)  # it has begun, and can be stopped
        try:
            yield worker
        finally:
            worker.stop(within=within)
            await run


async def finish(shadows: Shadow, **options: Any) -> None:
    """Run everything that is there, with a worker of its own."""
    async with Worker(shadows, **options) as worker, asyncio.timeout(DEADLINE):
        await worker.run_until_finished()


async def heard(event: asyncio.Event) -> None:
    """Wait for something to happen."""
    async with asyncio.timeout(DEADLINE):
        await event.wait()


async def comes_true(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    """Wait until the condition holds."""
    async with asyncio.timeout(DEADLINE):
        while True:
            found = condition()
            if await found if inspect.isawaitable(found) else found:
                return
            await asyncio.sleep(0.005)


async def state_of(shadows: Shadow, key: str) -> str | None:
    """Return the state of the key's run as of now."""
    execution = await shadows.get_execution(key)
    return None if execution is None or execution.state is None else execution.state.value
