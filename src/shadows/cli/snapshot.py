"""``shadows snapshot``."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from shadows.cli.exits import Code
from shadows.cli.known import note
from shadows.cli.options import AsJson, ShadowName, Tasks, Url, load, shadow_of, tasks_of
from shadows.cli.printing import add_row, console, print_json, table
from shadows.cli.workers import worker_data, worker_table
from shadows.core.durations import rough

if TYPE_CHECKING:
    from datetime import datetime

    from shadows.execution import Execution
    from shadows.shadow import Shadow
    from shadows.snapshot import RunningExecution, Snapshot


def snapshot(
    *,
    shadows: ShadowName = None,
    url: Url = None,
    tasks: Tasks = None,
    stats: Annotated[
        bool, Parameter(negative=(), show_default=False, help="also count the listed calls by task")
    ] = False,
    limit: Annotated[
        int, Parameter(metavar="N", help="list at most so many calls (default: 100)", show_default=False)
    ] = 100,
    as_json: AsJson = False,
) -> int:
    """Show a shadow: exact numbers, the calls that run and wait, and the workers that are here."""
    shadow = shadow_of(shadows, url)
    load(shadow, tasks_of(tasks))
    found = asyncio.run(_take(shadow, limit))
    if as_json:
        print_json(_data(shadow, found))
    else:
        _show(shadow, found, by_task=stats)
    return Code.OK


async def _take(shadow: Shadow, limit: int) -> Snapshot:
    async with shadow:
        return await shadow.snapshot(limit)


def _running(found: Snapshot) -> int:
    return found.total_tasks - found.scheduled - found.queued - found.parked


def _data(shadow: Shadow, found: Snapshot) -> dict[str, Any]:
    return {
        "shadow": shadow.name,
        "taken": found.taken.isoformat(),
        "total": found.total_tasks,
        "scheduled": found.scheduled,
        "queued": found.queued,
        "parked": found.parked,
        "running": _running(found),
        "dead": found.dead,
        "calls": [
            *(
                {**_call(one.execution), "worker": one.worker, "started": one.started.isoformat()}
                for one in found.running
            ),
            *(_call(execution) for execution in found.future),
        ],
        "by_task": {task: dict(states) for task, states in _by_task(found).items()},
        "workers": [worker_data(one) for one in found.workers],
    }


def _call(execution: Execution[Any]) -> dict[str, Any]:
    return {
        "key": execution.key,
        "task": execution.function_name,
        "state": _state(execution),
        "when": None if execution.when is None else execution.when.isoformat(),
        "attempt": execution.attempt,
    }


def _state(execution: Execution[Any]) -> str:
    return "" if execution.state is None else execution.state.value


def _by_task(found: Snapshot) -> dict[str, Counter[str]]:
    counted: dict[str, Counter[str]] = {}
    for execution in [*(one.execution for one in found.running), *found.future]:
        counted.setdefault(execution.function_name, Counter())[_state(execution)] += 1
    return dict(sorted(counted.items()))


def _show(shadow: Shadow, found: Snapshot, *, by_task: bool) -> None:
    out = console()
    more = "".join(f", {count} {word}" for word, count in (("parked", found.parked), ("dead", found.dead)) if count)
    out.print(
        f"shadow {shadow.name}: {_running(found)} running, {found.queued} queued, {found.scheduled} scheduled{more}"
    )
    listed = [*((one.execution, one) for one in found.running), *((execution, None) for execution in found.future)]
    short = all(len(execution.key) <= LONGEST_WHOLE for execution, _ in listed)
    calls = table("state", "task", "key", "when", whole=["state", "key"] if short else ["state"])
    for execution, running in listed:
        add_row(
            calls, _state(execution), execution.function_name, execution.key, _when(execution, running, found.taken)
        )
    if calls.row_count:
        out.print(calls)
    if (unlisted := found.total_tasks - calls.row_count) > 0:
        out.print(f"... and {unlisted} more; --limit {found.total_tasks} lists them too")
    if by_task:
        counts = table("task", *STATES, right=STATES)
        for task, states in _by_task(found).items():
            add_row(counts, task, *(str(states[state]) for state in STATES))
        out.print(counts)
    out.print(worker_table(found.workers, found.taken))
    if shadow.url.startswith("memory:"):
        note(f"{shadow.url} lives inside of one process, here this command's own; name a server with --url")


LONGEST_WHOLE = 36
"""Characters of a key up to which it is never folded: that of a UUID."""
STATES = ("running", "queued", "scheduled", "parked")


def _when(execution: Execution[Any], running: RunningExecution | None, now: datetime) -> str:
    if running is None:
        when = "now" if execution.when is None or execution.when <= now else f"in {rough(execution.when - now)}"
    else:
        when = f"for {rough(now - running.started)} on {running.worker}"
    return when if execution.attempt == 1 else f"{when}, attempt {execution.attempt}"
