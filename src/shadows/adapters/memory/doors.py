"""What lies behind the gates: who holds slots and tokens, and who waits for them, in order."""

from __future__ import annotations

from bisect import insort

import attrs

from shadows.core.gates import Gate, Rate, Slots

MOVES = 200
"""The most parked calls that one step moves."""
FEW = 100
"""So many windows are no burden, whether they are over or not."""

type Place = tuple[int, str]
"""of a rate: its window and its name"""
type Waiting = list[tuple[int, str]]
"""arrival and key of the calls that wait, in that order"""
type Who = tuple[str, str]
"""run and key"""


@attrs.define
class Standing:
    """How a call stands with its gates.

    ``mark`` is what a claim goes by: ``admitted``; ``parked``; ``reserved`` and ``settling``, which are
    asked again when their moment has come; or the reason why it was dropped.
    """

    mark: str = ""
    gates: tuple[Gate, ...] = ()
    arrival: int = 0
    """its place in every line: the fence under which this attempt first asked; 0 before that"""
    at: Slots | Rate | None = None
    """the gate in whose line it waits"""
    calm: bool = False
    """its debounces have let it pass, once for the whole run"""


@attrs.define
class Doors:
    """The state of all gates of a shadow."""

    slots: dict[str, set[str]] = attrs.field(factory=dict[str, set[str]])
    """keys of the calls that hold a slot"""
    lines: dict[str, Waiting] = attrs.field(factory=dict[str, "Waiting"])
    """the calls that wait for one"""
    tokens: dict[Place, dict[int, int]] = attrs.field(factory=dict["Place", dict[int, int]])
    """arrival -> when it was admitted"""
    paced: dict[Place, Waiting] = attrs.field(factory=dict["Place", "Waiting"])
    """the calls that wait for their moment"""
    cooldowns: dict[str, tuple[int, Who]] = attrs.field(factory=dict[str, "tuple[int, Who]"])
    """until when it is closed, and by whom"""
    newest: dict[str, Who] = attrs.field(factory=dict[str, "Who"])
    """the call that a debounce keeps"""
    parked: Waiting = attrs.field(factory=list["tuple[int, str]"])
    """all calls that wait for a slot"""
    chores: set[str] = attrs.field(factory=set[str])
    """lines that a step could not serve to the end"""
    moves: int = MOVES
    """how many parked calls this step may still move"""
    crowd: int = FEW
    """from so many windows on it is worth looking which of them are over"""

    def line(self, gate: Slots | Rate) -> Waiting:
        """Return the line of a gate, to look at."""
        if isinstance(gate, Slots):
            return self.lines.get(gate.name, [])
        return self.paced.get((gate.per, gate.name), [])

    def join(self, gate: Slots | Rate, arrival: int, key: str) -> None:
        """Stand in line, in the order of arrival."""
        if isinstance(gate, Slots):
            insort(self.lines.setdefault(gate.name, []), (arrival, key))
            insort(self.parked, (arrival, key))
        else:
            insort(self.paced.setdefault((gate.per, gate.name), []), (arrival, key))

    def leave(self, gate: Slots | Rate, arrival: int, key: str) -> None:
        """Leave the line; one that is empty is gone."""
        self.line(gate).remove((arrival, key))
        if isinstance(gate, Slots):
            self.parked.remove((arrival, key))
            if not self.lines[gate.name]:
                del self.lines[gate.name]
        elif not self.paced[gate.per, gate.name]:
            del self.paced[gate.per, gate.name]

    def free(self, gate: Slots, key: str) -> bool:
        """Take the call's slot away; tell whether it had one."""
        held = self.slots.get(gate.name, set())
        if key not in held:
            return False
        held.remove(key)
        if not held:
            del self.slots[gate.name]
        return True

    def forget(self, now: int) -> None:
        """Let go of what time has made meaningless, whenever there is twice as much as the last time."""
        if len(self.cooldowns) + len(self.tokens) < self.crowd:
            return
        for name in [name for name, (until, _) in self.cooldowns.items() if until <= now]:
            del self.cooldowns[name]
        for place in [place for place, tokens in self.tokens.items() if max(tokens.values()) <= now - place[0]]:
            del self.tokens[place]
        self.crowd = FEW + 2 * (len(self.cooldowns) + len(self.tokens))
