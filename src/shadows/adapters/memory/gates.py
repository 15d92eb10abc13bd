"""What a call does at its gates: it asks, passes, waits, is woken, and lets go."""

from __future__ import annotations

from typing import assert_never

import attrs

from shadows.adapters.memory.placing import announce, enqueue, leave, place
from shadows.core.gates import COOLDOWN, DEBOUNCED, RATE_LIMIT, Cooldown, Debounce, Rate, Slots
from shadows.core.lifecycle import ExecutionState
from shadows.ports.admission import Admission, Passage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shadows.adapters.memory.store import Run, Store

ADMITTED, PARKED, RESERVED, SETTLING = "admitted", "parked", "reserved", "settling"


@attrs.frozen
class _Found:
    """How a call would fare, before anything is changed."""

    passage: Passage
    gate: Slots | Rate | None = None
    """where it would wait"""
    moment: int = 0
    reason: str = ""


def ask(store: Store, run: Run) -> Admission:
    """Let the call pass all of its gates, or none, and put it where that leaves it.

    It is running or ready, or it has just left the line in which it was parked.
    """
    standing, found, fence = run.standing, _look(store, run), run.fence
    if found.passage is Passage.DELAYED and found.gate is None:
        _become_newest(store, run)
    else:
        _grow_calm(store, run)
    match found.passage:
        case Passage.ADMITTED:
            _take_all(store, run)
            standing.mark = ADMITTED
        case Passage.DROPPED:
            _stop_waiting(store, run)
            standing.mark = found.reason
        case Passage.PARKED:
            _wait_in_line(store, run, found.gate)
            run.state, run.fence, run.holder, run.started = ExecutionState.PARKED, None, None, None
            standing.mark = PARKED
            announce(store, run, run.state, fence)
        case Passage.DELAYED:
            _wait_in_line(store, run, found.gate)
            place(store, run, found.moment)
            standing.mark = SETTLING if found.gate is None else RESERVED
            announce(store, run, run.state, fence)
        case _:
            raise AssertionError(found)
    return Admission(found.passage, found.reason)


def let_go(store: Store, run: Run) -> None:
    """Give back what the attempt holds or waits for, and wake those who get it."""
    standing, doors = run.standing, store.doors
    slots = [gate for gate in standing.gates if isinstance(gate, Slots)]
    freed = [gate.name for gate in slots if doors.free(gate, run.key)]
    if standing.at is not None:
        doors.leave(standing.at, standing.arrival, run.key)
        if isinstance(standing.at, Slots):
            freed.append(standing.at.name)
    standing.mark, standing.gates, standing.at = "", (), None
    for name in freed:
        wake(store, name)


def wake(store: Store, name: str) -> None:
    """Let those pass who wait longest for these slots, as far as there are any."""
    doors = store.doors
    while line := doors.lines.get(name):
        run = store.runs[line[0][1]]
        gate = next(each for each in run.standing.gates if isinstance(each, Slots) and each.name == name)
        if len(doors.slots.get(name, ())) >= gate.most:
            return
        if doors.moves < 1:
            doors.chores.add(name)
            store.sooner = True  # somebody should look at once
            return
        doors.moves -= 1
        _stop_waiting(store, run)
        if ask(store, run).passage in {Passage.ADMITTED, Passage.DROPPED}:
            enqueue(store, run)
            announce(store, run, run.state, None)


def do_chores(store: Store) -> bool:
    """Serve the lines that an earlier step left; tell whether some are left again."""
    for name in sorted(store.doors.chores):
        store.doors.chores.remove(name)
        wake(store, name)
    return bool(store.doors.chores)


def _look(store: Store, run: Run) -> _Found:
    """Ask every gate, changing nothing; the first that is closed decides."""
    found = _quiet(store, run)
    for gate in run.standing.gates:
        if found is not None:
            return found
        match gate:
            case Debounce():
                pass
            case Cooldown():
                found = _cool(store, run, gate)
            case Slots():
                found = _free(store, run, gate)
            case Rate():
                found = _in_time(store, run, gate)
            case _:
                assert_never(gate)
    return found or _Found(Passage.ADMITTED)


def _quiet(store: Store, run: Run) -> _Found | None:
    """A newcomer becomes the newest of its debounces and waits; one that comes back is that still."""
    gates = [gate for gate in run.standing.gates if isinstance(gate, Debounce)]
    if run.standing.calm or not gates or run.standing.mark == SETTLING:
        return None
    return _Found(Passage.DELAYED, moment=store.now + max(gate.settle for gate in gates))


def _cool(store: Store, run: Run, gate: Cooldown) -> _Found | None:
    until, who = store.doors.cooldowns.get(gate.name, (0, ("", "")))
    if until <= store.now or who == (run.run, run.key):
        return None
    return _Found(Passage.DROPPED, reason=COOLDOWN)


def _free(store: Store, run: Run, gate: Slots) -> _Found | None:
    holders, line = store.doors.slots.get(gate.name, ()), store.doors.lines.get(gate.name)
    first = not line or line[0][0] > run.standing.arrival
    if run.key in holders or (first and len(holders) < gate.most):
        return None
    return _Found(Passage.PARKED, gate)


def _in_time(store: Store, run: Run, gate: Rate) -> _Found | None:
    """Those who came before get the next openings: one for each token that leaves the window, again and again."""
    tokens = store.doors.tokens.get((gate.per, gate.name), {})
    if tokens.get(run.standing.arrival, store.now - gate.per) > store.now - gate.per:
        return None
    before = sum(arrival < run.standing.arrival for arrival, _ in store.doors.line(gate))
    rounds, turn = divmod(before, gate.limit)
    taken = sorted(tokens.values(), reverse=True)[gate.limit - turn - 1 :][:1]
    opens = max(store.now, *(moment + gate.per for moment in taken)) if taken else store.now
    moment = opens + rounds * gate.per
    if moment <= store.now:
        return None
    return _Found(Passage.DROPPED, reason=RATE_LIMIT) if gate.drop else _Found(Passage.DELAYED, gate, moment)


def _become_newest(store: Store, run: Run) -> None:
    for gate in run.standing.gates:
        if isinstance(gate, Debounce):
            _displace(store, *store.doors.newest.get(gate.name, ("", "")))
            store.doors.newest[gate.name] = (run.run, run.key)


def _displace(store: Store, run_id: str, key: str) -> None:
    """The one that waited so far is dropped, and made ready at once to be settled."""
    older = store.runs.get(key)
    if older is None or older.run != run_id or older.standing.mark != SETTLING:
        return
    older.standing.mark = DEBOUNCED
    if older.state is ExecutionState.SCHEDULED:
        leave(store, older)
        enqueue(store, older)
        announce(store, older, older.state, None)


def _grow_calm(store: Store, run: Run) -> None:
    if run.standing.calm:
        return
    for gate in run.standing.gates:
        if isinstance(gate, Debounce):
            run.standing.calm = True
            del store.doors.newest[gate.name]


def _take_all(store: Store, run: Run) -> None:
    doors, now, standing = store.doors, store.now, run.standing
    _stop_waiting(store, run)
    doors.forget(now)
    for gate in standing.gates:
        match gate:
            case Slots():
                doors.slots.setdefault(gate.name, set()).add(run.key)
            case Rate():
                tokens = doors.tokens.setdefault((gate.per, gate.name), {})
                for arrival in [old for old, moment in tokens.items() if moment <= now - gate.per]:
                    del tokens[arrival]
                tokens.setdefault(standing.arrival, now)
            case Cooldown():
                until, who = doors.cooldowns.get(gate.name, (0, ("", "")))
                if until <= now or who != (run.run, run.key):
                    doors.cooldowns[gate.name] = (now + gate.window, (run.run, run.key))
            case Debounce():
                pass
            case _:
                assert_never(gate)


def _stop_waiting(store: Store, run: Run) -> None:
    if run.standing.at is not None:
        store.doors.leave(run.standing.at, run.standing.arrival, run.key)
        run.standing.at = None


def _wait_in_line(store: Store, run: Run, gate: Slots | Rate | None) -> None:
    """Leave where it was for the line of this gate, if it has one."""
    leave(store, run)
    run.unknown_since = None
    _stop_waiting(store, run)
    if gate is not None:
        store.doors.join(gate, run.standing.arrival, run.key)
        run.standing.at = gate
