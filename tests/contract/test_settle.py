from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shadows.core import verdict
from shadows.ports.backend import Terms
from shadows.ports.broker import Lease, Settlement
from shadows.testing.exam.acts import (
    LEASE,
    back,
    call,
    claim,
    dead,
    done,
    instead,
    keys,
    look,
    pass_awake,
    place,
    retry,
    run,
    settle,
    start,
    state,
    sweep,
    take,
    take_one,
    unknown,
    worker,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from shadows.core.verdict import Verdict
    from tests.contract.harness import Harness

SETTLED, SUPERSEDED = Settlement.SETTLED, Settlement.SUPERSEDED
FOLLOW_UPS: dict[str, Callable[[Lease], Verdict]] = {"again": retry, "back": back, "unknown": unknown}
ALL: dict[str, Callable[[Lease], Verdict]] = {
    "end": lambda _: done(b"result"),
    "fail": lambda _: verdict.failed("task", b"error"),
    "cancel": lambda _: verdict.cancelled("task"),
    "bury": dead,
    **FOLLOW_UPS,
}


async def test_a_completed_run_keeps_its_result_as_long_as_its_record(harness: Harness) -> None:
    """INV 10: state, end, task and result appear in the step that settles, and the key is free."""
    who, lease = await start(harness.broker)
    await harness.pass_time(2)
    ended = verdict.completed("task", b"result", reason="cancel_ignored")
    assert await settle(harness.broker, who, lease, ended) == SETTLED
    record = await look(harness.broker, "a")
    assert (record.state, record.result, record.task, record.reason) == (
        "completed",
        b"result",
        "task",
        "cancel_ignored",
    )
    assert (record.run, record.ended, record.started) == ("one", harness.now, harness.now - 2_000)
    assert (record.due, record.payload) == (None, None)
    assert (await claim(harness.broker, worker())).left == 0


async def test_a_result_may_be_none_at_all(harness: Harness) -> None:
    """A body that returned None stores nothing beside its record."""
    who, lease = await start(harness.broker)
    await settle(harness.broker, who, lease, done())
    assert (await look(harness.broker, "a")).result is None


@pytest.mark.parametrize("size", [1, 64, 65, 100_000])
async def test_a_failed_run_keeps_its_payload_for_a_replay(harness: Harness, size: int) -> None:
    """The error is its outcome; the arguments stay as long as the record."""
    who, lease = await start(harness.broker, payload=b"p" * size)
    assert await settle(harness.broker, who, lease, verdict.failed("task", b"error", reason="timeout")) == SETTLED
    record = await look(harness.broker, "a")
    assert (record.state, record.result, record.payload) == ("failed", b"error", b"p" * size)
    assert (record.reason, record.task) == ("timeout", "task")


async def test_a_cancelled_run_has_no_outcome(harness: Harness) -> None:
    """It ended on somebody's decision: a reason, nothing else."""
    who, lease = await start(harness.broker)
    await settle(harness.broker, who, lease, verdict.cancelled("task", reason="strike"))
    record = await look(harness.broker, "a")
    assert (record.state, record.reason, record.result) == ("cancelled", "strike", None)


@pytest.mark.parametrize("ttl", [900_000, 0])
@pytest.mark.parametrize("kind", ALL)
async def test_a_second_settle_changes_nothing(harness: Harness, kind: str, ttl: int) -> None:
    """INV 16: the reply of the first was lost; its repeat finds the lease gone, whatever has followed from it."""
    broker = (await harness.open(Terms(execution_ttl=ttl))).broker
    who, lease = await start(broker)
    assert await settle(broker, who, lease, ALL[kind](lease)) in {SETTLED, Settlement.BURIED}
    before = await broker.read("a"), await broker.survey(10), await broker.dead(limit=10)
    assert await settle(broker, who, lease, ALL[kind](lease)) == SUPERSEDED
    assert await settle(broker, who, lease, done(b"other")) == SUPERSEDED
    assert (await broker.read("a"), await broker.survey(10), await broker.dead(limit=10)) == before


@pytest.mark.parametrize("kind", ALL)
async def test_a_lost_lease_settles_nothing(harness: Harness, kind: str) -> None:
    """INV 12: A's lease ends, B claims, A's settle must lose, and B's must win."""
    broker = harness.broker
    slow, lost = await start(broker)
    await harness.pass_time(LEASE + 1)
    quick = worker()
    (lease,) = await sweep(broker, quick)
    before = await look(broker, "a")
    assert await settle(broker, slow, lost, ALL[kind](lost)) == SUPERSEDED
    assert await look(broker, "a") == before
    assert await settle(broker, quick, lease, done(b"mine")) == SETTLED
    assert (await look(broker, "a")).result == b"mine"


async def test_an_expired_lease_that_nobody_took_still_settles(harness: Harness) -> None:
    """Only another lease supersedes one; being late is no reason to run a body again."""
    who, lease = await start(harness.broker)
    await harness.pass_time(10 * LEASE)
    assert await settle(harness.broker, who, lease, done()) == SETTLED
    assert await sweep(harness.broker, worker()) == ()


async def test_a_lease_of_an_older_run_of_the_key_settles_nothing(harness: Harness) -> None:
    """INV 4: a fence outlives its run, and never fits the next one."""
    broker = harness.broker
    who, lease = await start(broker)
    await settle(broker, who, lease, done())
    await place(broker, call("a", run="two"))
    second = await take_one(broker, worker())
    assert await settle(broker, who, lease, done(b"old")) == SUPERSEDED
    assert (await look(broker, "a")).fence == second.fence


async def test_the_next_attempt_is_placed_by_the_step_that_ends_this_one(harness: Harness) -> None:
    """INV 10, INV 32: same run, next attempt, at its time; worker and start of the failed one are gone."""
    broker = harness.broker
    who, lease = await start(broker, payload=b"x" * 100)
    assert await settle(broker, who, lease, retry(lease, after=5)) == SETTLED
    record = await look(broker, "a")
    assert (record.state, record.run, record.attempt, record.due) == ("scheduled", "one", 2, harness.now + 5_000)
    assert (record.holder, record.started, record.fence, record.payload) == (None, None, None, b"x" * 100)
    assert await take(broker, who) == ()
    await harness.pass_time(5)
    again = await take_one(broker, worker())
    assert (again.attempt, again.payload, again.deliveries) == (2, b"x" * 100, 1)
    assert again.fence > lease.fence


async def test_an_attempt_for_now_is_ready_at_once(harness: Harness) -> None:
    """INV 10: a retry without delay can be claimed by anybody."""
    who, lease = await start(harness.broker)
    await settle(harness.broker, who, lease, verdict.again(b"changed", attempt=7))
    again = await take_one(harness.broker, worker())
    assert (again.attempt, again.payload) == (7, b"changed")


async def test_a_new_attempt_has_had_no_deliveries(harness: Harness) -> None:
    """INV 14: deliveries are counted for each attempt."""
    broker, who = harness.broker, worker()
    await start(broker)
    await harness.pass_time(LEASE + 1)
    (lease,) = await sweep(broker, who)
    assert lease.deliveries == 2
    await settle(broker, who, lease, back(lease))  # what was lost is counted in the record from now on
    lease = await take_one(broker, who)
    assert lease.deliveries == 2
    await settle(broker, who, lease, retry(lease))
    assert (await take_one(broker, who)).deliveries == 1


async def test_what_is_handed_back_used_up_nothing(harness: Harness) -> None:
    """INV 18, INV 36: at once ready for another worker, the same attempt, no delivery counted."""
    who, lease = await start(harness.broker)
    assert await settle(harness.broker, who, lease, back(lease)) == SETTLED
    record = await look(harness.broker, "a")
    assert (record.state, record.holder, record.started) == ("queued", None, None)
    again = await take_one(harness.broker, worker())
    assert (again.attempt, again.deliveries, again.payload) == (1, 1, b"payload")


@pytest.mark.parametrize("kind", ["back", "unknown"])
async def test_deliveries_lost_earlier_are_not_forgotten_by_a_hand_back(harness: Harness, kind: str) -> None:
    """INV 14: two workers died of it; handing it back or not knowing it does not wash that off."""
    broker = harness.broker
    await start(broker)
    await harness.pass_time(LEASE + 1)
    await sweep(broker, worker())
    await pass_awake(harness, LEASE + 1)
    (lease,) = await sweep(broker, who := worker())
    assert lease.deliveries == 3
    await settle(broker, who, lease, FOLLOW_UPS[kind](lease))
    await harness.pass_time(2)
    again = await take_one(broker, who := worker(), max_deliveries=3)
    assert again.deliveries == 3
    await settle(broker, who, again, FOLLOW_UPS[kind](again))
    await harness.pass_time(5)
    assert await take(broker, worker(), max_deliveries=2) == ()
    assert (await look(broker, "a")).reason == "worker-lost"


@pytest.mark.parametrize("kind", FOLLOW_UPS)
async def test_a_cancelled_run_goes_on_under_no_verdict(harness: Harness, kind: str) -> None:
    """INV 30: a retry, a hand-back and a put-back all end it instead."""
    broker = harness.broker
    who, lease = await start(broker)
    await broker.cancel("a")
    assert await settle(broker, who, lease, FOLLOW_UPS[kind](lease)) == Settlement.CANCELLED
    record = await look(broker, "a")
    assert (record.state, record.reason) == ("cancelled", "cancelled")
    assert (await claim(broker, worker())).left == 0


async def test_a_body_that_ignored_its_cancel_ends_as_what_it_returned(harness: Harness) -> None:
    """A requested cancel does not overwrite an outcome."""
    who, lease = await start(harness.broker)
    await harness.broker.cancel("a")
    await settle(harness.broker, who, lease, verdict.completed("task", b"result", reason="cancel_ignored"))
    assert (await look(harness.broker, "a")).state == "completed"


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("cancelled", [False, True])
async def test_the_successor_is_placed_whatever_the_verdict(harness: Harness, kind: str, *, cancelled: bool) -> None:
    """INV 3, INV 31: nothing that the old body does touches the new call; a next attempt is dropped."""
    broker = harness.broker
    who, lease = await start(broker, payload=b"old")
    if cancelled:
        await broker.cancel("a")
    await place(broker, instead("a", b"new", run="two"))
    answer = await settle(broker, who, lease, ALL[kind](lease))
    wanted = Settlement.BURIED if kind == "bury" else SETTLED
    assert answer == (Settlement.CANCELLED if cancelled and kind in FOLLOW_UPS else wanted)
    record = await look(broker, "a")
    assert (record.state, record.run, record.payload, record.cancel_requested) == ("queued", "two", b"new", False)
    again = await take_one(broker, who)
    assert (again.payload, again.attempt, again.deliveries) == (b"new", 1, 1)
    await settle(broker, who, again, done(b"result"))
    await harness.pass_time(120)
    assert await take(broker, who) == ()
    assert (await look(broker, "a")).result == b"result"


async def test_each_lease_of_a_batch_is_settled_alone(harness: Harness) -> None:
    """INV 9: one that was lost stops no other, and the answers keep their order."""
    broker, who = harness.broker, worker()
    await place(broker, *(call(key) for key in "abcd"))
    a, b, c, d = await take(broker, who)
    await settle(broker, who, b, done(b"first"))
    batch = [(a, done(b"a")), (b, done(b"second")), (c, retry(c)), (d, dead(d)), (a, done(b"again"))]
    assert await broker.settle(who, batch) == ["settled", "superseded", "settled", "buried", "superseded"]
    assert [(await look(broker, key)).result for key in "ab"] == [b"a", b"first"]
    assert [await state(broker, key) for key in "cd"] == ["queued", "failed"]


@pytest.mark.parametrize("ttl", [900_000, 0])
@pytest.mark.parametrize("kind", ALL)
async def test_a_lease_counts_once_in_a_batch(harness: Harness, kind: str, ttl: int) -> None:
    """INV 16: the second of two verdicts on one lease is superseded, also where nothing is kept of the run."""
    broker = (await harness.open(Terms(execution_ttl=ttl))).broker
    who, lease = await start(broker)
    answers = await broker.settle(who, [(lease, done(b"first")), (lease, ALL[kind](lease))])
    assert answers == ["settled", "superseded"]
    assert await state(broker, "a") == ("completed" if ttl else None)
    assert await take(broker, who) == ()


async def test_no_leases_get_no_answers(harness: Harness) -> None:
    """An empty batch is no error."""
    assert await harness.broker.settle(worker(), []) == []


async def test_a_batch_of_settlements_may_be_larger_than_one_script_handles(harness: Harness) -> None:
    """INV 43: the adapter splits it, and each lease is settled and answered in order."""
    broker, who = harness.broker, worker()
    await place(broker, *(call(f"k{number}") for number in range(450)))
    leases = [lease for _ in range(3) for lease in await take(broker, who, 200)]
    settled = await broker.settle(who, [(lease, done(lease.key.encode())) for lease in leases])
    assert settled == [SETTLED] * 450
    assert (await look(broker, "k449")).result == b"k449"
    assert (await broker.survey(0)).counts.running == 0


@pytest.mark.parametrize("kind", ["end", "fail", "cancel"])
async def test_nothing_remains_of_a_run_where_nothing_is_kept(harness: Harness, kind: str) -> None:
    """INV 42: with a lifetime of 0 nothing outlives the run, and dedupe and fencing hold."""
    broker = (await harness.open(Terms(execution_ttl=0))).broker
    who, lease = await start(broker, payload=b"x" * 100)
    assert await place(broker, call("a")) == ["already"]
    await broker.report(lease, {"done": "half"})
    assert await settle(broker, who, lease, ALL[kind](lease)) == SETTLED
    assert await broker.read("a") is None
    assert await broker.progress("a") == {}
    assert await settle(broker, who, lease, done()) == SUPERSEDED
    _, second = await start(broker)
    assert second.fence > lease.fence
    assert await settle(broker, who, lease, done()) == SUPERSEDED


async def test_a_run_whose_record_is_not_kept_goes_through_its_attempts(harness: Harness) -> None:
    """INV 42: retry, hand-back and successor work with a lifetime of 0 as well."""
    broker = (await harness.open(Terms(execution_ttl=0))).broker
    who, lease = await start(broker)
    for kind in ("again", "back", "again"):
        await settle(broker, who, lease, FOLLOW_UPS[kind](lease))
        lease = await take_one(broker, who)
    assert lease.attempt == 3
    await place(broker, instead("a", b"new"))
    await settle(broker, who, lease, done())
    lease = await take_one(broker, who)
    assert lease.payload == b"new"
    await settle(broker, who, lease, done())
    assert await broker.read("a") is None


async def test_a_settled_key_can_be_used_again_in_the_same_moment(harness: Harness) -> None:
    """INV 1: whatever ended the run, the next add is accepted."""
    broker = harness.broker
    for kind in ("end", "fail", "cancel", "bury"):
        who, lease = await start(broker)
        await settle(broker, who, lease, ALL[kind](lease))
        await run(broker, "a", b"in between")
        assert (await look(broker, "a")).result == b"in between"
    assert keys(await take(broker, worker())) == []
