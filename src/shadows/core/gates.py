"""Gates: what a call must pass before its body runs, and what a gate is called.

A gate's name says who shares it: calls with the same argument and value, or all calls of one task.  Names
are parts joined by colons, each percent-encoded, so that no value can look like another gate's name::

    customer_id:1001              the argument and its value
    @tenant-7:customer_id:1001    the same within a scope
    send_mail                     a task as a whole
    @tenant-7:send_mail           the same within a scope
"""

from __future__ import annotations

import hashlib
from urllib.parse import quote

import attrs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST_VALUE = 128
"""Bytes of an encoded part; a longer one is named by its hash."""


@attrs.frozen
class Slots:
    """At most ``most`` attempts hold a slot of this name at a time; the next ones wait in line."""

    name: str
    most: int


@attrs.frozen
class Rate:
    """At most ``limit`` attempts are admitted in any ``per`` ms; the next ones wait for their moment, or are
    dropped.  Windows of different lengths are different gates.
    """

    name: str
    limit: int
    per: int
    drop: bool = False


@attrs.frozen
class Cooldown:
    """A run that passes closes it for ``window`` ms; others are dropped meanwhile."""

    name: str
    window: int


@attrs.frozen
class Debounce:
    """The newest call waits until nothing newer has come for ``settle`` ms; the ones before it are dropped."""

    name: str
    settle: int


type Gate = Slots | Rate | Cooldown | Debounce

DEBOUNCED, COOLDOWN, RATE_LIMIT = "debounced", "cooldown", "rate_limit"
REASONS = frozenset({DEBOUNCED, COOLDOWN, RATE_LIMIT})
"""Why a call was dropped: the reason that its record shows."""

_ORDER: tuple[type[Gate], ...] = (Debounce, Cooldown, Slots, Rate)


def gate_name(task: str, *, scope: str | None = None, argument: str | None = None, value: object = None) -> str:
    """Return the name of the gate for one value of an argument, or without ``argument`` for the task."""
    parts = [_part(task)] if argument is None else [_part(argument), _part(str(value))]
    if scope is not None:
        parts.insert(0, f"@{_part(scope)}")
    return ":".join(parts)


def in_order(gates: Iterable[Gate]) -> tuple[Gate, ...]:
    """Return the gates in the order in which they are asked: what may drop the call, then slots, then rates.

    Of several that are one and the same gate the strictest stays: a call meets none of them twice.
    """
    found: dict[tuple[type[Gate], str, int], Gate] = {}
    for gate in gates:
        place = (type(gate), gate.name, gate.per if isinstance(gate, Rate) else 0)
        found[place] = _stricter(found[place], gate) if place in found else gate
    return tuple(sorted(found.values(), key=lambda gate: _ORDER.index(type(gate))))


def _stricter(one: Gate, other: Gate) -> Gate:
    match one, other:
        case Slots(), Slots():
            return Slots(one.name, min(one.most, other.most))
        case Rate(), Rate():
            return Rate(one.name, min(one.limit, other.limit), one.per, one.drop or other.drop)
        case Cooldown(), Cooldown():
            return Cooldown(one.name, max(one.window, other.window))
        case Debounce(), Debounce():
            return Debounce(one.name, max(one.settle, other.settle))
        case _:
            raise AssertionError(one, other)


def _part(text: str) -> str:
    raw = text.encode("utf-8", "surrogatepass")
    if len(raw) > LONGEST_VALUE:
        return f"#{hashlib.sha256(raw).hexdigest()}"
    return quote(raw, safe="")
