"""How commands place a call, and wait for it if they are told to."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import attrs
from cyclopts import Parameter

from shadows.cli.complaints import CommandError, Complaint, UsageError
from shadows.cli.exits import Code
from shadows.cli.known import doubt, note
from shadows.cli.notes import standing
from shadows.cli.printing import print_json, say
from shadows.cli.values import instant
from shadows.cli.watching import follow, result_of, view
from shadows.core.disposition import Disposition
from shadows.core.durations import duration
from shadows.core.lifecycle import ExecutionState

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta

    from shadows.execution import Execution
    from shadows.shadow import Shadow


@attrs.frozen(kw_only=True)
class Placing:
    """The options of a command that places a call."""

    within: Annotated[
        str | None, Parameter(name=("--in", "--delay"), metavar="TIME", help="when it is due: so long from now")
    ] = None
    at: Annotated[str | None, Parameter(name="--at", metavar="TIME", help="when it is due: 2026-11-27T12:00:00Z")] = (
        None
    )
    key: Annotated[
        str | None, Parameter(name="--key", metavar="KEY", help="what identifies it (default: a random one)")
    ] = None
    wait: Annotated[
        bool,
        Parameter(
            name="--wait", negative=(), show_default=False, help="follow it to its end; 1 if it fails or is cancelled"
        ),
    ] = False
    timeout: Annotated[
        str | None, Parameter(name="--timeout", metavar="TIME", help="wait no longer than this, and end with 75")
    ] = None

    def when(self) -> datetime | timedelta | None:
        """Return when the call is due.

        Raises:
            UsageError: it was said twice.
            ConfigurationError: it is no time.
        """
        if self.within is not None and self.at is not None:
            raise UsageError("--in and --at both say when; give one of them")
        if self.at is not None:
            return instant(self.at, option="--at")
        return None if self.within is None else duration(self.within, option="--in", zero=True)

    def limit(self) -> timedelta | None:
        """Return how long to wait.

        Raises:
            UsageError: nobody wants to wait.
            ConfigurationError: it is no time.
        """
        if self.timeout is not None and not self.wait:
            raise UsageError("--timeout says how long to wait; give --wait too")
        return None if self.timeout is None else duration(self.timeout, option="--timeout")


How = Annotated[Placing, Parameter(name="*")]
AS_TOLD = Placing()


async def place(
    shadow: Shadow, task: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], how: Placing, *, as_json: bool
) -> int:
    """Place a call of the task with this name, tell what came of it, and return the exit code.

    Raises:
        UsageError: the options contradict each other, or the task takes other arguments.
        CommandError: it was not placed, or has not ended in time.
    """
    when, limit = how.when(), how.limit()
    async with shadow:
        doubts = await _doubts(shadow, task)
        try:
            execution = await shadow.add(task, when=when, key=how.key)(*args, **kwargs)
        except TypeError as misfit:
            raise UsageError(str(misfit)) from None
        if execution.disposition is not Disposition.SCHEDULED:
            raise CommandError(await _refused(execution))
        note(doubts)
        await execution.sync()
        code: int = Code.OK
        if how.wait and as_json:
            code = await follow(execution, _unseen, within=limit)
        elif how.wait:
            with view(execution, shadow.clock) as tell:
                code = await follow(execution, tell, within=limit)
        elif not as_json:
            later = execution.state is ExecutionState.SCHEDULED
            say(f"placed: {task} as {execution.key}{f', {standing(execution, shadow.clock.now())}' if later else ''}")
        if as_json:
            print_json(await _data(shadow, execution))
        return code


async def _unseen(_event: Mapping[str, Any]) -> None:
    """Show nothing: all is told in the end."""


async def _doubts(shadow: Shadow, task: str) -> str:
    """Return what there is to say of the task's name.

    Raises:
        CommandError: nobody knows it.
    """
    workers = await shadow.workers()
    if not workers:
        return "no worker is here, so it waits for one"
    doubts = doubt(task, workers)
    if doubts and task not in shadow.tasks:
        remedy = "shadows add with --tasks module:attribute, if it is a task that they will know"
        raise CommandError(Complaint(Code.NOT_FOUND, doubts, remedy=remedy))
    return doubts


async def _refused(execution: Execution[Any]) -> Complaint:
    if execution.disposition is Disposition.STRUCK:
        return Complaint(Code.REFUSED, "a strike forbids this call", remedy="shadows strikes ls")
    await execution.sync()
    what = f"the key {execution.key!r} is taken by a live run: {execution.state}"
    return Complaint(Code.REFUSED, what, remedy=f"shadows watch {quote(execution.key)}, or give another --key")


async def _data(shadow: Shadow, execution: Execution[Any]) -> dict[str, Any]:
    return {
        "shadow": shadow.name,
        "key": execution.key,
        "task": execution.function_name,
        "disposition": execution.disposition.value,
        "when": None if execution.when is None else execution.when.isoformat(),
        "state": execution.state,
        "error": execution.error,
        "result": await result_of(execution),
    }
