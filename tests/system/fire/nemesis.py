"""The nemesis: breaks one thing after another, in an order that its seed decides, and writes down what it did."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import attrs
import redis

from tests.system.fire.history import append

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable, Mapping

    from tests.system.fire.arena import Arena

    type Act = Callable[[Arena, random.Random], Awaitable[bool]]
    """breaks something, mends it, and returns whether anybody felt it: an error, or work that was interrupted"""

ENOUGH: Final = 100
"""So many calls are to be in flight, that a fault counts as one that bit."""
MERCY: Final = 10.0
"""Seconds in which producers have placed so many again."""


@attrs.define(eq=False)
class Nemesis:
    """One who breaks things; several may be at work together."""

    arena: Arena
    dice: random.Random
    acts: Mapping[str, Act]
    """by the kind of the fault"""
    pause: float = 0
    """seconds between two of them, on the average"""
    given: Counter[str] = attrs.field(factory=Counter[str])
    bit: Counter[str] = attrs.field(factory=Counter[str])
    """of those given, the ones that somebody felt while enough calls were in flight"""

    async def do(self, kind: str) -> bool:
        """Break one thing; return whether it bit."""
        since, flight = time.monotonic(), len(self.arena.ledger.flight)
        try:
            felt = await self.acts[kind](self.arena, self.dice)
        except redis.RedisError as late:  # its own connection met what another one had done
            felt = False
            append(self.arena.history, "fault failed", kind=kind, why=repr(late))
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
                await asyncio.sleep(self.dice.uniform(0, 2 * self.pause))
                await self._mercy()

    async def _mercy(self) -> None:
        """Let enough calls be in flight again, or nobody would feel what comes next."""
        with suppress(TimeoutError):
            async with asyncio.timeout(MERCY):
                while len(self.arena.ledger.flight) < ENOUGH:  # noqa: ASYNC110 - no event tells it
                    await asyncio.sleep(0.02)
