"""Executions: handles on a call's one life."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import attrs

from shadows.core.disposition import Disposition
from shadows.core.durations import duration
from shadows.core.holder import name_of
from shadows.core.lifecycle import ExecutionState
from shadows.core.scheduling import instant
from shadows.dependencies.progress import ExecutionProgress, Ways
from shadows.engine.shelf import Shelf
from shadows.errors import ConfigurationError, ExecutionCancelled, ResultUnavailable, TaskFailed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping

    from shadows.engine.outcomes import Outcomes
    from shadows.engine.watch import Moment, Watcher
    from shadows.ports.clock import Clock
    from shadows.ports.looking import Record


@attrs.frozen
class TaskCall:
    """A call that is ready to be placed: made by ``shadow.call(...)``, taken by ``add_many`` and
    ``replace_many``.
    """

    function_name: str
    args: tuple[Any, ...] = attrs.field(repr=False)
    kwargs: Mapping[str, Any] = attrs.field(repr=False)
    when: datetime | timedelta | None
    key: str
    function: Callable[..., Any] | None = attrs.field(repr=False)
    payload: bytes = attrs.field(repr=False)
    named: bool = attrs.field(repr=False)
    """the user chose the key; otherwise it was made for this one call"""


@attrs.frozen
class Access:
    """What a handle needs of its shadow."""

    watcher: Watcher
    outcomes: Outcomes
    clock: Clock
    loop: asyncio.AbstractEventLoop
    """where the shadow is entered; a body may use its handle in a thread"""
    keeps_records: bool
    shelf: Shelf = attrs.field(
        default=attrs.Factory(lambda self: Shelf(None, self.outcomes, seconds=0, patience=0), takes_self=True)
    )
    """where outcomes may lie that are not in the broker"""


@attrs.define
class Execution[R]:
    """A handle on one run: what was called, and, as of the last ``sync()``, what has become of it.

    ``state`` is None where nothing is kept of the run (any more).  Arguments never show in the repr.
    """

    key: str
    function_name: str
    args: tuple[Any, ...] = attrs.field(repr=False)
    kwargs: Mapping[str, Any] = attrs.field(repr=False)
    when: datetime | None
    """when it is due; None for at once"""
    disposition: Disposition
    function: Callable[..., Any] | None = attrs.field(repr=False, default=None)
    state: ExecutionState | None = None
    attempt: int = 1
    worker: str | None = None
    """the name of the worker that ran it last"""
    started_at: datetime | None = None
    completed_at: datetime | None = None
    error: str | None = None
    """why it failed or was cancelled, in a few words"""
    redelivered: bool = False
    """an earlier lease of this attempt was lost"""
    fence: int | None = None
    """while it runs: the number of its lease, higher than that of every earlier one.  Whoever keeps the highest
    that it saw beside what a task writes can refuse what comes from a body that has lost its lease"""
    _progress: ExecutionProgress | None = attrs.field(repr=False, init=False, default=None)
    _tell: Callable[[Mapping[str, str]], Awaitable[object]] | None = attrs.field(
        repr=False, kw_only=True, default=None, alias="tell"
    )
    """reports the progress, where this is the handle of the task itself"""
    whole: bool = attrs.field(repr=False, kw_only=True, default=True)
    """whether its arguments are known here: of a run that has completed they are not kept"""
    _run: str | None = attrs.field(repr=False, kw_only=True, alias="run")
    _access: Access = attrs.field(repr=False, kw_only=True, alias="access")

    def __attrs_post_init__(self) -> None:
        if self.disposition is Disposition.STRUCK:
            self.state, self.error = ExecutionState.CANCELLED, "strike"

    @property
    def progress(self) -> ExecutionProgress:
        """How far it is, as of the last ``sync()``.  Inside of the task itself, what it has reported."""
        if self._progress is None:
            self._progress = ExecutionProgress(
                self.key, Ways(self._tell, self._look, self.subscribe, self._now, self._access.loop)
            )
        return self._progress

    async def sync(self) -> None:
        """Bring ``state``, ``progress`` and what goes with them up to date; a struck call was never placed."""
        if self.disposition is Disposition.STRUCK:
            return
        progress = await self._look()
        if self._tell is None:
            self.progress.take(progress)

    async def get_result(
        self,
        timeout: timedelta | float | None = None,  # noqa: ASYNC109 - the documented name
        deadline: datetime | None = None,
    ) -> R:
        """Wait until the run has ended, and return its result or raise its exception.

        Args:
            timeout: how long to wait; for ever when neither this nor a deadline is given.
            deadline: until when to wait, timezone-aware.

        Raises:
            TimeoutError: it has not ended by then.
            ConfigurationError: the timeout or the deadline cannot be one.
            ExecutionCancelled: it was cancelled or struck, or another request took its key.
            ResultUnavailable: nothing is kept of it: the shadow has ``execution_ttl=0``, or the record has
                expired; or its result lies in a result storage, and cannot be had from there.
            Exception: what the task raised; TaskFailed where that cannot be rebuilt here, or where no body ever
                returned or raised: a dead letter.
        """
        if self.disposition is Disposition.STRUCK:
            raise ExecutionCancelled(self.key, "strike")
        if not self._access.keeps_records:
            msg = f"the result of {self.key!r} is not kept: this shadow has execution_ttl=0"
            raise ResultUnavailable(msg)
        ended = False
        try:
            async with asyncio.timeout(_seconds(timeout, deadline, self._access.clock)):
                if self._run is None:
                    await self.sync()
                record = await self._access.watcher.end_of(self.key, self._run or "")
                self.take(record)
                ended = True
                data = await self._access.shelf.fetch(self.key, record)
        except TimeoutError:
            late = "has ended, but its result could not be read" if ended else "has not ended"
            msg = f"the execution {self.key!r} {late} in time"
            raise TimeoutError(msg) from None
        if record.state is ExecutionState.FAILED and not record.result:
            msg = f"the execution {self.key!r} failed: {record.reason or 'what it raised is not kept any more'}"
            raise TaskFailed(msg)
        return cast("R", self._access.outcomes.result(data, self.key, record.fence, self.function))

    async def subscribe(self, ready: asyncio.Event | None = None) -> AsyncGenerator[dict[str, Any]]:
        """Yield an event for the present state and for each one that follows, until the run has ended; and for
        its progress.

        An event is a dict: ``type`` ("state"), ``key``, ``state``, ``worker``, ``started_at``,
        ``completed_at``, ``error``.  States that follow each other quickly may be passed over; the last one
        never is, nor is the last one of type "progress", which has ``key``, ``current``, ``total``, ``message``
        and ``updated_at``; the first of those tells what was reported before.

        Args:
            ready: set as soon as nothing can be missed any more.
        """
        if self.disposition is Disposition.STRUCK:
            if ready is not None:
                ready.set()
            yield self._event()
            return
        told = _Told()
        async with aclosing(self._access.watcher.moments(self.key, self._run)) as moments:
            while True:
                moment = await anext(moments)
                if ready is not None:
                    ready.set()
                for event in await self._news(moment, told):
                    yield event
                if self._over:
                    return

    def get_argument(self, name: str) -> Any:
        """Return the value of one argument by its parameter's name.

        Raises:
            KeyError: the call has no such argument.
        """
        if name in self.kwargs:
            return self.kwargs[name]
        import inspect  # noqa: PLC0415 - only for this

        if self.function is None:
            raise KeyError(name)
        try:
            bound = inspect.signature(self.function).bind_partial(*self.args, **self.kwargs)
        except TypeError:
            raise KeyError(name) from None  # the function takes other arguments now than when this was placed
        return bound.arguments[name]

    def call_repr(self) -> str:
        """Return the call without its values: ``send_email(..., to=...)``."""
        shown = ["..."] * len(self.args) + [f"{name}=..." for name in self.kwargs]
        return f"{self.function_name}({', '.join(shown)})"

    @property
    def _over(self) -> bool:
        return self.state is None or not self.state.live

    async def _news(self, moment: Moment, told: _Told) -> list[dict[str, Any]]:
        """Return the events that this moment adds; what was reported last comes before the end, passed over or not."""
        events: list[dict[str, Any]] = []
        record, progress = moment.record, moment.progress
        if progress is None:
            self.take(record)
            state = (self.state, self.attempt, self.started_at)
            if record is not None and state != told.state:
                if record.run == self._run and (not told.state or self._over):
                    progress = await self._access.watcher.progress(record)
                told.state = state
                events.append(self._event())
        if progress and progress != told.progress:
            told.progress = progress
            self.progress.take(progress)
            events.insert(0 if self._over else len(events), self.progress.event())
        return events

    async def _look(self) -> Mapping[str, str]:
        """Read the run, and return the progress that it has reported."""
        record = await self._access.watcher.once(self.key, self._run)
        self.take(record)
        mine = record is not None and record.run == self._run
        return await self._access.watcher.progress(record) if record is not None and mine else {}

    def _now(self) -> datetime:
        return self._access.clock.now()

    def _event(self) -> dict[str, Any]:
        return {
            "type": "state",
            "key": self.key,
            "state": self.state,
            "worker": self.worker,
            "started_at": self.started_at,
            "completed_at": self.completed_at,
            "error": self.error,
        }

    def take(self, record: Record | None) -> None:
        """Note what was read of this key."""
        if record is None:
            self.state = None
            return
        if self._run is None and record.fence == self.fence:  # a task's own handle, which knows only its lease
            self._run = record.run
        if record.run != self._run:
            self._take_another(record)
            return
        self.state, self.attempt = record.state, record.attempt
        if record.due is not None:
            self.when = instant(record.due)
        self.worker = None if record.holder is None else name_of(record.holder)
        self.started_at = None if record.started is None else instant(record.started)
        self.completed_at = None if record.ended is None else instant(record.ended)
        self.redelivered = record.deliveries > 1
        self.fence = record.fence
        self.error = record.reason
        if record.state is ExecutionState.FAILED and record.reason is None:
            self.error = self._access.outcomes.in_words(record.result, self.key, record.fence)

    def _take_another(self, record: Record) -> None:
        """Another run has the key: the one that this waits to succeed, or one that took its place."""
        if record.successor == self._run:
            self.state = ExecutionState.SCHEDULED
        else:
            self.state, self.error = ExecutionState.CANCELLED, "superseded"
            self.disposition = Disposition.SUPERSEDED


@attrs.define
class _Told:
    """What a subscriber has heard last."""

    state: tuple[object, ...] = ()
    progress: Mapping[str, str] = attrs.field(factory=dict[str, str])


def _seconds(timeout: timedelta | float | None, deadline: datetime | None, clock: Clock) -> float | None:
    if timeout is not None and deadline is not None:
        msg = "give timeout or deadline, not both"
        raise ConfigurationError(msg)
    if deadline is not None:
        if deadline.utcoffset() is None:
            msg = f"deadline={deadline!r} is naive; use a timezone-aware datetime"
            raise ConfigurationError(msg)
        return max(0.0, (deadline - clock.now()).total_seconds())
    return None if timeout is None else duration(timeout, option="timeout", zero=True).total_seconds()
