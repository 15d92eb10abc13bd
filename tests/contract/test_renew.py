from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from shadows.testing.exam.acts import (
    LEASE,
    back,
    call,
    done,
    keys,
    pass_awake,
    place,
    settle,
    sweep,
    take,
    take_one,
    worker,
)

if TYPE_CHECKING:
    from tests.contract.harness import Harness


async def test_a_renewed_lease_lasts_its_whole_length_again(harness: Harness) -> None:
    """INV 12: while its holder renews nobody else gets it, and when that stops the lease runs out."""
    broker, who = harness.broker, worker()
    await place(broker, call("a"))
    lease = await take_one(broker, who)
    for _ in range(4):
        await harness.pass_time(LEASE - 1)
        assert broker.renew(who, [lease.token]) == frozenset()
        assert await sweep(broker, worker()) == ()
    await pass_awake(harness, LEASE + 1)
    assert keys(await sweep(broker, worker())) == ["a"]


async def test_renewing_counts_no_delivery(harness: Harness) -> None:
    """INV 12: however often a lease is renewed, its next holder is the second."""
    broker, who = harness.broker, worker()
    await place(broker, call("a"))
    lease = await take_one(broker, who)
    for _ in range(10):
        broker.renew(who, [lease.token])
    record = await broker.read("a")
    assert record is not None
    assert record.deliveries == 1
    await harness.pass_time(LEASE + 1)
    assert [again.deliveries for again in await sweep(broker, worker())] == [2]


async def test_a_lost_lease_is_named_and_never_taken_back(harness: Harness) -> None:
    """INV 12: A's lease ends and B claims; A's renewal must neither get it back nor make B's look younger."""
    broker, slow, quick = harness.broker, worker(), worker()
    await place(broker, call("a"), call("b"))
    a, b = await take(broker, slow)
    await harness.pass_time(LEASE + 1)
    (stolen,) = await sweep(broker, quick, 1)
    assert stolen.key == "a"
    await pass_awake(harness, LEASE - 1)
    assert broker.renew(slow, [a.token, b.token]) == {a.token}
    await harness.pass_time(2)
    assert keys(await sweep(broker, worker())) == ["a"]
    assert await settle(broker, slow, a, done()) == "superseded"
    assert await settle(broker, slow, b, done()) == "settled"


async def test_an_expired_lease_that_nobody_took_can_be_renewed(harness: Harness) -> None:
    """INV 12: being late loses nothing by itself."""
    broker, who = harness.broker, worker()
    await place(broker, call("a"))
    lease = await take_one(broker, who)
    await harness.pass_time(10 * LEASE)
    assert broker.renew(who, [lease.token]) == frozenset()
    assert await sweep(broker, worker()) == ()


async def test_a_settled_lease_is_lost(harness: Harness) -> None:
    """Settled or handed back, there is nothing to renew, also when another holder has the call meanwhile."""
    broker, who = harness.broker, worker()
    await place(broker, call("a"), call("b"))
    a, b = await take(broker, who)
    await settle(broker, who, a, done())
    await settle(broker, who, b, back(b))
    assert broker.renew(who, [a.token, b.token]) == {a.token, b.token}
    again = await take_one(broker, who)
    assert broker.renew(who, [b.token, again.token]) == {b.token}


async def test_nobody_renews_for_another(harness: Harness) -> None:
    """Leases belong to the holder's id, not to its name."""
    broker = harness.broker
    await place(broker, call("a"))
    lease = await take_one(broker, worker("same name"))
    assert broker.renew(worker("same name"), [lease.token]) == {lease.token}


async def test_tokens_that_never_were_are_lost(harness: Harness) -> None:
    """A renewal before anything was placed, and of nothing, is no error."""
    assert harness.broker.renew(worker(), ["1-1", "99999999999999-0"]) == {"1-1", "99999999999999-0"}
    assert harness.broker.renew(worker(), []) == frozenset()


async def test_leases_are_renewed_from_another_thread(harness: Harness) -> None:
    """INV 12: a body that blocks the event loop keeps its lease, so renewing needs no loop."""
    broker, who = (await harness.open()).broker, worker()
    await place(broker, call("a"))
    lease = await take_one(broker, who)
    await harness.pass_time(LEASE - 1)
    assert await asyncio.to_thread(broker.renew, who, [lease.token]) == frozenset()
    await harness.pass_time(2)
    assert await sweep(broker, worker()) == ()


async def test_any_number_of_leases_is_renewed_at_once(harness: Harness) -> None:
    """INV 43: a worker of 450 slots renews them all; the adapter splits the batch."""
    broker, who = harness.broker, worker()
    await place(broker, *(call(f"k{number}") for number in range(450)))
    tokens = [lease.token for _ in range(3) for lease in await take(broker, who, 150)]
    await harness.pass_time(LEASE - 1)
    assert broker.renew(who, [*tokens, "1-1"]) == {"1-1"}
    await harness.pass_time(2)
    assert await sweep(broker, worker()) == ()
