"""Rates, cooldowns and debounces: what the time decides."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from shadows.core import verdict
from shadows.core.gates import Cooldown, Debounce, Rate, Slots
from shadows.ports.admission import Admission, Passage
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
    from shadows.core.gates import Gate
    from shadows.core.holder import Holder
    from shadows.ports.broker import Broker, Lease
    from tests.contract.harness import Harness, ServerHarness

ADMITTED, PARKED, DELAYED = (Admission(word) for word in (Passage.ADMITTED, Passage.PARKED, Passage.DELAYED))
SECOND = 1_000
RATE = Rate("r", 1, 20 * SECOND)
COOLDOWN, DEBOUNCE = Cooldown("c", 20 * SECOND), Debounce("d", 10 * SECOND)


def dropped(reason: str) -> Admission:
    """Return the answer to a call that is not to run."""
    return Admission(Passage.DROPPED, reason)


async def held(broker: Broker, key: str, *gates: Gate) -> tuple[Holder, Lease]:
    """Bring a call through its gates, which must be open."""
    who = worker()
    lease, admission = await at_gates(broker, key, *gates, who=who)
    assert admission == ADMITTED
    return who, lease


async def moment(broker: Broker, key: str, *gates: Gate) -> int | None:
    """Bring a call to its gates, which delay it, and return until when."""
    assert (await at_gates(broker, key, *gates))[1] == DELAYED
    record = await look(broker, key)
    assert record.state == "scheduled"
    return record.due


# Rate -------------------------------------------------------------------------------------------------------


async def test_each_blocked_call_reserves_its_own_moment(harness: Harness) -> None:
    """SEMANTICS, Gates: first come, first served: two in any 20 s."""
    broker, rate = harness.broker, Rate("r", 2, 20 * SECOND)
    await held(broker, "a", rate)
    await harness.pass_time(5)
    await held(broker, "b", rate)
    now = harness.now
    moments = [await moment(broker, key, rate) for key in ("c", "d", "e", "f", "g")]
    assert moments == [now + wait * SECOND for wait in (15, 20, 35, 40, 55)]


async def test_a_call_is_admitted_by_the_claim_when_its_moment_has_come(harness: Harness) -> None:
    """INV 20: it is scheduled, not polled; no trip to the gates is needed any more."""
    broker = harness.broker
    await held(broker, "a", RATE)
    await moment(broker, "b", RATE)
    await harness.pass_time(19)
    assert await take(broker, worker()) == ()
    await harness.pass_time(1)
    lease = await take_one(broker, worker())
    assert (lease.key, lease.admitted, lease.attempt, lease.deliveries) == ("b", True, 1, 1)


async def test_no_window_holds_more_than_allowed_when_workers_come_late(harness: Harness) -> None:
    """Exact: a token counts from the admission, so those behind a late one wait as much longer."""
    broker, who = harness.broker, worker(lease=3600)
    await held(broker, "a", RATE)
    for key in "bcd":
        await moment(broker, key, RATE)
    began, admitted = harness.now, []
    for _ in range(100):
        await harness.pass_time(3)
        for lease in await take(broker, who):
            admitted.append((lease.key, harness.now))
            await settle(broker, who, lease, done())
    assert [key for key, _ in admitted] == ["b", "c", "d"]
    times = [began, *(when for _, when in admitted)]
    assert all(later - earlier >= 20 * SECOND for earlier, later in itertools.pairwise(times))
    assert times[-1] - began <= 3 * 24 * SECOND


async def test_a_backlog_that_comes_due_at_once_gets_a_moment_each(harness: Harness) -> None:
    """After an hour without workers: one runs, the others get different moments, in their order, and who has asked for
    them hears of the first.
    """
    broker, who = harness.broker, worker()
    await held(broker, "first", RATE)
    for number in range(6):
        await moment(broker, f"k{number}", RATE)
    await harness.pass_time(3600)
    assert (await claim(broker, who, 0)).due_in is None  # they are all ready to ask
    answer = await claim(broker, who)
    assert (keys(answer.leases), answer.due_in) == (["k0"], 20)
    due = [(await look(broker, f"k{number}")).due for number in range(1, 6)]
    assert due == [harness.now + wait * 20 * SECOND for wait in range(1, 6)]


async def test_a_newcomer_does_not_overtake_who_waits_for_its_moment(harness: Harness) -> None:
    """First come, first served, also when the moment has come and nobody has claimed yet."""
    broker = harness.broker
    await held(broker, "a", RATE)
    await place(broker, call("new"))
    who = worker()
    newcomer = await take_one(broker, who)
    await moment(broker, "b", RATE)
    await harness.pass_time(21)
    assert await admit(broker, who, newcomer, RATE) == ADMITTED  # it came first after all: its lease is older
    assert await take(broker, who) == ()
    assert (await look(broker, "b")).due == harness.now + 20 * SECOND


async def test_with_drop_a_blocked_call_is_dropped(harness: Harness) -> None:
    """It keeps its lease, and is settled as cancelled, reason rate_limit."""
    broker, rate = harness.broker, Rate("r", 1, 20 * SECOND, drop=True)
    await held(broker, "a", rate)
    who = worker()
    lease, admission = await at_gates(broker, "b", rate, who=who)
    assert admission == dropped("rate_limit")
    await settle(broker, who, lease, verdict.cancelled("task", reason=admission.reason))
    assert (await look(broker, "b")).reason == "rate_limit"
    await harness.pass_time(20)
    await held(broker, "c", rate)


async def test_a_redelivery_keeps_its_token(harness: Harness) -> None:
    """INV 21: the attempt was admitted once; its second lease takes no second token."""
    broker, rate = harness.broker, Rate("r", 2, 3600 * SECOND)
    await held(broker, "a", rate)
    await harness.pass_time(LEASE + 1)
    (lease,) = await sweep(broker, worker())
    assert lease.admitted
    await held(broker, "b", rate)


async def test_a_retry_takes_a_new_token(harness: Harness) -> None:
    """INV 21: it is an attempt of its own."""
    broker = harness.broker
    who, lease = await held(broker, "a", RATE)
    await settle(broker, who, lease, retry(lease))
    again = await take_one(broker, who)
    assert (again.attempt, again.admitted) == (2, False)
    assert await admit(broker, who, again, RATE) == DELAYED
    await harness.pass_time(20)
    again = await take_one(broker, who)
    assert (again.attempt, again.admitted) == (2, True)


async def test_what_is_handed_back_keeps_its_token(harness: Harness) -> None:
    """INV 18: it is the same attempt, so another worker may run it at once."""
    broker = harness.broker
    who, lease = await held(broker, "a", RATE)
    await harness.pass_time(15)
    await settle(broker, who, lease, back(lease))
    again = await take_one(broker, who)
    assert await admit(broker, who, again, RATE) == ADMITTED
    await harness.pass_time(5)
    await held(broker, "b", RATE)


async def test_rates_of_different_windows_are_asked_one_after_the_other(harness: Harness) -> None:
    """INV 22: it waits for the one that is closed, and takes tokens of both together."""
    broker, short, long = harness.broker, Rate("r", 1, 20 * SECOND), Rate("r", 2, 60 * SECOND)
    await held(broker, "a", short, long)
    assert await moment(broker, "b", short, long) == harness.now + 20 * SECOND
    await moment(broker, "c", short, long)
    began = harness.now
    await harness.pass_time(20)
    assert keys(await take(broker, worker())) == ["b"]
    await harness.pass_time(20)
    assert await take(broker, worker()) == ()
    assert (await look(broker, "c")).due == began + 60 * SECOND
    await held(broker, "d", short)


async def test_a_call_whose_moment_has_come_may_find_no_slot(harness: Harness) -> None:
    """INV 22: it is parked, lets its reservation go, and asks for a new one when it is woken."""
    broker, slots = harness.broker, Slots("s", 1)
    await held(broker, "a", RATE)
    await moment(broker, "b", slots, RATE)
    who, holds = await held(broker, "c", slots)
    await harness.pass_time(20)
    assert await take(broker, who) == ()
    assert await state(broker, "b") == "parked"
    await held(broker, "d", RATE)
    await settle(broker, who, holds, done())
    assert (await look(broker, "b")).due == harness.now + 20 * SECOND


@pytest.mark.parametrize("way", ["cancel", "replace"])
async def test_a_reservation_is_given_up_with_its_call(harness: Harness, way: str) -> None:
    """The next newcomer gets that moment."""
    broker = harness.broker
    await held(broker, "a", RATE)
    first = await moment(broker, "b", RATE)
    if way == "cancel":
        await broker.cancel("b")
    else:
        await place(broker, instead("b", after=3600))
    assert await moment(broker, "c", RATE) == first


# Cooldown ---------------------------------------------------------------------------------------------------


async def test_the_first_runs_and_the_others_are_dropped(harness: Harness) -> None:
    """Until the window is over, however the first one ended."""
    broker = harness.broker
    who, lease = await held(broker, "a", COOLDOWN)
    assert (await at_gates(broker, "b", COOLDOWN))[1] == dropped("cooldown")
    await settle(broker, who, lease, verdict.failed("task", b"error"))
    await harness.pass_time(19)
    assert (await at_gates(broker, "c", COOLDOWN))[1] == dropped("cooldown")
    await held(broker, "other", Cooldown("other", 20 * SECOND))
    await harness.pass_time(1)
    await held(broker, "d", COOLDOWN)


async def test_a_retry_keeps_its_own_cooldown(harness: Harness) -> None:
    """INV 21: the run that closed it passes, and does not close it for longer."""
    broker = harness.broker
    who, lease = await held(broker, "a", COOLDOWN)
    await harness.pass_time(15)
    await settle(broker, who, lease, retry(lease))
    again = await take_one(broker, who)
    assert await admit(broker, who, again, COOLDOWN) == ADMITTED
    await harness.pass_time(5)
    await held(broker, "b", COOLDOWN)


async def test_the_next_run_of_a_key_meets_the_cooldown_of_the_last(harness: Harness) -> None:
    """It belongs to the run, not to the key."""
    broker, who = harness.broker, worker()
    await place(broker, call("a", run="one"))
    lease = await take_one(broker, who)
    assert await admit(broker, who, lease, COOLDOWN) == ADMITTED
    await settle(broker, who, lease, done())
    await place(broker, call("a", run="two"))
    assert await admit(broker, who, await take_one(broker, who), COOLDOWN) == dropped("cooldown")


async def test_a_dropped_lease_that_was_lost_is_still_dropped(harness: Harness) -> None:
    """The window may be over by then: what was decided stays decided."""
    broker = harness.broker
    await held(broker, "a", COOLDOWN)
    await at_gates(broker, "b", COOLDOWN)
    await harness.pass_time(LEASE + 1)
    leases = await sweep(broker, worker())
    assert {lease.key: (lease.admitted, lease.dropped) for lease in leases} == {
        "a": (True, ""),
        "b": (False, "cooldown"),
    }


# Debounce ---------------------------------------------------------------------------------------------------


async def test_the_newest_runs_after_quiet_and_the_earlier_ones_are_dropped(harness: Harness) -> None:
    """SEMANTICS, Gates: each under its own key; the earlier ones end at once, not when they would have been due."""
    broker, who = harness.broker, worker()
    assert await moment(broker, "a", DEBOUNCE) == harness.now + 10 * SECOND
    await harness.pass_time(6)
    await place(broker, call("b"))
    newer = await take_one(broker, who)
    assert await admit(broker, who, newer, DEBOUNCE) == DELAYED
    older = await take_one(broker, who)
    assert (older.key, older.dropped, older.admitted) == ("a", "debounced", False)
    await settle(broker, who, older, verdict.cancelled("task", reason=older.dropped))
    assert (await look(broker, "a")).reason == "debounced"
    await harness.pass_time(9)
    assert await take(broker, who) == ()
    await harness.pass_time(1)
    lease = await take_one(broker, who)
    assert (lease.key, lease.admitted) == ("b", True)


async def test_a_run_waits_for_quiet_once(harness: Harness) -> None:
    """INV 21: a retry passes, and what came meanwhile does not drop it."""
    broker, who = harness.broker, worker()
    await moment(broker, "a", DEBOUNCE)
    await harness.pass_time(10)
    lease = await take_one(broker, who)
    await place(broker, call("b"))
    assert await admit(broker, who, await take_one(broker, who), DEBOUNCE) == DELAYED
    await settle(broker, who, lease, retry(lease))
    again = await take_one(broker, who)
    assert (again.key, again.dropped) == ("a", "")
    assert await admit(broker, who, again, DEBOUNCE) == ADMITTED
    await harness.pass_time(10)
    assert keys(await take(broker, who)) == ["b"]


async def test_one_that_is_due_but_not_yet_claimed_can_still_be_dropped(harness: Harness) -> None:
    """It lies among the ready calls; whoever claims it is told."""
    broker, who = harness.broker, worker()
    await moment(broker, "a", DEBOUNCE)
    await place(broker, call("b"))
    newer = await take_one(broker, who)
    await harness.pass_time(10)
    await claim(broker, who, 0)
    assert await state(broker, "a") == "queued"
    assert await admit(broker, who, newer, DEBOUNCE) == DELAYED
    older = await take_one(broker, who)
    assert (older.key, older.dropped) == ("a", "debounced")


@pytest.mark.parametrize("way", ["cancel", "clear", "replace"])
async def test_a_call_that_is_gone_is_not_dropped_once_more(harness: Harness, way: str) -> None:
    """INV 31: what has its key now is another run, which nobody touches."""
    broker, who = harness.broker, worker()
    await place(broker, call("a", run="one"))
    assert await admit(broker, who, await take_one(broker, who), DEBOUNCE) == DELAYED
    if way == "cancel":
        await broker.cancel("a")
    elif way == "clear":
        await broker.clear()
    else:
        await place(broker, instead("a", b"new", after=60, run="two"))
    await moment(broker, "b", DEBOUNCE)
    assert await take(broker, who) == ()
    assert await state(broker, "a") == ("scheduled" if way == "replace" else "cancelled")


async def test_who_has_settled_may_still_have_to_wait_for_a_slot(harness: Harness) -> None:
    """INV 22: it is quiet's winner, and stays it, while the newer one waits for its own quiet."""
    broker, slots = harness.broker, Slots("s", 1)
    who, holds = await held(broker, "first", slots)
    await moment(broker, "a", DEBOUNCE, slots)
    await harness.pass_time(10)
    assert await take(broker, who) == ()
    assert await state(broker, "a") == "parked"
    await moment(broker, "b", DEBOUNCE, slots)
    assert await state(broker, "a") == "parked"
    await settle(broker, who, holds, done())
    lease = await take_one(broker, who)
    assert (lease.key, lease.admitted) == ("a", True)


async def test_several_debounces_wait_for_the_longest(harness: Harness) -> None:
    """All gates or none: it is the newest of each, and each may drop it."""
    broker = harness.broker
    one, other = Debounce("one", 10 * SECOND), Debounce("other", 20 * SECOND)
    assert await moment(broker, "a", one, other) == harness.now + 20 * SECOND
    assert await moment(broker, "b", one) == harness.now + 10 * SECOND
    older = await take_one(broker, worker())
    assert (older.key, older.dropped) == ("a", "debounced")


async def test_what_is_kept_of_windows_fades(real: ServerHarness) -> None:
    """INV 41: every key has a lifetime or belongs to a live call."""
    broker = real.broker
    who, lease = await held(broker, "a", RATE, COOLDOWN)
    await moment(broker, "b", DEBOUNCE)
    await settle(broker, who, lease, done())
    for suffix in (f"!rate:{RATE.per}:r", "!cooldown:c", "!debounce:d"):
        assert 0 < real.ask("PTTL", real.key(suffix)) <= 100 * SECOND
