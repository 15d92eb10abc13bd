"""The verbs that look at calls: ``read`` and ``survey``."""

from __future__ import annotations

from itertools import chain, islice

from shadows.adapters.memory.gates import SETTLING
from shadows.core.gates import Debounce, Rate, Slots
from shadows.core.lifecycle import ExecutionState
from shadows.ports.looking import FEW, Counts, Part, Record, Standing, Survey

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shadows.adapters.memory.store import Run, Store


def read(store: Store, key: str, parts: Part, wanted: str | None) -> Record | None:
    """Return what is kept for the key, or for its run ``wanted``; with WATCH, publish what happens to it from
    now on.
    """
    run = store.runs.get(key)
    if wanted is not None and (run is None or run.run != wanted):
        run = store.past.get((wanted, key), run)
    if run is None:
        return None
    if Part.WATCH in parts and run.state.live:
        run.watched = True
    return _describe(store, run, parts)


def survey(store: Store, limit: int) -> Survey:
    """Count everything and list what comes first."""
    ready = sorted([*store.ready, *store.held])
    scheduled = (store.runs[key.decode()] for _, key in store.queue)
    started = (store.ready[token] if token in store.ready else store.held[token].run for token in ready)
    parked = (store.runs[key] for _, key in store.doors.parked)
    struck = (store.runs[key] for key in sorted(store.at_strikes, key=store.at_strikes.__getitem__))
    listed = islice(chain(scheduled, parked, struck, started), limit)
    records = tuple(_describe(store, run, Part.PAYLOAD) for run in listed)
    return Survey(store.now, _count(store), _oldest(store), records)


def _count(store: Store) -> Counts:
    return Counts(
        scheduled=len(store.queue),
        queued=len(store.ready),
        running=len(store.held),
        parked=len(store.doors.parked) + len(store.at_strikes),
        unknown=len(store.unknown),
        dead=len(store.letters),
    )


def _oldest(store: Store) -> int | None:
    since = [run.ready_since for run in islice(store.ready.values(), 1)]
    since += [due for due, _ in store.queue[:1] if due <= store.now]
    return min(since, default=None)


def _describe(store: Store, run: Run, parts: Part) -> Record:
    return Record(
        key=run.key,
        state=run.state,
        run=run.run,
        attempt=run.attempt,
        due=run.due if run.state.live else None,
        fence=run.fence,
        holder=run.holder,
        started=run.started,
        ended=run.ended,
        task=run.task or None,
        reason=run.reason or None,
        deliveries=run.lost + 1 if run.state is ExecutionState.RUNNING else 0,
        cancel_requested=run.cancel_requested,
        successor=None if run.successor is None else run.successor.run,
        payload=_payload(store, run) if Part.PAYLOAD in parts else None,
        result=run.result or None if Part.RESULT in parts else None,
        letter=run.letter or None,
        standing=_standing(store, run) if Part.STANDING in parts and _waits(run) else None,
    )


def _payload(store: Store, run: Run) -> bytes | None:
    """A dead run's payload lies with its dead letter, which may have been pushed out by newer ones."""
    if run.letter:
        kept = store.letters.get(run.letter)
        return None if kept is None else kept.letter.payload
    return run.payload if run.state.live or run.state is ExecutionState.FAILED else None


def _waits(run: Run) -> bool:
    return run.state.live and run.state is not ExecutionState.RUNNING


def _standing(store: Store, run: Run) -> Standing:
    gate = _gate(run)
    _, strike = store.at_strikes.get(run.key, (0, ""))
    before, holders = 0, frozenset[str]()
    if isinstance(gate, Slots | Rate):
        before = sum(arrival < run.standing.arrival for arrival, _ in store.doors.line(gate))
    if isinstance(gate, Slots):
        holders = frozenset(store.doors.slots.get(gate.name, ()))
    inside = len(holders)
    if isinstance(gate, Rate):
        tokens = store.doors.tokens.get((gate.per, gate.name), {})
        inside = sum(moment > store.now - gate.per for moment in tokens.values())
    return Standing(gate, before, inside, tuple(sorted(holders)[:FEW]), strike, run.unknown_since)


def _gate(run: Run) -> Slots | Rate | Debounce | None:
    """Return the gate that it waits at; a debounce has no line, and the longest one decides."""
    if run.standing.at is not None or run.standing.mark != SETTLING:
        return run.standing.at
    return max((gate for gate in run.standing.gates if isinstance(gate, Debounce)), key=lambda gate: gate.settle)
