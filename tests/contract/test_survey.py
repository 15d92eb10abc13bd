from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shadows.core.lifecycle import ExecutionState
from shadows.ports.looking import Counts, Part, Record
from shadows.testing.exam.acts import (
    LEASE,
    call,
    dead,
    done,
    instead,
    place,
    retry,
    settle,
    sweep,
    take,
    take_one,
    unknown,
    worker,
)

if TYPE_CHECKING:
    from tests.contract.harness import Harness


async def counts(harness: Harness) -> Counts:
    """Return the numbers alone."""
    return (await harness.broker.survey(0)).counts


async def test_an_empty_shadow_has_nothing_to_show(harness: Harness) -> None:
    """Also one that nobody has ever used."""
    survey = await harness.broker.survey(10)
    assert (survey.taken, survey.counts, survey.records) == (harness.now, Counts(0, 0, 0, 0, 0, 0), ())
    assert survey.oldest is None


async def test_counts_are_exact_in_every_state(harness: Harness) -> None:
    """Each live call counts where it is, and a dead one among the dead."""
    broker, who = harness.broker, worker()
    await place(broker, *(call(key) for key in "abcdef"), *(call(key, after=500) for key in "xyz"))
    a, b, c, _, _ = await take(broker, who, 5)
    assert await counts(harness) == Counts(scheduled=3, queued=1, running=5, parked=0, unknown=0, dead=0)
    await settle(broker, who, a, done())
    await settle(broker, who, b, retry(b))
    await settle(broker, who, c, dead(c))
    assert await counts(harness) == Counts(scheduled=3, queued=2, running=2, parked=0, unknown=0, dead=1)
    await broker.cancel("x")
    await broker.cancel("f")
    assert await counts(harness) == Counts(scheduled=2, queued=1, running=2, parked=0, unknown=0, dead=1)
    await harness.pass_time(LEASE + 1)
    assert len(await sweep(broker, worker(), 1)) == 1
    assert await counts(harness) == Counts(scheduled=2, queued=1, running=2, parked=0, unknown=0, dead=1)


async def test_calls_that_nobody_knows_count_where_they_wait_and_once_more(harness: Harness) -> None:
    """INV 19: they are visibly held."""
    broker, who = harness.broker, worker()
    await place(broker, call("a"))
    lease = await take_one(broker, who)
    await settle(broker, who, lease, unknown(lease))
    assert await counts(harness) == Counts(scheduled=1, queued=0, running=0, parked=0, unknown=1, dead=0)


async def test_a_survey_shows_what_waits_by_its_time_and_then_what_is_ready_or_runs(harness: Harness) -> None:
    """First by due time, then in the order in which the calls became ready, each with its payload."""
    broker, who = harness.broker, worker()
    await place(broker, call("late", b"1", after=9), call("soon", b"2", after=4, run="one"))
    await place(broker, call("first", b"3", run="two"), call("second", b"4" * 100))
    (lease,) = await take(broker, who, 1)
    late, soon, running, ready = sorted((await broker.survey(10)).records, key=lambda record: record.payload or b"")
    assert (await broker.survey(10)).records == (soon, late, running, ready)
    assert soon == Record("soon", ExecutionState.SCHEDULED, "one", 1, due=harness.now + 4_000, payload=b"2")
    assert (ready.key, ready.state, ready.payload, ready.holder) == ("second", "queued", b"4" * 100, None)
    assert (running.key, running.state, running.run, running.payload) == ("first", "running", "two", b"3")
    assert (running.holder, running.fence, running.started) == (who.id, lease.fence, harness.now)


async def test_a_survey_shows_running_calls_as_a_read_does(harness: Harness) -> None:
    """Deliveries, a requested cancel and a successor included."""
    broker = harness.broker
    await place(broker, call("a"), call("b"))
    await take(broker, worker())
    await harness.pass_time(LEASE + 1)
    await sweep(broker, worker())
    await broker.cancel("a")
    await place(broker, instead("b", run="next"))
    shown = (await broker.survey(10)).records
    assert [record.deliveries for record in shown] == [2, 2]
    assert list(shown) == [await broker.read(key, Part.PAYLOAD) for key in "ab"]


async def test_a_survey_shows_each_call_once_as_it_is_now(harness: Harness) -> None:
    """What was replaced, retried or ended is not shown as it was."""
    broker, who = harness.broker, worker()
    await place(broker, call("a", b"old"), call("b", b"old", after=5), call("c"), call("d"))
    await place(broker, instead("a", b"new"), instead("b", b"new", after=6))
    c, d, _ = await take(broker, who)
    await settle(broker, who, c, done())
    await settle(broker, who, d, retry(d, after=7))
    shown = (await broker.survey(10)).records
    assert [(record.key, record.state, record.attempt) for record in shown] == [
        ("b", "scheduled", 1),
        ("d", "scheduled", 2),
        ("a", "running", 1),
    ]
    assert [record.payload for record in shown] == [b"new", b"payload", b"new"]


@pytest.mark.parametrize("limit", [0, 1, 3, 250, 700])
async def test_a_survey_shows_no_more_than_it_was_asked_for(harness: Harness, limit: int) -> None:
    """INV 43: the counts are whole all the same, and the list may be longer than one script handles."""
    broker = harness.broker
    await place(broker, *(call(f"k{number}", after=(number % 2 and 5) or None) for number in range(500)))
    survey = await broker.survey(limit)
    assert len({record.key for record in survey.records}) == len(survey.records) == min(limit, 500)
    assert (survey.counts.scheduled, survey.counts.queued) == (250, 250)


async def oldest(harness: Harness) -> int | None:
    """Return since when the oldest ready call has been waiting."""
    return (await harness.broker.survey(0)).oldest


async def test_the_oldest_ready_call_waits_from_when_it_became_ready(harness: Harness) -> None:
    """What runs, is parked or is not due yet does not count; a later call does not make it younger."""
    broker, who = harness.broker, worker()
    await place(broker, call("a"), call("later", after=500))
    since = await oldest(harness)
    assert since is not None
    assert abs(since - harness.now) < 60_000  # a server numbers its messages by its own clock
    await place(broker, call("b"))
    assert await oldest(harness) == since
    a, b = await take(broker, who)
    assert await oldest(harness) is None
    await settle(broker, who, a, done())
    await settle(broker, who, b, retry(b))
    again = await oldest(harness)
    assert again is not None
    assert again >= since
    await broker.cancel("b")
    assert await oldest(harness) is None


async def test_a_call_that_is_due_counts_as_ready_though_nobody_has_looked(harness: Harness) -> None:
    """Where no worker is left, its due time tells how long it has been waiting."""
    broker = harness.broker
    await place(broker, call("a", at=harness.now + 5_000), call("b", at=harness.now + 6_000))
    due = harness.now + 5_000
    assert await oldest(harness) is None
    await harness.pass_time(5)
    assert await oldest(harness) == due
    await harness.pass_time(100)
    assert await oldest(harness) == due
    assert len(await take(broker, worker())) == len("ab")
    assert await oldest(harness) is None


async def test_a_survey_shows_one_shadow_alone(harness: Harness) -> None:
    """INV 8: whatever the other one's name is."""
    other = (await harness.open(name=harness.name + "-")).broker
    await place(other, call("a"), call("b", after=5))
    assert (await harness.broker.survey(10)).records == ()
    assert await counts(harness) == Counts(0, 0, 0, 0, 0, 0)
