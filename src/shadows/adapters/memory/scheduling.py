"""The verb ``schedule``, one entry at a time, and ``cancel`` and ``clear``, which take calls away again."""

from __future__ import annotations

from typing import assert_never

from shadows.adapters.memory.moves import (
    Ending,
    begin,
    close,
    is_remembered,
    remember,
    resolve,
    vacate,
)
from shadows.adapters.memory.placing import announce
from shadows.adapters.memory.store import Run, Successor
from shadows.core.lifecycle import ExecutionState
from shadows.ports.broker import Cancellation, OnLive, Placed, Placement

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shadows.adapters.memory.store import Store
    from shadows.ports.backend import Terms
    from shadows.ports.broker import Entry


def schedule(store: Store, entry: Entry, *, repeated: bool) -> Placement:
    """Place one entry."""
    run = store.runs.get(entry.key)
    if _was_placed(run, entry) or (repeated and _was_sent(store, run, entry)):
        return Placement(Placed.SCHEDULED, entry.run)
    if entry.struck:
        return Placement(Placed.STRUCK, "")
    if run is None or not run.state.live:
        return _begin(store, entry)
    if run.state is ExecutionState.RUNNING:
        return _follow(store, run, entry)
    match entry.on_live:
        case OnLive.KEEP:
            return Placement(Placed.ALREADY, run.run)
        case OnLive.REPLACE:
            vacate(store, run)
            announce(store, run, "superseded", None)
            return _begin(store, entry)
        case _:
            assert_never(entry.on_live)


def cancel(store: Store, terms: Terms, key: str) -> Cancellation:
    """End a waiting call, or have a running one's holder told."""
    run = store.runs.get(key)
    if run is None or not run.state.live:
        return Cancellation.NOT_LIVE
    if run.state is not ExecutionState.RUNNING:
        close(store, terms, run, Ending(ExecutionState.CANCELLED, "cancelled"))
        return Cancellation.CANCELLED
    _drop_successor(store, run)
    run.cancel_requested = True
    store.untold[run.token] = None
    store.bells.ring_for(store.held[run.token].holder.id)
    return Cancellation.REQUESTED


def clear(store: Store, terms: Terms) -> int:
    """End all calls that wait."""
    waiting = [store.runs[key.decode()] for _, key in store.queue]
    waiting += [store.runs[key] for _, key in store.doors.parked]
    waiting += [store.runs[key] for key in sorted(store.at_strikes, key=store.at_strikes.__getitem__)]
    waiting += store.ready.values()
    for run in waiting:
        close(store, terms, run, Ending(ExecutionState.CANCELLED, "cleared"))
    return len(waiting)


def _begin(store: Store, entry: Entry) -> Placement:
    begin(store, Run(entry.key, entry.run, entry.payload), resolve(store, entry.due))
    return Placement(Placed.SCHEDULED, entry.run)


def _was_placed(run: Run | None, entry: Entry) -> bool:
    """The run id says by itself that this is the same request once more."""
    return run is not None and entry.run != "" and entry.run in _runs_of(run)


def _was_sent(store: Store, run: Run | None, entry: Entry) -> bool:
    """Where only the sender knows that it repeats itself: a key of its own does the service of a run id."""
    if is_remembered(store, entry.key, entry.run):
        return True
    return run is not None and entry.run == "" and "" in _runs_of(run)


def _runs_of(run: Run) -> tuple[str, ...]:
    return (run.run,) if run.successor is None else (run.run, run.successor.run)


def _follow(store: Store, run: Run, entry: Entry) -> Placement:
    """Make it the running call's successor, if it replaces that or if a cancel is ending it anyway."""
    if entry.on_live is OnLive.KEEP:
        if not run.cancel_requested:
            return Placement(Placed.ALREADY, run.run)
        if run.successor is not None:
            return Placement(Placed.ALREADY, run.successor.run)
    _drop_successor(store, run)
    due = resolve(store, entry.due)
    run.successor = Successor(entry.run, entry.payload, store.now if due is None else due)
    return Placement(Placed.SCHEDULED, entry.run)


def _drop_successor(store: Store, run: Run) -> None:
    if run.successor is not None:
        remember(store, run.key, run.successor.run)
        run.successor = None
