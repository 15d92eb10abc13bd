"""How many occurrences of recurring tasks run in a second under the virtual clock: `python -m benchmarks.occurrences`.

Seconds are those that this process had of a processor, so that other processes do not slow the figures down.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from shadows import Cron, Perpetual, Shadow, Worker
from shadows.testing import VirtualClock

START = datetime(2030, 3, 7, tzinfo=UTC)
WANTED = 1_000
"""Occurrences a second; fewer are an error."""

_ran = 0


async def often(perpetual: Perpetual = Perpetual(every=timedelta(seconds=1))) -> None:  # noqa: ARG001 - only declared
    """Count a round."""
    global _ran  # noqa: PLW0603 - nothing shall cost less than the count
    _ran += 1


async def by_the_clock(cron: Cron = Cron("* * * * *", automatic=False, tz="America/New_York")) -> None:  # noqa: ARG001
    """Count a round."""
    global _ran  # noqa: PLW0603 - likewise
    _ran += 1


async def perpetual_tasks() -> int:
    """Run a hundred perpetual tasks, each once a second, for a while."""
    return await _run(often, tasks=100, span=timedelta(seconds=100))


async def cron_tasks() -> int:
    """Run a hundred cron tasks, each once a minute, for a while."""
    return await _run(by_the_clock, tasks=100, span=timedelta(minutes=100))


async def one_perpetual_task() -> int:
    """Run one perpetual task once a second, for a while."""
    return await _run(often, tasks=1, span=timedelta(seconds=5_000))


async def _run(task: Callable[..., Awaitable[None]], *, tasks: int, span: timedelta) -> int:
    clock = VirtualClock(START)
    async with clock, Shadow("bench", "memory://bench", clock=clock) as shadows:
        for number in range(tasks):
            await shadows.add(task, key=f"k{number}")()
        async with Worker(shadows, concurrency=100) as worker:
            running = asyncio.create_task(worker.run_forever())
            before = _ran
            await clock.advance(span)
            ran = _ran - before
            worker.stop()
            await running
        await shadows.clear()
    return ran


def main() -> int:
    """Print a line for each, and return 1 if one is slower than it should be."""
    slow = False
    for scenario in (perpetual_tasks, cron_tasks, one_perpetual_task):
        began = time.process_time()
        ran = asyncio.run(scenario())
        speed = ran / (time.process_time() - began)
        slow = slow or speed < WANTED
        print(f"{scenario.__name__.replace('_', ' '):20} {ran:7,} occurrences {speed:9,.0f} a second")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
