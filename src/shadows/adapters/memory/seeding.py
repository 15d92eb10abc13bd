"""The verb ``seed``, one seed at a time."""

from __future__ import annotations

from shadows.adapters.memory.doors import Standing
from shadows.adapters.memory.moves import begin, resolve, vacate
from shadows.adapters.memory.placing import announce, place
from shadows.adapters.memory.store import Run, Schedule
from shadows.core.lifecycle import ExecutionState
from shadows.ports.seeding import Seeding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shadows.adapters.memory.store import Store
    from shadows.ports.seeding import Seed

DEFINITIONS = 8
"""So many are remembered for each key."""


def seed(store: Store, wanted: Seed, *, restart: bool) -> Seeding:
    """Place or change one call, unless it is as it should be."""
    schedule = store.schedules.setdefault(wanted.key, Schedule())
    newest = _note(schedule, wanted.definition)
    run = store.runs.get(wanted.key)
    if run is not None and run.state.live:
        schedule.stopped = False
        if not newest:
            return Seeding.OLDER
        if _is_under_way(run) or run.definition in {"", wanted.definition}:
            return Seeding.LIVE
        _change(store, run, wanted)
        return Seeding.CHANGED
    if schedule.stopped and not restart:
        return Seeding.CANCELLED
    schedule.stopped = False
    if run is not None:
        store.past[run.run, run.key] = run  # nobody asked for its key: who has a handle on it still finds it
    placed = Run(wanted.key, f"#{store.next_fence()}", wanted.payload, definition=wanted.definition)
    begin(store, placed, resolve(store, wanted.due))
    return Seeding.SEEDED


def is_fallow(store: Store, key: str) -> bool:
    """Tell whether a seed would be placed under this key, though its worker does not start anew."""
    run, schedule = store.runs.get(key), store.schedules.get(key)
    return not ((run is not None and run.state.live) or (schedule is not None and schedule.stopped))


def _note(schedule: Schedule, definition: str) -> bool:
    """Remember a definition that was never seen before; tell whether it is the one that was first seen last."""
    if definition not in schedule.definitions:
        schedule.definitions.insert(0, definition)
        del schedule.definitions[DEFINITIONS:]
    return schedule.definitions[0] == definition


def _is_under_way(run: Run) -> bool:
    """Whether it has begun, so that a new definition is for its next occurrence."""
    return run.state is ExecutionState.RUNNING or run.attempt > 1


def _change(store: Store, run: Run, wanted: Seed) -> None:
    vacate(store, run)
    run.standing = Standing()
    run.payload, run.definition, run.unknown_since, run.lost = wanted.payload, wanted.definition, None, 0
    place(store, run, resolve(store, wanted.due))
    announce(store, run, run.state, None)
