"""The few ways in which a run moves: begin, place, vacate, close, bury.  Every verb is made of these."""

from __future__ import annotations

import attrs

from shadows.adapters.memory.gates import let_go
from shadows.adapters.memory.placing import announce, leave, place
from shadows.adapters.memory.store import Letter, Run
from shadows.core.lifecycle import ExecutionState
from shadows.ports.letters import DeadLetter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shadows.adapters.memory.store import Store
    from shadows.core.scheduling import Due
    from shadows.core.verdict import Occurrence
    from shadows.ports.backend import Terms

MOST_REMEMBERED = 10_000


@attrs.frozen
class Ending:
    """How a run ends, and what its record keeps of that."""

    state: ExecutionState
    reason: str = ""
    task: str = ""
    result: bytes = attrs.field(default=b"", repr=False)
    letter: str = ""
    last: bool = False
    """by the task's own decision"""


def resolve(store: Store, due: Due) -> int | None:
    """Return when that is, in ms; None is at once."""
    if due.at is not None:
        return due.at
    return None if due.after is None else store.now + due.after


def begin(store: Store, run: Run, due: int | None) -> None:
    """Give the key to a new run; nothing of an older one remains, not even its watchers."""
    older = store.runs.get(run.key)
    if older is not None:
        remember(store, run.key, older.run)
    store.runs[run.key] = run
    place(store, run, due)


def vacate(store: Store, run: Run) -> None:
    """Take a live run out of wherever it is, with all that it holds; its record is left for the caller."""
    leave(store, run)
    store.unknown.discard(run.key)
    let_go(store, run)


def close(store: Store, terms: Terms, run: Run, ending: Ending) -> None:
    """End a live run, wherever it is, and hand its key to its successor."""
    vacate(store, run)
    ttl = terms.dead_letter_ttl if ending.letter else terms.execution_ttl
    if run.successor is not None:
        _succeed(store, run)
    elif ttl > 0:
        _stop(store, run, ending)
        _record_end(store, run, ending, ttl)
    else:
        _stop(store, run, ending)
        del store.runs[run.key]
        remember(store, run.key, run.run)
    announce(store, run, ending.state, run.fence)  # last: whoever wakes now finds the result


def perpetuate(store: Store, terms: Terms, run: Run, ending: Ending, follow: Occurrence) -> None:
    """End a running run and let its key go on to the next occurrence; its record is kept among the past
    ones.
    """
    vacate(store, run)
    if terms.execution_ttl > 0:
        _record_end(store, run, ending, terms.execution_ttl)
        store.past[run.run, run.key] = run
    name = f"#{run.fence}"
    begin(store, Run(run.key, name, follow.payload, definition=follow.definition), resolve(store, follow.due))
    announce(store, run, ending.state, run.fence)


def supersede(store: Store, run: Run) -> None:
    """Let the successor take the key from a run that would have gone on."""
    vacate(store, run)
    _succeed(store, run)
    announce(store, run, "superseded", run.fence)


def bury(store: Store, terms: Terms, run: Run, reason: str) -> None:
    """End a run that nothing can be done for, and keep its payload with the reason."""
    letter = DeadLetter(
        id=store.next_id(),
        died=store.now,
        key=run.key,
        reason=reason,
        attempt=run.attempt,
        deliveries=run.lost,
        payload=run.payload,
    )
    store.letters[letter.id] = Letter(letter, store.now + terms.dead_letter_ttl)
    while len(store.letters) > terms.dead_letters:
        store.letters.popitem(last=False)
    close(store, terms, run, Ending(ExecutionState.FAILED, reason, letter=letter.id))


def remember(store: Store, key: str, run: str) -> None:
    """Note that this run was here, for its record is gone and cannot answer for it any more.

    A's replace is placed, but the answer is lost; B replaces it; A's repeat must not undo what B did.
    """
    name = _request(key, run)
    store.requests[name] = store.now
    store.requests.move_to_end(name)
    if len(store.requests) > MOST_REMEMBERED:
        store.requests.popitem(last=False)


def is_remembered(store: Store, key: str, run: str) -> bool:
    """Tell whether this run was here a little while ago."""
    return _request(key, run) in store.requests


def _stop(store: Store, run: Run, ending: Ending) -> None:
    """If somebody decided against this run, seeds keep its key alive no more until a worker starts anew."""
    decided = ending.state is ExecutionState.CANCELLED and ending.reason == "cancelled"
    schedule = store.schedules.get(run.key)
    if schedule is not None and (decided or run.cancel_requested or ending.last):
        schedule.stopped = True


def _record_end(store: Store, run: Run, ending: Ending, ttl: int) -> None:
    run.state, run.reason, run.task = ending.state, ending.reason, ending.task
    run.result, run.letter, run.ended = ending.result, ending.letter, store.now
    run.unknown_since = None
    replayable = ending.state is ExecutionState.FAILED and not ending.letter
    if not replayable:  # a dead letter has its payload itself
        run.payload = b""
    store.expire(run, ttl)


def _succeed(store: Store, run: Run) -> None:
    successor = run.successor
    if successor is None:
        raise AssertionError(run.key)
    begin(store, Run(run.key, successor.run, successor.payload), successor.due)


def _request(key: str, run: str) -> tuple[str, str]:
    """Name the request; where it has no id of its own, its key does the same service."""
    return ("run", run) if run else ("key", key)
