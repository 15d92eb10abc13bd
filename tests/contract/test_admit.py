"""The verb admit: what it answers, whatever the gate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shadows.core import verdict
from shadows.core.gates import Cooldown, Debounce, Gate, Rate, Slots
from shadows.core.scheduling import Due
from shadows.ports.admission import Admission, Passage
from shadows.ports.backend import Terms
from shadows.ports.broker import Order
from shadows.ports.looking import Part
from shadows.testing.exam.acts import (
    LEASE,
    admit,
    at_gates,
    back,
    call,
    claim,
    done,
    instead,
    keys,
    look,
    place,
    retry,
    settle,
    state,
    sweep,
    take,
    take_one,
    worker,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from shadows.core.holder import Holder
    from shadows.ports.broker import Broker, Lease
    from shadows.ports.event_bus import Hint
    from tests.contract.harness import Harness

ADMITTED, PARKED, DELAYED = (Admission(word) for word in (Passage.ADMITTED, Passage.PARKED, Passage.DELAYED))
SUPERSEDED = Admission(Passage.SUPERSEDED)
ONE = Slots("one", 1)
RATE = Rate("r", 1, 20_000)
CLOSED: dict[str, Gate] = {"parked": ONE, "delayed": RATE}


async def first(hints: AsyncIterator[Hint | None], count: int) -> list[str]:
    """Return the words of the first hints; None only says that something may have been missed."""
    heard: list[str] = []
    while len(heard) < count:
        hint = await anext(hints)
        heard += [hint.what] if hint else []
    return heard


async def held(broker: Broker, key: str, *gates: Gate) -> tuple[Holder, Lease]:
    """Bring a call through its gates, which must be open."""
    who = worker()
    lease, admission = await at_gates(broker, key, *gates, who=who)
    assert admission == ADMITTED
    return who, lease


async def test_a_call_whose_gates_are_open_is_admitted_and_keeps_its_lease(harness: Harness) -> None:
    """INV 22: it holds all of them, and settles like any other."""
    who, lease = await held(harness.broker, "a", ONE, RATE, Cooldown("c", 20_000))
    assert (await look(harness.broker, "a")).fence == lease.fence
    assert await settle(harness.broker, who, lease, done(b"result")) == "settled"
    assert (await look(harness.broker, "a")).result == b"result"


@pytest.mark.parametrize("word", CLOSED)
async def test_a_blocked_call_gives_up_its_lease_in_the_same_step(harness: Harness, word: str) -> None:
    """INV 20, INV 10: it waits, under nobody's lease, with its payload, its run and its attempt."""
    broker = harness.broker
    await held(broker, "a", CLOSED[word])
    who = worker()
    await place(broker, call("b", b"x" * 100, run="one"))
    lease = await take_one(broker, who)
    assert (await admit(broker, who, lease, CLOSED[word])).passage == word
    record = await look(broker, "b")
    assert record.state == ("parked" if word == "parked" else "scheduled")
    assert (record.run, record.attempt, record.payload) == ("one", 1, b"x" * 100)
    assert (record.fence, record.holder, record.started) == (None, None, None)
    assert await settle(broker, who, lease, done()) == "superseded"
    assert broker.renew(who, [lease.token]) == {lease.token}


@pytest.mark.parametrize("word", CLOSED)
async def test_being_blocked_uses_no_attempt_and_no_delivery(harness: Harness, word: str) -> None:
    """INV 22, INV 14: and deliveries that were lost before are not forgotten either."""
    broker = harness.broker
    first, holds = await held(broker, "a", CLOSED[word])
    await place(broker, call("b"))
    await take_one(broker, worker())
    await harness.pass_time(LEASE - 1)
    broker.renew(first, [holds.token])
    await harness.pass_time(2)
    who = worker()
    (lease,) = await sweep(broker, who)
    assert lease.deliveries == 2
    gate = ONE if word == "parked" else Rate("r", 1, 60_000)
    if word == "delayed":
        await at_gates(broker, "c", gate, who=worker())
    assert (await admit(broker, who, lease, gate)).passage == word
    await settle(broker, first, holds, done())
    await harness.pass_time(60)
    again = await take_one(broker, worker(), max_deliveries=2)
    assert (again.key, again.attempt, again.deliveries, again.admitted) == ("b", 1, 2, True)


async def test_all_gates_or_none(harness: Harness) -> None:
    """INV 22: a call that lacks one slot takes no other slot, no token and no cooldown."""
    broker = harness.broker
    await held(broker, "a", Slots("full", 1))
    _, admission = await at_gates(broker, "b", Slots("free", 1), Slots("full", 1), RATE, Cooldown("c", 20_000))
    assert admission == PARKED
    await held(broker, "c", Slots("free", 1), RATE, Cooldown("c", 20_000))


async def test_gates_are_asked_in_their_own_order(harness: Harness) -> None:
    """What may drop a call comes first, then slots, then rates, however they are written."""
    broker = harness.broker
    await held(broker, "a", ONE, RATE, Cooldown("c", 20_000))
    _, admission = await at_gates(broker, "b", RATE, ONE, Cooldown("c", 20_000))
    assert admission == Admission(Passage.DROPPED, "cooldown")
    _, admission = await at_gates(broker, "c", RATE, ONE)
    assert admission == PARKED
    _, admission = await at_gates(broker, "d", Cooldown("c", 20_000), Debounce("b", 5_000))
    assert admission == DELAYED


async def test_each_lease_of_a_batch_is_asked_alone_and_in_order(harness: Harness) -> None:
    """INV 9: the first takes the slot, one that was lost stops no other, and the answers keep their order."""
    broker, who = harness.broker, worker()
    await place(broker, *(call(key) for key in "abcd"))
    a, b, c, d = await take(broker, who)
    await settle(broker, who, b, done())
    answers = await broker.admit(who, [(a, [ONE]), (b, [ONE]), (c, [ONE]), (d, [])])
    assert answers == [ADMITTED, SUPERSEDED, PARKED, ADMITTED]
    assert await broker.admit(who, []) == []


async def test_a_batch_of_asks_may_be_larger_than_one_script_handles(harness: Harness) -> None:
    """INV 43: the adapter splits it; one is admitted, the others stand in line."""
    broker, who = harness.broker, worker()
    await place(broker, *(call(f"k{number}") for number in range(250)))
    leases = [lease for _ in range(2) for lease in await take(broker, who, 200)]
    answers = await broker.admit(who, [(lease, [ONE]) for lease in leases])
    assert answers == [ADMITTED, *[PARKED] * 249]
    counts = (await broker.survey(0)).counts
    assert (counts.running, counts.parked) == (1, 249)


@pytest.mark.parametrize("gate", [ONE, RATE, Cooldown("c", 20_000)])
async def test_asking_again_changes_nothing(harness: Harness, gate: Gate) -> None:
    """INV 16, INV 21: the answer to the first was lost; an admitted call is admitted still, and took nothing twice."""
    broker = harness.broker
    who, lease = await held(broker, "a", gate)
    assert await admit(broker, who, lease, gate) == ADMITTED
    blocked, admission = await at_gates(broker, "b", gate, who=who)
    before = await look(broker, "b"), await broker.survey(10)
    again = await admit(broker, who, blocked, gate)
    assert again == (admission if admission.passage is Passage.DROPPED else SUPERSEDED)
    assert (await look(broker, "b"), await broker.survey(10)) == before


async def test_a_lost_lease_is_not_admitted(harness: Harness) -> None:
    """INV 12: A's lease ends, B claims; A's admit must lose, and B's must win."""
    broker, slow, quick = harness.broker, worker(), worker()
    await place(broker, call("a"))
    lost = await take_one(broker, slow)
    await harness.pass_time(LEASE + 1)
    (lease,) = await sweep(broker, quick)
    assert await admit(broker, slow, lost, ONE) == SUPERSEDED
    assert await admit(broker, quick, lease, ONE) == ADMITTED


@pytest.mark.parametrize("ttl", [900_000, 0])
async def test_a_call_whose_cancel_was_requested_ends_instead(harness: Harness, ttl: int) -> None:
    """INV 29: it never starts, and takes nothing on its way out."""
    broker = (await harness.open(Terms(execution_ttl=ttl))).broker
    who = worker()
    await place(broker, call("a"))
    lease = await take_one(broker, who)
    await broker.cancel("a")
    assert await admit(broker, who, lease, ONE) == Admission(Passage.CANCELLED)
    assert await state(broker, "a") == ("cancelled" if ttl else None)
    await held(broker, "b", ONE)


@pytest.mark.parametrize("cancelled", [False, True])
async def test_a_call_that_has_a_successor_makes_way_for_it(harness: Harness, *, cancelled: bool) -> None:
    """INV 3: its body has not begun, so the new arguments need not wait for it."""
    broker, who = harness.broker, worker()
    await place(broker, call("a", b"old"))
    lease = await take_one(broker, who)
    if cancelled:
        await broker.cancel("a")
    await place(broker, instead("a", b"new"))
    answer = await admit(broker, who, lease, ONE)
    assert answer.passage == ("cancelled" if cancelled else "superseded")
    again = await take_one(broker, who)
    assert (again.payload, again.admitted) == (b"new", False)
    assert await admit(broker, who, again, ONE) == ADMITTED


@pytest.mark.parametrize("word", CLOSED)
async def test_a_waiting_call_is_live_and_known_by_its_key(harness: Harness, word: str) -> None:
    """INV 1, INV 2: an add changes nothing, and it counts for who waits until all is done."""
    broker = harness.broker
    who, lease = await held(broker, "a", CLOSED[word])
    await at_gates(broker, "b", CLOSED[word])
    assert await place(broker, call("b", b"other")) == ["already"]
    await settle(broker, who, lease, done())
    left = (await claim(broker, who, 0)).left
    assert left == 1
    assert (await look(broker, "b")).payload == b"payload"


@pytest.mark.parametrize("ttl", [900_000, 0])
@pytest.mark.parametrize("word", CLOSED)
async def test_a_waiting_call_can_be_cancelled(harness: Harness, word: str, ttl: int) -> None:
    """INV 29: it never starts, its key is free, and it holds nobody up."""
    broker = (await harness.open(Terms(execution_ttl=ttl))).broker
    who, lease = await held(broker, "a", CLOSED[word])
    await at_gates(broker, "b", CLOSED[word])
    assert await broker.cancel("b") == "cancelled"
    assert await state(broker, "b") == ("cancelled" if ttl else None)
    await settle(broker, who, lease, done())
    await harness.pass_time(20)
    assert await take(broker, who) == ()
    await held(broker, "b", CLOSED[word])


@pytest.mark.parametrize("word", CLOSED)
async def test_a_waiting_call_can_be_replaced(harness: Harness, word: str) -> None:
    """INV 3: the new arguments run, and it arrives at the gate anew."""
    broker = harness.broker
    who, lease = await held(broker, "a", CLOSED[word])
    await at_gates(broker, "b", CLOSED[word])
    await place(broker, instead("b", b"new", run="two"))
    again = await take_one(broker, who)
    assert (again.key, again.payload, again.admitted) == ("b", b"new", False)
    assert (await admit(broker, who, again, CLOSED[word])).passage == word
    await settle(broker, who, lease, done())
    await harness.pass_time(20)
    (woken,) = await take(broker, who)
    assert (woken.key, woken.payload, woken.admitted) == ("b", b"new", True)


async def test_a_replaced_call_stands_in_no_line_any_more(harness: Harness) -> None:
    """INV 3: it waits for its new time and for nothing else; who stood behind it passes in its place."""
    broker = harness.broker
    who, lease = await held(broker, "a", ONE)
    for key in "bc":
        await at_gates(broker, key, ONE)
    await place(broker, instead("b", b"new", after=60))
    counts = (await broker.survey(0)).counts
    assert (counts.scheduled, counts.parked) == (1, 1)
    await settle(broker, who, lease, done())
    assert (await take_one(broker, who)).key == "c"


async def test_clear_ends_what_is_parked_and_what_waits_for_its_moment(harness: Harness) -> None:
    """INV 6: and the slots and moments are free again."""
    broker = harness.broker
    who, lease = await held(broker, "a", ONE, RATE)
    for number in range(3):
        await at_gates(broker, f"p{number}", ONE)
        await at_gates(broker, f"r{number}", RATE)
    assert await broker.clear() == 6
    assert {await state(broker, f"{kind}{number}") for kind in "pr" for number in range(3)} == {"cancelled"}
    counts = (await broker.survey(0)).counts
    assert (counts.running, counts.parked, counts.scheduled) == (1, 0, 0)
    await settle(broker, who, lease, done())
    await held(broker, "b", ONE)


async def test_clear_ends_more_parked_calls_than_one_step_handles(harness: Harness) -> None:
    """INV 43: it goes on step by step."""
    broker, who = harness.broker, worker()
    await place(broker, *(call(f"k{number}") for number in range(450)))
    leases = [lease for _ in range(3) for lease in await take(broker, who, 200)]
    await broker.admit(who, [(lease, [ONE]) for lease in leases])
    assert await broker.clear() == 449
    assert (await claim(broker, who, 0)).left == 1


async def test_a_survey_lists_what_is_parked_with_its_payload(harness: Harness) -> None:
    """Behind what is scheduled and before what is ready, in the order in which they wait."""
    broker = harness.broker
    await held(broker, "a", ONE)
    for key in ("p1", "p2", "p3"):
        await at_gates(broker, key, ONE)
    await place(broker, call("s", after=60), call("q"))
    records = (await broker.survey(10)).records
    assert [(record.key, record.state) for record in records] == [
        ("s", "scheduled"), ("p1", "parked"), ("p2", "parked"), ("p3", "parked"), ("a", "running"), ("q", "queued"),
    ]  # fmt: skip
    assert {record.payload for record in records} == {b"payload"}
    assert [record.key for record in (await broker.survey(3)).records] == ["s", "p1", "p2"]


async def test_a_survey_lists_more_parked_calls_than_one_step_handles(harness: Harness) -> None:
    """INV 43: page by page, each once."""
    broker, who = harness.broker, worker()
    await place(broker, *(call(f"k{number}") for number in range(450)))
    leases = [lease for _ in range(3) for lease in await take(broker, who, 200)]
    await broker.admit(who, [(lease, [ONE]) for lease in leases])
    records = (await broker.survey(1000)).records
    assert [record.key for record in records if record.state == "parked"] == [f"k{number}" for number in range(1, 450)]


async def test_a_parked_call_keeps_the_time_at_which_it_was_due(harness: Harness) -> None:
    """How late a call starts is counted from there, the wait at the gate included."""
    broker = harness.broker
    who, lease = await held(broker, "a", ONE)
    due = harness.now + 5_000
    await place(broker, call("b", at=due))
    await harness.pass_time(6)
    waiting = await take_one(broker, who)
    await admit(broker, who, waiting, ONE)
    assert (await look(broker, "b")).due == due
    await settle(broker, who, lease, done())
    assert (await look(broker, "b")).due == due
    assert (await take_one(broker, who)).due == due


@pytest.mark.parametrize("word", CLOSED)
async def test_a_watcher_hears_that_a_call_waits_and_that_it_goes_on(harness: Harness, word: str) -> None:
    """INV 39: parked, queued, running: each is told."""
    broker, bus = harness.broker, harness.backend.event_bus
    who, lease = await held(broker, "a", CLOSED[word])
    await place(broker, call("b"))
    blocked = await take_one(broker, who)
    async with bus.listen("b") as hints:
        await broker.read("b", Part.WATCH)
        await admit(broker, who, blocked, CLOSED[word])
        await settle(broker, who, lease, done())
        await harness.pass_time(20)
        await take_one(broker, who)
        heard = await first(hints, 3)
    assert heard == ["parked" if word == "parked" else "scheduled", "queued", "running"]


async def test_a_call_without_gates_is_admitted(harness: Harness) -> None:
    """Nothing is asked, and nothing remains of it."""
    who, lease = await held(harness.broker, "a")
    await settle(harness.broker, who, lease, retry(lease))
    again = await take_one(harness.broker, who)
    assert not again.admitted
    await settle(harness.broker, who, again, back(again))


async def test_a_turn_wakes_and_claims_in_one_trip(harness: Harness) -> None:
    """INV 20: what a settled call frees is leased by the claim of the same step."""
    broker = harness.broker
    who, lease = await held(broker, "a", ONE)
    await at_gates(broker, "b", ONE)
    (word,), got = await broker.turn([(lease, done())], Order(who, 10))
    assert word == "settled"
    assert keys(got.leases) == ["b"]
    assert got.leases[0].admitted


async def test_a_run_that_was_dropped_is_followed_by_its_next_occurrence(harness: Harness) -> None:
    """INV 24: it ends cancelled with the gate's reason, and the chain goes on."""
    broker = harness.broker
    await held(broker, "a", Cooldown("c", 20_000))
    who = worker()
    lease, admission = await at_gates(broker, "b", Cooldown("c", 20_000), who=who)
    assert admission == Admission(Passage.DROPPED, "cooldown")
    follow = verdict.Occurrence(b"next", Due(after=5_000))
    ended = verdict.cancelled("task", reason=admission.reason, follow=follow)
    assert await settle(broker, who, lease, ended) == "settled"
    old = await broker.read("b", run="")
    assert old is not None
    assert (old.state, old.reason) == ("cancelled", "cooldown")
    await harness.pass_time(5)
    again = await take_one(broker, who)
    assert (again.payload, again.dropped, again.admitted) == (b"next", "", False)
