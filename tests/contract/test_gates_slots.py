"""Slots: so many attempts at a time, and a line of calls that wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shadows.core import verdict
from shadows.core.gates import Cooldown, Rate, Slots
from shadows.core.scheduling import Due
from shadows.ports.admission import Admission, Passage
from shadows.ports.backend import Terms
from shadows.ports.broker import Order
from shadows.testing.exam.acts import (
    LEASE,
    admit,
    at_gates,
    back,
    call,
    claim,
    dead,
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
    unknown,
    worker,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from shadows.core.gates import Gate
    from shadows.core.holder import Holder
    from shadows.core.verdict import Verdict
    from shadows.ports.broker import Broker, Lease
    from tests.contract.harness import Harness, ServerHarness

ADMITTED, PARKED = Admission(Passage.ADMITTED), Admission(Passage.PARKED)
ONE = Slots("one", 1)
ENDS: dict[str, Callable[[Lease], Verdict]] = {
    "end": lambda _: done(b"result"),
    "fail": lambda _: verdict.failed("task", b"error"),
    "cancel": lambda _: verdict.cancelled("task"),
    "follow": lambda _: verdict.completed("task", follow=verdict.Occurrence(b"next", Due(after=60_000))),
    "bury": dead,
    "again": lambda lease: retry(lease, after=60),
    "back": back,
    "unknown": unknown,
}


async def held(broker: Broker, key: str, *gates: Gate) -> tuple[Holder, Lease]:
    """Bring a call through its gates, which must be open."""
    who = worker()
    lease, admission = await at_gates(broker, key, *gates, who=who)
    assert admission == ADMITTED
    return who, lease


async def line(broker: Broker, *names: str, gate: Slots = ONE) -> None:
    """Let these calls wait for a slot, one after the other."""
    for key in names:
        assert (await at_gates(broker, key, gate))[1] == PARKED


@pytest.mark.parametrize("ttl", [900_000, 0])
@pytest.mark.parametrize("kind", ENDS)
async def test_whatever_ends_an_attempt_wakes_who_waits_longest(harness: Harness, kind: str, ttl: int) -> None:
    """INV 20: in the same step, at once, and the slot is the woken call's before anybody claims it."""
    broker = (await harness.open(Terms(execution_ttl=ttl))).broker
    who, lease = await held(broker, "a", ONE)
    await line(broker, "b", "c")
    await place(broker, call("d"))
    newcomer = await take_one(broker, who)
    await settle(broker, who, lease, ENDS[kind](lease))
    assert [await state(broker, key) for key in "bc"] == ["queued", "parked"]
    assert await admit(broker, who, newcomer, ONE) == PARKED
    ready = [one for one in await take(broker, who) if one.key != "a"]
    assert [(one.key, one.admitted, one.attempt) for one in ready] == [("b", True, 1)]


async def test_calls_run_in_the_order_in_which_they_arrived(harness: Harness) -> None:
    """INV 20: back to back, each woken by the end of the one before."""
    broker = harness.broker
    who, lease = await held(broker, "a", ONE)
    await line(broker, *"bcdef")
    for key in "bcdef":
        await settle(broker, who, lease, done())
        lease = await take_one(broker, who)
        assert (lease.key, lease.admitted) == (key, True)
    await settle(broker, who, lease, done())
    assert (await claim(broker, who)).left == 0


async def test_more_slots_let_more_run(harness: Harness) -> None:
    """Never more than allowed, and as many as allowed."""
    broker = harness.broker
    running = [await held(broker, f"r{number}", Slots("s", 3)) for number in range(3)]
    await line(broker, "a", "b", "c", "d", gate=Slots("s", 3))
    for who, lease in running:
        await settle(broker, who, lease, done())
    assert keys(await take(broker, worker())) == ["a", "b", "c"]


async def test_each_call_has_its_own_maximum_at_shared_slots(harness: Harness) -> None:
    """One wants no more than one to run, another accepts two: the line stays in order of arrival."""
    broker = harness.broker
    (who, first), (_, second) = [await held(broker, key, Slots("s", 2)) for key in ("a", "b")]
    await line(broker, "modest", gate=Slots("s", 1))
    await line(broker, "bold", gate=Slots("s", 2))
    await settle(broker, who, first, done())
    assert [await state(broker, key) for key in ("modest", "bold")] == ["parked", "parked"]
    await settle(broker, who, second, done())
    assert keys(await take(broker, who)) == ["modest", "bold"]


@pytest.mark.parametrize("way", ["cancel", "replace"])
async def test_when_the_first_in_line_leaves_the_next_may_pass(harness: Harness, way: str) -> None:
    """INV 20: nobody is parked at an open gate."""
    broker = harness.broker
    await held(broker, "a", Slots("s", 2))
    await line(broker, "modest", gate=Slots("s", 1))
    await line(broker, "bold", gate=Slots("s", 2))
    if way == "cancel":
        await broker.cancel("modest")
    else:
        await place(broker, instead("modest", after=60))
    assert keys(await take(broker, worker())) == ["bold"]


async def test_a_newcomer_does_not_overtake_who_waits(harness: Harness) -> None:
    """INV 20: it has to stand in line although its own maximum would let it pass."""
    broker = harness.broker
    await held(broker, "a", Slots("s", 2))
    await line(broker, "modest", gate=Slots("s", 1))
    assert (await at_gates(broker, "bold", Slots("s", 2)))[1] == PARKED


async def test_a_dead_holders_slot_comes_back_with_its_redelivery(harness: Harness) -> None:
    """INV 20, INV 21: without new traffic; the redelivered lease holds it already, and gives it back once."""
    broker, who = harness.broker, worker()
    await held(broker, "a", ONE)
    await line(broker, "b")
    await harness.pass_time(LEASE + 1)
    (lease,) = await sweep(broker, who)
    assert (lease.key, lease.admitted, lease.deliveries) == ("a", True, 2)
    assert await admit(broker, who, lease, ONE) == ADMITTED
    assert await state(broker, "b") == "parked"
    await settle(broker, who, lease, done())
    assert keys(await take(broker, who)) == ["b"]


async def test_a_call_that_is_given_up_frees_its_slot(harness: Harness) -> None:
    """INV 14, INV 20: dead after too many deliveries, it wakes the next in the step that buries it."""
    broker, who = harness.broker, worker()
    await held(broker, "a", ONE)
    await line(broker, "b")
    await harness.pass_time(LEASE + 1)
    leases = await sweep(broker, who, max_deliveries=1)
    assert await state(broker, "a") == "failed"
    assert keys(leases) == ["b"]


async def test_a_running_call_that_was_cancelled_frees_its_slot_when_it_ends(harness: Harness) -> None:
    """Not before: its body still runs."""
    broker = harness.broker
    who, lease = await held(broker, "a", ONE)
    await line(broker, "b")
    await broker.cancel("a")
    assert await state(broker, "b") == "parked"
    await settle(broker, who, lease, verdict.cancelled("task"))
    assert keys(await take(broker, who)) == ["b"]


async def test_a_running_call_that_has_a_successor_frees_its_slot_when_it_ends(harness: Harness) -> None:
    """INV 3: the successor arrives at the gate like any other, behind who waits there."""
    broker = harness.broker
    who, lease = await held(broker, "a", ONE)
    await line(broker, "b")
    await place(broker, instead("a", b"new"))
    await settle(broker, who, lease, retry(lease))
    woken, successor = await take(broker, who)
    assert (woken.key, woken.admitted, successor.key, successor.admitted) == ("b", True, "a", False)
    assert await admit(broker, who, successor, ONE) == PARKED


@pytest.mark.parametrize("way", ["cancel", "replace", "clear"])
async def test_a_woken_call_that_never_starts_passes_its_slot_on(harness: Harness, way: str) -> None:
    """INV 20, INV 21: it held the slot while it waited for a worker."""
    broker = harness.broker
    who, lease = await held(broker, "a", ONE)
    await line(broker, "b")
    await settle(broker, who, lease, done())
    assert await state(broker, "b") == "queued"
    if way == "cancel":
        await broker.cancel("b")
    elif way == "replace":
        await place(broker, instead("b", after=60))
    else:
        await broker.clear()
    await held(broker, "c", ONE)


@pytest.mark.parametrize("kind", ["again", "back", "unknown"])
async def test_an_attempt_that_comes_back_asks_anew(harness: Harness, kind: str) -> None:
    """INV 21: it gave its slot back, so it must not believe that it still has one."""
    broker = harness.broker
    who, lease = await held(broker, "a", ONE)
    await settle(broker, who, lease, ENDS[kind](lease))
    other, _ = await held(broker, "b", ONE) if kind != "back" else (who, None)
    await harness.pass_time(60)
    mine = next(one for one in await take(broker, other) if one.key == "a")
    assert not mine.admitted
    assert await admit(broker, other, mine, ONE) == (ADMITTED if kind == "back" else PARKED)


async def test_who_is_handed_back_keeps_its_place_in_line(harness: Harness) -> None:
    """It is the same attempt: it arrived before those who came meanwhile."""
    broker = harness.broker
    who, lease = await held(broker, "a", ONE)
    await line(broker, "b")
    await settle(broker, who, lease, done())
    woken = await take_one(broker, who)
    await line(broker, "c")
    await settle(broker, who, woken, back(woken))
    next_one, again = await take(broker, who)
    assert (next_one.key, next_one.admitted, again.key, again.admitted) == ("c", True, "b", False)
    await line(broker, "d")
    assert await admit(broker, who, again, ONE) == PARKED
    await settle(broker, who, next_one, done())
    assert keys(await take(broker, who)) == ["b"]


async def test_a_woken_call_whose_other_gate_is_full_gives_the_slot_on(harness: Harness) -> None:
    """INV 22: it waits at that gate in its original order, and the next in line gets the slot."""
    broker = harness.broker
    who, first = await held(broker, "a1", Slots("a", 1))
    _, second = await held(broker, "b1", Slots("b", 1))
    await at_gates(broker, "both", Slots("a", 1), Slots("b", 1))
    await line(broker, "a2", gate=Slots("a", 1))
    await line(broker, "b2", gate=Slots("b", 1))
    await settle(broker, who, first, done())
    assert [await state(broker, key) for key in ("both", "a2", "b2")] == ["parked", "queued", "parked"]
    await settle(broker, who, second, done())
    assert [await state(broker, key) for key in ("both", "a2", "b2")] == ["parked", "queued", "queued"]
    for lease in await take(broker, who):
        await settle(broker, who, lease, done())
    assert keys(await take(broker, who)) == ["both"]


async def test_a_woken_call_whose_rate_is_used_up_waits_for_its_moment(harness: Harness) -> None:
    """INV 22: it lets the slot go, and the next in line gets it."""
    broker, rate = harness.broker, Rate("r", 1, 20_000)
    who, lease = await held(broker, "a", ONE)
    await at_gates(broker, "b", ONE, rate)
    await line(broker, "c")
    await held(broker, "d", rate)
    await settle(broker, who, lease, done())
    assert [await state(broker, key) for key in "bc"] == ["scheduled", "queued"]
    record = await look(broker, "b")
    assert record.due == harness.now + 20_000
    next_one = await take_one(broker, who)
    await settle(broker, who, next_one, done())
    await harness.pass_time(20)
    assert [(one.key, one.admitted) for one in await take(broker, who)] == [("b", True)]


async def test_a_woken_call_whose_cooldown_was_taken_is_dropped(harness: Harness) -> None:
    """It is made ready so that a worker settles it, and lets the slot go."""
    broker, cool = harness.broker, Cooldown("c", 20_000)
    who, lease = await held(broker, "a", ONE)
    await at_gates(broker, "b", ONE, cool)
    await line(broker, "c")
    await held(broker, "d", cool)
    await settle(broker, who, lease, done())
    first, second = await take(broker, who)
    assert [(one.key, one.admitted, one.dropped) for one in (first, second)] == [
        ("b", False, "cooldown"),
        ("c", True, ""),
    ]
    await settle(broker, who, first, verdict.cancelled("task", reason=first.dropped))
    assert (await look(broker, "b")).reason == "cooldown"


async def test_what_one_step_cannot_move_the_next_claims_do(harness: Harness) -> None:
    """INV 43, INV 20: 300 calls that all lack another slot do not stop the server, and none is forgotten."""
    broker, who = harness.broker, worker()
    a, b = Slots("a", 1), Slots("b", 1)
    first, lease = await held(broker, "first", a)
    await held(broker, "second", b)
    await place(broker, *(call(f"k{number}") for number in range(300)), call("last"))
    leases = [one for _ in range(2) for one in await take(broker, who, 200)]
    await broker.admit(who, [(one, [a] if one.key == "last" else [a, b]) for one in leases])
    got = (await broker.turn([(lease, done())], Order(first, 1)))[1]
    assert got.leases == ()
    assert got.more
    for _ in range(10):
        got = await claim(broker, first, 1)
        if got.leases:
            break
    assert keys(got.leases) == ["last"]
    assert not (await claim(broker, first, 1)).more
    assert (await broker.survey(0)).counts.parked == 300


@pytest.mark.parametrize("key", ["a", "!x", "concurrency:one", "!line:one", "a b\nc", "%", "😀"])
async def test_no_key_is_confused_at_the_gates(harness: Harness, key: str) -> None:
    """INV 7: whatever a call is called, it is parked, woken and let go."""
    broker = harness.broker
    who, lease = await held(broker, "first", ONE)
    await line(broker, key)
    await settle(broker, who, lease, done())
    woken = await take_one(broker, who)
    assert (woken.key, woken.admitted) == (key, True)
    await settle(broker, who, woken, done())
    await held(broker, "last", ONE)


async def test_the_set_of_the_gate_tells_how_many_run(real: ServerHarness) -> None:
    """SEMANTICS, Gates: SCARD of NAME:concurrency:argument:value is the number running, woken calls included."""
    broker, gate = real.broker, Slots("customer_id:1001", 2)
    documented = real.key("concurrency:customer_id:1001")
    (who, first), (_, second) = [await held(broker, key, gate) for key in ("a", "b")]
    await line(broker, "c", gate=gate)
    assert real.ask("SMEMBERS", documented) in ([b"a", b"b"], [b"b", b"a"])
    await settle(broker, who, first, done())
    assert sorted(real.ask("SMEMBERS", documented)) == [b"b", b"c"]
    await settle(broker, who, second, done())
    assert real.ask("SCARD", documented) == 1
    await settle(broker, who, await take_one(broker, who), done())
    left = real.keys()
    assert not {suffix for suffix in left if suffix.startswith(("concurrency:", "!line:", "!gates:", "!parked"))}
