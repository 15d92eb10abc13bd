"""From the values of the port to what the scripts take.

What several in a row have in common is said once, before them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shadows.adapters.redis.keys import encode
from shadows.core.verdict import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shadows.adapters.redis.driver import Value
    from shadows.core.holder import Holder
    from shadows.core.scheduling import Due
    from shadows.core.verdict import Verdict
    from shadows.ports.broker import Entry, Lease, Order
    from shadows.ports.letters import Replay
    from shadows.ports.seeding import Seed

_ENTRY = 3
"""What is said of each entry."""


def entries(batch: Sequence[Entry], *, repeated: bool, strikes: str) -> tuple[Value, ...]:
    """What to place."""
    mode, due = "", None
    group: list[Value] = []
    groups: list[tuple[str, Due, list[Value]]] = []
    for entry in batch:
        wanted = "struck" if entry.struck else entry.on_live.value
        if wanted != mode or (entry.due is not due and entry.due != due):
            group = []
            mode, due = wanted, entry.due
            groups.append((mode, due, group))
        group += (encode(entry.key), entry.run, entry.payload)
    arguments: list[Value] = [f"{strikes}!" if repeated else strikes]
    for mode, due, group in groups:
        arguments += (f"{mode} {len(group) // _ENTRY} {moment(due)}", *group)
    return tuple(arguments)


def replays(batch: Sequence[Replay], *, repeated: bool, strikes: str) -> tuple[Value, ...]:
    """What to replay."""
    arguments: list[Value] = [strikes, int(repeated)]
    for one in batch:
        mode = "struck" if one.struck else "keep"
        arguments += (encode(one.key), one.letter, mode, moment(one.due), one.run)
    return tuple(arguments)


def seeds(batch: Sequence[Seed], *, restart: bool) -> tuple[Value, ...]:
    """What to seed."""
    arguments: list[Value] = [int(restart)]
    for one in batch:
        arguments += (encode(one.key), moment(one.due), one.definition, one.payload)
    return tuple(arguments)


def order(order: Order) -> tuple[Value, ...]:
    """What to claim."""
    known = ("",) if order.known is None else (str(order.recovery), *order.known)
    return (
        order.holder.id,
        order.limit,
        order.max_deliveries,
        order.sweep,
        order.horizon,
        int(order.hear),
        order.strikes,
        int(order.count),
        *known,
    )


def outcomes(holder: Holder, done: Sequence[tuple[Lease, Verdict]], *, patience: int) -> tuple[Value, ...]:
    """What to settle; ``patience`` is how long a task may be unknown, in ms."""
    arguments: list[Value] = [holder.id, patience]
    task, count, head = None, 0, 0
    for lease, verdict in done:
        named = encode(lease.key), lease.token, lease.fence
        if not verdict.is_bare:
            task = None
            arguments += (*_outcome(lease, verdict), *named)
            continue
        if verdict.task != task:
            task, count, head = verdict.task, 0, len(arguments) + 2
            arguments += ("done", task, 0)
        count += 1
        arguments[head] = count
        arguments += named
    return tuple(arguments)


def _outcome(lease: Lease, verdict: Verdict) -> tuple[Value, ...]:
    return (
        verdict.kind.value,
        verdict.state.value,
        verdict.reason,
        verdict.strikes if verdict.kind is Kind.HOLD else verdict.task,
        moment(verdict.due),
        verdict.attempt,
        lease.deliveries,
        verdict.body,
        _follow(verdict),
    )


def _follow(verdict: Verdict) -> Value:
    """What comes after a run that ended, as one argument: nearly always nothing."""
    following = verdict.follow
    if following is None:
        return "-" if verdict.last else ""
    return f"{moment(following.due)} {following.definition} ".encode() + following.payload


def moment(due: Due) -> int | str:
    """When, as the scripts read it."""
    if due.at is not None:
        return due.at
    return "" if due.after is None else f"+{due.after}"
