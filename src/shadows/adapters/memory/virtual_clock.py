"""The clock of tests."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from shadows.adapters.clock import SystemClock
from shadows.adapters.memory.store import forget_stores
from shadows.adapters.memory.virtual_time import VirtualTime
from shadows.core.durations import duration
from shadows.errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = datetime(9999, 12, 31, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class VirtualClock:
    """A clock for tests on ``memory://``, under which a week passes in milliseconds.

    ::

        async with VirtualClock() as clock, Shadow("shop", "memory://test", clock=clock) as shadows:
            ...
            await clock.advance(days=7)

    While it is entered, every timer of the running event loop goes by it: ``asyncio.sleep``,
    ``asyncio.timeout``, and all that shadows does by time.  Whenever the loop is idle, time jumps to the next
    timer, so that everything runs at its own exact instant.  Time stands still while something is ready to
    run, or a job is under way in an executor, as ``def`` tasks are.  It does not wait for sockets, nor for
    processes and threads that you start yourself.

    Leaving it gives the loop its own time back, and forgets what ``memory://`` held under this clock.

    Args:
        start: what time it is at first, timezone-aware; default: what it really is, in whole milliseconds.

    Raises:
        ConfigurationError: ``start`` is naive; or, on entering, the event loop is not asyncio's own, or has such
            a clock already.
    """

    def __init__(self, start: datetime | None = None) -> None:
        if start is None:
            start = SystemClock().now()
            start = start.replace(microsecond=start.microsecond // 1000 * 1000)
        if start.utcoffset() is None:
            msg = f"start={start!r} is naive; use a timezone-aware datetime"
            raise ConfigurationError(msg)
        self._start = start.astimezone(UTC)
        self._epoch = (self._start - _EPOCH) // _MICROSECOND
        self._time = VirtualTime((_LAST - self._start) // _MICROSECOND)
        self._entered = False

    def __repr__(self) -> str:
        return f"<VirtualClock at {self.now().isoformat(' ')}>"

    async def __aenter__(self) -> Self:
        if self._entered:
            msg = f"{self!r} was entered before; make one VirtualClock for each context"
            raise RuntimeError(msg)
        self._time.take_over(asyncio.get_running_loop())
        self._entered = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._time.give_back()
        forget_stores(self)

    def now(self) -> datetime:
        """Return the current time, aware, in UTC."""
        return self._start + timedelta(microseconds=self._time.passed)

    def monotonic(self) -> float:
        """Return seconds that never jump: the time of the event loop."""
        return self._time.time()

    async def advance(
        self,
        span: timedelta = timedelta(0),
        *,
        days: float = 0,
        hours: float = 0,
        minutes: float = 0,
        seconds: float = 0,
    ) -> None:
        """Sleep for so long, and then until nothing is left to do at that instant.

        When it returns, everything that was due by then has run, in order, and workers are idle or wait for
        something later.  A span of zero lets everything run that is due now.

        Raises:
            ConfigurationError: the span is negative, or leads beyond the year 9999.
            RuntimeError: the clock is not entered in this event loop.
        """
        self.check_entered()
        wanted = span + timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        microseconds = duration(wanted, option="advance", zero=True) // _MICROSECOND
        if self._time.passed + microseconds > self._time.longest:
            msg = f"advance={wanted} leads beyond the year 9999, the last that a datetime can tell"
            raise ConfigurationError(msg)
        await self._time.sleep(microseconds)

    # For what goes by it

    def milliseconds(self) -> float:
        """Return the milliseconds since 1970, with the microseconds below the point."""
        return (self._epoch + self._time.passed) / 1000

    def check_entered(self) -> None:
        """Raise RuntimeError unless this clock rules the running event loop."""
        if self._time.loop is not asyncio.get_running_loop():
            msg = f"{self!r} does not rule this event loop; use it inside of: async with VirtualClock() as clock"
            raise RuntimeError(msg)
