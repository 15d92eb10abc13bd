"""An order that a network delivers after a later one: its worker has given it up, and hears no answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shadows.testing.exam.acts import call, claim, done, keys, place, settle, worker

if TYPE_CHECKING:
    from tests.contract.harness import Harness


async def test_an_order_to_recover_that_comes_late_takes_nothing_from_its_own_worker(harness: Harness) -> None:
    """INV 12: A's order breaks, its next one is given a call; the broken one arrives, and the body may still settle."""
    broker, who = harness.broker, worker()
    await place(broker, call("a"), call("b"))
    (lease,) = (await claim(broker, who, 1, known=(), recovery=2)).leases
    assert (await claim(broker, who, 10, known=(), recovery=1)).leases == ()
    assert await settle(broker, who, lease, done()) == "settled"
    assert keys((await claim(broker, who, 10, known=(), recovery=3)).leases) == ["b"]


async def test_an_order_that_comes_late_takes_no_message(harness: Harness) -> None:
    """INV 38: the cancel of a running call is told to a claim whose answer is heard."""
    broker, who = harness.broker, worker()
    await place(broker, call("a"))
    (lease,) = (await claim(broker, who, 1, known=(), recovery=2)).leases
    await broker.cancel("a")
    assert (await claim(broker, who, 0, known=(lease.token,), recovery=1)).cancels == ()
    assert (await claim(broker, who, 0)).cancels == (("a", lease.fence),)


async def test_each_worker_counts_its_own_orders(harness: Harness) -> None:
    """INV 37: what one has ordered makes no order of another one late, nor what it ordered before it left."""
    broker, one, other = harness.broker, worker(), worker()
    await place(broker, call("a"), call("b"))
    await claim(broker, one, 0, known=(), recovery=7)
    assert keys((await claim(broker, other, 1, known=(), recovery=1)).leases) == ["a"]
    await harness.backend.presence.check_out(one)
    assert keys((await claim(broker, one, 1, known=(), recovery=1)).leases) == ["b"]
