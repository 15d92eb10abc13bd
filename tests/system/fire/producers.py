"""Who places calls while everything breaks: one and many at once, now and later, replaced, cancelled, retried."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import attrs

from shadows import BrokerUnavailable, OutcomeUnknown
from tests.system.fire import tasks
from tests.system.fire.history import append

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable

    from shadows import Shadow
    from tests.system.fire.ledger import Ledger

CUSTOMERS: Final = 8
AT_A_TIME: Final = 20
"""So many calls does ``add_many`` get."""
AHEAD: Final = 20.0
"""Seconds: longer than an add and a replace may take, and far shorter than everybody waits for quiet."""
CHAINS: Final = ("chain-1", "chain-2")
"""The keys of the calls that come again."""


@attrs.define(eq=False)
class Producer:
    """Places calls of every kind for as long as fewer than ``most`` are in flight."""

    shadow: Shadow
    ledger: Ledger
    dice: random.Random
    name: str
    most: int = 300
    longest: float = 0.1
    """the most seconds that a body takes"""
    _count: int = 0

    async def produce(self) -> None:
        """Go on until cancelled."""
        kinds = self._kinds()
        while True:
            if len(self.ledger.flight) >= self.most:
                await asyncio.sleep(0.02)
                continue
            (kind,) = self.dice.choices([*kinds], [*kinds.values()])
            await self.ride(kind)

    async def place(self, count: int) -> None:
        """Place so many calls of every kind, or a few more."""
        kinds = self._kinds()
        while self.ledger.acknowledged < count:
            (kind,) = self.dice.choices([*kinds], [*kinds.values()])
            await self.ride(kind)

    async def ride(self, act: Callable[[], Awaitable[None]]) -> None:
        """Do it; a broker that is away, or that does not say what it did, is no surprise."""
        try:
            await act()
        except (BrokerUnavailable, OutcomeUnknown) as away:
            append(self.ledger.history, "refused", why=type(away).__name__, producer=self.name)

    def _kinds(self) -> dict[Callable[[], Awaitable[None]], int]:
        return {
            self.one: 40,
            self.many: 8,
            self.later: 12,
            self.replaced: 6,
            self.cancelled: 5,
            self.retried: 10,
            self.limited: 12,
            self.threaded: 5,
            self.chained: 2,
        }

    def _key(self, kind: str) -> str:
        self._count += 1
        return f"{kind}-{self.name}-{self._count}"

    def _seconds(self) -> float:
        return self.dice.uniform(0, self.longest)

    async def one(self) -> None:
        """Add one call."""
        key = self._key("one")
        self.ledger.ask(key)
        await self.shadow.add(tasks.work, key=key)(self._seconds())
        self.ledger.acknowledge(key)

    async def many(self) -> None:
        """Add many calls at once."""
        keys = [self._key("many") for _ in range(AT_A_TIME)]
        for key in keys:
            self.ledger.ask(key)
        await self.shadow.add_many([self.shadow.call(tasks.work, key=key)(self._seconds()) for key in keys])
        self.ledger.acknowledge(*keys)

    async def later(self) -> None:
        """Add a call that is due in a while."""
        key, delay = self._key("later"), self.dice.uniform(0.1, 2)
        self.ledger.ask(key, delay=delay)
        await self.shadow.add(tasks.work, when=timedelta(seconds=delay), key=key)(self._seconds())
        self.ledger.acknowledge(key)

    async def replaced(self) -> None:
        """Add a call for later, and bring it forward; if nobody gets to hear of that, it runs later."""
        key = self._key("replaced")
        self.ledger.ask(key, delay=AHEAD)
        await self.shadow.add(tasks.work, when=timedelta(seconds=AHEAD), key=key)(self._seconds())
        self.ledger.ask(key, delay=0.2)
        await self.shadow.replace(tasks.work, timedelta(seconds=0.2), key)(self._seconds())
        self.ledger.acknowledge(key)

    async def cancelled(self) -> None:
        """Add a call for later, and cancel it."""
        key = self._key("cancelled")
        self.ledger.ask(key, delay=1)
        await self.shadow.add(tasks.work, when=timedelta(seconds=1), key=key)(self._seconds())
        self.ledger.acknowledge(key)
        append(self.ledger.history, "cancel", key=key)
        await self.shadow.cancel(key)

    async def retried(self) -> None:
        """Add a call that fails a few times, or always."""
        key, failures = self._key("retried"), self.dice.choice((1, 1, 1, 2, 2, 3, tasks.ATTEMPTS))
        self.ledger.ask(key, fails=failures >= tasks.ATTEMPTS)
        await self.shadow.add(tasks.stumble, key=key)(failures)
        self.ledger.acknowledge(key)

    async def limited(self) -> None:
        """Add a call that only a few of may run at once."""
        key = self._key("limited")
        self.ledger.ask(key)
        await self.shadow.add(tasks.visit, key=key)(self.dice.randrange(CUSTOMERS), self._seconds())
        self.ledger.acknowledge(key)

    async def threaded(self) -> None:
        """Add a call that runs in a thread."""
        key = self._key("threaded")
        self.ledger.ask(key)
        await self.shadow.add(tasks.toil, key=key)(self._seconds())
        self.ledger.acknowledge(key)

    async def chained(self) -> None:
        """See to it that the calls that come again are there."""
        for key in CHAINS:
            self.ledger.ask(key, repeats=True)
            await self.shadow.add(tasks.come_again, key=key)()

    async def unchain(self) -> None:
        """Let nothing come again."""
        for key in CHAINS:
            append(self.ledger.history, "ask", key=key, delay=0, fails=False, repeats=True)
            append(self.ledger.history, "cancel", key=key)
            await self.shadow.cancel(key)
