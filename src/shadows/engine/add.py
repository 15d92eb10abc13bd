"""Add: the sending side.  Calls of one loop turn, and those that come while a trip is under way, go out
together.
"""

from __future__ import annotations

import asyncio
from contextvars import Context
from random import random
from typing import TYPE_CHECKING, Any, Final

import attrs

from shadows.core.backoff import FIRST, pause
from shadows.errors import BrokenKey, BrokerFull, BrokerUnavailable, OutcomeUnknown
from shadows.ports.broker import Placed
from shadows.ports.strike_log import StrikesMoved

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

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
    """in the order in which they came"""
    _under_way: list[_Request] = attrs.field(factory=list[_Request], init=False)
    """who came before them, and are on a trip"""
    _sender: asyncio.Task[None] | None = attrs.field(default=None, init=False)
    """kept over many trips, for to make one costs more than all that it does for a call that is added alone"""
    _struck: Mapping[str, tuple[str, Strike]] = attrs.field(factory=dict[str, "tuple[str, Strike]"], init=False)
    """of those under way, by key: the task, and the strike that forbids the call"""
    _lull: asyncio.Future[bool] | None = attrs.field(default=None, init=False)
    """what it waits for while nobody wants anything: whether it shall go on"""
    _timer: asyncio.TimerHandle | None = attrs.field(default=None, init=False)
    """kept likewise; a trip may take longer than those have time who wait"""
    _late: bool = attrs.field(default=False, init=False)
    """somebody's time is up while the present trip is under way"""
    _closing: bool = attrs.field(default=False, init=False)

    async def add(self, entry: Entry, call: Called) -> Placement:
        """Place one call, unless it is struck."""
        (placement,) = await self._hand_in((entry,), (call,))
        return sound(entry.key, placement)

    async def add_many(self, entries: Sequence[Entry], calls: Sequence[Called], *, chunk_size: int) -> list[Placement]:
        """Place many calls, ``chunk_size`` in a trip; each is judged alone."""
        placements: list[Placement] = []
        for start in range(0, len(entries), chunk_size):
            chunk = slice(start, start + chunk_size)
            placements += await self._hand_in(entries[chunk], calls[chunk])
        return placements

    async def close(self) -> None:
        """Wait until everything that was handed in is sent or has failed."""
        self._closing = True
        self._wake(go_on=False)
        while self._sender is not None:
            await asyncio.wait([self._sender])

    def _hand_in(self, entries: Sequence[Entry], calls: Sequence[Called]) -> asyncio.Future[list[Placement]]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[Placement]] = loop.create_future()
        self._waiting.append(_Request(entries, calls, answer, loop.time() + self.deadline))
        if self._lull is not None:
            self._wake(go_on=True)
        elif self._sender is None:
            self._begin()
        return answer

    # The sender

    def _begin(self) -> None:
        # It works for all who add, so it must not pass for a task that a body has left behind.
        loop = asyncio.get_running_loop()
        self._sender = loop.create_task(self._send(), name="shadows-producer", context=self.context())

    def _wake(self, *, go_on: bool) -> None:
        lull, self._lull = self._lull, None
        if lull is not None and not lull.done():
            lull.set_result(go_on)

    async def _send(self) -> None:
        """Make trips, until nobody has wanted any for a while.  While the broker is away, each request waits until
        its own deadline.
        """
        failures = 0
        try:
            while self._waiting or (not self._closing and await self._quiet()):
                batch = self._next()
                try:
                    if batch:
                        self._answered(batch, await self._asked(batch))
                    failures = 0
                except StrikesMoved as moved:  # judge them once more, with what is new
                    self.strikes.hear(moved.news)
                    self._take_back(tried=moved.partly, sent=moved.partly)
                except BrokerFull as full:
                    self._fail(self._take_back(sent=full.sent), full)
                except BrokenKey as broken:
                    self._fail(self._take_back(sent=False), broken)
                except BrokerUnavailable as away:
                    failures += 1
                    await self._ride_out(away, failures)
                except Exception as broken:  # noqa: BLE001 - each caller hears of it, and the next add tries again
                    self._fail(self._take_back(sent=False), broken)
        finally:
            self._end()

    def _quiet(self) -> asyncio.Future[bool]:
        self._lull = asyncio.get_running_loop().create_future()
        return self._lull

    def _end(self) -> None:
        """Leave nobody waiting, also if somebody has cancelled all tasks that there were."""
        self._sender = self._lull = None
        self._take_back(sent=True)
        self._rest()
        self._waiting = [request for request in self._waiting if not request.answer.done()]
        if self._waiting:
            self._begin()

    def _next(self) -> list[_Request]:
        """Return what goes out in the next trip; forget those that nobody waits for any more."""
        waiting = [request for request in self._waiting if not request.answer.done()]
        batch, self._waiting = waiting, []
        size = 0
        for i, request in enumerate(waiting):
            size += len(request.entries)
            if i and size > TRIP:
                batch, self._waiting = waiting[:i], waiting[i:]
                break
        self._under_way = batch
        return batch

    def _asked(self, batch: Sequence[_Request]) -> Coroutine[Any, Any, list[Placement]]:
        """Make a trip; nobody waits for a silent broker for longer than until his deadline and a last try."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_at(batch[0].deadline, self._look)
        entries = batch[0].entries if len(batch) == 1 else [entry for request in batch for entry in request.entries]
        book = self.strikes.book
        if book.strikes:
            entries = self._judged(batch, entries)
        # After a failure we say so, and the broker tells what became of the first request.
        repeated = any([each.tried for each in batch])  # noqa: C419 - which costs less than a generator
        return self.broker.schedule(entries, repeated=repeated, strikes=book.position)

    def _judged(self, batch: Sequence[_Request], entries: Sequence[Entry]) -> Sequence[Entry]:
        """Return these entries, marked where a strike forbids them."""
        judged = list(entries)
        struck: dict[str, tuple[str, Strike]] = {}
        calls = [call for request in batch for call in request.calls]
        for i, call in enumerate(calls):
            found = self.strikes.judge(call.function_name, call.args, call.kwargs)
            if found is not None:
                judged[i] = attrs.evolve(judged[i], payload=b"", struck=True)
                struck[call.key] = (call.function_name, found)
        self._struck = struck
        return judged

    def _answered(self, batch: Sequence[_Request], placements: list[Placement]) -> None:
        self._under_way = []
        if self._late:
            self._rest()
        if self._struck:
            self._report(batch, placements)
        start = 0
        for request in batch:
            end = start + len(request.entries)
            if not request.answer.done():
                request.answer.set_result(placements[start:end])
            start = end

    def _report(self, batch: Sequence[_Request], placements: Sequence[Placement]) -> None:
        entries = [entry for request in batch for entry in request.entries]
        struck, self._struck = self._struck, {}
        for entry, placement in zip(entries, placements, strict=True):
            if placement.placed is Placed.STRUCK:
                task, strike = struck[entry.key]
                self.strikes.observer.stricken(task, entry.key, strike)

    async def _ride_out(self, away: BrokerUnavailable, failures: int) -> None:
        wait = pause(failures, longest=_LONGEST_PAUSE, random=random())  # noqa: S311 - jitter, no secret
        batch, now = self._take_back(sent=away.sent), asyncio.get_running_loop().time()
        self._fail([request for request in batch if request.deadline <= now], away)
        waiting = [request for request in self._waiting if not request.answer.done()]
        if waiting:  # the first of them shall have a last try when its time is up
            await asyncio.sleep(min(wait, max(FIRST, waiting[0].deadline - now)))

    def _take_back(self, *, sent: bool, tried: bool = True) -> list[_Request]:
        """Return whose trip has failed; they are the first to wait again, unless they are told that."""
        batch, self._under_way, self._struck = self._under_way, [], {}
        if self._late:
            self._rest()
        for request in batch:
            request.tried = request.tried or tried
            request.sent = request.sent or sent
        self._waiting = batch + self._waiting
        return batch

    def _fail(self, batch: Sequence[_Request], error: Exception) -> None:
        for request in batch:
            request.fail(error)

    # The time

    def _look(self) -> None:
        """Give those who are under way a last try from when their time is up; where nobody is, let the sender go."""
        self._timer = None
        if not self._under_way:
            self._wake(go_on=False)
            return
        loop, deadline = asyncio.get_running_loop(), self._under_way[0].deadline
        if loop.time() < deadline:
            self._timer = loop.call_at(deadline, self._look)
        else:  # from here on, for this process itself may have been what was silent
            self._late = True
            self._timer = loop.call_later(LAST, self._give_up)

    def _give_up(self) -> None:
        loop = asyncio.get_running_loop()
        over = loop.time() - LAST
        for request in (*self._under_way, *self._waiting):
            if request.deadline > over:
                self._timer = loop.call_at(request.deadline, self._look)
                return
            request.sent = request.sent or request in self._under_way
            msg = f"the broker has not answered within {self.deadline:g} s (add_deadline)"
            request.fail(BrokerUnavailable(msg, sent=False))

    def _rest(self) -> None:
        self._late = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _named(entries: Sequence[Entry]) -> str:
    shown = [repr(entry.key) for entry in entries[:_SHOWN]]
    return f"the calls {', '.join(shown)}{', ...' if len(entries) > _SHOWN else ''}"


def sound(key: str, placement: Placement) -> Placement:
    """Return the placement, unless the key's record is not ours."""
    if placement.placed is Placed.BROKEN:
        msg = f"the record of the key {key!r} holds a value of another type; delete it or choose another key"
        raise BrokenKey(msg)
    return placement
