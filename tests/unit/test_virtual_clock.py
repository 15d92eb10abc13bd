"""The virtual clock by itself: what it does to an event loop, and that it undoes it."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, cast

import pytest

from shadows.adapters.memory import open_backend
from shadows.adapters.memory.store import store_named
from shadows.adapters.memory.virtual_time import RESOLUTION, VirtualTime
from shadows.errors import ConfigurationError
from shadows.ports.backend import Terms
from shadows.ports.broker import Order
from shadows.testing import VirtualClock
from tests.contract.acts import call, done, place, settle, take_one, worker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

START = datetime(2024, 2, 28, 22, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
async def clock() -> AsyncIterator[VirtualClock]:
    """Give a clock that rules the loop of the test, as a fixture of pytest-asyncio does."""
    async with VirtualClock(START) as entered:
        yield entered


class Log:
    """What happened, and at what instant."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.lines: list[tuple[str, timedelta]] = []

    def __call__(self, what: str) -> None:
        self.lines.append((what, self.clock.now() - START))


# Time


async def test_time_begins_where_one_says_and_passes_when_somebody_sleeps(clock: VirtualClock) -> None:
    """Aware, in UTC, exact; both clocks and the loop's own agree."""
    assert (clock.now(), clock.now().tzinfo) == (START, UTC)
    before, loop = clock.monotonic(), asyncio.get_running_loop()
    await asyncio.sleep(3 * 3600)
    assert clock.now() == datetime(2024, 2, 29, 1, tzinfo=UTC)
    assert clock.monotonic() - before == pytest.approx(3 * 3600)
    assert loop.time() == clock.monotonic()
    assert "2024-02-29 01:00:00" in repr(clock)


async def test_time_begins_now_where_nobody_says_when() -> None:
    """In whole milliseconds, as the broker counts; a zone is converted; a time without one is refused."""
    before = datetime.now(UTC)
    now = VirtualClock().now()
    assert before - timedelta(milliseconds=1) < now < before + timedelta(seconds=5)
    assert now.microsecond % 1000 == 0
    assert VirtualClock(datetime(2024, 1, 1, tzinfo=timezone(HOUR))).now() == datetime(2023, 12, 31, 23, tzinfo=UTC)
    with pytest.raises(ConfigurationError, match=r"start=.*naive"):
        VirtualClock(datetime(2024, 1, 1))  # noqa: DTZ001 - the point


async def test_time_stands_still_while_anything_is_ready(clock: VirtualClock) -> None:
    """A timer may be near, but whatever can run without it runs first."""
    timer = asyncio.create_task(asyncio.sleep(0.000_001))
    await asyncio.sleep(0)
    for _ in range(1000):
        await asyncio.sleep(0)
    assert (clock.now(), timer.done()) == (START, False)
    await timer
    assert clock.now() == START + timedelta(microseconds=1)


async def test_everything_runs_in_order_at_its_own_instant(clock: VirtualClock) -> None:
    """Each sleeper wakes at its moment, and those of one moment in the order in which they fell asleep."""
    log = Log(clock)

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(seconds)
        log(str(seconds))

    async with asyncio.TaskGroup() as group:
        for seconds in (86_400, 0.25, 3600, 0.25, 59.999_999):
            group.create_task(sleep(seconds))
    assert [(what, passed.total_seconds()) for what, passed in log.lines] == [
        ("0.25", 0.25),
        ("0.25", 0.25),
        ("59.999999", 59.999999),
        ("3600", 3600),
        ("86400", 86_400),
    ]


async def test_no_rounding_adds_up(clock: VirtualClock) -> None:
    """Time moves in whole microseconds, so ten thousand steps of a tenth are exactly a thousand seconds."""
    for _ in range(10_000):
        await asyncio.sleep(0.1)
    assert clock.now() == START + timedelta(seconds=1000)


@pytest.mark.parametrize("seconds", [1 / 3, 2 / 3, 1e-7, 1.4999995, 1.0000005, math.pi])
async def test_a_part_of_a_microsecond_is_rounded(clock: VirtualClock, seconds: float) -> None:
    """It must not keep the loop from ever finding the timer due."""
    await asyncio.sleep(seconds)
    passed = (clock.now() - START).total_seconds()
    assert abs(passed - seconds) <= 1e-6


@pytest.mark.parametrize("origin", [0, 123_456_789, 10**12 + 1, 3 * 10**14])
def test_a_timer_is_due_at_the_moment_to_which_time_jumps(origin: int) -> None:
    """The loop compares floats; if it found the timer not yet due there, it would ask again for ever."""
    ruler = VirtualTime(10**15)
    ruler._origin = origin
    for half in range(1000):
        when = (origin + half / 2) / 1_000_000
        ruler.passed = ruler._moment(when) or 0
        assert when < ruler.time() + RESOLUTION
        assert abs(ruler.passed - half / 2) <= 1


async def test_time_outs_go_by_it(clock: VirtualClock) -> None:
    """`asyncio.timeout` ends an endless wait after its virtual while."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(HOUR.total_seconds()):
            await asyncio.Event().wait()
    assert clock.now() == START + HOUR


async def test_who_sleeps_for_ever_does_not_move_it(clock: VirtualClock) -> None:
    """Nor does a timer beyond the last year that there is; what is nearer still comes."""
    sleepers = [asyncio.create_task(asyncio.sleep(seconds)) for seconds in (math.inf, 1e12, 3600)]
    await sleepers[2]
    timer = threading.Timer(0.02, asyncio.get_running_loop().call_soon_threadsafe, [sleepers[1].cancel])
    timer.start()
    await asyncio.wait({sleepers[1]})  # nothing is left to jump to, so the loop really waits
    timer.join()
    assert clock.now() == START + HOUR
    sleepers[0].cancel()


async def test_it_works_in_debug_mode(clock: VirtualClock, caplog: pytest.LogCaptureFixture) -> None:
    """There asyncio measures each callback by the loop's time."""
    asyncio.get_running_loop().set_debug(True)
    await asyncio.sleep(3600)
    await asyncio.to_thread(time.sleep, 0)
    assert clock.now() == START + HOUR
    assert caplog.records == []


# Advancing


async def test_advance_returns_when_all_that_was_due_has_run(clock: VirtualClock) -> None:
    """Also what is due at the very target, whatever it sets off there, and nothing that comes later."""
    log = Log(clock)

    async def chain() -> None:
        for _ in range(50):
            await asyncio.sleep(0)
        await asyncio.to_thread(time.sleep, 0.001)
        log("chain")

    def due(what: str) -> None:
        log(what)
        tasks.append(asyncio.ensure_future(chain()))

    tasks: list[asyncio.Task[None]] = []
    loop = asyncio.get_running_loop()
    for seconds in (7200, 3600.000_001, 3600, 1800):
        loop.call_later(seconds, due, str(seconds))
    await clock.advance(hours=1)
    assert clock.now() == START + HOUR
    assert [what for what, _ in log.lines] == ["1800", "chain", "3600", "chain"]
    await clock.advance(timedelta(minutes=30), minutes=29, seconds=60)
    assert clock.now() == START + 2 * HOUR
    assert [(what, passed // HOUR) for what, passed in log.lines[4:]] == [
        ("3600.000001", 1),
        ("chain", 1),
        ("7200", 2),
        ("chain", 2),
    ]


async def test_advance_by_nothing_runs_what_is_due_now(clock: VirtualClock) -> None:
    """It is how a test lets its workers come to rest."""
    log = Log(clock)

    async def chain() -> None:
        for _ in range(20):
            await asyncio.sleep(0)
        log("done")
        await asyncio.sleep(0.001)
        log("later")

    task = asyncio.create_task(chain())
    await clock.advance()
    assert log.lines == [("done", timedelta(0))]
    task.cancel()


async def test_several_may_advance_at_once(clock: VirtualClock) -> None:
    """Each returns at its own target, soonest first; at the same one in the order in which they asked."""
    log = Log(clock)

    async def advance(what: str, span: timedelta) -> None:
        await clock.advance(span)
        log(what)

    async with asyncio.TaskGroup() as group:
        for what, hours in (("a", 2), ("b", 1), ("c", 2), ("d", 0)):
            group.create_task(advance(what, hours * HOUR))
    assert log.lines == [("d", 0 * HOUR), ("b", HOUR), ("a", 2 * HOUR), ("c", 2 * HOUR)]


async def test_who_no_longer_advances_holds_nobody_up(clock: VirtualClock) -> None:
    """A cancelled one is no moment to stop at."""
    gone = asyncio.create_task(clock.advance(minutes=1))
    await asyncio.sleep(0)
    gone.cancel()
    await clock.advance(hours=1)
    assert (gone.cancelled(), clock.now()) == (True, START + HOUR)


@pytest.mark.parametrize(
    ("span", "message"), [(timedelta(seconds=-1), "advance=.*negative"), (timedelta(days=3_000_000), "year 9999")]
)
async def test_a_span_that_leads_nowhere_is_refused(clock: VirtualClock, span: timedelta, message: str) -> None:
    """Time never goes back, and ends where datetimes do."""
    with pytest.raises(ConfigurationError, match=message):
        await clock.advance(span)
    assert clock.now() == START


# Jobs in executors


@pytest.mark.parametrize("own", [True, False])
async def test_time_stands_still_until_a_job_has_ended(clock: VirtualClock, *, own: bool) -> None:
    """In an executor of one's own and in the loop's: whatever it does takes no time, though a timer is near."""
    log = Log(clock)
    asyncio.get_running_loop().call_later(0.001, log, "timer")

    def work() -> str:
        time.sleep(0.03)
        return clock.now().isoformat()

    with ThreadPoolExecutor(1) as pool:
        told = await asyncio.get_running_loop().run_in_executor(pool if own else None, work)
    assert (told, log.lines) == (START.isoformat(), [])
    await clock.advance(seconds=1)
    assert log.lines == [("timer", timedelta(milliseconds=1))]


async def test_a_job_holds_time_though_nobody_waits_for_it_any_more(clock: VirtualClock) -> None:
    """A thread cannot be cancelled: until it returns, time stands still."""
    began, go, ended = asyncio.Event(), threading.Event(), list[timedelta]()
    loop = asyncio.get_running_loop()

    def work() -> None:
        loop.call_soon_threadsafe(began.set)
        go.wait(5)
        ended.append(clock.now() - START)

    job = asyncio.create_task(asyncio.to_thread(work))
    await began.wait()
    job.cancel()
    timer = threading.Timer(0.02, go.set)
    timer.start()
    await asyncio.sleep(3600)
    timer.join()
    assert ended == [timedelta(0)]
    assert clock.now() == START + HOUR


async def test_a_job_that_never_began_holds_nothing_once_it_is_cancelled(clock: VirtualClock) -> None:
    """It waited behind another one, which holds time until it returns."""
    go, loop = threading.Event(), asyncio.get_running_loop()
    with ThreadPoolExecutor(1) as pool:
        first = loop.run_in_executor(pool, go.wait, 5)
        second = loop.run_in_executor(pool, time.sleep, 0)
        second.cancel()
        await asyncio.sleep(0)
        go.set()
        await asyncio.sleep(3600)
        assert (first.result(), second.cancelled(), clock.now()) == (True, True, START + HOUR)


async def test_a_job_that_fails_has_ended_too(clock: VirtualClock) -> None:
    """Its exception comes back, and time goes on."""
    with pytest.raises(ZeroDivisionError):
        await asyncio.to_thread(lambda: 1 / 0)
    await asyncio.sleep(3600)
    assert clock.now() == START + HOUR


def test_a_job_may_outlive_its_loop() -> None:
    """A thread that nobody waits for ends after the loop was closed: there is nothing left to tell it."""
    go, pool = threading.Event(), ThreadPoolExecutor(1)

    async def begin() -> None:
        async with VirtualClock():
            loop = asyncio.get_running_loop()
            loop.run_in_executor(pool, go.wait, 5).cancel()
            await asyncio.sleep(0)

    asyncio.run(begin())
    go.set()
    pool.shutdown()


# What wakes the loop


@pytest.mark.parametrize("busy", [True, False])
async def test_other_threads_wake_it(clock: VirtualClock, *, busy: bool) -> None:
    """Where nothing is left to jump to, or a job is under way, the loop really waits, and can be woken."""
    heard, go, loop = asyncio.Event(), threading.Event(), asyncio.get_running_loop()
    job = loop.run_in_executor(None, go.wait, 5) if busy else None
    timer = threading.Timer(0.02, loop.call_soon_threadsafe, [heard.set])
    timer.start()
    await heard.wait()
    assert clock.now() == START
    go.set()
    if job is not None:
        await job
    timer.join()


async def test_signals_wake_it(clock: VirtualClock) -> None:
    """Signal handlers of the loop run, although it waits for a job."""
    heard, go, loop = asyncio.Event(), threading.Event(), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, heard.set)
    job = loop.run_in_executor(None, go.wait, 5)
    timer = threading.Timer(0.02, os.kill, [os.getpid(), signal.SIGUSR1])
    timer.start()
    await heard.wait()
    go.set()
    assert await job
    timer.join()
    loop.remove_signal_handler(signal.SIGUSR1)


async def test_sockets_are_heard_between_the_jumps(clock: VirtualClock) -> None:
    """What has arrived is read before time passes."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(0)
        theirs.send(b"hello")
        assert await asyncio.get_running_loop().sock_recv(ours, 5) == b"hello"
    assert clock.now() == START


# Entering and leaving


async def test_leaving_gives_the_loop_its_own_time_back() -> None:
    """Nothing is left of the clock, and timers that wait on have as long to wait as before."""
    loop: Any = asyncio.get_running_loop()
    touched = dict(vars(loop)), dict(vars(loop._selector))
    begun = asyncio.get_running_loop().time()
    async with VirtualClock() as clock:
        left = loop.call_later(7 * 86_400 + 3600, print)
        await clock.advance(days=7)
        assert loop.time() - begun == pytest.approx(7 * 86_400, abs=5)
    assert loop.time() - begun < 5
    assert left.when() - loop.time() == pytest.approx(3600, abs=5)
    left.cancel()
    untouched = dict(vars(loop)), dict(vars(loop._selector))
    assert [set(now) ^ set(then) for now, then in zip(untouched, touched, strict=True)] == [set(), set()]
    assert loop._clock_resolution == touched[0]["_clock_resolution"]
    await asyncio.sleep(0.001)
    assert clock.now() > datetime.now(UTC) + timedelta(days=6)  # it still tells how far it came


async def test_who_waits_for_a_moment_that_never_comes_is_told() -> None:
    """The clock was left before."""
    async with VirtualClock() as clock:
        waiter = asyncio.create_task(clock.advance(days=1))
        gone = asyncio.create_task(clock.advance(days=1))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="left before"):
        await waiter


async def test_a_loop_has_one_virtual_clock_at_a_time(clock: VirtualClock) -> None:
    """A second one is refused and changes nothing; a later one is welcome."""
    with pytest.raises(ConfigurationError, match="virtual already"):
        await VirtualClock().__aenter__()
    await asyncio.sleep(3600)
    assert clock.now() == START + HOUR


async def test_a_clock_is_entered_once() -> None:
    """Time never goes back, so it cannot begin anew; before and after, it cannot be advanced."""
    clock = VirtualClock()
    with pytest.raises(RuntimeError, match="does not rule this event loop"):
        await clock.advance(hours=1)
    async with clock:
        with pytest.raises(RuntimeError, match="entered before"):
            await clock.__aenter__()
        await clock.advance(hours=1)
    with pytest.raises(RuntimeError, match="does not rule this event loop"):
        await clock.advance(hours=1)
    with pytest.raises(RuntimeError, match="entered before"):
        await clock.__aenter__()
    async with VirtualClock() as other:
        await other.advance(hours=1)


def test_another_kind_of_loop_is_refused() -> None:
    """Uvloop and its kind keep their timers to themselves: the message says what it is and what to do."""

    class OtherLoop:
        pass

    asyncio._set_running_loop(cast("Any", OtherLoop()))
    try:
        with pytest.raises(ConfigurationError, match=r"OtherLoop; run the test on asyncio's own"):
            cast("Any", VirtualClock().__aenter__()).send(None)
    finally:
        asyncio._set_running_loop(None)


def test_it_works_where_a_loop_is_run_piece_by_piece() -> None:
    """Without `asyncio.run`: between the pieces nothing passes."""
    with asyncio.Runner() as runner:
        clock = VirtualClock(START)
        runner.run(clock.__aenter__())
        runner.run(asyncio.sleep(3600))
        time.sleep(0.002)
        assert clock.now() == START + HOUR
        runner.run(clock.advance(hours=1))
        assert clock.now() == START + 2 * HOUR
        runner.run(clock.__aexit__(None, None, None))


# Memory that goes by it


async def test_a_store_goes_by_one_clock(clock: VirtualClock) -> None:
    """Two that go by different ones would not agree on what is due: the message names both, and the remedy."""
    await place(open_backend("keeper/one", Terms(), keeper=clock).broker, call("k"))
    assert await open_backend("keeper/one", Terms(), keeper=clock).broker.read("k") is not None
    with pytest.raises(ConfigurationError, match=r"memory://keeper/one goes by <VirtualClock.*not by the real time"):
        open_backend("keeper/one", Terms())
    open_backend("keeper/two", Terms())
    with pytest.raises(ConfigurationError, match=r"keeper/two goes by the real time already, not by <VirtualClock"):
        open_backend("keeper/two", Terms(), keeper=clock)


async def test_a_store_ends_with_its_clock() -> None:
    """The next test may use the same name: nothing is left there, and it may go by any clock."""
    for _ in range(2):
        async with VirtualClock() as clock:
            broker = open_backend("keeper/three", Terms(), keeper=clock).broker
            assert await broker.read("k") is None
            await place(broker, call("k"))
    assert await open_backend("keeper/three", Terms()).broker.read("k") is None
    assert store_named("keeper/three").keeper is None


async def test_a_claim_that_sleeps_stands_for_heartbeats(clock: VirtualClock) -> None:
    """The holder is here for as long as it sleeps, also for whoever sweeps out the silent, and not for ever after."""
    backend, who, horizon = open_backend("keeper/five", Terms(), keeper=clock), worker(), 10_000
    order = Order(who, 1, sweep="-", horizon=horizon)
    await backend.presence.check_in(who, ["task"], horizon=horizon)
    claim = asyncio.create_task(backend.broker.claim(order, patience=1))
    await clock.advance(days=1)
    await backend.broker.ring(who)
    assert (await claim).enrolled
    claim = asyncio.create_task(backend.broker.claim(order, patience=1))
    await clock.advance(days=1)
    await backend.presence.check_in(worker(), [], horizon=horizon)
    assert who.id in {one.holder for one in await backend.presence.roster(horizon=horizon)}
    await backend.broker.ring(who)
    await claim
    await clock.advance(seconds=10)
    assert who.id in {one.holder for one in await backend.presence.roster(horizon=horizon)}
    await clock.advance(seconds=1)
    assert await backend.presence.roster(horizon=horizon) == []


async def test_a_claim_that_does_not_sweep_has_its_patience(clock: VirtualClock) -> None:
    """While others hold leases: it would leave them alone when they have expired.  If nobody does, it sleeps on."""
    broker = open_backend("keeper/six", Terms(), keeper=clock).broker
    await place(broker, call("k"), call("later", after=3600))
    other = worker(lease=7200)
    lease = await take_one(broker, other)
    await broker.claim(Order(worker(), 1), patience=5)
    assert clock.now() == START + timedelta(seconds=5)
    await settle(broker, other, lease, done())
    await broker.claim(Order(worker(), 1), patience=5)
    assert clock.now() == START + HOUR


async def test_memory_goes_only_by_a_clock_that_rules_this_loop() -> None:
    """Under any other one, nothing would ever be due."""
    with pytest.raises(RuntimeError, match="does not rule this event loop"):
        open_backend("keeper/four", Terms(), keeper=VirtualClock())
