"""What the strike log does to the calls: it refuses, tells what is new, and lets go what was held."""

from __future__ import annotations

from shadows.adapters.memory.placing import announce, leave, place
from shadows.ports.strike_log import Instruction, News, StrikesMoved

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shadows.adapters.memory.store import Store

RELEASE = 200
"""The most held calls that one claim looks at."""


def expire(store: Store) -> None:
    """Restore what has ended by itself."""
    for name in _ended(store):
        write(store, Instruction(name))


def _ended(store: Store) -> list[str]:
    return [
        one.name
        for _, one in store.strikes.entries.values()
        if one.until is not None and one.until.at is not None and one.until.at <= store.now
    ]


def write(store: Store, instruction: Instruction, pace: int = 0) -> None:
    """Write it into the log; what is held at a strike that holds no more is let go by the next claim."""
    strikes = store.strikes
    _, before = strikes.entries.get(instruction.name, (0, instruction))
    strikes.write(instruction)
    if before.hold and not instruction.hold and store.at_strikes:
        strikes.releases[instruction.name], strikes.after = (pace, 0), 0
        store.sooner = True


def release(store: Store) -> bool:
    """Let go what is held at lifted strikes, in the order in which it came, a bounded step; tell whether to go on."""
    strikes = store.strikes
    if not strikes.releases:
        return False
    held = sorted((fence, key, name) for key, (fence, name) in store.at_strikes.items() if fence > strikes.after)
    for fence, key, name in held[:RELEASE]:
        strikes.after = fence
        if name in strikes.releases:
            pace, due = strikes.releases[name]
            due = max(due, store.now)
            strikes.releases[name] = pace, due + pace
            run = store.runs[key]
            leave(store, run)
            place(store, run, due)
            announce(store, run, run.state, None)
    if len(held) >= RELEASE:
        return True
    strikes.releases.clear()
    return False


def news(store: Store, position: str) -> News | None:
    """Return what a reader at this position does not know."""
    expire(store)
    return _written(store, position)


def seen(store: Store, position: str) -> News | None:
    """Return the same for one who may only look: what has ended by itself is told, and not written down."""
    ended = _ended(store)
    found = _written(store, position)
    if not ended:
        return found
    fresh = () if found is None else found.instructions
    told = (*map(Instruction, ended), *(one for one in fresh if one.name not in ended))
    return News(position, store.strikes.position, told, found is not None and found.anew)


def _written(store: Store, position: str) -> News | None:
    strikes = store.strikes
    if position == strikes.position:
        return None
    read = int(position or 0)
    anew = not strikes.floor <= read <= strikes.last or not read
    fresh = tuple(one for number, one in strikes.entries.values() if anew or number > read)
    return News(position, strikes.position, fresh, anew)


def refuse_if_moved(store: Store, position: str) -> None:
    """Raise StrikesMoved for a decision that was made without knowing all."""
    found = news(store, position)
    if found is not None:
        raise StrikesMoved(found)
