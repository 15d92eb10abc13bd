"""The nemesis: breaks one thing after another, in an order that its seed decides, and writes down what it did."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Final

import attrs

from tests.system.fire.history import append

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable, Mapping

    from tests.system.fire.arena import Arena

    type Act = Callable[[Arena, random.Random], Awaitable[bool]]
    """breaks something, mends it, and returns whether anybody felt it: an error, or work that was interrupted"""

ENOUGH: Final = 100
"""So many calls are to be in flight, that a fault counts as one that bit."""


@attrs.define(eq=False)
class Nemesis:
    """One who breaks things; several may be at work together."""

    arena: Arena
    dice: random.Random
    acts: Mapping[str, Act]
    """by the kind of the fault"""
    given: Counter[str] = attrs.field(factory=Counter[str])
    bit: Counter[str] = attrs.field(factory=Counter[str])
    """of those given, the ones that somebody felt while enough calls were in flight"""

    async def do(self, kind: str) -> bool:
        """Break one thing; return whether it bit."""
        since, flight = time.monotonic(), len(self.arena.ledger.flight)
        felt = await self.acts[kind](self.arena, self.dice)
        append(self.arena.history, "fault", kind=kind, since=since, felt=felt, flight=flight)
        self.given[kind] += 1
        bit = felt and flight >= ENOUGH
        self.bit[kind] += bit
        return bit

    async def rage(self, until: Callable[[], bool]) -> None:
        """Break things, each kind as often as any other, until told to stop."""
        while not until():
            for kind in self.dice.sample([*self.acts], len(self.acts)):
                if until():
                    return
                await self.do(kind)
