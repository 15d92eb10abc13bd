"""What is done with dead letters: they are listed, replayed and discarded."""

from __future__ import annotations

from itertools import islice

import attrs

from shadows.adapters.memory.scheduling import schedule
from shadows.core.lifecycle import ExecutionState
from shadows.ports.broker import Entry, Placed
from shadows.ports.letters import Replayed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shadows.adapters.memory.store import Store
    from shadows.ports.letters import DeadLetter, Replay


def dead(store: Store, limit: int, before: str) -> list[DeadLetter]:
    """List dead letters, newest first."""
    older = (kept.letter for kept in reversed(store.letters.values()) if not before or kept.letter.id < before)
    return list(islice(older, limit))


def find(store: Store, letter: str) -> DeadLetter | None:
    """Return one dead letter."""
    kept = store.letters.get(letter)
    return None if kept is None else kept.letter


def replay(store: Store, wanted: Replay, *, repeated: bool) -> Replayed:
    """Place one call once more, unless that was done before."""
    entry = Entry(wanted.key, b"", wanted.due, wanted.run, struck=True)
    if schedule(store, entry, repeated=repeated).placed is Placed.SCHEDULED:
        return Replayed.REPLAYED
    run = store.runs.get(wanted.key)
    if run is not None and run.state.live and not wanted.letter:
        return Replayed.ALREADY
    letter, payload = _kept(store, wanted)
    if payload is None:
        return Replayed.GONE
    if wanted.struck:
        return Replayed.STRUCK
    if schedule(store, attrs.evolve(entry, payload=payload, struck=False), repeated=False).placed is Placed.ALREADY:
        return Replayed.ALREADY
    store.letters.pop(letter, None)
    return Replayed.REPLAYED


def discard(store: Store, letter: str) -> bool:
    """Throw one dead letter away."""
    return store.letters.pop(letter, None) is not None


def _kept(store: Store, wanted: Replay) -> tuple[str, bytes | None]:
    """Return the dead letter, if it is one, and the payload, if it is kept."""
    run, letter = store.runs.get(wanted.key), wanted.letter
    if not letter:
        if run is None or run.state is not ExecutionState.FAILED:
            return "", None
        if not run.letter:
            return "", run.payload
        letter = run.letter
    found = find(store, letter)
    return letter, found.payload if found is not None and found.key == wanted.key else None
