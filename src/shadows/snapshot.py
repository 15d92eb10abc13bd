"""Looks at a shadow: what waits, what runs, and who works."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from shadows.core.lifecycle import ExecutionState
from shadows.core.scheduling import instant

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from shadows.execution import Execution
    from shadows.ports.looking import Record, Survey


@attrs.frozen
class WorkerInfo:
    """A worker that is here."""

    name: str
    last_seen: datetime
    tasks: frozenset[str]
    """the names of the tasks that it knows"""
    id: str
    """tells workers of one name apart"""


@attrs.frozen
class RunningExecution:
    """A call that is running, as of a snapshot."""

    execution: Execution[Any]
    worker: str
    started: datetime


@attrs.frozen
class Snapshot:
    """A look at a shadow.  The lists hold at most as many calls as were asked for; the numbers are exact."""

    taken: datetime
    total_tasks: int
    """waiting and running"""
    scheduled: int
    queued: int
    dead: int
    """dead letters"""
    future: tuple[Execution[Any], ...]
    """waiting: those with a time first, then those that are ready"""
    running: tuple[RunningExecution, ...]
    workers: tuple[WorkerInfo, ...]
    parked: int = 0
    """waiting at a gate"""


def taken(
    survey: Survey, executions: Iterable[tuple[Record, Execution[Any]]], workers: Iterable[WorkerInfo]
) -> Snapshot:
    """Return the snapshot that a survey amounts to, with a handle on each of its calls."""
    counts, executions = survey.counts, [*executions]
    return Snapshot(
        instant(survey.taken),
        counts.scheduled + counts.queued + counts.running + counts.parked,
        counts.scheduled,
        counts.queued,
        counts.dead,
        tuple(execution for record, execution in executions if record.state is not ExecutionState.RUNNING),
        tuple(
            RunningExecution(execution, execution.worker or "", instant(record.started or 0))
            for record, execution in executions
            if record.state is ExecutionState.RUNNING
        ),
        tuple(workers),
        counts.parked,
    )
