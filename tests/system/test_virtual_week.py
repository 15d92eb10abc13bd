"""A week under the virtual clock: every schedule fires exactly when it should."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from shadows import Cron, ExecutionState, Perpetual, Retry, Shadow, Timeout, Worker
from shadows.testing import VirtualClock
from tests.front.acts import working

pytestmark = pytest.mark.slow

HOUR, DAY, MINUTE = timedelta(hours=1), timedelta(days=1), timedelta(minutes=1)
NEW_YORK = ZoneInfo("America/New_York")
WEEK = 7 * DAY
SPRING = datetime(2030, 3, 7, 17, 30, tzinfo=UTC)
"""Three days before the clocks of New York jump from 02:00 to 03:00."""
AUTUMN = datetime(2030, 10, 31, 17, 30, tzinfo=UTC)
"""Three days before they show the hour from 01:00 to 02:00 twice."""


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("start", "nights"),
    [
        (
            SPRING,
            [(8, "02:30 -0500"), (9, "02:30 -0500"), (10, "03:00 -0400")]
            + [(day, "02:30 -0400") for day in (11, 12, 13, 14)],
        ),
        (
            AUTUMN,
            [(1, "01:30 -0400"), (2, "01:30 -0400"), (3, "01:30 -0400")]
            + [(day, "01:30 -0500") for day in (4, 5, 6, 7)],
        ),
    ],
    ids=["spring", "autumn"],
)
async def test_a_week_fires_exactly_right(start: datetime, nights: list[tuple[int, str]]) -> None:
    """INV 27, and "Done when": an hourly cron, a daily one across a change of the clocks, and a perpetual task of
    five minutes, whose body takes a while; each start is exact to the microsecond.
    """
    clock = VirtualClock(start)
    hours, days, rounds = list[datetime](), list[datetime](), list[datetime]()
    expression = "30 2 * * *" if start is SPRING else "30 1 * * *"

    async def hourly(cron: Cron = Cron("0 * * * *", tz="America/New_York")) -> None:
        hours.append(clock.now())

    async def nightly(cron: Cron = Cron(expression, tz=NEW_YORK)) -> None:
        days.append(clock.now())

    async def sweep(perpetual: Perpetual = Perpetual(every=5 * MINUTE, automatic=True)) -> None:
        rounds.append(clock.now())
        await asyncio.sleep(90)

    async with clock, Shadow("week", "memory://week", clock=clock) as shadows:
        for task in (hourly, nightly, sweep):
            shadows.register(task)
        async with working(shadows):
            await clock.advance(WEEK)
    assert hours == [start + HOUR / 2 + n * HOUR for n in range(7 * 24)]
    assert rounds == [start + n * 5 * MINUTE for n in range(7 * 24 * 12 + 1)]
    shown = [moment.astimezone(NEW_YORK) for moment in days]
    assert [(moment.day, moment.strftime("%H:%M %z")) for moment in shown] == nights


async def test_retries_and_time_outs_take_their_own_time() -> None:
    """SEMANTICS, Perpetual: Retry first; the next start counts from the start of the attempt that was the last."""
    clock = VirtualClock(SPRING)
    starts: list[timedelta] = []

    async def fragile(
        perpetual: Perpetual = Perpetual(every=HOUR),
        retry: Retry = Retry(attempts=3, delay=MINUTE),
        limit: Timeout = Timeout(2 * MINUTE),
    ) -> None:
        starts.append(clock.now() - SPRING)
        await asyncio.sleep(3600)

    async with clock, Shadow("week", "memory://week", clock=clock) as shadows:
        execution = await shadows.add(fragile, key="k")()
        async with working(shadows):
            await clock.advance(8 * MINUTE)
            with pytest.raises(TimeoutError):
                await execution.get_result()
            await clock.advance(HOUR + 2 * MINUTE)
            await shadows.cancel("k")
    minutes = [0, 3, 6, 66, 69]
    assert [start / MINUTE for start in starts] == minutes


async def test_a_week_without_workers_is_one_run_or_none() -> None:
    """FAULT 26: the broker's clock alone decides; catching up is one run, and never a burst."""
    clock = VirtualClock(SPRING)
    ran: list[tuple[str, timedelta]] = []

    async def eager(cron: Cron = Cron("0 * * * *")) -> None:
        ran.append(("eager", clock.now() - SPRING))

    async def strict(cron: Cron = Cron("0 * * * *", catch_up=False)) -> None:
        ran.append(("strict", clock.now() - SPRING))

    async with clock, Shadow("week", "memory://week", clock=clock) as shadows:
        shadows.register(eager)
        shadows.register(strict)
        async with working(shadows):
            await clock.advance(HOUR)
        assert ran == [("eager", HOUR / 2), ("strict", HOUR / 2)]
        ran.clear()
        await clock.advance(WEEK)
        async with working(shadows):
            await clock.advance(HOUR)
    assert ran == [("eager", HOUR + WEEK), ("eager", HOUR * 1.5 + WEEK), ("strict", HOUR * 1.5 + WEEK)]


async def test_a_lost_task_is_back_within_a_minute() -> None:
    """INV 26: workers look after their automatic tasks once a minute."""
    clock = VirtualClock(SPRING)
    starts: list[timedelta] = []

    async def sweep(perpetual: Perpetual = Perpetual(every=HOUR, automatic=True)) -> None:
        starts.append(clock.now() - SPRING)

    async with clock, Shadow("week", "memory://week", clock=clock) as shadows:
        shadows.register(sweep)
        async with Worker(shadows) as worker:
            running = asyncio.create_task(worker.run_forever())
            await clock.advance(seconds=90)
            assert await shadows.clear() == 1
            await clock.advance(HOUR)
            execution = await shadows.get_execution("sweep")
            assert execution is not None
            assert execution.state is ExecutionState.SCHEDULED
            worker.stop()
            await running
    assert starts == [timedelta(0), timedelta(seconds=120)]
