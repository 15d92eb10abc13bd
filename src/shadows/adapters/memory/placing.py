"""Where a live run is: put it there, take it away, tell of it."""

from __future__ import annotations

from bisect import bisect_left, insort

from shadows.core.lifecycle import ExecutionState
from shadows.ports.event_bus import Hint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shadows.adapters.memory.store import Run, Store


def place(store: Store, run: Run, due: int | None) -> None:
    """Put a run that is nowhere where its time says that it belongs."""
    run.due = store.now if due is None else due
    run.fence = run.holder = run.started = None
    if run.due <= store.now:
        enqueue(store, run)
        return
    run.state = ExecutionState.SCHEDULED
    entry = (run.due, run.key.encode())
    insort(store.queue, entry)
    store.sooner = store.sooner or store.queue[0] == entry


def enqueue(store: Store, run: Run) -> None:
    """Make it the newest of the ready calls."""
    run.state, run.token, run.ready_since = ExecutionState.QUEUED, store.next_id(), store.now
    store.ready[run.token] = run
    store.arrived += 1


def leave(store: Store, run: Run) -> None:
    """Take a live run out of where it waits or runs; its gates and its record are left for the caller."""
    match run.state:
        case ExecutionState.SCHEDULED:
            del store.queue[bisect_left(store.queue, (run.due, run.key.encode()))]
        case ExecutionState.QUEUED:
            del store.ready[run.token]
        case ExecutionState.RUNNING:
            del store.held[run.token]
            store.untold.pop(run.token, None)
        case ExecutionState.PARKED:
            store.at_strikes.pop(run.key, None)  # the line that it waits in otherwise is among its gates
        case _:  # what has ended is nowhere
            raise AssertionError(run.state)
    run.token = ""


def announce(store: Store, run: Run, what: str, fence: int | None, *fields: tuple[str, str]) -> None:
    """Tell those who asked to hear of this record."""
    if run.watched:
        store.listeners.publish(run.key, Hint(what, fence, store.now, fields))
