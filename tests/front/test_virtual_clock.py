"""A shadow and its workers under the virtual clock: everything at its own exact instant, and in no time."""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from shadows import ConfigurationError, Cron, ExponentialRetry, ResultUnavailable, Retry, Shadow, TaskFailed, Worker
from shadows.engine.seed import Seeder
from shadows.ports.broker import Order
from shadows.testing import VirtualClock
from tests.contract.acts import take_one, worker
from tests.front.acts import HOUR, state_of, working

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

START = datetime(2024, 2, 28, 22, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
MILLISECOND = timedelta(milliseconds=1)
DAY = timedelta(days=1)
LEASE = 5 * MINUTE
"""The length of a lease where a worker is not told otherwise."""


@pytest.fixture
async def clock() -> AsyncIterator[VirtualClock]:
    async with VirtualClock(START) as entered:
        yield entered


@pytest.fixture
async def shadows(clock: VirtualClock) -> AsyncIterator[Shadow]:
    """Give a shadow with the name that every test uses: what it holds ends with the clock."""
    async with Shadow("virtual", "memory://virtual", clock=clock) as entered:
        yield entered


class Log:
    """What happened, and how long after the start."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.lines: list[tuple[str, timedelta]] = []

    def __call__(self, what: str) -> None:
        self.lines.append((what, self.clock.now() - START))

    @property
    def times(self) -> list[timedelta]:
        return [passed for _, passed in self.lines]


@pytest.fixture
def log(clock: VirtualClock) -> Log:
    return Log(clock)


# When things run


async def test_a_scheduled_call_runs_at_its_exact_instant(shadows: Shadow, clock: VirtualClock, log: Log) -> None:
    """Whatever its distance, in whichever order they were placed; its record and its handle say so too."""

    async def body(name: str) -> None:
        log(name)

    async with working(shadows):
        for when in (400 * DAY, MILLISECOND, 36 * MINUTE, timedelta(seconds=59, milliseconds=999)):
            await shadows.add(body, when=when)(str(when))
        execution = await shadows.add(body, when=START + 7 * DAY, key="week")("week")
        await clock.advance(days=401)
    assert log.lines == [
        ("0:00:00.001000", MILLISECOND),
        ("0:00:59.999000", timedelta(seconds=59, milliseconds=999)),
        ("0:36:00", 36 * MINUTE),
        ("week", 7 * DAY),
        ("400 days, 0:00:00", 400 * DAY),
    ]
    assert execution.when == START + 7 * DAY


async def test_bodies_sleep_on_it_and_so_do_their_time_outs(shadows: Shadow, clock: VirtualClock, log: Log) -> None:
    """`asyncio.sleep` and `asyncio.timeout` in a body; started and ended are told to the millisecond."""

    async def body() -> str:
        await asyncio.sleep(3600)
        log("slept")
        try:
            async with asyncio.timeout(1800):
                await asyncio.Event().wait()
        except TimeoutError:
            log("timed out")
        return "done"

    execution = await shadows.add(body)()
    async with working(shadows):
        assert await execution.get_result() == "done"
    assert log.lines == [("slept", HOUR), ("timed out", 1.5 * HOUR)]
    assert (execution.started_at, execution.completed_at) == (START, START + 1.5 * HOUR)


async def test_what_is_placed_between_two_milliseconds_runs_at_a_whole_one(
    shadows: Shadow, clock: VirtualClock, log: Log
) -> None:
    """The broker counts in whole milliseconds; how far off the next one is, is told to the microsecond."""

    async def body() -> None:
        log("body")

    async with working(shadows):
        for _ in range(50):
            await asyncio.sleep(0.000_013_7)
            await shadows.add(body, when=MILLISECOND)()
            await clock.advance(MILLISECOND)
    assert [passed % MILLISECOND for passed in log.times] == [timedelta(0)] * 50


async def test_retries_come_at_their_delays(shadows: Shadow, log: Log) -> None:
    """Fixed ones, and doubling ones up to a day."""

    async def fixed(retry: Retry = Retry(attempts=4, delay=HOUR)) -> None:
        log("fixed")
        raise ValueError

    async def doubling(
        retry: ExponentialRetry = ExponentialRetry(attempts=8, minimum_delay=HOUR, maximum_delay=DAY),
    ) -> None:
        log("doubling")
        raise ValueError

    await shadows.add(fixed)()
    execution = await shadows.add(doubling)()
    async with Worker(shadows) as both:
        await both.run_until_finished()
    assert [passed / HOUR for what, passed in log.lines if what == "fixed"] == [0, 1, 2, 3]
    assert [passed / HOUR for what, passed in log.lines if what == "doubling"] == [0, 1, 3, 7, 15, 31, 55, 79]
    with pytest.raises(ValueError, match=r"^$"):
        await execution.get_result()


async def test_only_so_many_bodies_run_at_once(shadows: Shadow, log: Log) -> None:
    """Ten calls of an hour in three slots take four hours."""

    async def body() -> None:
        await asyncio.sleep(3600)
        log("ended")

    await shadows.add_many(shadows.call(body)() for _ in range(10))
    async with Worker(shadows, concurrency=3) as few:
        await few.run_until_finished()
    assert [passed / HOUR for passed in log.times] == [1, 1, 1, 2, 2, 2, 3, 3, 3, 4]


async def test_plain_functions_take_no_time(shadows: Shadow, clock: VirtualClock, log: Log) -> None:
    """However long a thread really takes, nothing else happens meanwhile; in there, too, one can ask for the time."""

    def body() -> str:
        time.sleep(0.03)
        return clock.now().isoformat()

    async def other() -> None:
        log("other")

    execution = await shadows.add(body, when=HOUR)()
    await shadows.add(other, when=HOUR + MILLISECOND)()
    async with working(shadows):
        assert await execution.get_result() == (START + HOUR).isoformat()
        assert log.lines == []
        await clock.advance(SECOND)
    assert log.times == [HOUR + MILLISECOND]


async def test_advance_leaves_the_workers_at_rest(shadows: Shadow, clock: VirtualClock) -> None:
    """What is due at the very target has run, with all that it sets off at that instant, and is settled."""

    def leaf() -> None: ...

    async def root(depth: int) -> None:
        await shadows.add(root if depth else leaf)(*([depth - 1] if depth else []))

    await shadows.add(root, when=HOUR)(20)
    async with working(shadows), working(shadows):
        await clock.advance(HOUR - MILLISECOND)
        assert (await shadows.snapshot()).total_tasks == 1
        await clock.advance(MILLISECOND)
        assert (await shadows.snapshot()).total_tasks == 0
    assert clock.now() == START + HOUR


async def test_a_worker_that_is_full_leaves_a_due_call_to_another(shadows: Shadow, log: Log) -> None:
    """Who heard of the sooner call is busy when it is due; the other one, who had planned to sleep longer, takes it."""

    async def long() -> None:
        await asyncio.sleep(86_400)

    async def short() -> None:
        log("short")

    async with working(shadows, name="a", concurrency=1), working(shadows, name="b", concurrency=1):
        await shadows.add(short, when=START + 2 * HOUR)()
        await asyncio.sleep(10)
        await shadows.add(short, when=START + HOUR)()
        await asyncio.sleep(10)
        await shadows.add(long)()
        await asyncio.sleep(3 * 3600)
    assert log.times == [HOUR, 2 * HOUR]


# Leases


async def test_a_body_that_sleeps_for_a_day_keeps_its_lease(shadows: Shadow, clock: VirtualClock, log: Log) -> None:
    """INV 12: it is renewed while others look; they find nothing, and it runs once."""

    async def body() -> str:
        log("began")
        await asyncio.sleep(86_400)
        return "slept well"

    execution = await shadows.add(body)()
    async with working(shadows, name="a"), working(shadows, name="b"), working(shadows, name="c"):
        assert await execution.get_result() == "slept well"
    assert (log.times, execution.redelivered) == ([timedelta(0)], False)
    assert clock.now() == START + DAY


async def test_a_worker_that_drains_keeps_the_leases_of_what_it_runs(
    shadows: Shadow, clock: VirtualClock, log: Log
) -> None:
    """INV 12: a drain may take longer than a lease; nobody else starts what is still running."""

    async def body() -> str:
        log("began")
        await asyncio.sleep(3600)
        return "done"

    execution = await shadows.add(body)()
    async with Worker(shadows) as draining:
        run = asyncio.create_task(draining.run_forever())
        await clock.advance(minutes=1)
        draining.stop(within=2 * HOUR)
        async with working(shadows):
            assert await execution.get_result() == "done"
        await run
    assert (log.times, clock.now() - START) == ([timedelta(0)], HOUR)


async def test_a_dead_worker_s_call_is_redelivered_when_its_lease_is_over(
    shadows: Shadow, clock: VirtualClock, log: Log
) -> None:
    """INV 12: not a millisecond before nor after, though the other worker was asleep when the call was taken."""

    async def body() -> None:
        log("ran")
        await asyncio.sleep(3600)

    order = Order(worker(lease=90), 1)
    dying = asyncio.create_task(shadows.backend().broker.claim(order, patience=2 * 86_400))
    await asyncio.sleep(0)
    async with working(shadows):
        await clock.advance(days=1)  # it sleeps, for ever as far as it knows; and who sleeps longest is woken first
        execution = await shadows.add(body)()
        assert [lease.key for lease in (await dying).leases] == [execution.key]
        await clock.advance(minutes=2)
        await execution.sync()
        assert execution.redelivered
        await clock.advance(hours=1)
    assert log.times == [DAY + timedelta(seconds=90, milliseconds=1)]


async def test_a_lease_that_went_to_somebody_else_cancels_the_body(shadows: Shadow, clock: VirtualClock) -> None:
    """INV 12, the loser's side: a renewal tells that the lease is gone."""
    cancelled: list[datetime] = []

    async def body() -> None:
        try:
            await asyncio.sleep(86_400)
        except asyncio.CancelledError:
            cancelled.append(clock.now())
            raise

    await shadows.add(body, key="k")()
    async with working(shadows):
        await clock.advance(minutes=1)
        store: Any = shadows.backend().broker.store  # type: ignore[attr-defined]
        (hold,) = store.held.values()
        hold.holder = worker("thief")
        await clock.advance(LEASE / 4)
        assert len(cancelled) == 1
    assert START + MINUTE < cancelled[0] <= START + MINUTE + LEASE / 4


# What is kept for a while


async def test_records_and_results_expire(shadows: Shadow, clock: VirtualClock) -> None:
    """SPEC, state: 15 minutes after the end, whatever else happens."""

    async def body() -> str:
        return "result"

    execution = await shadows.add(body, key="k")()
    async with working(shadows):
        await clock.advance(15 * MINUTE - MILLISECOND)
        assert await execution.get_result() == "result"
        await clock.advance(MILLISECOND)
        assert await shadows.get_execution("k") is None
        with pytest.raises(ResultUnavailable):
            await execution.get_result()


async def test_an_unknown_task_is_given_up_in_time_and_forgotten_after_a_week(
    shadows: Shadow, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEMANTICS, unknown task and dead letter: both go by the same clock."""
    monkeypatch.setenv("SHADOW_UNKNOWN_TASK_TTL", "1h")
    producer = Shadow("virtual", "memory://virtual", clock=clock, allow_unknown=True)
    async with producer, working(producer):
        execution = await producer.add("nobody_knows", key="k")()
        await clock.advance(HOUR - MINUTE)
        assert await state_of(shadows, "k") == "scheduled"
        with pytest.raises(TaskFailed, match="unknown-task"):
            await execution.get_result()
        assert clock.now() - START < HOUR + 2 * MINUTE
        await clock.advance(7 * DAY - MINUTE)
        assert (await shadows.snapshot()).dead == 1
        await clock.advance(2 * MINUTE)
        assert (await shadows.snapshot()).dead == 0


async def test_an_idle_worker_is_here_and_a_silent_one_is_not(shadows: Shadow, clock: VirtualClock) -> None:
    """INV 34: it sends no heartbeats while it sleeps for a week, but it would."""
    silent = worker("silent")
    async with working(shadows, name="idle"), working(shadows, name="other") as other:
        await shadows.backend().presence.check_in(silent, [], horizon=shadows.calls.options.presence_horizon)
        await clock.advance(10 * SECOND)
        assert {one.name for one in await shadows.workers()} == {"idle", "other", "silent"}
        await clock.advance(MILLISECOND)
        assert {one.name for one in await shadows.workers()} == {"idle", "other"}
        await clock.advance(days=7)
        assert [one.last_seen for one in await shadows.workers()] == [clock.now()] * 2
        other.stop()
        await clock.advance()
        await clock.advance(10 * SECOND)
        assert await shadows.task_workers("nothing") == []


# Waiting and ending


async def test_who_waits_for_a_result_waits_in_virtual_time(shadows: Shadow, clock: VirtualClock) -> None:
    """With a timeout, with a deadline, and for as long as it takes."""

    async def body() -> int:
        return 42

    execution = await shadows.add(body, when=7 * DAY)()
    async with working(shadows):
        with pytest.raises(TimeoutError):
            await execution.get_result(timeout=HOUR)
        assert clock.now() == START + HOUR
        with pytest.raises(TimeoutError):
            await execution.get_result(deadline=START + 2 * HOUR)
        assert clock.now() == START + 2 * HOUR
        assert await execution.get_result(deadline=START + 8 * DAY) == 42
        assert clock.now() == START + 7 * DAY


async def test_workers_return_when_nothing_is_left(shadows: Shadow, clock: VirtualClock, log: Log) -> None:
    """SEMANTICS, run_until_finished: each of them at the instant at which the last call ends, wherever that ran."""

    async def body() -> None:
        await asyncio.sleep(3600)
        log("body")

    async def work(name: str) -> None:
        async with Worker(shadows, name=name) as one:
            await one.run_until_finished()
        log(name)

    await shadows.add(body, when=DAY)()
    async with asyncio.TaskGroup() as group:
        for name in ("a", "b", "c"):
            group.create_task(work(name))
    assert log.lines[0] == ("body", DAY + HOUR)
    assert sorted(log.lines[1:]) == [(name, DAY + HOUR) for name in ("a", "b", "c")]


async def test_a_worker_that_is_told_to_stop_drains_in_virtual_time(
    shadows: Shadow, clock: VirtualClock, log: Log
) -> None:
    """INV 36: the limit of the drain passes, then the body is cancelled and its call handed back."""

    async def body() -> None:
        try:
            await asyncio.sleep(86_400)
        finally:
            log("cancelled")

    async with Worker(shadows) as one:
        run = asyncio.create_task(one.run_forever())
        await shadows.add(body, key="k")()
        await clock.advance(HOUR)
        one.stop(within=30 * SECOND)
        await run
    assert log.times == [HOUR + 30 * SECOND]
    assert await state_of(shadows, "k") == "queued"


async def test_a_worker_that_stops_waits_for_no_future_work(shadows: Shadow, clock: VirtualClock) -> None:
    """INV 36: what is scheduled is left to whoever is there when it is due."""

    async def later() -> None: ...

    await shadows.add(later, when=HOUR, key="k")()
    async with Worker(shadows) as one:
        run = asyncio.create_task(one.run_forever())
        await clock.advance(minutes=1)
        one.stop()
        async with asyncio.timeout(1):
            await run
    assert clock.now() == START + MINUTE
    assert await state_of(shadows, "k") == "scheduled"


async def test_a_running_body_hears_of_its_cancel_at_once(shadows: Shadow, clock: VirtualClock, log: Log) -> None:
    """SEMANTICS, wake-ups: through the inbox of a worker whose slots are all taken."""

    async def body() -> None:
        try:
            await asyncio.sleep(86_400)
        finally:
            log("cancelled")

    async with working(shadows, concurrency=1):
        await shadows.add(body, key="k")()
        await clock.advance(HOUR)
        await shadows.cancel("k")
        await clock.advance()
    assert log.times == [HOUR]


# How much it costs


async def test_an_idle_week_costs_next_to_nothing(
    clock: VirtualClock, shadows: Shadow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither idle workers nor who waits for a result look by themselves, though one look a second is the rule."""
    steps = 0
    ask = VirtualClock.milliseconds

    def count(self: VirtualClock) -> float:
        nonlocal steps
        steps += 1
        return ask(self)

    async def body() -> None: ...

    monkeypatch.setattr(VirtualClock, "milliseconds", count)
    async with Shadow("other", "memory://virtual", clock=clock) as counted, working(counted), working(counted):
        execution = await counted.add(body, when=7 * DAY)()
        waiter = asyncio.create_task(execution.get_result())
        await clock.advance(days=8)
        await waiter
        assert steps < 100


async def test_a_full_worker_does_not_look_for_what_it_cannot_take(
    shadows: Shadow, clock: VirtualClock, log: Log
) -> None:
    """The lease of a dead worker has been over for a day when the only slot is free again."""

    async def body(name: str) -> None:
        log(name)
        await asyncio.sleep(86_400)

    await shadows.add(body)("left behind")
    await take_one(shadows.backend().broker, worker(lease=60))
    await shadows.add(body)("its own")
    async with working(shadows, concurrency=1) as full:
        await clock.advance(hours=1)
        looked = full._loop and full._loop.signs.looked
        await clock.advance(hours=22)
        assert looked == (full._loop and full._loop.signs.looked)
        await clock.advance(hours=2)
    assert log.lines == [("its own", timedelta(0)), ("left behind", DAY)]


async def test_what_moves_no_timer_really_waits(shadows: Shadow, clock: VirtualClock) -> None:
    """With idle workers time does not run away while a test waits for something from outside."""
    heard = asyncio.Event()

    async def body() -> None:
        await asyncio.sleep(600)

    async with working(shadows):
        await (await shadows.add(body)()).get_result()
        await clock.advance(hours=1)
        timer = threading.Timer(0.03, asyncio.get_running_loop().call_soon_threadsafe, [heard.set])
        timer.start()
        await heard.wait()
        timer.join()
        assert clock.now() - START == HOUR + 10 * MINUTE


# What goes with it


@pytest.mark.parametrize("url", ["redis://localhost:6379/0", "valkey://localhost", "unix:///tmp/none"])
def test_a_server_has_a_time_of_its_own(url: str) -> None:
    """The message names the clock, the URL and what it works with."""
    with pytest.raises(ConfigurationError, match=r"clock=<VirtualClock.* only with memory://.*" + url[:6]):
        Shadow("shop", url, clock=VirtualClock())


def test_a_pool_leads_to_a_server_whatever_the_url_says() -> None:
    """So it has a time of its own too."""
    with pytest.raises(ConfigurationError, match=r"only with memory://.*\(connection_pool\)"):
        Shadow("shop", "memory://x", connection_pool=object(), clock=VirtualClock())


async def test_all_shadows_of_one_name_share_one_clock(shadows: Shadow) -> None:
    """Who left it out is told at once, and not by a call that never comes due."""
    other = Shadow("virtual", "memory://virtual")
    with pytest.raises(ConfigurationError, match="memory://virtual/virtual goes by <VirtualClock"):
        await other.__aenter__()


async def test_a_clock_that_was_not_entered_moves_nothing() -> None:
    """A shadow would wait for ever."""
    with pytest.raises(RuntimeError, match="does not rule this event loop"):
        await Shadow("shop", "memory://virtual", clock=VirtualClock()).__aenter__()


# Automatic tasks


async def test_who_waits_for_a_cron_task_looks_after_it_no_more_often_than_it_runs(
    shadows: Shadow, clock: VirtualClock, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A week takes milliseconds with one too; on a server its workers look every minute, for it may have been lost."""
    looks: list[int] = []
    look = Seeder.seed

    async def counted(self: Seeder, *, restart: bool) -> None:
        looks.append(1)
        await look(self, restart=restart)

    monkeypatch.setattr(Seeder, "seed", counted)

    @shadows.register
    async def morning(cron: Cron = Cron("0 7 * * *")) -> None:
        log("morning")

    async with working(shadows):
        await clock.advance(days=7)
    assert log.times == [day * DAY + 9 * HOUR for day in range(7)]
    assert len(looks) == 1


async def test_an_automatic_task_that_was_lost_is_back_when_somebody_would_have_looked(
    shadows: Shadow, clock: VirtualClock, log: Log
) -> None:
    """INV 26: as on a server, at the next full minute of its worker; not before, and not when somebody decided so."""

    @shadows.register
    async def morning(cron: Cron = Cron("0 7 * * *")) -> None:
        log("morning")

    async with working(shadows):
        for passed, left in ((90, 30), (0, 60)):
            await clock.advance(seconds=passed)
            assert await shadows.clear() == 1
            await clock.advance(seconds=left - 0.001)
            assert await state_of(shadows, "morning") == "cancelled"
            await clock.advance(seconds=0.001)
            assert await state_of(shadows, "morning") == "scheduled"
        await shadows.cancel("morning")
        await clock.advance(days=7)
    assert log.lines == []
