"""What there is to say of a run, in a few words for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shadows.core.durations import rough
from shadows.core.lifecycle import ExecutionState
from shadows.errors import ShadowsError

if TYPE_CHECKING:
    from datetime import datetime

    from shadows.execution import Execution

STYLES = {
    "scheduled": "blue",
    "queued": "cyan",
    "parked": "magenta",
    "running": "yellow",
    "completed": "green",
    "failed": "red",
    "cancelled": "magenta",
    "refused": "magenta",
}
"""How the states look on a terminal."""
LONGEST = 200
"""Characters of a result that are shown."""


def standing(execution: Execution[Any], now: datetime) -> str:
    """Return why it is where it is, or how it has ended but for its result."""
    wait = "now" if execution.when is None else f"in {rough(execution.when - now)}"
    match execution.state:
        case ExecutionState.SCHEDULED if execution.attempt > 1:
            return f"attempt {execution.attempt - 1} failed; the next one is due {wait}"
        case ExecutionState.SCHEDULED:
            return f"due {wait}"
        case ExecutionState.QUEUED:
            return "waits for a worker"
        case ExecutionState.PARKED:
            return "waits at a gate, or is held by a strike"
        case ExecutionState.RUNNING:
            return f"attempt {execution.attempt} on {execution.worker}"
        case ExecutionState.COMPLETED:
            return took(execution)
        case _:
            return execution.error or "nothing is kept of it"


async def returned(execution: Execution[Any]) -> str:
    """Return what a completed run has returned, as Python shows it."""
    try:
        shown = repr(await execution.get_result())
    except ShadowsError as unavailable:
        return f"its result cannot be read here: {unavailable}"
    return f"returned {shown if len(shown) <= LONGEST else f'{shown[:LONGEST]}...'}"


def took(execution: Execution[Any]) -> str:
    """Return how long its last attempt ran, if that is known."""
    if execution.started_at is None or execution.completed_at is None:
        return ""
    return f"after {rough(execution.completed_at - execution.started_at)}"
