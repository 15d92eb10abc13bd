from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

import attrs
import pytest

from shadows.adapters.codecs.cloudpickle import CloudpickleCodec
from shadows.adapters.observers.log import LogObserver
from shadows.core.envelope import Envelope, pack
from shadows.core.holder import holder
from shadows.core.settings import WorkerOptions, worker_options
from shadows.dependencies.gates import ConcurrencyLimit
from shadows.dependencies.registry import Registry
from shadows.engine.elsewhere import Elsewhere
from shadows.engine.leftovers import Leftovers
from shadows.engine.loop import Loop
from shadows.engine.outcomes import Outcomes
from shadows.engine.run import Runner
from shadows.engine.wire import Wire
from shadows.errors import BrokerUnavailable, NotAllowed
from shadows.ports.broker import Claim, Entry, Lease, Order
from tests.contract.acts import call, place, state, sweep, worker
from tests.front.acts import DEADLINE, comes_true, heard
from tests.unit.trouble import Trouble
from tests.unit.workplace import workplace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from shadows.core.gates import Gate
    from shadows.ports.admission import Admission
    from shadows.ports.broker import Broker

AWAY = BrokerUnavailable("away")
CODEC = CloudpickleCodec()
SHORT = timedelta(milliseconds=10)


class House:
    """A loop over the model, with tasks that a test defines."""

    def __init__(self, **options: Any) -> None:
        self.trouble = Trouble()
        self.registry = Registry()
        outcomes = Outcomes(Wire.of(CODEC), 1000)
        self.runner = Runner(
            self.registry.plans,
            outcomes.wire,
            outcomes,
            Elsewhere.of(WorkerOptions(name="house", concurrency=1), CODEC),
            LogObserver("house"),
            workplace(),
        )
        self.who = holder("w", timedelta(seconds=30), nonce="1")
        chosen = worker_options({"reconnection_delay": SHORT, **options}, {}, default_name="w")
        broker = cast("Broker", self.trouble)
        leftovers = Leftovers(self.runner.workplace, chosen.leftover_tasks, LogObserver("house"))
        self.loop = Loop(broker, self.who, chosen, self.runner, leftovers, LogObserver("house"), 10_000)

    async def add(self, function: Callable[..., Any], key: str, *, after: float | None = None) -> None:
        """Place a call of this function."""
        name = self.registry.register(function)
        entry = call(key, pack(Envelope(name, CODEC.id, {}, CODEC.encode(((), {})))), after=after)
        await place(self.trouble.broker, entry)

    @asynccontextmanager
    async def turning(self, *, until_finished: bool = False) -> AsyncIterator[asyncio.Task[None]]:
        """Run the loop, and end it after the test."""
        run = asyncio.create_task(self.loop.run(until_finished=until_finished))
        await asyncio.sleep(0)
        yield run
        self.loop.stop()
        self.loop.cut()
        async with asyncio.timeout(DEADLINE):
            await run

    async def is_in(self, key: str, wanted: str) -> bool:
        """Tell whether the key is in this state."""
        return await state(self.trouble.broker, key) == wanted


async def nothing() -> None: ...


@pytest.mark.parametrize("bug", [NotAllowed("no right"), ValueError("a bug")])
@pytest.mark.parametrize("verb", ["claim", "turn"])
async def test_what_is_no_absence_ends_the_loop_and_is_raised(verb: str, bug: Exception) -> None:
    """INV 33: on a trip."""
    house = House()
    await house.add(nothing, "k")
    house.trouble.before(verb, bug)
    with pytest.raises(type(bug)) as raised:
        await house.loop.run(until_finished=True)
    assert raised.value is bug


async def test_a_bug_at_the_door_is_raised_too() -> None:
    """INV 33: nobody awaits the door itself."""
    house = House()
    house.trouble.before("claim", lambda: Claim((), None, "-", more=False, left=1, cancels=(), enrolled=True))
    house.trouble.before("claim", ValueError("at the door"))
    with pytest.raises(ValueError, match="at the door"):
        await house.loop.run(until_finished=False)


async def test_a_bug_while_ringing_is_raised_too() -> None:
    """INV 33: nor does anybody await a ring."""
    house = House()
    house.trouble.before("ring", ValueError("at the bell"))
    run = asyncio.create_task(house.loop.run(until_finished=False))
    await comes_true(lambda: house.loop._listening)
    house.loop.stop()
    with pytest.raises(ValueError, match="at the bell"):
        await run


async def test_a_bug_of_the_runner_is_raised_and_its_call_is_left_to_its_lease() -> None:
    """INV 33: the runner never raises; if it does, the worker says so instead of losing the call."""

    def explode(key: str, task: str) -> bool:
        raise ValueError(f"{key} {task}")

    house = House()
    house.runner.counts = explode
    await house.add(nothing, "k")
    with pytest.raises(ValueError, match="k nothing"):
        await house.loop.run(until_finished=True)
    assert await house.is_in("k", "running")


async def test_a_bug_at_the_gates_is_raised_too() -> None:
    """INV 33: the body that waits there brings it to the pump."""

    async def limited(limit: ConcurrencyLimit = ConcurrencyLimit(1)) -> None: ...

    house = House()
    house.runner.gatekeeper.ask = house.loop.admissions.ask
    await house.add(limited, "k")
    house.trouble.before("admit", NotAllowed("no right"))
    with pytest.raises(NotAllowed, match="no right"):
        await house.loop.run(until_finished=True)
    assert await house.is_in("k", "running")


async def test_a_call_at_its_gates_is_not_cancelled_as_lost() -> None:
    """INV 22: it may just have been parked; the answer to its admission tells what became of its lease."""
    house = House()
    began, leave = asyncio.Event(), asyncio.Event()

    async def limited(limit: ConcurrencyLimit = ConcurrencyLimit(1)) -> None: ...

    async def ask(lease: Lease, gates: Sequence[Gate]) -> Admission:
        began.set()
        await leave.wait()
        return await house.loop.admissions.ask(lease, gates)

    house.runner.gatekeeper.ask = ask
    await house.add(limited, "k")
    async with house.turning():
        await heard(began)
        house.loop.lose(frozenset(house.loop.held()))
        leave.set()
        await comes_true(lambda: house.is_in("k", "completed"))


async def test_a_ring_that_fails_is_no_matter() -> None:
    """SEMANTICS, wake-ups: the wait ends by itself, with its patience."""
    house = House()
    house.trouble.before("ring", AWAY)
    async with house.turning() as run:
        await comes_true(lambda: house.loop._listening)
        house.loop.stop()
        async with asyncio.timeout(5):
            await run


async def test_at_the_door_it_rides_out_an_absence_and_asks_for_its_own() -> None:
    """SEMANTICS, a lost reply: the next claim tells what is known, and brings back the rest."""
    house = House()
    began = asyncio.Event()

    async def begin() -> None:
        began.set()

    async with house.turning() as run:
        await comes_true(lambda: house.loop._listening)
        house.trouble.after("turn", AWAY)
        house.trouble.after("claim", AWAY)
        await house.add(begin, "k")
        await heard(began)
        await comes_true(lambda: house.is_in("k", "completed"))
        assert not run.done()
    known = [order.known for verb, (order, *_) in house.trouble.asked if verb == "claim"]
    assert () in known


async def test_each_order_that_tells_what_is_known_has_a_higher_number() -> None:
    """INV 12: so that a broker knows one that comes after a later one."""
    house = House()
    ran = asyncio.Event()

    async def run() -> None:
        ran.set()

    async with house.turning():
        await comes_true(lambda: house.loop._listening)
        house.trouble.before("claim", *[AWAY] * 3)
        await house.add(run, "k")
        await heard(ran)
    orders = [order for verb, (order, *_) in house.trouble.asked if verb == "claim"]
    numbers = [order.recovery for order in orders if order.known is not None]
    assert len(numbers) > 2
    assert numbers == sorted({*numbers})


async def test_two_empty_looks_in_a_row_are_followed_by_a_rest() -> None:
    """SEMANTICS, wake-ups: ``minimum_check_interval`` delays only the second and later ones."""
    house = House(minimum_check_interval=timedelta(milliseconds=150))
    clock = asyncio.get_running_loop().time
    looks: list[float] = []
    async with house.turning():
        for number in range(2, 6):  # the first look is no wait at the door
            await comes_true(lambda number=number: house.trouble.count("claim") >= number)  # type: ignore[misc]
            looks.append(clock())
            await house.trouble.broker.ring(house.who)
    gaps = [after - before for before, after in pairwise(looks)]
    assert gaps[0] < 0.15
    assert min(gaps[1:]) > 0.13


async def test_a_call_due_within_a_second_is_looked_for_more_often() -> None:
    """SEMANTICS, wake-ups: at least every ``scheduling_resolution``; otherwise once a second."""
    house = House(scheduling_resolution=timedelta(milliseconds=20), minimum_check_interval=timedelta(milliseconds=1))
    await house.add(nothing, "k", after=0.9)
    clock = asyncio.get_running_loop().time
    began = clock()
    async with house.turning():
        await comes_true(lambda: house.trouble.count("claim") >= 6)
        assert clock() - began < 0.8


async def test_what_becomes_due_while_all_slots_are_taken_waits_for_one() -> None:
    """The timer has nobody to wake at the door then; the next free slot takes the call."""
    house = House(concurrency=1)
    began, go = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        began.set()
        await go.wait()

    await house.add(wait, "long")
    await house.add(nothing, "due", after=0.03)
    async with house.turning(until_finished=True) as run:
        await heard(began)
        await comes_true(lambda: house.loop._timer is None)
        assert await house.is_in("due", "scheduled")
        go.set()
        async with asyncio.timeout(DEADLINE):
            await run
    assert await house.is_in("due", "completed")


async def test_only_the_bodies_of_lost_leases_are_cancelled() -> None:
    """INV 12: and only once, however often they are told."""
    house = House()
    began: set[str] = set()
    cancelled: list[str] = []

    def body(name: str) -> Callable[[], Any]:
        async def wait() -> None:
            began.add(name)
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.append(name)
                raise

        wait.__name__ = wait.__qualname__ = name
        return wait

    await house.add(body("a"), "a")
    await house.add(body("b"), "b")
    async with house.turning():
        await comes_true(lambda: began == {"a", "b"})
        (a,) = (attempt for attempt in house.loop.running.values() if attempt.lease.key == "a")
        assert a.lease.token in house.loop.held()
        house.loop.lose(frozenset({a.lease.token, "another's"}))
        assert a.lease.token not in house.loop.held()
        house.loop.lose(frozenset({a.lease.token}))
        await comes_true(lambda: len(house.loop.running) == 1)
        assert cancelled == ["a"]
        assert await house.is_in("a", "running")  # whoever has the lease now settles it
    assert await house.is_in("b", "queued")


async def test_a_cancel_that_comes_too_late_reaches_nobody_else() -> None:
    """INV 31: neither a call that has ended here meanwhile, nor one of another key."""
    house = House()
    house.trouble.before(
        "claim", lambda: Claim((), None, "-", more=True, left=1, cancels=(("k", 999), ("other", 1)), enrolled=True)
    )
    await house.add(nothing, "k")
    await house.loop.run(until_finished=True)
    assert await house.is_in("k", "completed")


async def test_a_cancel_of_another_lease_leaves_the_running_body_alone() -> None:
    """INV 31: it was meant for the run before this one, or for another key."""
    house, go = House(), asyncio.Event()

    async def body() -> None:
        await heard(go)

    await house.add(body, "k")
    async with house.turning():
        await comes_true(lambda: len(house.loop.running) == 1 and house.loop._listening)
        (fence,) = house.loop.running
        cancels = (("k", fence - 1), ("other", fence))
        told = Claim((), None, "-", more=False, left=1, cancels=cancels, enrolled=True)
        claims = house.trouble.count("claim")
        house.trouble.before("claim", lambda: told)
        await house.trouble.broker.ring(house.who)
        await comes_true(lambda: house.trouble.count("claim") > claims + 1)
        go.set()
        await comes_true(lambda: not (house.loop.running or house.loop._ended or house.loop._in_flight))
        assert await house.is_in("k", "completed")


async def test_a_worker_that_presence_has_forgotten_is_told() -> None:
    """INV 34: the answer to its heartbeat says so; it has to check in again."""
    house = House()
    async with house.turning():
        await heard(house.loop.forgotten)


async def test_nobody_takes_what_a_broken_loop_had_asked_for() -> None:
    """INV 33: the claim that waits at the door is ended with the loop, so that it does not claim for nobody."""
    house = House()
    run = asyncio.create_task(house.loop.run(until_finished=False))
    await comes_true(lambda: house.loop._listening)
    house.loop.fail(ValueError("the renewals broke"))
    with pytest.raises(ValueError, match="the renewals broke"):
        await run
    await house.add(nothing, "k")
    await asyncio.sleep(0)
    assert await house.is_in("k", "queued")
    assert await sweep(house.trouble.broker, worker()) != ()


async def test_a_busy_worker_settles_and_claims_in_one_trip() -> None:
    """DESIGN, turn: what ended since the last trip travels together, and the free slots are filled in the same step."""
    house = House(concurrency=3)
    for number in range(9):
        await house.add(nothing, f"k{number}")
    await house.loop.run(until_finished=True)
    settled = [len(done) for verb, (done, *_) in house.trouble.asked if verb == "turn"]
    assert sum(settled) == 9
    assert max(settled) == 3
    assert house.trouble.count("settle") == 0


async def test_what_has_ended_and_is_not_settled_yet_is_not_taken_for_lost() -> None:
    """INV 17: more bodies end at once than one trip settles, and that trip breaks; none of them is run again."""
    house, ran, go = House(concurrency=120), list[str](), asyncio.Event()

    async def body() -> None:
        ran.append("ran")
        await heard(go)

    for number in range(120):
        await house.add(body, f"k{number}")
    async with house.turning():
        await comes_true(lambda: len(ran) == 120)
        house.trouble.after("claim", AWAY)  # the wait at the door breaks too
        house.trouble.before("turn", *[AWAY] * 10)
        await house.trouble.broker.ring(house.who)
        go.set()
        await comes_true(lambda: not (house.loop.running or house.loop._ended or house.loop._in_flight))
    assert len(ran) == 120


async def test_no_trip_takes_more_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    """INV 43: a worker with many slots asks for a bounded number at a time."""
    house = House(concurrency=500)
    await place(house.trouble.broker, *[Entry(f"k{number}", b"") for number in range(120)])
    await house.loop.run(until_finished=True)
    orders = [args[-1] for verb, args in house.trouble.asked if verb in {"turn", "claim"}]
    assert max(order.limit for order in orders if isinstance(order, Order)) == 50
    assert max(len(args[0]) for verb, args in house.trouble.asked if verb == "turn") == 50


# A server that lost its newest memory, with it a lease of ours, and gives us the same message again


@asynccontextmanager
async def given_twice(house: House, words: list[str], leave: asyncio.Event) -> AsyncIterator[tuple[Lease, Lease]]:
    """Run a body that takes its time to end when it is cancelled, and lease its call once more meanwhile."""
    began = asyncio.Event()

    async def stubborn() -> None:
        words.append("began")
        began.set()
        try:
            await asyncio.sleep(DEADLINE if len(words) == 1 else 0)
        finally:
            await leave.wait()
            words.append("ended")

    await house.add(stubborn, "k")
    async with house.turning():
        await heard(began)
        (lease,) = (attempt.lease for attempt in house.loop.running.values())
        again = attrs.evolve(lease, fence=lease.fence + 1)
        house.loop._start(again)
        await asyncio.sleep(0)
        assert words == ["began"]
        yield lease, again


async def test_a_call_given_twice_has_one_body_at_a_time() -> None:
    """INV 1, FAULT 74: the older body is cancelled as lost, and the newer one begins when that has ended."""
    house, words, leave = House(), list[str](), asyncio.Event()
    async with given_twice(house, words, leave) as leases:
        assert house.loop.held() == [leases[1].token]
        leave.set()
        await comes_true(lambda: len(words) == 4)
        assert words == ["began", "ended"] * 2
    assert not house.loop._fences


@pytest.mark.parametrize("end", [Loop.cut, Loop.let_go])
async def test_a_call_given_twice_is_handed_back_if_it_has_not_begun(end: Callable[[Loop], None]) -> None:
    """INV 18: the worker ends while the newer body still waits for the older one."""
    house, words, leave = House(), list[str](), asyncio.Event()
    async with given_twice(house, words, leave) as (_, again):
        house.loop.stop()
        end(house.loop)
        leave.set()
    settled = [lease for verb, args in house.trouble.asked if verb == "turn" for lease, _ in args[0]]
    assert again in settled
    assert words == ["began", "ended"]
