"""A task at times on the clock, over the night in which Berlin's clocks go forward; seen on a clock that jumps.

It prints:

    Sat 2025-03-29 03:30 CET
    Sun 2025-03-30 03:30 CEST
    Mon 2025-03-31 03:30 CEST
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from shadows import Cron, Shadow, Worker
from shadows.testing import VirtualClock

BERLIN = ZoneInfo("Europe/Berlin")
clock = VirtualClock(start=datetime(2025, 3, 28, 12, tzinfo=UTC))


async def tidy_up(cron: Cron = Cron("30 3 * * *", tz=BERLIN)) -> None:
    """Tell when it runs."""
    print(f"{clock.now().astimezone(BERLIN):%a %Y-%m-%d %H:%M %Z}")


async def main() -> None:
    """Let three days pass, in no time.  A worker starts the task by itself."""
    async with clock, Shadow("nightly", "memory://examples", clock=clock) as shadows, Worker(shadows) as worker:
        shadows.register(tidy_up)
        running = asyncio.create_task(worker.run_forever())
        await clock.advance(days=3)
        worker.stop()
        await running


if __name__ == "__main__":
    asyncio.run(main())
