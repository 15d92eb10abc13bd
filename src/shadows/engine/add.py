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
from shadows.ports.strike_log import StrikesMoved

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from shadows.core.strikes import Strike
    from shadows.engine.strikes import Called, Strikes
    from shadows.ports.broker import Broker, Entry, Placement

TRIP: Final = 1000
"""The most calls that travel together: five scripts of 200."""

LAST: Final = 1.0
"""Seconds that the answer to a last try may take, once the deadline is over."""

_LONGEST_PAUSE: Final = 1.0
_SHOWN: Final = 3


@attrs.define(eq=False)
class _Request:
    """Calls that somebody wants placed, and waits for."""

    entries: Sequence[Entry]
    calls: Sequence[Called]
    """of each entry, for strikes to look at"""
    answer: asyncio.Future[list[Placement]]
    deadline: float
    """loop time until which they must be placed"""
    tried: bool = False
    """they went out before; whatever was answered, it costs nothing to ask what became of that"""
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
    strikes: Strikes
    context: Callable[[], Context] = Context
    """makes the context in which trips are made"""
    _waiting: list[_Request] = attrs.field(factory=list[_Request], init=False)
    _sender: asyncio.Task[None] | None = attrs.field(default=None, init=False)
    _timer: asyncio.TimerHandle | None = attrs.field(default=None, init=False)
    """runs while a trip is under way, which may take longer than those have time who wait"""

    async def add(self, entry: Entry, call: Called) -> Placement:
        """Place one call, unless it is struck."""
        (placement,) = await self._place([entry], [call])
        return sound(entry.key, placement)

    async def add_many(self, entries: Sequence[Entry], calls: Sequence[Called], *, chunk_size: int) -> list[Placement]:
        """Place many calls, ``chunk_size`` in a trip; each is judged alone."""
        placements: list[Placement] = []
        for start in range(0, len(entries), chunk_size):
            chunk = slice(start, start + chunk_size)
            placements += await self._place(entries[chunk], calls[chunk])
        return placements

    async def close(self) -> None:
        """Wait until everything that was handed in is sent or has failed."""
        if self._sender is not None:
            await self._sender

    async def _place(self, entries: Sequence[Entry], calls: Sequence[Called]) -> list[Placement]:
        loop = asyncio.get_running_loop()
        request = _Request(entries, calls, loop.create_future(), loop.time() + self.deadline)
        self._waiting.append(request)
        if self._sender is None:
            # It works for all who add, so it must not pass for a task that a body has left behind.
            self._sender = loop.create_task(self._send(), name="shadows-producer", context=self.context())
        return await request.answer

    async def _send(self) -> None:
        """Make trips until nobody waits.  While the broker is away, each request waits until its own deadline."""
        failures = 0
        while batch := self._next():
            try:
                await self._timed(batch)
            except StrikesMoved as moved:  # judge them once more, with what is new
                self.strikes.hear(moved.news)
                for request in batch:
                    request.tried = request.tried or moved.partly
                    request.sent = request.sent or moved.partly
            except BrokerFull as full:
                self._doubt(batch, full)
                self._fail(batch, full)
            except BrokenKey as broken:
                self._fail(batch, broken)
            except BrokerUnavailable as away:
                failures += 1
                await self._ride_out(batch, away, failures)
            except Exception as broken:  # noqa: BLE001 - each caller hears of it, and the next add tries again
                self._fail(batch, broken)
            else:
                failures = 0
        self._sender = None

    async def _timed(self, batch: Sequence[_Request]) -> None:
        """Make a trip; nobody waits for a silent broker for longer than until his deadline and a last try."""
        loop = asyncio.get_running_loop()

        def time_is_up() -> None:  # from here on, for this process itself may have been what was silent
            self._timer = loop.call_later(LAST, give_up)

        def give_up() -> None:
            over = loop.time() - LAST
            for i, request in enumerate(self._waiting):
                if request.deadline > over:
                    self._timer = loop.call_at(request.deadline, time_is_up)
                    return
                request.sent = request.sent or i < len(batch)
                msg = f"the broker has not answered within {self.deadline:g} s (add_deadline)"
                request.fail(BrokerUnavailable(msg, sent=False))

        self._timer = loop.call_at(batch[0].deadline, time_is_up)
        try:
            await self._trip(batch)
        finally:
            self._timer.cancel()

    async def _trip(self, batch: Sequence[_Request]) -> None:
        entries, struck = self._judged(batch)
        # After a failure we say so, and the broker tells what became of the first request.
        repeated = any(each.tried for each in batch)
        answers = await self.broker.schedule(entries, repeated=repeated, strikes=self.strikes.position)
        del self._waiting[: len(batch)]
        self._report(entries, answers, struck)
        placements = iter(answers)
        for request in batch:
            found = [next(placements) for _ in request.entries]
            if not request.answer.done():
                request.answer.set_result(found)

    async def _ride_out(self, batch: Sequence[_Request], away: BrokerUnavailable, failures: int) -> None:
        wait = pause(failures, longest=_LONGEST_PAUSE, random=random())  # noqa: S311 - jitter, no secret
        self._doubt(batch, away)
        now = asyncio.get_running_loop().time()
        self._fail([request for request in batch if request.deadline <= now], away)
        if self._waiting:  # the first of them shall have a last try when its time is up
            await asyncio.sleep(min(wait, max(FIRST, self._waiting[0].deadline - now)))

    def _doubt(self, batch: Sequence[_Request], away: BrokerUnavailable) -> None:
        for request in batch:
            request.tried = True
            request.sent = request.sent or away.sent

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

    def _judged(self, batch: Sequence[_Request]) -> tuple[list[Entry], Mapping[str, tuple[str, Strike]]]:
        """Return all entries, marked where a strike forbids them, and by key the task and the strike."""
        entries = [entry for request in batch for entry in request.entries]
        if not self.strikes.book.strikes:
            return entries, {}
        struck: dict[str, tuple[str, Strike]] = {}
        calls = [call for request in batch for call in request.calls]
        for i, call in enumerate(calls):
            found = self.strikes.judge(call.function_name, call.args, call.kwargs)
            if found is not None:
                entries[i] = attrs.evolve(entries[i], payload=b"", struck=True)
                struck[call.key] = (call.function_name, found)
        return entries, struck

    def _report(
        self, entries: Sequence[Entry], answers: Sequence[Placement], struck: Mapping[str, tuple[str, Strike]]
    ) -> None:
        if struck:
            for entry, answer in zip(entries, answers, strict=True):
                if answer.placed is Placed.STRUCK:
                    task, strike = struck[entry.key]
                    self.strikes.observer.stricken(task, entry.key, strike)

    def _fail(self, batch: Sequence[_Request], error: Exception) -> None:
        for request in batch:
            request.fail(error)
            self._waiting.remove(request)


def _named(entries: Sequence[Entry]) -> str:
    shown = [repr(entry.key) for entry in entries[:_SHOWN]]
    return f"the calls {', '.join(shown)}{', ...' if len(entries) > _SHOWN else ''}"


def sound(key: str, placement: Placement) -> Placement:
    """Return the placement, unless the key's record is not ours."""
    if placement.placed is Placed.BROKEN:
        msg = f"the record of the key {key!r} holds a value of another type; delete it or choose another key"
        raise BrokenKey(msg)
    return placement
