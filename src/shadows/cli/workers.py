"""``shadows workers ls`` and ``shadows workers for-task``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from shadows.cli.complaints import CommandError, Complaint
from shadows.cli.exits import Code
from shadows.cli.known import doubt
from shadows.cli.options import AsJson, ShadowName, Url, shadow_of
from shadows.cli.printing import add_row, console, print_json, table
from shadows.core.durations import rough

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from rich.table import Table

    from shadows.shadow import Shadow
    from shadows.snapshot import WorkerInfo


def ls(*, shadows: ShadowName = None, url: Url = None, as_json: AsJson = False) -> int:
    """List the workers that are here, and the tasks that each of them knows."""
    shadow = shadow_of(shadows, url)
    found = asyncio.run(_workers(shadow))
    if as_json:
        print_json({"shadow": shadow.name, "workers": [worker_data(one) for one in found]})
    else:
        console().print(worker_table(found, shadow.clock.now()))
    return Code.OK


def for_task(
    task: Annotated[str, Parameter(metavar="TASK", help="the task's name")],
    /,
    *,
    shadows: ShadowName = None,
    url: Url = None,
    as_json: AsJson = False,
) -> int:
    """List the workers that are here and know a task.  It ends with 3 if there is none."""
    shadow = shadow_of(shadows, url)
    found = asyncio.run(_workers(shadow))
    those = [one for one in found if task in one.tasks]
    if as_json:
        print_json({"shadow": shadow.name, "task": task, "workers": [worker_data(one) for one in those]})
    if not those:
        raise CommandError(_nobody(task, found))
    if not as_json:
        console().print(worker_table(those, shadow.clock.now()))
    return Code.OK


def worker_table(workers: Sequence[WorkerInfo], now: datetime) -> Table | str:
    """Return the workers for people."""
    if not workers:
        return "no worker is here"
    listed = table("worker", "last seen", "tasks")
    for one in workers:
        add_row(listed, one.name, f"{rough(now - one.last_seen)} ago", ", ".join(sorted(one.tasks)))
    return listed


def worker_data(one: WorkerInfo) -> dict[str, Any]:
    """Return a worker for programs."""
    return {"name": one.name, "id": one.id, "last_seen": one.last_seen.isoformat(), "tasks": sorted(one.tasks)}


async def _workers(shadow: Shadow) -> list[WorkerInfo]:
    async with shadow:
        return await shadow.workers()


def _nobody(task: str, workers: Sequence[WorkerInfo]) -> Complaint:
    what = doubt(task, workers) or f"no worker that is here knows a task {task!r}"
    cause = "" if workers else "no worker is here at all"
    remedy = "shadows workers ls" if workers else "shadows worker --tasks module:attribute"
    return Complaint(Code.NOT_FOUND, what, cause=cause, remedy=remedy)
