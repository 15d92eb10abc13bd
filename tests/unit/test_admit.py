from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, cast

import pytest

from shadows.adapters.codecs.cloudpickle import CloudpickleCodec
from shadows.adapters.observers.log import LogObserver
from shadows.core.gates import Slots
from shadows.core.verdict import Kind, Verdict
from shadows.dependencies.gates import ConcurrencyLimit
from shadows.dependencies.plan import plan
from shadows.engine.admit import A_MOMENT, TRIP, Admissions, Gatekeeper, Stopped
from shadows.engine.attempt import Attempt, Stop
from shadows.engine.conclude import Concluder
from shadows.engine.outcomes import Outcomes
from shadows.engine.wire import Wire
from shadows.errors import BrokerUnavailable, NotAllowed
from shadows.ports.admission import Admission, Passage
from shadows.ports.broker import Lease
from tests.contract.acts import call, place, take, worker
from tests.front.acts import comes_true
from tests.unit.trouble import Trouble

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shadows.core.gates import Gate
    from shadows.ports.broker import Broker

CODEC = CloudpickleCodec()
ONE = [Slots("one", 1)]
ADMITTED, PARKED = Admission(Passage.ADMITTED), Admission(Passage.PARKED)


class Gates:
    """The trips to the gates of the model, with calls that are leased."""

    def __init__(self) -> None:
        self.trouble = Trouble()
        self.who = worker()
        self.admissions = Admissions(cast("Broker", self.trouble), self.who, 0.01)

    async def leases(self, count: int) -> tuple[Lease, ...]:
        """Place and lease so many calls."""
        await place(self.trouble.broker, *(call(f"k{number}") for number in range(count)))
        return await take(self.trouble.broker, self.who, count)

    async def ask_for(self, leases: Sequence[Lease]) -> list[Admission]:
        """Ask for all of them at once."""
        return await asyncio.gather(*(self.admissions.ask(lease, ONE) for lease in leases))


async def test_all_that_wait_go_in_one_trip() -> None:
    """Group commit: at most so many, in the order in which they asked."""
    gates = Gates()
    leases = await gates.leases(TRIP + 3)
    assert await gates.ask_for(leases) == [ADMITTED, *[PARKED] * (TRIP + 2)]
    assert [len(args[1]) for verb, args in gates.trouble.asked if verb == "admit"] == [TRIP, 3]


async def test_an_absence_is_ridden_out() -> None:
    """INV 33: whether the trip broke on its way there or back; who was parked by then has lost its lease."""
    gates = Gates()
    a, b = await gates.leases(2)
    gates.trouble.before("admit", BrokerUnavailable("away"), BrokerUnavailable("still away"))
    gates.trouble.after("admit", BrokerUnavailable("away"))
    assert await gates.ask_for([a, b]) == [ADMITTED, Admission(Passage.SUPERSEDED)]


async def test_what_is_no_absence_is_raised_by_all_who_asked() -> None:
    """INV 33: anything else is a bug; who asks later may have more luck."""
    gates = Gates()
    leases = await gates.leases(2)
    gates.trouble.before("admit", NotAllowed("no right"))
    answers = await asyncio.gather(*(gates.admissions.ask(lease, ONE) for lease in leases), return_exceptions=True)
    assert [type(answer) for answer in answers] == [NotAllowed, NotAllowed]
    assert await gates.ask_for(leases) == [ADMITTED, PARKED]


async def test_who_is_cancelled_while_it_waits_holds_nobody_up() -> None:
    """INV 17: before the trip it is not asked for, during it the answer goes to nobody."""
    gates = Gates()
    leases = await gates.leases(3)
    reached, go = asyncio.Event(), asyncio.Event()
    broker = gates.trouble.broker

    class Slow:
        async def admit(self, *args: object) -> list[Admission]:
            reached.set()
            await go.wait()
            return await broker.admit(*args)  # type: ignore[arg-type]

    gates.admissions.broker = cast("Broker", Slow())
    first, second, third = (asyncio.create_task(gates.admissions.ask(lease, ONE)) for lease in leases)
    await asyncio.sleep(0)
    second.cancel()
    await reached.wait()
    first.cancel()
    go.set()
    assert await third == PARKED
    assert first.cancelled() or first.cancelling()
    gates.admissions.close()


async def test_closing_ends_trips_that_nobody_waits_for() -> None:
    """A pump that ends leaves no task behind."""
    gates = Gates()
    (lease,) = await gates.leases(1)
    gates.admissions.close()
    gates.trouble.before("admit", *[BrokerUnavailable("away")] * 1000)
    asking = asyncio.create_task(gates.admissions.ask(lease, ONE))
    await comes_true(lambda: gates.trouble.count("admit") > 0)
    gates.admissions.close()
    await comes_true(lambda: gates.admissions._trips is None)
    asking.cancel()


class Keeper:
    """A gatekeeper whose gates answer what the test says."""

    def __init__(self, answer: Admission = ADMITTED) -> None:
        self.asked: list[Sequence[Gate]] = []
        self.answer = answer
        concluder = Concluder(Outcomes(Wire.of(CODEC), 1000))
        self.keeper = Gatekeeper(LogObserver("test"), concluder, self.ask)

    async def ask(self, lease: Lease, gates: Sequence[Gate]) -> Admission:
        assert lease.key == "k"
        self.asked.append(gates)
        return self.answer

    async def stops(self, lease: Lease, value: object = 1, *, stop: Stop | None = None) -> Stopped | None:
        """Send one call to the gates."""

        async def work(a: object, limit: ConcurrencyLimit = ConcurrencyLimit("a")) -> None: ...

        attempt = Attempt(lease, stop)
        stopped = await self.keeper.stops(attempt, plan(work).gates, "work", (value,), {})
        assert not attempt.asking
        return stopped


def lease(*, admitted: bool = False, dropped: str = "") -> Lease:
    return Lease("k", "token", 1, 3, b"payload", 1, 0, 0, admitted, dropped)


async def test_an_admitted_call_passes() -> None:
    """With the gates of its own arguments."""
    keeper = Keeper()
    assert await keeper.stops(lease()) is None
    assert keeper.asked == [(Slots("a:1", 1),)]


async def test_who_holds_its_gates_already_is_not_asked_for() -> None:
    """INV 21: one trip less."""
    keeper = Keeper(PARKED)
    assert await keeper.stops(lease(admitted=True)) is None
    assert keeper.asked == []


async def test_who_was_dropped_already_is_not_asked_for() -> None:
    """The claim told it."""
    keeper = Keeper()
    assert await keeper.stops(lease(dropped="debounced")) == Stopped(dropped="debounced")
    assert keeper.asked == []


@pytest.mark.parametrize("passage", [Passage.PARKED, Passage.DELAYED, Passage.CANCELLED, Passage.SUPERSEDED])
async def test_who_lost_its_lease_at_the_gates_has_nothing_to_settle(passage: Passage) -> None:
    """INV 22: it is the broker's again."""
    assert await Keeper(Admission(passage)).stops(lease()) == Stopped()


async def test_a_dropped_call_is_told_why() -> None:
    """SEMANTICS, dropped by a gate."""
    assert await Keeper(Admission(Passage.DROPPED, "cooldown")).stops(lease()) == Stopped(dropped="cooldown")


async def test_a_gate_that_is_broken_is_tried_again_and_named(caplog: pytest.LogCaptureFixture) -> None:
    """FAULT 51: in a moment, as the same attempt; one line names the key."""
    with caplog.at_level(logging.INFO, "shadows"):
        stopped = await Keeper(Admission(Passage.BROKEN, "shadows:concurrency:a:1")).stops(lease())
    assert stopped is not None
    assert stopped.judged == Verdict(Kind.AGAIN, due=A_MOMENT, attempt=3, body=b"payload")
    assert "'shadows:concurrency:a:1' holds a value of another type" in caplog.text


async def test_what_happens_at_the_gates_is_logged_without_arguments(caplog: pytest.LogCaptureFixture) -> None:
    """INV 45: the value of the argument is not."""
    with caplog.at_level(logging.INFO, "shadows"):
        await Keeper(PARKED).stops(lease(), "secret")
        await Keeper(Admission(Passage.DROPPED, "cooldown")).stops(lease(), "secret")
    assert [record.getMessage() for record in caplog.records] == [
        "work: k parked at its gates",
        "work: k dropped at its gates (cooldown)",
    ]


class Unspeakable:
    """Has no text."""

    def __str__(self) -> str:
        raise RuntimeError("no name")


@pytest.mark.parametrize(("stop", "kind"), [(None, Kind.END), (Stop.LOST, None)])
async def test_a_value_without_a_text_fails_its_own_run(stop: Stop | None, kind: Kind | None) -> None:
    """INV 15: it is the caller's code."""
    stopped = await Keeper().stops(lease(), Unspeakable(), stop=stop)
    assert stopped is not None
    assert (stopped.judged and stopped.judged.kind) == kind


@pytest.mark.parametrize(("stop", "kind"), [(Stop.CANCELLED, Kind.END), (Stop.SHUTDOWN, Kind.BACK), (Stop.LOST, None)])
async def test_who_is_stopped_at_the_gates_ends_as_a_body_would(stop: Stop, kind: Kind | None) -> None:
    """INV 17, INV 18: cancelled, handed back, or not ours any more."""
    keeper = Keeper()

    async def cancelled(lease: Lease, gates: Sequence[Gate]) -> Admission:
        raise asyncio.CancelledError

    keeper.keeper.ask = cancelled
    stopped = await keeper.stops(lease(), stop=stop)
    assert stopped is not None
    assert (stopped.judged and stopped.judged.kind) == kind


async def test_where_nobody_guards_the_gates_everybody_passes() -> None:
    """As in a runner without a worker."""
    keeper = Keeper()
    keeper.keeper = Gatekeeper(keeper.keeper.observer, keeper.keeper.concluder)
    assert await keeper.stops(lease()) is None
