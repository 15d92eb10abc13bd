"""Claims that wait, and what their holders hear."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from shadows.ports.broker import Order
from shadows.testing.exam.acts import call, claim, keys, place, retry, settle, take, take_one, worker

if TYPE_CHECKING:
    from tests.contract.harness import Harness


async def test_a_cancel_is_told_to_the_holder_and_to_nobody_else(harness: Harness) -> None:
    """The holder's next claim names the key and the fence of the lease that it has."""
    broker, mine, other = harness.broker, worker(), worker()
    await place(broker, call("a"), call("b"))
    (lease,) = await take(broker, mine, 1)
    await take(broker, other, 1)
    await broker.cancel("a")
    assert (await claim(broker, other)).cancels == ()
    assert (await claim(broker, mine)).cancels == (("a", lease.fence),)


async def test_after_a_broken_trip_the_cancels_are_told_again(harness: Harness) -> None:
    """INV 17: the reply that told of the cancel may have been the one that was lost."""
    broker, who = harness.broker, worker()
    await place(broker, call("a"), call("b"))
    (lease, other) = await take(broker, who)
    await broker.cancel("a")
    assert (await claim(broker, who)).cancels == (("a", lease.fence),)
    answer = await claim(broker, who, known=(lease.token, other.token))
    assert answer.cancels == (("a", lease.fence),)


async def test_the_cancels_are_told_also_where_there_is_no_room_for_what_comes_back(harness: Harness) -> None:
    """INV 17: of what it knows, wherever that stands; what it does not know comes back, or ends, when it has room."""
    broker, who = harness.broker, worker()
    await place(broker, *(call(key) for key in "abcd"))
    known = [lease.token for lease in await take(broker, who) if lease.key in "bd"]
    for key in "ad":
        await broker.cancel(key)
    await claim(broker, who)
    answer = await claim(broker, who, 0, known=tuple(known))
    assert [key for key, _ in answer.cancels] == ["d"]
    answer = await claim(broker, who, 1, known=tuple(known))
    assert (keys(answer.leases), [key for key, _ in answer.cancels]) == (["c"], ["d"])


async def test_a_claim_that_is_not_to_hear_leaves_the_messages_where_they_are(harness: Harness) -> None:
    """They are for the other claim of this holder, which waits for them."""
    broker, who = harness.broker, worker()
    await place(broker, call("a"))
    lease = await take_one(broker, who)
    await broker.cancel("a")
    await broker.ring(who)
    assert (await claim(broker, who, hear=False)).cancels == ()
    answer = await asyncio.wait_for(broker.claim(Order(who, 0), patience=30), 5)
    told = answer.cancels or (await asyncio.wait_for(broker.claim(Order(who, 0), patience=30), 5)).cancels
    assert told == (("a", lease.fence),)


async def test_a_patient_claim_starts_what_is_placed_meanwhile(harness: Harness) -> None:
    """An idle worker sleeps at the door, and a placement wakes it long before its patience ends."""
    sleeping = asyncio.create_task(harness.broker.claim(Order(worker(), 10), patience=30))
    await harness.somebody_waits()
    producer = (await harness.open()).broker
    await place(producer, call("a"))
    answer = await asyncio.wait_for(sleeping, 5)
    assert keys(answer.leases) == ["a"]


@pytest.mark.parametrize("patience", [0.01, 30])
async def test_a_patient_claim_takes_at_once_what_is_ready(harness: Harness, patience: float) -> None:
    """It does not wait where there is work."""
    await place(harness.broker, call("a"))
    answer = await asyncio.wait_for(harness.broker.claim(Order(worker(), 10), patience=patience), 5)
    assert keys(answer.leases) == ["a"]


async def test_patience_ends(harness: Harness) -> None:
    """With nothing to do a claim comes back empty."""
    answer = await asyncio.wait_for(harness.broker.claim(Order(worker(), 10), patience=0.01), 5)
    assert (answer.leases, answer.more, answer.left) == ((), False, 0)


@pytest.mark.parametrize("limit", [0, 10])
async def test_a_ring_ends_the_wait(harness: Harness, limit: int) -> None:
    """INV 36: a worker that stops wakes its own claim, also when all its slots are taken."""
    who = worker()
    sleeping = asyncio.create_task(harness.broker.claim(Order(who, limit), patience=30))
    await harness.somebody_waits()
    await (await harness.open()).broker.ring(who)
    assert (await asyncio.wait_for(sleeping, 5)).leases == ()


async def test_a_ring_that_comes_too_early_ends_the_next_wait(harness: Harness) -> None:
    """INV 36: between the wish to stop and the wait no ring is lost."""
    who = worker()
    await harness.broker.ring(who)
    assert (await asyncio.wait_for(harness.broker.claim(Order(who, 10), patience=30), 5)).leases == ()


async def test_a_cancel_wakes_a_holder_whose_slots_are_all_taken(harness: Harness) -> None:
    """What a running body must hear reaches its worker while that waits for nothing else."""
    who = worker()
    await place(harness.broker, call("a"))
    lease = await take_one(harness.broker, who)
    sleeping = asyncio.create_task(harness.broker.claim(Order(who, 0), patience=30))
    await harness.somebody_waits()
    await (await harness.open()).broker.cancel("a")
    assert (await asyncio.wait_for(sleeping, 5)).cancels == (("a", lease.fence),)


async def test_every_sleeper_wakes_when_there_is_work_for_all(harness: Harness) -> None:
    """A batch of n wakes n: no call lies ready while a worker sleeps."""
    backends = [await harness.open() for _ in range(3)]
    sleeping = []
    for backend in backends:
        sleeping.append(asyncio.create_task(backend.broker.claim(Order(worker(), 1), patience=30)))
        await harness.somebody_waits()
    await place(harness.broker, *(call(key) for key in "abc"))
    answers = await asyncio.wait_for(asyncio.gather(*sleeping), 5)
    assert sorted(key for answer in answers for key in keys(answer.leases)) == ["a", "b", "c"]


async def test_who_takes_a_part_of_what_is_ready_leaves_the_rings_for_the_rest(harness: Harness) -> None:
    """SEMANTICS, wake-ups: only a claim that leaves nothing ready silences the bell."""
    await place(harness.broker, call("a"), call("b"))
    assert keys(await take(harness.broker, worker(), 1)) == ["a"]
    other = (await harness.open()).broker
    answer = await asyncio.wait_for(other.claim(Order(worker(), 1), patience=30), 5)
    assert keys(answer.leases) == ["b"]


async def test_a_retry_for_now_wakes_a_sleeper(harness: Harness) -> None:
    """What settle places is heard like any other placement."""
    broker, who = harness.broker, worker()
    await place(broker, call("a"))
    lease = await take_one(broker, who)
    sleeping = asyncio.create_task((await harness.open()).broker.claim(Order(worker(), 1), patience=30))
    await harness.somebody_waits()
    await settle(broker, who, lease, retry(lease))
    assert keys((await asyncio.wait_for(sleeping, 5)).leases) == ["a"]


async def test_a_workers_own_way_leads_to_the_same_shadow(harness: Harness) -> None:
    """Its connections are its own: while its claim waits, its renewals and others' commands go through."""
    who = worker()
    async with harness.backend.for_worker() as mine:
        await place(harness.broker, call("a"))
        lease = await take_one(mine.broker, who)
        sleeping = asyncio.create_task(mine.broker.claim(Order(who, 1), patience=30))
        await harness.somebody_waits()
        assert await asyncio.to_thread(mine.broker.renew, who, [lease.token]) == frozenset()
        assert await settle(mine.broker, who, lease, retry(lease)) == "settled"
        assert keys((await asyncio.wait_for(sleeping, 5)).leases) == ["a"]
