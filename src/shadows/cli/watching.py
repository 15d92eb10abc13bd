"""How a run is followed: lines, with a progress bar below them on a terminal; or NDJSON."""

from __future__ import annotations

import asyncio
import sys
from contextlib import contextmanager
from datetime import datetime
from shlex import quote
from typing import TYPE_CHECKING, Any

import attrs

from shadows.cli.complaints import CommandError, Complaint
from shadows.cli.exits import Code
from shadows.cli.notes import STYLES, returned, standing, took
from shadows.cli.printing import console, print_json_line, printable
from shadows.cli.values import plain
from shadows.core.durations import text
from shadows.core.lifecycle import ExecutionState
from shadows.errors import ShadowsError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Mapping
    from datetime import timedelta

    from rich.console import Console
    from rich.progress import Progress, TaskID

    from shadows.execution import Execution
    from shadows.ports.clock import Clock

    type Tell = Callable[[Mapping[str, Any]], Awaitable[None]]

PARTS = 100
"""Of how many steps of progress a line is printed."""


async def follow(execution: Execution[Any], tell: Tell, *, within: timedelta | None = None) -> int:
    """Tell each event of a run until it has ended, and return the exit code: 0 if it has completed, else 1.

    Raises:
        CommandError: it has not ended in time, or nothing is kept of it in the end.
    """
    try:
        async with asyncio.timeout(None if within is None else within.total_seconds()):
            async for event in execution.subscribe():
                await tell(event)
    except TimeoutError:
        what = f"{execution.key!r} has not ended within {text(within) if within else ''}; it is {execution.state}"
        remedy = f"shadows watch {quote(execution.key)}, to go on waiting"
        raise CommandError(Complaint(Code.TIMED_OUT, what, remedy=remedy)) from None
    if execution.state is None:
        what = f"what became of {execution.key!r} is not kept"
        cause = "its record has expired, or its shadow keeps none (execution_ttl=0)"
        raise CommandError(Complaint(Code.NOT_FOUND, what, cause=cause))
    return Code.OK if execution.state is ExecutionState.COMPLETED else Code.FAILED


async def result_of(execution: Execution[Any]) -> Any:
    """Return the result of a completed run, as far as JSON can hold it; None of any other, or if it cannot be read."""
    if execution.state is not ExecutionState.COMPLETED:
        return None
    try:
        return plain(await execution.get_result())
    except ShadowsError:
        return None


def ndjson(execution: Execution[Any]) -> Tell:
    """Return what prints each event as a line, and the result behind the last one."""

    async def tell(event: Mapping[str, Any]) -> None:
        print_json_line({name: _plain(value) for name, value in event.items()})
        if event.get("state") is ExecutionState.COMPLETED:
            print_json_line({"type": "result", "key": execution.key, "result": await result_of(execution)})

    return tell


@contextmanager
def view(execution: Execution[Any], clock: Clock) -> Generator[Tell]:
    """Give what shows each event to people."""
    out = console()
    live = execution.state is None or execution.state.live
    called = execution.call_repr() if live else execution.function_name  # the arguments are not kept any longer
    out.print(printable(f"{called}  {execution.key}".strip()), soft_wrap=True)
    lines = _Lines(execution, clock, out)
    if not sys.stdout.isatty():
        yield lines.tell
        return
    with _bar(out) as bar:
        yield _Board(lines, bar, bar.add_task("", total=None, count="", message="")).tell


@attrs.define
class _Lines:
    """Writes a line for each event."""

    execution: Execution[Any]
    clock: Clock
    out: Console
    _reported: tuple[object, ...] = ()

    async def tell(self, event: Mapping[str, Any]) -> None:
        """Write it, unless it is a report that says hardly more than the one before."""
        if event["type"] == "state":
            self.write(await self.words())
        elif self.notes(event):
            self.write(f"{_count(event)}  {event['message'] or ''}".rstrip())

    def notes(self, event: Mapping[str, Any]) -> bool:
        """Note a report, and tell whether it says more than the one before."""
        before = self._reported
        self._reported = (event["current"] or 0) * PARTS // event["total"], event["message"]
        return self._reported != before

    async def words(self) -> str:
        """Return what there is to say of its state."""
        if self.execution.state is not ExecutionState.COMPLETED:
            return standing(self.execution, self.clock.now())
        return ", ".join(filter(None, [await returned(self.execution), took(self.execution)]))

    def write(self, words: str) -> None:
        """Write a line, with the time."""
        from rich.text import Text  # noqa: PLC0415 - rich is slow to import

        state = str(self.execution.state or "")
        now, styled = f"{self.clock.now():%H:%M:%SZ}", (f"{state:<9}", STYLES.get(state, ""))
        self.out.print(Text.assemble((now, "dim"), "  ", styled, "  ", printable(words)), soft_wrap=True)
        self.out.file.flush()


@attrs.define
class _Board:
    """Writes a line for each state, and shows what is reported in a bar below them."""

    lines: _Lines
    bar: Progress
    task: TaskID

    async def tell(self, event: Mapping[str, Any]) -> None:
        """Show it."""
        execution, at_once = self.lines.execution, True
        if event["type"] == "progress":
            at_once = self.lines.notes(event)
        else:
            await self.lines.tell(event)
            if execution.started_at is not None:
                running = self.lines.clock.now() - execution.started_at
                self.bar.tasks[0].start_time = self.bar.get_time() - running.total_seconds()
        reported = execution.progress.event()
        known = reported["current"] is not None
        self.bar.update(
            self.task,
            description=str(execution.state or ""),
            total=reported["total"] if known else None,
            completed=reported["current"] or 0,
            count=_count(reported) if known else "",
            message=printable(reported["message"] or ""),
            refresh=at_once,
        )


def _bar(out: Console) -> Progress:
    """Return a bar that is no wider than the terminal, and is gone when it has ended."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415 - rich is slow to import
    from rich.table import Column  # noqa: PLC0415

    def column(ratio: int | None = None) -> Column:
        return Column(no_wrap=True, overflow="ellipsis", ratio=ratio)

    columns = (
        TextColumn("{task.description}", table_column=column()),
        BarColumn(bar_width=20, table_column=column()),
        TextColumn("{task.fields[count]}", markup=False, table_column=column()),
        TimeElapsedColumn(table_column=column()),
        TextColumn("{task.fields[message]}", markup=False, table_column=column(ratio=1)),
    )
    return Progress(*columns, console=out, transient=True, expand=True)


def _count(reported: Mapping[str, Any]) -> str:
    return f"{reported['current'] or 0} of {reported['total']}"


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value
