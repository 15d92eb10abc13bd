"""Gates as the scripts read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from shadows.core.gates import Cooldown, Debounce, Gate, Rate, Slots, in_order

if TYPE_CHECKING:
    from collections.abc import Iterable


def lines(gates: Iterable[Gate]) -> str:
    """Return a line of ``kind name most span drop`` for each gate, in the order in which they are asked."""
    return "\n".join(map(_line, in_order(gates)))


def _line(gate: Gate) -> str:
    match gate:
        case Slots():
            return f"slots {gate.name} {gate.most} 0 0"
        case Rate():
            return f"rate {gate.name} {gate.limit} {gate.per} {gate.drop:d}"
        case Cooldown():
            return f"cooldown {gate.name} 0 {gate.window} 0"
        case Debounce():
            return f"debounce {gate.name} 0 {gate.settle} 0"
        case _:
            assert_never(gate)
