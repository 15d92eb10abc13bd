"""What only the in-process backend has to prove: one store, many threads and loops, no growth."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import attrs
import pytest

from shadows.adapters.clock import SystemClock, milliseconds
from shadows.adapters.memory import open_backend
from shadows.adapters.memory.store import store_named
from shadows.core import verdict
from shadows.core.holder import Holder, holder
from shadows.core.scheduling import AT_ONCE, Due
from shadows.core.verdict import Occurrence
from shadows.errors import ConfigurationError
from shadows.ports.backend import Backend, Terms
from shadows.ports.broker import Claim, Entry, OnLive, Order, Placed
from shadows.ports.looking import Part

if TYPE_CHECKING:
    from collections.abc import Callable

LONG = 20.0
"""Seconds of patience that no test uses up."""
QUICK = 5.0
"""Seconds within which a wake-up must have come; a lost one would take LONG."""

_numbers = itertools.count(1)


@attrs.define
class Hands:
    """A clock that stands still until a test moves it."""

    ms: float = 1_900_000_000_000

    def __call__(self) -> float:
        return self.ms


@pytest.fixture
def name() -> str:
    return f"unit-{next(_numbers)}"


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def backend(name: str, hands: Hands) -> Backend:
    return open_backend(name, Terms(), clock=hands)


def worker(lease: float = 30) -> Holder:
    return holder("w", timedelta(seconds=lease), nonce=str(next(_numbers)))


def in_a_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


async def asleep(name: str, count: int = 1) -> None:
    """Return when so many claims sleep at the store."""
    while len(store_named(name).bells.sleepers) < count:  # noqa: ASYNC110  # it has no event to tell
        await asyncio.sleep(0.001)


async def test_backends_of_one_name_share_a_store_and_others_do_not(name: str, backend: Backend) -> None:
    """`memory://name` is one place for the whole process, and survives those who opened it."""
    async with open_backend(name, Terms()) as first:
        await first.broker.schedule([Entry("a", b"1")])
    assert await backend.broker.read("a") is not None
    assert await open_backend(name + "x", Terms()).broker.read("a") is None


async def test_a_backend_for_a_worker_is_another_one_on_the_same_store(backend: Backend) -> None:
    """There are no connections to have of one's own; what is placed here is claimed there."""
    theirs = backend.for_worker()
    assert theirs is not backend
    await backend.broker.schedule([Entry("a", b"1")])
    assert len((await theirs.broker.claim(Order(worker(), 1))).leases) == 1


def test_there_is_no_client_of_a_server(backend: Backend) -> None:
    """Commands of one's own need a server; the error names the URL and the remedy."""
    with pytest.raises(ConfigurationError, match=r"memory://unit-\d+ .*redis://"):
        backend.client()


def test_a_backend_shows_no_arguments(backend: Backend) -> None:
    """A representation names the store and nothing that lies in it."""
    asyncio.run(backend.broker.schedule([Entry("a", b"secret")]))
    shown = repr(backend) + repr(backend.broker)
    assert "queued=1" in shown
    assert "secret" not in shown


async def test_a_placement_wakes_a_claim_on_another_event_loop(name: str, backend: Backend) -> None:
    """The producer's thread runs a loop of its own."""
    claim = asyncio.create_task(backend.broker.claim(Order(worker(), 5), patience=LONG))
    await asleep(name)
    thread = in_a_thread(lambda: asyncio.run(backend.broker.schedule([Entry("a", b"1")])))
    answer = await asyncio.wait_for(claim, QUICK)
    thread.join()
    assert [lease.key for lease in answer.leases] == ["a"]


@pytest.mark.parametrize("limit", [0, 5])
async def test_a_ring_ends_the_wait_of_its_holder_only(name: str, backend: Backend, limit: int) -> None:
    """Also of a claim that cannot take calls."""
    mine, other = worker(), worker()
    waiting = asyncio.create_task(backend.broker.claim(Order(other, 5), patience=LONG))
    claim = asyncio.create_task(backend.broker.claim(Order(mine, limit), patience=LONG))
    await asleep(name, 2)
    await backend.broker.ring(mine)
    await asyncio.wait_for(claim, QUICK)
    assert not waiting.done()
    await backend.broker.ring(other)
    await asyncio.wait_for(waiting, QUICK)


async def test_a_ring_that_nobody_hears_ends_the_next_wait_and_no_more(backend: Backend) -> None:
    """The claim may be on its way when the bell rings."""
    who = worker()
    await backend.broker.ring(who)
    await asyncio.wait_for(backend.broker.claim(Order(who, 1), patience=LONG), QUICK)
    began = time.monotonic()
    await backend.broker.claim(Order(who, 1), patience=0.05)
    assert time.monotonic() - began >= 0.045


async def test_a_cancel_reaches_a_holder_whose_slots_are_all_taken(name: str, backend: Backend) -> None:
    """A claim for no calls wakes for the message, but not for calls."""
    who = worker()
    await backend.broker.schedule([Entry("a", b"1")])
    lease = (await backend.broker.claim(Order(who, 1))).leases[0]
    claim = asyncio.create_task(backend.broker.claim(Order(who, 0), patience=LONG))
    await asleep(name)
    await backend.broker.schedule([Entry("b", b"2")])
    await asyncio.sleep(0.01)
    assert not claim.done()
    await backend.broker.cancel("a")
    answer = await asyncio.wait_for(claim, QUICK)
    assert answer.cancels == (("a", lease.fence),)
    assert answer.leases == ()


async def test_a_message_is_left_to_the_claim_that_waits_for_it(name: str, backend: Backend) -> None:
    """A turn beside the claim that listens takes nothing from it; after a broken trip all is told again."""
    who = worker()
    await backend.broker.schedule([Entry("a", b"1")])
    lease = (await backend.broker.claim(Order(who, 1))).leases[0]
    listening = asyncio.create_task(backend.broker.claim(Order(who, 0), patience=LONG))
    await asleep(name)
    await backend.broker.cancel("a")
    _, beside = await backend.broker.turn([], Order(who, 1, hear=False))
    assert beside.cancels == ()
    assert (await asyncio.wait_for(listening, QUICK)).cancels == (("a", lease.fence),)
    assert (await backend.broker.claim(Order(who, 1))).cancels == ()
    assert (await backend.broker.claim(Order(who, 1, known=(lease.token,)))).cancels == (("a", lease.fence),)


async def test_what_is_ready_or_said_already_is_not_waited_for(backend: Backend) -> None:
    """Patience is for those who find nothing."""
    who = worker()
    await backend.broker.schedule([Entry("a", b"1")])
    first = await asyncio.wait_for(backend.broker.claim(Order(who, 1), patience=LONG), QUICK)
    assert len(first.leases) == 1
    await backend.broker.cancel("a")
    second = await asyncio.wait_for(backend.broker.claim(Order(who, 1), patience=LONG), QUICK)
    assert second.cancels == (("a", first.leases[0].fence),)


async def test_a_sleeping_claim_wakes_when_a_call_is_due(name: str) -> None:
    """It needs no timer of the engine's for that, also when the call was scheduled after it fell asleep."""
    broker = open_backend(name, Terms()).broker
    claim = asyncio.create_task(broker.claim(Order(worker(), 1), patience=LONG))
    await asleep(name)
    await broker.schedule([Entry("a", b"1", Due(after=30))])
    answer = await asyncio.wait_for(claim, QUICK)
    while not answer.leases:
        answer = await asyncio.wait_for(broker.claim(Order(worker(), 1), patience=LONG), QUICK)
    assert answer.leases[0].due <= milliseconds()


async def test_a_batch_wakes_as_many_as_it_has_calls(name: str, backend: Backend) -> None:
    """Three calls for now wake three sleepers, and the others sleep on."""
    claims = [asyncio.create_task(backend.broker.claim(Order(worker(), 1), patience=LONG)) for _ in range(5)]
    await asleep(name, 5)
    await backend.broker.schedule([Entry(str(number), b"1") for number in range(3)])
    done, pending = await asyncio.wait(claims, timeout=0.2)
    assert [len(claim.result().leases) for claim in done] == [1, 1, 1]
    await backend.broker.schedule([Entry(str(number), b"1") for number in range(3, 5)])
    await asyncio.wait(pending, timeout=QUICK)
    assert all(claim.done() for claim in claims)


async def test_a_cancelled_claim_passes_its_ring_on(name: str, backend: Backend) -> None:
    """A is woken by the placement and cancelled before it claims: B must get the call."""
    first = asyncio.create_task(backend.broker.claim(Order(worker(), 1), patience=LONG))
    await asleep(name)
    second = asyncio.create_task(backend.broker.claim(Order(worker(), 1), patience=LONG))
    await asleep(name, 2)
    await backend.broker.schedule([Entry("a", b"1")])
    first.cancel()
    assert len((await asyncio.wait_for(second, QUICK)).leases) == 1
    assert store_named(name).bells.sleepers == []


async def test_a_sleeper_whose_loop_is_gone_costs_nobody_a_ring(name: str, backend: Backend) -> None:
    """A loop that was closed with a claim in it is no reason for another claim to sleep on."""

    async def begin() -> None:
        task = asyncio.create_task(backend.broker.claim(Order(worker(), 1), patience=LONG))
        await asleep(name)
        kept.append(task)

    kept: list[asyncio.Task[Claim]] = []
    loop = asyncio.new_event_loop()
    thread = in_a_thread(lambda: loop.run_until_complete(begin()))
    thread.join()
    loop.close()
    claim = asyncio.create_task(backend.broker.claim(Order(worker(), 1), patience=LONG))
    await asleep(name, 2)
    await backend.broker.schedule([Entry("a", b"1")])
    assert len((await asyncio.wait_for(claim, QUICK)).leases) == 1
    kept[0]._log_destroy_pending = False  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]


def test_threads_never_share_a_call_or_a_fence(backend: Backend) -> None:
    """Eight threads with their own loops drain two thousand calls: each runs once, under its own fence."""

    async def drain() -> list[tuple[str, int]]:
        who, mine = worker(), list[tuple[str, int]]()
        while leases := (await backend.broker.claim(Order(who, 7))).leases:
            assert backend.broker.renew(who, [lease.token for lease in leases]) == frozenset()
            mine += [(lease.key, lease.fence) for lease in leases]
            await backend.broker.settle(who, [(lease, verdict.completed("t")) for lease in leases])
        return mine

    asyncio.run(backend.broker.schedule([Entry(str(number), b"x") for number in range(2000)]))
    with ThreadPoolExecutor(8) as pool:
        shares = list(pool.map(lambda _: asyncio.run(drain()), range(8)))
    drained = [pair for share in shares for pair in share]
    assert sorted(int(key) for key, _ in drained) == list(range(2000))
    assert len({fence for _, fence in drained}) == 2000


async def test_hints_cross_event_loops_in_order(name: str, backend: Backend) -> None:
    """A listener hears what another thread's steps did, from the read that asked for it on."""
    who = worker()

    async def work() -> None:
        lease = (await backend.broker.claim(Order(who, 1))).leases[0]
        await backend.broker.report(lease, {"done": "half"})
        await backend.broker.settle(who, [(lease, verdict.completed("t", b"42"))])

    await backend.broker.schedule([Entry("a", b"1")])
    async with backend.event_bus.listen("a") as hints:
        await backend.broker.read("a", Part.WATCH)
        thread = in_a_thread(lambda: asyncio.run(work()))
        heard = [await asyncio.wait_for(anext(hints), QUICK) for _ in range(3)]
        thread.join()
    assert [hint.what for hint in heard if hint] == ["running", "progress", "completed"]
    assert len({hint.fence for hint in heard if hint}) == 1
    assert store_named(name).listeners.by_key == {}


async def test_what_has_expired_is_forgotten_in_passing(name: str, backend: Backend, hands: Hands) -> None:
    """Nobody needs to read a key again for its record, dead letter or request to go away."""
    terms = Terms(execution_ttl=1000, dead_letter_ttl=2000)
    broker, who = open_backend(name, terms, clock=hands).broker, worker()
    await broker.schedule([Entry(str(number), b"x", run=f"r{number}") for number in range(50)])
    await broker.schedule([Entry("0", b"x", run="other", on_live=OnLive.REPLACE)])
    claim = await broker.claim(Order(who, 50))
    verdicts = [verdict.completed("t"), verdict.dead(b"x", attempt=1, reason="why")] * 25
    await broker.settle(who, list(zip(claim.leases, verdicts, strict=True)))
    store = store_named(name)
    assert (len(store.runs), len(store.letters), len(store.requests)) == (50, 25, 1)
    hands.ms += 1000
    await backend.broker.survey(0)
    assert (len(store.runs), len(store.letters)) == (25, 25)
    hands.ms += 60_000
    await broker.schedule([Entry("0", b"x")])
    assert (list(store.runs), len(store.letters), len(store.requests)) == (["0"], 0, 0)


async def test_only_so_many_requests_are_remembered(name: str) -> None:
    """Where no record outlives a run, the newest ten thousand are known again."""
    broker, who = open_backend(name, Terms(execution_ttl=0)).broker, worker()
    start = 0
    for start in range(0, 10_001, 73):
        entries = [Entry(f"k{number}", b"", run=str(number)) for number in range(start, start + 73)]
        await broker.schedule(entries)
        leases = (await broker.claim(Order(who, 100))).leases
        await broker.settle(who, [(lease, verdict.completed("t")) for lease in leases])
    assert len(store_named(name).requests) == 10_000
    last = start + 72
    (answer,) = await broker.schedule([Entry("other", b"", run=str(last))], repeated=True)
    assert (answer.placed, await broker.read("other")) == (Placed.SCHEDULED, None)
    await broker.schedule([Entry("k0", b"", run="0")], repeated=True)
    assert await broker.read("k0") is not None


async def test_the_time_to_the_next_call_is_exact(backend: Backend, hands: Hands) -> None:
    """Decisions go by whole ms, rounded down; the wait is told to the microsecond, and never negative."""
    hands.ms += 0.25
    await backend.broker.schedule([Entry("a", b"", Due(after=10))])
    assert (await backend.broker.claim(Order(worker(), 1))).due_in == 0.00975
    hands.ms += 9.5
    answer = await backend.broker.claim(Order(worker(), 1))
    assert (answer.leases, answer.due_in) == ((), 0.00025)
    await backend.broker.schedule([Entry(str(number), b"", Due(after=1)) for number in range(150)])
    hands.ms += 100
    answer = await backend.broker.claim(Order(worker(), 1))
    assert (answer.due_in, answer.more) == (0, True)
    assert answer.leases[0].key == "0"  # "a" is due at the same ms, but its bytes sort behind
    assert (await backend.broker.survey(0)).counts.scheduled == 101


def test_the_system_clock_tells_the_time() -> None:
    """Aware and in UTC, next to a clock that never jumps."""
    clock = SystemClock()
    assert clock.now().tzinfo is UTC
    assert abs((clock.now() - datetime.now(UTC)).total_seconds()) < QUICK
    assert abs(milliseconds() / 1000 - clock.now().timestamp()) < QUICK
    assert clock.monotonic() <= clock.monotonic()


async def test_a_listener_whose_loop_was_closed_hears_no_more(name: str, backend: Backend) -> None:
    """Nobody listens there any more, and who tells is not held up by it."""
    loop = asyncio.new_event_loop()
    listening = backend.event_bus.listen("a")
    hints = await asyncio.to_thread(lambda: loop.run_until_complete(listening.__aenter__()))
    assert hints.__aiter__() is hints
    await backend.broker.schedule([Entry("a", b"1", Due(after=60_000))])
    await backend.broker.read("a", Part.WATCH)
    loop.close()
    assert await backend.broker.cancel("a") == "cancelled"


async def test_a_claim_that_is_cancelled_before_it_was_woken_takes_nobody_with_it(name: str, backend: Backend) -> None:
    """INV 17: it had not been promised anything, so there is nothing to pass on."""
    other = asyncio.create_task(backend.broker.claim(Order(worker(), 1), patience=LONG))
    claim = asyncio.create_task(backend.broker.claim(Order(worker(), 1), patience=LONG))
    await asleep(name, 2)
    claim.cancel()
    await asyncio.wait({claim})
    assert len(store_named(name).bells.sleepers) == 1
    await backend.broker.schedule([Entry("a", b"1")])
    assert [lease.key for lease in (await asyncio.wait_for(other, QUICK)).leases] == ["a"]


async def test_a_claim_may_be_woken_twice(name: str, backend: Backend) -> None:
    """A placement and a ring that meet the same sleeping claim end one wait."""
    who = worker()
    claim = asyncio.create_task(backend.broker.claim(Order(who, 1), patience=LONG))
    await asleep(name)
    (sleeper,) = store_named(name).bells.sleepers
    assert sleeper.wake()
    assert sleeper.wake()
    assert (await asyncio.wait_for(claim, QUICK)).leases == ()


async def test_past_records_expire_each_at_its_own_time(name: str, backend: Backend, hands: Hands) -> None:
    """INV 41: a chain that goes on for ever keeps no more than what ended of late; the run that lives stays."""
    who, store = worker(), store_named(name)
    await backend.broker.schedule([Entry("a", b"1", run="one")])
    for number in range(30):
        (lease,) = (await backend.broker.claim(Order(who, 1))).leases
        done = verdict.completed("task", b"%d" % number, follow=Occurrence(b"1", AT_ONCE))
        await backend.broker.settle(who, [(lease, done)])
        assert len(store.past) == min(number + 1, 9)
        hands.ms += 100_000
    hands.ms += 900_000
    assert await backend.broker.read("a", run="one") == await backend.broker.read("a")
    assert (len(store.past), list(store.runs), store.requests) == (0, ["a"], {})


async def test_a_key_that_is_used_again_does_not_expire_with_its_older_run(backend: Backend, hands: Hands) -> None:
    """INV 5: what was noted of the older run's end finds another run, and leaves it alone."""
    who = worker()
    for _ in range(2):
        await backend.broker.schedule([Entry("a", b"1")])
        (lease,) = (await backend.broker.claim(Order(who, 1))).leases
        await backend.broker.settle(who, [(lease, verdict.completed("task", b"r"))])
        hands.ms += 600_000
    hands.ms += 200_000  # 800 s after the newer end, and 1,400 s after the older one
    assert await backend.broker.read("a") is not None
    await backend.broker.schedule([Entry("b", b"1")])
    assert await backend.broker.read("a") is not None
