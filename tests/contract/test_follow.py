"""A settled run is followed by its next occurrence, and is itself still found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shadows.core import verdict
from shadows.core.lifecycle import ExecutionState
from shadows.core.scheduling import AT_ONCE, Due
from shadows.core.verdict import Occurrence
from shadows.ports.backend import Terms
from shadows.ports.broker import Order, Settlement
from shadows.ports.looking import Part, Record
from shadows.testing.exam.acts import (
    LEASE,
    call,
    done,
    hear,
    instead,
    keys,
    look,
    place,
    retry,
    settle,
    start,
    state,
    sweep,
    take,
    take_one,
    worker,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from shadows.core.verdict import Verdict
    from shadows.ports.broker import Broker, Lease
    from tests.contract.harness import Harness, ServerHarness

EVERYTHING = Part.PAYLOAD | Part.RESULT
NEXT = Occurrence(b"next", AT_ONCE)
ENDS: dict[str, Callable[[Occurrence], Verdict]] = {
    "completed": lambda following: verdict.completed("task", b"result", follow=following),
    "failed": lambda following: verdict.failed("task", b"error", reason="timeout", follow=following),
    "cancelled": lambda following: verdict.cancelled("task", reason="strike", follow=following),
}


def followed(payload: bytes = b"next", *, after: float | None = None, at: int | None = None) -> Verdict:
    """Return the verdict of a body that returned and has a next occurrence."""
    due = Due(at, None if after is None else round(after * 1000))
    return verdict.completed("task", b"result", follow=Occurrence(payload, due))


async def past(broker: Broker, key: str, run: str) -> Record:
    """Read what is kept of one run, which must be something."""
    record = await broker.read(key, EVERYTHING, run=run)
    assert record is not None
    assert record.run == run
    return record


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("size", [0, 64, 65, 5_000])
async def test_the_next_occurrence_is_placed_by_the_step_that_ends_this_one(
    harness: Harness, end: str, size: int
) -> None:
    """INV 10, INV 25: a new run under the same key, at its first attempt and its time."""
    broker = harness.broker
    who, lease = await start(broker)
    await settle(broker, who, lease, retry(lease))
    lease = await take_one(broker, who)
    following = Occurrence(b"x" * size, Due(after=5_000), "every=5s")
    assert await settle(broker, who, lease, ENDS[end](following)) == Settlement.SETTLED
    record = await look(broker, "a")
    due = harness.now + 5_000
    assert record == Record("a", ExecutionState.SCHEDULED, record.run, 1, due=due, payload=b"x" * size)
    assert await take(broker, who) == ()
    await harness.pass_time(5)
    again = await take_one(broker, who)
    assert (again.payload, again.attempt, again.deliveries) == (b"x" * size, 1, 1)


@pytest.mark.parametrize("at", [None, 0, 1_000])
async def test_a_missed_occurrence_is_ready_at_once(harness: Harness, at: int | None) -> None:
    """SEMANTICS, Perpetual: the next start is the previous one plus the interval, or now if that is past."""
    who, lease = await start(harness.broker)
    await settle(harness.broker, who, lease, followed(at=at))
    assert await state(harness.broker, "a") == "queued"
    assert (await take_one(harness.broker, who)).payload == b"next"


async def test_each_occurrence_is_a_run_of_its_own(harness: Harness) -> None:
    """INV 4: the broker names it, never twice, and tells it apart from a run that somebody asked for."""
    broker = harness.broker
    who, lease = await start(broker)
    assert not (await look(broker, "a")).occurrence
    runs = []
    for _ in range(5):
        await settle(broker, who, lease, followed())
        record = await look(broker, "a")
        assert record.occurrence
        runs.append(record.run)
        lease = await take_one(broker, who)
    await settle(broker, who, lease, done())
    await place(broker, call("a"))
    await settle(broker, who, await take_one(broker, who), followed())
    assert len({*runs, (await look(broker, "a")).run, ""}) == 7


@pytest.mark.parametrize("run", ["one", ""])
@pytest.mark.parametrize("end", ENDS)
async def test_a_run_that_was_followed_is_found_by_its_name(harness: Harness, end: str, run: str) -> None:
    """SEMANTICS: whoever has a handle on it gets its own end, not the next run's; a generated key needs no name."""
    broker, who = harness.broker, worker()
    await place(broker, call("a", b"p" * 100, run=run))
    lease = await take_one(broker, who)
    await settle(broker, who, lease, verdict.again(b"p" * 100, attempt=2))
    lease = await take_one(broker, who)
    started = harness.now
    await harness.pass_time(2)
    await settle(broker, who, lease, ENDS[end](NEXT))
    assert await past(broker, "a", run) == Record(
        "a",
        ExecutionState(end),
        run,
        2,
        fence=lease.fence,
        holder=who.id,
        started=started,
        ended=harness.now,
        task="task",
        reason={"failed": "timeout", "cancelled": "strike"}.get(end),
        payload=b"p" * 100 if end == "failed" else None,
        result={"completed": b"result", "failed": b"error"}.get(end),
    )
    small = await broker.read("a", run=run)
    assert small is not None
    assert (small.payload, small.result) == (None, None)


async def test_every_run_of_a_chain_is_found(harness: Harness) -> None:
    """SEMANTICS: the first, those in between, and the one that has the key; also after the chain was ended."""
    broker = harness.broker
    who, lease = await start(broker)
    runs = ["one"]
    for number in range(3):
        ended = verdict.completed("task", b"%d" % number, follow=NEXT)
        await settle(broker, who, lease, ended)
        runs.append((await look(broker, "a")).run)
        lease = await take_one(broker, who)
    await settle(broker, who, lease, done(b"3"))
    assert [(await past(broker, "a", run)).result for run in runs] == [b"0", b"1", b"2", b"3"]
    await place(broker, call("a", run="two"))
    assert [(await past(broker, "a", run)).result for run in runs[:3]] == [b"0", b"1", b"2"]
    assert (await look(broker, "a")).run == "two"


async def test_a_run_that_is_not_kept_is_answered_with_the_record_of_its_key(harness: Harness) -> None:
    """A waiter sees who has the key now; another key's run of the same name is not its own."""
    broker, who = harness.broker, worker()
    await place(broker, call("a", run="one"), call("b", run="one"))
    a, b = await take(broker, who)
    await settle(broker, who, a, followed())
    assert await broker.read("c", EVERYTHING, run="one") is None
    assert await broker.read("b", EVERYTHING, run="two") == await look(broker, "b")
    assert await broker.read("b", EVERYTHING, run="one") == await look(broker, "b")
    assert await broker.read("a", EVERYTHING, run="") == await look(broker, "a")
    await place(broker, instead("b", run="two"))
    successor = await broker.read("b", run="two")
    assert successor is not None
    assert (successor.run, successor.successor) == ("one", "two")
    await settle(broker, who, b, followed())
    assert (await past(broker, "b", "two")).state == "queued"


async def test_keys_and_runs_that_look_like_each_other_are_kept_apart(harness: Harness) -> None:
    """INV 7: whatever stands in the key, its past is its own."""
    broker, who = harness.broker, worker()
    names = ["one:a", "a", ":a", "one:one:a", "!past:one:a", "a\0b", "%"]
    await place(broker, *(call(key, run=run) for key in names for run in ["one" if key != ":a" else ""]))
    leases = await take(broker, who, 20)
    batch = [(lease, verdict.completed("task", lease.key.encode(), follow=NEXT)) for lease in leases]
    assert await broker.settle(who, batch) == [Settlement.SETTLED] * len(names)
    for key in names:
        assert (await past(broker, key, "one" if key != ":a" else "")).result == key.encode()


async def test_a_successor_wins_over_the_next_occurrence(harness: Harness) -> None:
    """INV 25: an external replace takes the key, and nothing of the occurrence is left."""
    broker = harness.broker
    who, lease = await start(broker)
    await place(broker, instead("a", b"new", run="two"))
    assert await settle(broker, who, lease, followed()) == Settlement.SETTLED
    record = await look(broker, "a")
    assert (record.run, record.payload, record.state) == ("two", b"new", "queued")
    assert await broker.read("a", EVERYTHING, run="one") == record
    await settle(broker, who, await take_one(broker, who), done())
    assert await take(broker, who) == ()


@pytest.mark.parametrize("end", ENDS)
async def test_a_run_whose_cancel_was_requested_has_no_next_occurrence(harness: Harness, end: str) -> None:
    """INV 30: a cancelled run is neither retried nor perpetuated, also when its body did not listen."""
    broker = harness.broker
    who, lease = await start(broker)
    await broker.cancel("a")
    assert await settle(broker, who, lease, ENDS[end](NEXT)) == Settlement.SETTLED
    record = await look(broker, "a")
    assert (record.state, record.run) == (end, "one")
    assert await take(broker, who) == ()


async def test_the_call_that_was_added_after_a_cancel_takes_the_key(harness: Harness) -> None:
    """INV 31: cancelling one run never reaches its successor, and the chain of the old one is over."""
    broker = harness.broker
    who, lease = await start(broker)
    await broker.cancel("a")
    await place(broker, call("a", b"new", run="two"))
    await settle(broker, who, lease, followed())
    assert (await take_one(broker, who)).payload == b"new"


async def test_a_next_occurrence_can_be_cancelled_replaced_and_added_to(harness: Harness) -> None:
    """INV 1, INV 2, INV 3: it is a waiting call like any other."""
    broker = harness.broker
    who, lease = await start(broker)
    await settle(broker, who, lease, followed(after=5))
    run = (await look(broker, "a")).run
    (answer,) = await broker.schedule([call("a", run="two")])
    assert (answer.placed, answer.run) == ("already", run)
    await place(broker, instead("a", b"new", run="three"))
    assert (await look(broker, "a")).run == "three"
    lease = await take_one(broker, who)
    await settle(broker, who, lease, followed(after=5))
    assert await broker.cancel("a") == "cancelled"
    assert (await past(broker, "a", "three")).state == "completed"
    await harness.pass_time(5)
    assert await take(broker, who) == ()


@pytest.mark.parametrize("ttl", [900_000, 0])
async def test_a_second_settle_places_nothing_more(harness: Harness, ttl: int) -> None:
    """INV 16: the reply of the first was lost; also when the next occurrence runs already, or is over."""
    broker = (await harness.open(Terms(execution_ttl=ttl))).broker
    who, lease = await start(broker)
    twice = await broker.settle(who, [(lease, followed()), (lease, followed(b"other"))])
    assert twice == [Settlement.SETTLED, Settlement.SUPERSEDED]
    before = await look(broker, "a")
    assert await settle(broker, who, lease, followed(b"other")) == Settlement.SUPERSEDED
    assert await look(broker, "a") == before
    again = await take_one(broker, who)
    assert again.payload == b"next"
    assert await settle(broker, who, lease, followed(b"other")) == Settlement.SUPERSEDED
    await settle(broker, who, again, done())
    assert await settle(broker, who, lease, followed(b"other")) == Settlement.SUPERSEDED
    assert await take(broker, who) == ()


async def test_who_lost_its_lease_places_no_occurrence(harness: Harness) -> None:
    """INV 12, INV 26: A's lease ends, B claims, A's settle must lose: the chain never forks."""
    broker, quick = harness.broker, worker()
    slow, lost = await start(broker)
    await harness.pass_time(LEASE + 1)
    (lease,) = await sweep(broker, quick)
    assert await settle(broker, slow, lost, followed(b"slow")) == Settlement.SUPERSEDED
    assert await settle(broker, quick, lease, followed(b"quick")) == Settlement.SETTLED
    assert keys(await take(broker, quick)) == ["a"]
    assert (await look(broker, "a")).payload == b"quick"


async def test_the_chain_goes_on_where_nothing_is_kept(harness: Harness) -> None:
    """INV 42: with a lifetime of 0 nothing of an ended occurrence remains, and the next one is placed."""
    broker = (await harness.open(Terms(execution_ttl=0))).broker
    who, lease = await start(broker, payload=b"x" * 100)
    for ended in ENDS.values():
        await broker.report(lease, {"done": "half"})
        await settle(broker, who, lease, ended(Occurrence(b"x" * 100, AT_ONCE)))
        record = await look(broker, "a")
        assert await broker.read("a", EVERYTHING, run="one") == record
        assert await broker.progress("a") == {}
        lease = await take_one(broker, who)
    await settle(broker, who, lease, done())
    assert await broker.read("a", EVERYTHING, run="one") is None


@pytest.mark.parametrize("ttl", [900_000, 0])
@pytest.mark.parametrize("run", ["one", ""])
async def test_a_repeated_request_still_gets_its_first_answer(harness: Harness, run: str, ttl: int) -> None:
    """SEMANTICS, repeats: the add's reply was lost, and its run has been followed since."""
    broker, who = (await harness.open(Terms(execution_ttl=ttl))).broker, worker()
    await place(broker, call("a", run=run))
    await settle(broker, who, await take_one(broker, who), followed(after=5))
    before = await look(broker, "a")
    (answer,) = await broker.schedule([instead("a", b"again", run=run)], repeated=True)
    assert (answer.placed, answer.run) == ("scheduled", run)
    assert await look(broker, "a") == before


async def test_progress_does_not_pass_to_the_next_occurrence(harness: Harness) -> None:
    """It belongs to the run that reported it, and goes with it."""
    broker = harness.broker
    who, lease = await start(broker)
    await broker.report(lease, {"done": "half"})
    await settle(broker, who, lease, followed())
    assert await broker.progress("a") == {}
    assert not await broker.report(lease, {"done": "all"})


async def test_those_who_wait_for_a_run_hear_of_its_end_and_of_no_other(harness: Harness) -> None:
    """INV 39, INV 40: the hint carries its fence, the result is there; the next occurrence is watched by nobody yet."""
    broker = harness.broker
    who, lease = await start(broker)
    async with harness.backend.event_bus.listen("a") as hints:
        await broker.read("a", Part.WATCH, run="one")
        await settle(broker, who, lease, followed())
        (hint,) = await hear(hints, 1)
        assert (hint.what, hint.fence) == ("completed", lease.fence)
        assert (await past(broker, "a", "one")).result == b"result"
        await broker.read("a", Part.WATCH, run="one")
        second = await take_one(broker, who)
        await broker.read("a", Part.WATCH)
        await settle(broker, who, second, done())
        (hint,) = await hear(hints, 1)
        assert (hint.what, hint.fence) == ("completed", second.fence)


async def test_a_turn_may_lease_the_occurrence_that_it_places(harness: Harness) -> None:
    """INV 10: the claim of the same step finds it; where it lies ahead, the worker hears when it is due."""
    broker = harness.broker
    who, lease = await start(broker)
    (settled,), answer = await broker.turn([(lease, followed())], Order(who, 1))
    (again,) = answer.leases
    assert (settled, again.payload) == ("settled", b"next")
    (settled,), answer = await broker.turn([(again, followed(after=5))], Order(who, 1))
    assert (settled, answer.leases, answer.due_in, answer.left) == ("settled", (), 5.0, 1)


async def test_runs_with_and_without_a_next_occurrence_go_in_one_batch(harness: Harness) -> None:
    """INV 9: payloads of any bytes, each beside the verdict that it belongs to."""
    broker, who = harness.broker, worker()
    await place(broker, *(call(key) for key in "abcd"))
    leases = await take(broker, who)
    strange = [b"", b" ", b"\0\n %d -\xff" + bytes(range(256))]
    done_with: list[tuple[Lease, Verdict]] = [
        (leases[0], followed(strange[0], after=1)),
        (leases[1], done()),
        (leases[2], followed(strange[1])),
        (leases[3], followed(strange[2], at=harness.now + 1_000)),
    ]
    assert await broker.settle(who, done_with) == [Settlement.SETTLED] * 4
    assert [(await look(broker, key)).payload for key in "acd"] == strange
    assert await state(broker, "b") == "completed"


async def test_past_records_fade_and_the_next_occurrence_inherits_no_lifetime(real: ServerHarness) -> None:
    """INV 5, INV 41: one key for each occurrence that ended, as long as other records live; a live run has no TTL."""
    broker = real.broker
    who, lease = await start(broker)
    await broker.report(lease, {"done": "half"})
    await settle(broker, who, lease, followed(b"x" * 100, after=5))
    lifetimes = {suffix: real.ask("PTTL", real.key(suffix)) for suffix in real.keys() - {"!bell", "stream"}}
    assert round(lifetimes.pop("!past:one:a") / 1000) == 900
    assert 0 < lifetimes.pop("!requests") <= 60_000
    assert lifetimes == {"runs:a": -1, "a": -1, "queue": -1, "!fence": -1}


async def test_a_run_that_nothing_follows_costs_nothing_for_it(real: ServerHarness) -> None:
    """The commonest verdict of all: the server does for it what it did before there were occurrences."""
    from tests.contract.test_forgetful_servers import commands_of  # noqa: PLC0415 - the exam has no such file

    broker, who = real.broker, worker()
    await place(broker, call("a", run="one"), call("b", run="two"))
    first, second = await take(broker, who)
    await settle(broker, who, first, done(b"result"))
    assert await commands_of(real, settle(broker, who, second, done(b"result"))) == {
        **dict.fromkeys([b"cmdstat_evalsha", b"cmdstat_xlen", b"cmdstat_zrange", b"cmdstat_hmget", b"cmdstat_hset"], 1),
        **dict.fromkeys([b"cmdstat_pexpire", b"cmdstat_set", b"cmdstat_xack", b"cmdstat_xdel"], 1),
        **dict.fromkeys([b"cmdstat_time", b"cmdstat_get"], 1),  # the clock of the tests
    }


async def test_an_evicted_record_does_not_break_the_chain(real: ServerHarness) -> None:
    """FAULT 50: who has the message has the lease; what is known of the run is kept."""
    broker = real.broker
    who, lease = await start(broker)
    real.ask("DEL", real.key("runs:a"))
    real.ask("SET", real.key("!past::a"), "junk")
    assert await settle(broker, who, lease, followed()) == Settlement.SETTLED
    assert (await look(broker, "a")).payload == b"next"
    assert (await past(broker, "a", "")).result == b"result"


async def test_a_failed_run_whose_message_was_deleted_keeps_no_payload(real: ServerHarness) -> None:
    """FAULT 52: it loses only what was deleted, and the chain goes on."""
    broker = real.broker
    who, lease = await start(broker)
    real.ask("XDEL", real.key("stream"), lease.token)
    assert await settle(broker, who, lease, ENDS["failed"](NEXT)) == Settlement.SETTLED
    record = await past(broker, "a", "one")
    assert (record.state, record.result, record.payload) == ("failed", b"error", None)
    assert (await take_one(broker, who)).payload == b"next"
