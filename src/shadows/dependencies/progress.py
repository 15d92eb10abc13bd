"""How far a run is: ``progress: ExecutionProgress = Progress()`` as a parameter of a task."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from datetime import datetime
from typing import Any

import attrs

from shadows.core.scheduling import epoch_milliseconds, instant
from shadows.dependencies.marker import Marker
from shadows.errors import BrokerUnavailable, ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shadows.dependencies.running import Running

TOTAL = 100
"""What there is to do before anybody says so."""
PATIENCE = 10.0
"""Seconds for which a thread waits until its progress is told."""


@attrs.frozen
class Ways:
    """How progress gets out of a run, and to those who look at it."""

    tell: Callable[[Mapping[str, str]], Awaitable[object]] | None
    """None where it is not ours to report"""
    look: Callable[[], Awaitable[Mapping[str, str]]]
    events: Callable[[], AsyncGenerator[dict[str, Any]]]
    now: Callable[[], datetime]
    loop: asyncio.AbstractEventLoop


class ExecutionProgress:
    """How far a run is, as of the last report that was made or read here.

    The task itself reports; everybody else reads.  In a ``def`` task, which has nothing to await with, a report is
    made by the call alone.  One that cannot be sent is made up for by the next.
    """

    __slots__ = ("_changed", "_key", "_lock", "_loop", "_ways", "current", "message", "total", "updated_at")

    current: int | None
    """how much is done; None before the first report"""
    total: int
    """how much there is to do"""
    message: str | None
    """what is being done"""
    updated_at: datetime | None
    """when that was reported"""

    def __init__(self, key: str = "", ways: Ways | None = None) -> None:
        self._key = key
        self._ways = ways
        self._loop = None if ways is None or ways.tell is None else ways.loop
        self._lock = asyncio.Lock()
        self._changed = False
        self.take({})

    def set_total(self, total: int) -> Awaitable[None]:
        """Say how much there is to do, from 1; 100 until then."""
        self._may_tell()
        self.total = _whole("total", total)
        return self._tell()

    def increment(self, amount: int = 1) -> Awaitable[None]:
        """Say that so much more is done, from 1."""
        self._may_tell()
        self.current = (self.current or 0) + _whole("amount", amount)
        return self._tell()

    def set_message(self, message: str | None) -> Awaitable[None]:
        """Say what is being done."""
        self._may_tell()
        self.message = _text(message)
        return self._tell()

    async def sync(self) -> None:
        """Read what was reported last; the task itself knows it."""
        if self._ways is not None and self._ways.tell is None:
            self.take(await self._ways.look())

    async def subscribe(self) -> AsyncGenerator[dict[str, Any]]:
        """Yield each report that can be seen, until the run has ended: a dict with ``type`` ("progress"), ``key``,
        ``current``, ``total``, ``message`` and ``updated_at``.
        """
        if self._ways is not None:
            async with contextlib.aclosing(self._ways.events()) as events:
                async for event in events:
                    if event["type"] == "progress":
                        yield event

    def take(self, fields: Mapping[str, str]) -> None:
        """Note what was read."""
        self.current = _number(fields.get("current"))
        self.total = _number(fields.get("total")) or TOTAL
        self.message = fields.get("message") or None
        updated = _number(fields.get("updated_at"))
        self.updated_at = None if updated is None else instant(updated)

    def event(self) -> dict[str, Any]:
        """Return what is known now as an event."""
        return {
            "type": "progress",
            "key": self._key,
            "current": self.current,
            "total": self.total,
            "message": self.message,
            "updated_at": self.updated_at,
        }

    def __repr__(self) -> str:
        return f"ExecutionProgress({self.current} of {self.total})"

    def _tell(self) -> Awaitable[None]:
        """Return what is to be awaited; in a thread it has happened already."""
        self._changed = True
        if self._loop is None:
            return _Told()
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            with contextlib.suppress(concurrent.futures.TimeoutError):
                asyncio.run_coroutine_threadsafe(self._send(), self._loop).result(PATIENCE)
            return _Told()
        return self._send()

    async def _send(self) -> None:
        """Tell how far it is by now; of many who ask for it at once, one does it for all."""
        async with self._lock:
            if not self._changed or self._ways is None or self._ways.tell is None:
                return
            self._changed = False
            now = self._ways.now()
            fields = {
                "total": str(self.total),
                "message": self.message or "",
                "updated_at": str(epoch_milliseconds(now)),
            }
            if self.current is not None:
                fields["current"] = str(self.current)
            try:
                await self._ways.tell(fields)
            except BrokerUnavailable:
                self._changed = True
            self.updated_at = now

    def _may_tell(self) -> None:
        if self._ways is not None and self._ways.tell is None:
            msg = f"only the task itself reports the progress of {self._key!r}: declare progress: ... = Progress()"
            raise RuntimeError(msg)


class Progress(ExecutionProgress, Marker):
    """Gives the body its run's :class:`ExecutionProgress`, which is ``execution.progress`` to everybody else."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__()

    def for_run(self, running: Running) -> object:
        """Return the progress of this run."""
        return running.execution.progress


class _Told:
    """Something to await that has happened already."""

    def __await__(self) -> Generator[None, None, None]:
        yield from ()


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() else None


def _whole(name: str, number: object) -> int:
    if not isinstance(number, int) or isinstance(number, bool):
        raise TypeError(f"{name}={number!r} must be a whole number, from 1")
    if number < 1:
        raise ConfigurationError(f"{name}={number} is too small; use 1 or more")
    return number


def _text(message: object) -> str | None:
    if message is not None and not isinstance(message, str):
        raise TypeError(f"message={message!r} must be a string, or None")
    try:
        (message or "").encode()
    except UnicodeEncodeError:
        msg = "message holds a lone surrogate, which cannot travel; replace it by text.encode('utf-8', 'replace')"
        raise ConfigurationError(msg) from None
    return message
