"""Add: the sending side.  Calls of one loop turn, and those that come while a trip is under way, go out
together.
"""

from __future__ import annotations

import asyncio
from contextvars import Context
from random import random
from typing import TYPE_CHECKING, Final

import attrs

from shadows.core.backoff import FIRST, pause
from shadows.errors import BrokenKey, BrokerFull, BrokerUnavailable, OutcomeUnknown
from shadows.ports.broker import Placed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shadows.ports.broker import Broker, Entry, Placement

TRIP: Final = 1000
"""The most calls that travel together: five scripts of 200."""

_LONGEST_PAUSE: Final = 1.0
_SHOWN: Final = 3


@attrs.define(eq=False)
class _Request:
    """Calls that somebody wants placed, and waits for."""

    entries: Sequence[Entry]
    answer: asyncio.Future[list[Placement]]
    deadline: float
    """loop time until which they must be placed"""
    sent: bool = False
    """an answer was lost: they may have been placed"""

    def fail(self, error: Exception) -> None:
        if self.answer.done():
            return
        if self.sent:
            unknown = OutcomeUnknown(f"{error}; whether {_named(self.entries)} were placed is unknown")
            unknown.__cause__ = error
            error = unknown
        self.answer.set_exception(error)


@attrs.define
class Producer:
    """Places calls, and rides out a broker that is away for less than the deadline."""

    broker: Broker
    deadline: float
    """seconds in which a call must be placed"""
    _waiting: list[_Request] = attrs.field(factory=list[_Request], init=False)
    _sender: asyncio.Task[None] | None = attrs.field(default=None, init=False)

    async def add(self, entry: Entry) -> Placement:
        """Place one call."""
        (placement,) = await self._place([entry])
        return sound(entry, placement)

    async def add_many(self, entries: Sequence[Entry], *, chunk_size: int) -> list[Placement]:
        """Place many calls, ``chunk_size`` in a trip."""
        placements: list[Placement] = []
        for start in range(0, len(entries), chunk_size):
            placements += await self._place(entries[start : start + chunk_size])
        return placements

    async def close(self) -> None:
        """Wait until everything that was handed in is sent or has failed."""
        if self._sender is not None:
            await self._sender

    async def _place(self, entries: Sequence[Entry]) -> list[Placement]:
        loop = asyncio.get_running_loop()
        request = _Request(entries, loop.create_future(), loop.time() + self.deadline)
        self._waiting.append(request)
        if self._sender is None:
            # It works for all who add, so it must not pass for a task that a body has left behind.
            self._sender = loop.create_task(self._send(), name="shadows-producer", context=Context())
        return await request.answer

    async def _send(self) -> None:
        """Make trips until nobody waits.  While the broker is away, each request waits until its own deadline."""
        failures = 0
        while batch := self._next():
            entries = [entry for request in batch for entry in request.entries]
            try:
                # After a lost answer we say so, and the broker tells what became of the first request.
                placements = iter(await self.broker.schedule(entries, repeated=any(each.sent for each in batch)))
            except BrokerUnavailable as away:
                if isinstance(away, BrokerFull | BrokenKey):
                    self._fail(batch, away)
                    continue
                failures += 1
                wait = pause(failures, longest=_LONGEST_PAUSE, random=random())  # noqa: S311 - jitter, no secret
                for request in batch:
                    request.sent = request.sent or away.sent
                now = asyncio.get_running_loop().time()
                self._fail([request for request in batch if request.deadline <= now], away)
                if self._waiting:  # the first of them shall have a last try when its time is up
                    await asyncio.sleep(min(wait, max(FIRST, self._waiting[0].deadline - now)))
            except Exception as broken:  # noqa: BLE001 - each caller hears of it, and the next add tries again
                self._fail(batch, broken)
            else:
                failures = 0
                del self._waiting[: len(batch)]
                for request in batch:
                    found = [next(placements) for _ in request.entries]
                    if not request.answer.done():
                        request.answer.set_result(found)
        self._sender = None

    def _next(self) -> list[_Request]:
        """Return what goes out in the next trip; forget those that nobody waits for any more."""
        self._waiting = [request for request in self._waiting if not request.answer.done()]
        batch: list[_Request] = []
        size = 0
        for request in self._waiting:
            size += len(request.entries)
            if batch and size > TRIP:
                break
            batch.append(request)
        return batch

    def _fail(self, batch: Sequence[_Request], error: Exception) -> None:
        for request in batch:
            request.fail(error)
            self._waiting.remove(request)


def _named(entries: Sequence[Entry]) -> str:
    shown = [repr(entry.key) for entry in entries[:_SHOWN]]
    return f"the calls {', '.join(shown)}{', ...' if len(entries) > _SHOWN else ''}"


def sound(entry: Entry, placement: Placement) -> Placement:
    """Return the placement, unless the key's record is not ours."""
    if placement.placed is Placed.BROKEN:
        msg = f"the record of the key {entry.key!r} holds a value of another type; delete it or choose another key"
        raise BrokenKey(msg)
    return placement
