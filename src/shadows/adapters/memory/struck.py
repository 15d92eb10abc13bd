"""The state of the strike log: one entry a name, oldest first."""

from __future__ import annotations

import attrs

from shadows.ports.strike_log import MOST_RESTORES, Instruction


@attrs.define
class Strikes:
    """The log: one entry a name, oldest first."""

    entries: dict[str, tuple[int, Instruction]] = attrs.field(factory=dict[str, tuple[int, Instruction]])
    last: int = 0
    floor: int = 0
    """who has not read this far may have missed restores that are not kept any more"""
    releases: dict[str, tuple[int, int]] = attrs.field(factory=dict[str, "tuple[int, int]"])
    """strikes that were lifted while calls were held -> ms between two of them, when the next is due"""
    after: int = 0
    """up to whom the present round of releases has come"""

    @property
    def position(self) -> str:
        return str(self.last) if self.entries else ""

    def write(self, instruction: Instruction) -> None:
        """Make it the newest entry, in place of an earlier one of its name."""
        self.entries.pop(instruction.name, None)
        self.last += 1
        self.entries[instruction.name] = (self.last, instruction)
        self._forget_restores()

    def _forget_restores(self) -> None:
        restores = [(number, name) for name, (number, one) in self.entries.items() if not one.strike]
        for number, name in restores[: max(0, len(restores) - MOST_RESTORES)]:
            del self.entries[name]
            self.floor = number
