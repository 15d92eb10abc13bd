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


def gate_at(written: str, at: str) -> Slots | Rate | Debounce | None:
    """Return the one of these written gates at which a call waits; ``at`` is ``slots NAME``, ``rate NAME SPAN``, or
    ``debounce`` for the longest of them.
    """
    kind, *place = at.split(" ")
    rows = [row for line in written.splitlines() if (row := line.split(" "))[0] == kind]
    match kind:
        case "slots":
            return next((Slots(name, int(most)) for _, name, most, *_ in rows if [name] == place), None)
        case "rate":
            found = (row[1:] for row in rows if [row[1], row[3]] == place)
            return next((Rate(name, int(most), int(per), drop == "1") for name, most, per, drop in found), None)
        case "debounce":
            gates = (Debounce(name, int(settle)) for _, name, _, settle, _ in rows)
            return max(gates, key=lambda gate: gate.settle, default=None)
        case _:
            return None
