from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from shadows.ports.backend import Terms
from shadows.ports.broker import Placed
from shadows.testing.exam.acts import (
    call,
    claim,
    done,
    instead,
    keys,
    look,
    place,
    run,
    settle,
    state,
    take,
    take_one,
    worker,
)

if TYPE_CHECKING:
    from tests.contract.harness import Harness

SCHEDULED, ALREADY = Placed.SCHEDULED, Placed.ALREADY


async def test_a_call_for_now_is_ready_at_once(harness: Harness) -> None:
    """What is due now can be claimed without anything in between, as its first attempt."""
    assert await place(harness.broker, call("a", b"1")) == [SCHEDULED]
    assert await state(harness.broker, "a") == "queued"
    lease = await take_one(harness.broker, worker())
    assert (lease.key, lease.payload, lease.attempt, lease.deliveries) == ("a", b"1", 1, 1)


async def test_a_call_for_later_is_in_nobodys_way_until_its_time(harness: Harness) -> None:
    """A scheduled call cannot be claimed a moment early, and can be from its very millisecond on."""
    await place(harness.broker, call("later", after=10), call("now"))
    assert await state(harness.broker, "later") == "scheduled"
    assert keys(await take(harness.broker, worker())) == ["now"]
    await harness.pass_time(9.999)
    assert await take(harness.broker, worker()) == ()
    await harness.pass_time(0.001)
    lease = await take_one(harness.broker, worker())
    assert (lease.key, lease.due) == ("later", harness.now)


async def test_the_brokers_clock_decides_when_a_while_begins(harness: Harness) -> None:
    """A delay counts from the moment of placing, an instant stands for itself; what time it is here is no matter."""
    await harness.pass_time(3_600)
    await place(harness.broker, call("a", after=1.5), call("b", at=harness.now + 2_500))
    assert (await look(harness.broker, "a")).due == harness.now + 1_500
    assert (await look(harness.broker, "b")).due == harness.now + 2_500


@pytest.mark.parametrize("at", [0, 1, 1_000])
async def test_a_time_in_the_past_means_at_once(harness: Harness, at: int) -> None:
    """An instant before now is as good as none."""
    assert await place(harness.broker, call("a", at=at), call("b", at=harness.now)) == [SCHEDULED, SCHEDULED]
    assert keys(await take(harness.broker, worker())) == ["a", "b"]


@pytest.mark.parametrize("where", ["scheduled", "queued", "running"])
async def test_a_live_key_is_left_as_it_is(harness: Harness, where: str) -> None:
    """INV 1, INV 2: wherever the run is, an add of its key changes nothing and names the run that has it."""
    await place(harness.broker, call("a", b"first", after=10 if where == "scheduled" else None, run="one"))
    if where == "running":
        await take_one(harness.broker, worker())
    before = await look(harness.broker, "a")
    assert before.state == where
    (answer,) = await harness.broker.schedule([call("a", b"second", run="two")])
    assert (answer.placed, answer.run) == (ALREADY, "one")
    assert await look(harness.broker, "a") == before


async def test_a_replace_of_an_unknown_key_acts_like_an_add(harness: Harness) -> None:
    """INV 2: there is nothing to replace, so the call is placed."""
    assert await place(harness.broker, instead("a", b"1")) == [SCHEDULED]
    assert (await take_one(harness.broker, worker())).payload == b"1"


@pytest.mark.parametrize("new", [None, 20.0])
@pytest.mark.parametrize("old", [None, 10.0])
async def test_a_replace_of_a_waiting_call_takes_its_place(
    harness: Harness, old: float | None, new: float | None
) -> None:
    """INV 3: scheduled or ready, the old call is gone and only the new one runs, at its own time."""
    await place(harness.broker, call("a", b"old", after=old, run="one"))
    (answer,) = await harness.broker.schedule([instead("a", b"new", after=new, run="two")])
    assert (answer.placed, answer.run) == (SCHEDULED, "two")
    record = await look(harness.broker, "a")
    assert (record.run, record.payload) == ("two", b"new")
    who = worker()
    if new:
        await harness.pass_time(15)
        assert await take(harness.broker, who) == ()
        await harness.pass_time(5)
    lease = await take_one(harness.broker, who)
    assert lease.payload == b"new"
    assert await settle(harness.broker, who, lease, done()) == "settled"
    assert await take(harness.broker, who) == ()


async def test_a_replace_of_a_running_call_waits_for_the_old_body_to_end(harness: Harness) -> None:
    """INV 3: one key never has two bodies; the new call starts when the old lease is settled."""
    broker, who = harness.broker, worker()
    await place(broker, call("a", b"old", run="one"))
    old = await take_one(broker, who)
    (answer,) = await broker.schedule([instead("a", b"new", run="two")])
    assert (answer.placed, answer.run) == (SCHEDULED, "two")
    assert await take(broker, who) == ()
    record = await look(broker, "a")
    assert (record.state, record.run, record.successor) == ("running", "one", "two")
    assert await settle(broker, who, old, done(b"of the old")) == "settled"
    record = await look(broker, "a")
    assert (record.state, record.run, record.successor, record.result) == ("queued", "two", None, None)
    lease = await take_one(broker, who)
    assert (lease.payload, lease.attempt, lease.deliveries) == (b"new", 1, 1)


async def test_a_successor_keeps_its_own_time(harness: Harness) -> None:
    """INV 3: after the old body it waits for what is left of its delay, and for nothing if that is over."""
    broker, who = harness.broker, worker()
    await place(broker, call("a"), call("b"))
    first, second = await take(broker, who)
    await place(broker, instead("a", after=10), instead("b", after=10))
    due = harness.now + 10_000
    await harness.pass_time(4)
    await settle(broker, who, first, done())
    record = await look(broker, "a")
    assert (record.state, record.due) == ("scheduled", due)
    await harness.pass_time(7)
    await settle(broker, who, second, done())
    assert await state(broker, "b") == "queued"
    assert sorted(keys(await take(broker, who))) == ["a", "b"]


async def test_a_second_replace_overwrites_the_successor(harness: Harness) -> None:
    """INV 3: the newest wins, and the overwritten one never runs."""
    broker, who = harness.broker, worker()
    await place(broker, call("a"))
    old = await take_one(broker, who)
    await place(broker, instead("a", b"second", after=10, run="two"))
    await place(broker, instead("a", b"third", run="three"))
    assert (await look(broker, "a")).successor == "three"
    await settle(broker, who, old, done())
    assert (await take_one(broker, who)).payload == b"third"
    await harness.pass_time(11)
    assert await take(broker, who) == ()


async def test_an_add_beside_a_successor_changes_nothing(harness: Harness) -> None:
    """INV 2: the running call is live, so an add is refused and the successor stays."""
    broker, who = harness.broker, worker()
    await place(broker, call("a", run="one"))
    old = await take_one(broker, who)
    await place(broker, instead("a", b"second", run="two"))
    (answer,) = await broker.schedule([call("a", b"third", run="three")])
    assert (answer.placed, answer.run) == (ALREADY, "one")
    await settle(broker, who, old, done())
    assert (await take_one(broker, who)).payload == b"second"


async def test_an_add_after_a_requested_cancel_becomes_the_successor(harness: Harness) -> None:
    """INV 6, INV 31: accepted at once, it waits for the body to end; a second add finds the key taken."""
    broker, who = harness.broker, worker()
    await place(broker, call("a", b"old", run="one"))
    old = await take_one(broker, who)
    await broker.cancel("a")
    (first,) = await broker.schedule([call("a", b"new", run="two")])
    assert (first.placed, first.run) == (SCHEDULED, "two")
    (second,) = await broker.schedule([call("a", b"newest", run="three")])
    assert (second.placed, second.run) == (ALREADY, "two")
    assert await take(broker, who) == ()
    await settle(broker, who, old, done())
    assert (await take_one(broker, who)).payload == b"new"


@pytest.mark.parametrize("repeated", [False, True])
@pytest.mark.parametrize("where", ["scheduled", "queued", "running", "successor"])
async def test_a_repeated_request_gets_its_first_answer(harness: Harness, where: str, repeated: bool) -> None:  # noqa: FBT001
    """INV 37: the run is known by its id, so sending the same entry again changes nothing."""
    broker = harness.broker
    entry = instead("a", b"mine", after=10 if where == "scheduled" else None, run="mine")
    if where == "successor":
        await place(broker, call("a", run="other"))
        await take_one(broker, worker())
    await place(broker, entry)
    if where == "running":
        await take_one(broker, worker())
    before = await look(broker, "a")
    (answer,) = await broker.schedule([entry], repeated=repeated)
    assert (answer.placed, answer.run) == (SCHEDULED, "mine")
    assert await look(broker, "a") == before


@pytest.mark.parametrize("ttl", [900_000, 0])
@pytest.mark.parametrize("request_id", ["mine", ""])
async def test_a_repeat_is_recognised_after_the_run_has_ended(harness: Harness, ttl: int, request_id: str) -> None:
    """INV 37, INV 42: a run that ended in the meantime is not run again, also where no record outlives it."""
    broker = (await harness.open(Terms(execution_ttl=ttl))).broker
    who, entry = worker(), call("a", run=request_id)
    await place(broker, entry)
    await settle(broker, who, await take_one(broker, who), done(b"result"))
    (answer,) = await broker.schedule([entry], repeated=True)
    assert (answer.placed, answer.run) == (SCHEDULED, request_id)
    assert await take(broker, who) == ()
    assert await state(broker, "a") == ("completed" if ttl else None)


@pytest.mark.parametrize("ttl", [900_000, 0])
async def test_a_repeat_never_displaces_a_later_run(harness: Harness, ttl: int) -> None:
    """INV 37: A's replace is placed and its reply lost; B replaces it; A's repeat must not undo what B did."""
    broker = (await harness.open(Terms(execution_ttl=ttl))).broker
    mine = instead("a", b"mine", run="mine")
    await place(broker, mine)
    await place(broker, instead("a", b"theirs", run="theirs"))
    (answer,) = await broker.schedule([mine], repeated=True)
    assert (answer.placed, answer.run) == (SCHEDULED, "mine")
    assert (await take_one(broker, worker())).payload == b"theirs"


async def test_a_repeat_of_an_ended_run_never_displaces_the_next_one(harness: Harness) -> None:
    """INV 37: the key was used again after the run had ended; the repeat is still no new request."""
    broker, who, mine = harness.broker, worker(), instead("a", b"mine", run="mine")
    await place(broker, mine)
    await settle(broker, who, await take_one(broker, who), done())
    await place(broker, call("a", b"theirs", run="theirs"))
    assert await place(broker, mine, repeated=True) == [SCHEDULED]
    assert (await take_one(broker, who)).payload == b"theirs"


async def test_ended_runs_are_remembered_for_a_minute_where_nothing_is_kept(harness: Harness) -> None:
    """INV 42: the memory that repeats are judged by is bounded in time."""
    broker = (await harness.open(Terms(execution_ttl=0))).broker
    who, entry = worker(), call("a", run="mine")
    await place(broker, entry)
    await settle(broker, who, await take_one(broker, who), done())
    await harness.pass_time(59)
    assert await place(broker, entry, repeated=True) == [SCHEDULED]
    assert await take(broker, who) == ()
    await harness.pass_time(2)
    assert await place(broker, entry, repeated=True) == [SCHEDULED]
    assert (await take_one(broker, who)).key == "a"


async def test_what_never_arrived_is_placed_by_the_repeat(harness: Harness) -> None:
    """A repeat of a request that the broker never saw is an ordinary one."""
    broker = harness.broker
    await place(broker, call("taken", run="other"))
    answers = await broker.schedule([call("a", run="one"), call("b"), call("taken", run="two")], repeated=True)
    assert [answer.placed for answer in answers] == [SCHEDULED, SCHEDULED, ALREADY]
    assert keys(await take(broker, worker())) == ["taken", "a", "b"]


async def test_each_entry_of_a_batch_stands_alone(harness: Harness) -> None:
    """INV 9: every entry has its own answer, in order, also when two have the same key."""
    broker = harness.broker
    await place(broker, call("taken"))
    batch = [call("a", b"1"), call("taken"), call("a", b"2"), instead("a", b"3"), call("later", after=5)]
    assert await place(broker, *batch) == [SCHEDULED, ALREADY, ALREADY, SCHEDULED, SCHEDULED]
    assert [(lease.key, lease.payload) for lease in await take(broker, worker())] == [
        ("taken", b"payload"),
        ("a", b"3"),
    ]


async def test_no_entries_get_no_answers(harness: Harness) -> None:
    """An empty batch is no error."""
    assert await harness.broker.schedule([]) == []


async def test_a_batch_may_be_larger_than_one_script_handles(harness: Harness) -> None:
    """INV 43: the adapter splits it; every entry is placed and answered in order."""
    entries = [call(f"k{number}", after=(number % 2 and 10) or None) for number in range(450)]
    assert await place(harness.broker, *entries) == [SCHEDULED] * 450
    assert await place(harness.broker, *entries) == [ALREADY] * 450
    counts = (await harness.broker.survey(0)).counts
    assert (counts.scheduled, counts.queued) == (225, 225)


async def test_a_key_that_is_used_again_starts_clean(harness: Harness) -> None:
    """INV 5: no result, outcome, progress or end of the old run is seen under the new one."""
    broker, who = harness.broker, worker()
    await place(broker, call("a"))
    lease = await take_one(broker, who)
    await broker.report(lease, {"done": "half"})
    await settle(broker, who, lease, done(b"old"))
    await place(broker, call("a", b"new"))
    record = await look(broker, "a")
    assert (record.state, record.result, record.ended, record.task, record.started) == (
        "queued",
        None,
        None,
        None,
        None,
    )
    assert await broker.progress("a") == {}
    await settle(broker, who, await take_one(broker, who), done())
    assert (await look(broker, "a")).result is None


async def test_one_of_many_producers_of_the_same_key_wins(harness: Harness) -> None:
    """INV 1: the look and the placement are one step, so exactly one of them places its call."""
    answers = await asyncio.gather(*(place(harness.broker, call("a", b"%d" % number)) for number in range(100)))
    assert sorted(word for (word,) in answers) == [ALREADY] * 99 + [SCHEDULED]
    assert len(await take(harness.broker, worker())) == 1


@pytest.mark.parametrize("size", [0, 1, 64, 65, 100_000])
@pytest.mark.parametrize("after", [None, 5.0])
async def test_a_payload_arrives_as_it_was_sent(harness: Harness, size: int, after: float | None) -> None:
    """Bytes are bytes: none at all, any value, short or long, waiting or ready."""
    payload = bytes(number % 256 for number in range(size))
    await place(harness.broker, call("a", payload, after=after))
    assert (await look(harness.broker, "a")).payload == payload
    await harness.pass_time(5)
    assert (await take_one(harness.broker, worker())).payload == payload


async def test_a_successors_payload_arrives_as_it_was_sent(harness: Harness) -> None:
    """Also the call that waits for the old body may have arguments of any length."""
    broker, who = harness.broker, worker()
    await place(broker, call("a"))
    old = await take_one(broker, who)
    await place(broker, instead("a", b"\0" * 70_000, after=1))
    await settle(broker, who, old, done())
    await harness.pass_time(1)
    assert (await take_one(broker, who)).payload == b"\0" * 70_000


async def test_two_shadows_never_see_each_others_calls(harness: Harness) -> None:
    """INV 8: the same key lives once in each, also where one shadow's name begins with the other's."""
    other = (await harness.open(name=harness.name + ".b")).broker
    await place(harness.broker, call("a", b"1"), call("later", after=10))
    assert await place(other, call("a", b"2")) == [SCHEDULED]
    assert (await take_one(other, worker())).payload == b"2"
    await other.clear()
    await other.cancel("later")
    assert (await claim(other, worker())).due_in is None
    assert (await take_one(harness.broker, worker())).payload == b"1"
    assert await state(harness.broker, "later") == "scheduled"


async def test_all_clients_of_a_shadow_see_the_same_calls(harness: Harness) -> None:
    """INV 1: what one client placed is taken for another."""
    other = (await harness.open()).broker
    await place(harness.broker, call("a", b"1"))
    assert await place(other, call("a", b"2")) == [ALREADY]
    assert (await take_one(other, worker())).payload == b"1"


async def test_a_key_is_free_again_when_its_run_has_ended(harness: Harness) -> None:
    """INV 1: only a live run takes a key."""
    await run(harness.broker, "a", b"first")
    assert await place(harness.broker, call("a")) == [SCHEDULED]
