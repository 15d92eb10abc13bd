"""How long one script keeps the server's processor: the most that a worker asks for in one trip, a trip at a time."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import attrs

from benchmarks.suite.gauge import Gauge
from shadows import Shadow
from shadows.core import verdict
from shadows.core.holder import Holder
from shadows.ports.broker import Order

if TYPE_CHECKING:
    from shadows.ports.broker import Broker, Lease

SLOTS: Final = 100
TRIP: Final = 50
"""A worker claims no more in one trip, and has no more than its slots to settle."""
LEASE: Final = 30_000
TURNS: Final = 20
TAKEN: Final = (TURNS + 1) * SLOTS
"""So many calls are gone afterwards."""


def longest(url: str) -> float:
    """Return the milliseconds of processor time that the most expensive of some turns took.

    A script's length by the clock tells as much of the machine: whoever takes the processor away in the middle makes it
    longer, and on a shared machine somebody always does once in many thousand scripts.
    """
    return max(asyncio.run(_costs(url))) * 1000


async def _costs(url: str) -> list[float]:
    gauge, holder = Gauge(url), Holder("turns", f"turns@bench:{LEASE}", LEASE)
    order = Order(holder, TRIP, sweep="-", count=False)
    looks = [gauge.processor() for _ in range(TURNS)]
    idle = min(after - before for before, after in pairwise(looks))  # what a look itself takes
    found: list[float] = []
    async with Shadow("bench", url) as shadow:
        broker = shadow.opened().backend.broker
        await broker.turn([], attrs.evolve(order, limit=0))  # the server learns the script
        held = await _filled(broker, order, [])
        for _ in range(TURNS):
            before = gauge.processor()
            _, claim = await broker.turn([(lease, verdict.completed("noop")) for lease in held], order)
            found.append(gauge.processor() - before - idle)
            held = await _filled(broker, order, [*claim.leases])
        await broker.settle(holder, [(lease, verdict.completed("noop")) for lease in held])
    return found


async def _filled(broker: Broker, order: Order, held: list[Lease]) -> list[Lease]:
    """Claim until all slots are taken."""
    while len(held) < SLOTS:
        claim = await broker.claim(order)
        if not claim.leases:
            msg = "there are no calls left to measure a turn with; give it a larger backlog"
            raise RuntimeError(msg)
        held += claim.leases
    return held
