"""Watch: the waiting side.  Hints say when to look; only what is read counts."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

import attrs

from shadows.core.lifecycle import ExecutionState
from shadows.errors import BrokerUnavailable, ExecutionCancelled, ResultUnavailable
from shadows.ports.looking import Part, Record

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping

    from shadows.ports.broker import Broker
    from shadows.ports.event_bus import EventBus, Hint

LOOK_AGAIN: Final = 1.0
"""Seconds after which a waiter looks by itself: a hint may have been lost."""


@attrs.frozen
class Moment:
    """What was seen of a run at one moment."""

    record: Record | None
    progress: Mapping[str, str] | None = None
    """the fields of a report; None when it was the record that may have changed"""


@attrs.frozen
class Watcher:
    """Reads runs, and waits for what becomes of them."""

    broker: Broker
    event_bus: EventBus
    patience: float
    """seconds for which a broker that is away is put up with"""

    async def end_of(self, key: str, run: str) -> Record:
        """Wait until this run has ended and return its record, with the outcome.

        Raises:
            ExecutionCancelled: it ended without an outcome.
            ResultUnavailable: nothing is kept of it (any more).
        """
        # Of results that are awaited one after the other most are there already: those need no subscription.
        ended = _ended(key, run, _of(run, await self._read(key, run, Part.RESULT)))
        if ended is not None:
            return ended
        async with aclosing(self.moments(key, run)) as moments:
            while ended is None:
                ended = _ended(key, run, (await anext(moments)).record)
        return ended

    async def once(self, key: str, run: str | None) -> Record | None:
        """Return the record of this run as of now, with the outcome; or that of the run which took its key, or
        has it if ``run`` is None.
        """
        return _of(run, await self.broker.read(key, Part.RESULT, run=run))

    async def progress(self, record: Record) -> Mapping[str, str]:
        """Return what the run of this record has reported under its present lease."""
        if record.fence is None:
            return {}
        fields = await self.broker.progress(record.key)
        return fields if fields.get("fence") == str(record.fence) else {}

    async def moments(self, key: str, run: str | None) -> AsyncGenerator[Moment]:
        """Yield the same record now, and whenever it may have changed; and progress as it is reported."""
        async with self.event_bus.listen(key) as hints:
            while True:
                record = _of(run, await self._read(key, run, Part.WATCH | Part.RESULT))
                yield Moment(record)
                again = asyncio.get_running_loop().time() + LOOK_AGAIN if self.event_bus.loses_hints else None
                while (hint := await _next(hints, again)) is not None and hint.what == "progress":
                    if record is not None and hint.fence == record.fence:
                        yield Moment(record, dict(hint.fields))

    async def _read(self, key: str, run: str | None, parts: Part) -> Record | None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.patience
        while True:
            try:
                return await self.broker.read(key, parts, run=run)
            except BrokerUnavailable:
                if loop.time() > deadline:
                    raise
                await asyncio.sleep(LOOK_AGAIN / 4)


def _ended(key: str, run: str, record: Record | None) -> Record | None:
    """Return the record if the run has ended with an outcome, None while it has not ended; raise if it has none."""
    if record is None:
        msg = f"nothing is kept of the execution {key!r}: it has expired, or its shadow keeps no records"
        raise ResultUnavailable(msg)
    if record.run != run:
        if record.successor == run:
            return None  # its turn comes when the running body has ended
        raise ExecutionCancelled(key, "superseded")
    if record.state is ExecutionState.CANCELLED:
        raise ExecutionCancelled(key, record.reason or "cancelled")
    return None if record.state.live else record


def _of(run: str | None, record: Record | None) -> Record | None:
    """Return the record, unless it only says that the key has gone on: then nothing is kept of this run any more."""
    if record is None or run is None or run in {record.run, record.successor} or not record.occurrence:
        return record
    return None


async def _next(hints: AsyncIterator[Hint | None], deadline: float | None) -> Hint | None:
    """Return the next hint, or None when none came by the deadline."""
    try:
        async with asyncio.timeout_at(deadline):
            return await anext(hints)
    except TimeoutError:
        return None
