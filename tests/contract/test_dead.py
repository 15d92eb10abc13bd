"""Calls that nobody can run: tasks that no worker knows, and dead letters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shadows.core import verdict
from shadows.ports.backend import Terms
from shadows.ports.broker import Settlement
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
    place,
    retry,
    settle,
    start,
    sweep,
    take,
    take_one,
    unknown,
    worker,
)

if TYPE_CHECKING:
    from tests.contract.harness import Harness


async def test_an_unknown_task_waits_longer_each_time_for_a_worker_that_knows_it(harness: Harness) -> None:
    """INV 19, FAULT 47: 1 s at first, doubling to 60 s; no attempt and no delivery is used up."""
    broker = harness.broker
    who, lease = await start(broker)
    waits = []
    for _ in range(9):
        assert await settle(broker, who, lease, unknown(lease)) == Settlement.SETTLED
        due_in = (await claim(broker, who)).due_in
        assert due_in is not None
        waits.append(due_in)
        await harness.pass_time(due_in)
        lease = await take_one(broker, who)
        assert (lease.attempt, lease.deliveries) == (1, 1)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


async def test_calls_that_nobody_knows_are_counted_and_held_against_nobody(harness: Harness) -> None:
    """INV 19: visibly waiting, yet a worker may finish without them; leaving by any door they count no more."""
    broker = harness.broker
    who = worker()
    await place(broker, *(call(key) for key in "abcd"))
    leases = await take(broker, who)
    await broker.settle(who, [(lease, unknown(lease)) for lease in leases])
    answer = await claim(broker, who)
    assert (answer.left, (await broker.survey(0)).counts.unknown) == (0, 4)
    await broker.cancel("a")
    await place(broker, instead("b", after=100))
    assert (await broker.survey(0)).counts.unknown == 2
    await harness.pass_time(1)
    known = await take(broker, who, 1)
    assert (await broker.survey(0)).counts.unknown == 1
    assert await broker.clear() == 2
    assert (await broker.survey(0)).counts.unknown == 0
    await settle(broker, who, known[0], done())
    assert (await claim(broker, who)).left == 0


async def test_a_call_that_nobody_knew_is_counted_no_more_when_it_is_buried_for_its_deliveries(
    harness: Harness,
) -> None:
    """INV 14, INV 19: it had lost workers before it met strangers, and a claim with a lower cap gives it up."""
    broker = harness.broker
    await start(broker)
    await harness.pass_time(LEASE + 1)
    (lease,) = await sweep(broker, who := worker())
    await settle(broker, who, lease, unknown(lease))
    await harness.pass_time(1)
    await place(broker, call("b"))
    answer = await claim(broker, who, max_deliveries=1)
    assert (keys(answer.leases), answer.left) == (["b"], 1)
    counts = (await broker.survey(0)).counts
    assert (counts.unknown, counts.dead) == (0, 1)


async def test_a_task_that_stays_unknown_is_buried_after_a_while(harness: Harness) -> None:
    """INV 19, FAULT 47: then it is a dead letter that can be replayed, never silently dropped."""
    broker = (await harness.open(Terms(unknown_task_ttl=10_000))).broker
    who, lease = await start(broker)
    await settle(broker, who, lease, unknown(lease))
    await harness.pass_time(9)
    lease = await take_one(broker, who)
    assert await settle(broker, who, lease, unknown(lease)) == Settlement.SETTLED
    await harness.pass_time(10)
    lease = await take_one(broker, who)
    assert await settle(broker, who, lease, unknown(lease)) == Settlement.BURIED
    (letter,) = await broker.dead(limit=10)
    assert (letter.key, letter.reason, letter.payload) == ("a", "unknown-task", b"payload")
    assert (await look(broker, "a")).reason == "unknown-task"
    assert (await broker.survey(0)).counts.unknown == 0


@pytest.mark.parametrize("kind", ["again", "back"])
async def test_being_known_starts_the_patience_for_unknown_tasks_anew(harness: Harness, kind: str) -> None:
    """INV 19: a worker that knew it has run it; later strangers give it the first second again."""
    broker = harness.broker
    who, lease = await start(broker)
    await settle(broker, who, lease, unknown(lease))
    await harness.pass_time(30)
    lease = await take_one(broker, who)
    await settle(broker, who, lease, (retry if kind == "again" else back)(lease))
    lease = await take_one(broker, who)
    await settle(broker, who, lease, unknown(lease))
    assert (await claim(broker, who)).due_in == 1


@pytest.mark.parametrize("ttl", [900_000, 0])
@pytest.mark.parametrize("size", [5, 100])
async def test_a_buried_call_is_kept_with_its_arguments_and_its_reason(harness: Harness, size: int, ttl: int) -> None:
    """INV 14: whatever the lifetime of records is, a dead letter has its own; the key is free."""
    broker = (await harness.open(Terms(execution_ttl=ttl))).broker
    who, lease = await start(broker, payload=b"x" * size)
    outcome = verdict.dead(lease.payload, attempt=3, reason="undecodable")
    assert await settle(broker, who, lease, outcome) == Settlement.BURIED
    record = await look(broker, "a")
    assert (record.state, record.reason, record.payload) == ("failed", "undecodable", b"x" * size)
    (letter,) = await broker.dead(limit=10)
    assert (letter.key, letter.reason, letter.payload) == ("a", "undecodable", b"x" * size)
    assert (letter.attempt, letter.died) == (3, harness.now)
    assert await place(broker, call("a")) == ["scheduled"]


async def test_dead_letters_are_listed_newest_first_page_by_page(harness: Harness) -> None:
    """Each page goes on below the last id of the one before."""
    broker, who = harness.broker, worker()
    await place(broker, *(call(f"k{number}") for number in range(5)))
    for lease in await take(broker, who):
        await settle(broker, who, lease, dead(lease))
    first = await broker.dead(limit=2)
    assert [letter.key for letter in first] == ["k4", "k3"]
    rest = await broker.dead(limit=10, before=first[-1].id)
    assert [letter.key for letter in rest] == ["k2", "k1", "k0"]
    assert (await broker.survey(0)).counts.dead == 5


async def test_the_oldest_dead_letters_make_room(harness: Harness) -> None:
    """INV 41: there are at most so many, however many calls die."""
    broker, who = (await harness.open(Terms(dead_letters=3))).broker, worker()
    await place(broker, *(call(f"k{number}") for number in range(5)))
    await broker.settle(who, [(lease, dead(lease)) for lease in await take(broker, who)])
    assert [letter.key for letter in await broker.dead(limit=10)] == ["k4", "k3", "k2"]
    assert (await broker.survey(0)).counts.dead == 3
