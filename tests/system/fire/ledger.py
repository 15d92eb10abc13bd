"""The ledger: what producers have placed and has not ended yet, and what the broker keeps of the rest."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import attrs

from shadows import BrokerUnavailable
from shadows.engine.outcomes import Outcomes
from shadows.ports.looking import Part
from tests.system.fire.history import Reading, append
from tests.system.fire.story import ENDED

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from shadows import Shadow

FEW: Final = 100
"""So many records are read at once."""


@attrs.define(eq=False)
class Ledger:
    """Counts what is in flight, and writes down what the broker keeps of each call once it has ended."""

    history: Path
    direct: Shadow
    """a client whose way is never broken"""
    flight: dict[str, float] = attrs.field(factory=dict[str, float])
    """the keys that were acknowledged and have not ended, and since when"""
    asked: int = 0
    acknowledged: int = 0
    bodies: dict[int, set[str]] = attrs.field(factory=dict[int, "set[str]"])
    """the bodies that run, by their process"""
    runs: int = 0
    _reading: Reading = attrs.field(init=False)
    _ended: set[str] = attrs.field(factory=set[str])
    """keys whose bodies ended, to be looked at"""

    def __attrs_post_init__(self) -> None:
        self._reading = Reading(self.history)

    def ask(self, key: str, *, delay: float = 0, fails: bool = False, repeats: bool = False) -> None:
        """Write down that a producer is about to ask."""
        self.asked += 1
        append(self.history, "ask", key=key, delay=delay, fails=fails, repeats=repeats)

    def acknowledge(self, *keys: str) -> None:
        """Write down that the broker said yes."""
        self.acknowledged += len(keys)
        for key in keys:
            self.flight[key] = append(self.history, "ack", key=key)["at"]

    def listen(self) -> None:
        """Read what is new in the history."""
        for line in self._reading:
            match line["what"]:
                case "begin":
                    self.runs += 1
                    self.bodies.setdefault(line["pid"], set()).add(line["body"])
                case "end":
                    self.bodies.get(line["pid"], set()).discard(line["body"])
                    self._ended.add(line["key"])
                case "cancel":
                    self._ended.add(line["key"])
                case "ack" if line["pid"] != os.getpid():  # somebody else produces too
                    self.flight.setdefault(line["key"], line["at"])
                case _:
                    pass

    async def reckon(self, *, older: float | None = None) -> None:
        """Look at the calls whose bodies ended, and at those that were acknowledged before that moment."""
        self.listen()
        wanted = {key for key in self._ended if key in self.flight}
        if older is not None:
            wanted |= {key for key, since in self.flight.items() if since < older}
        self._ended -= wanted
        for some in _in_pieces(sorted(wanted)):
            with suppress(BrokerUnavailable):
                await asyncio.gather(*(self._look(key) for key in some))

    async def watch(self) -> None:
        """Reckon for as long as this is not cancelled."""
        for turn in range(1 << 30):
            await asyncio.sleep(0.1)
            some_time_ago = asyncio.get_running_loop().time() - 5  # the loop's time is the machine's
            await self.reckon(older=None if turn % 20 else some_time_ago)

    async def _look(self, key: str) -> None:
        try:
            record = await self.direct.backend().broker.read(key, Part.RESULT)
        except BrokerUnavailable:
            self._ended.add(key)
            raise
        if record is None or record.state not in ENDED:
            if record is None and self.flight.pop(key, None) is not None:
                append(self.history, "settled", key=key, state=None, result=None)
            return
        result: Any = None
        if record.state == "completed":
            result = Outcomes(self.direct.calls.wire, 1 << 20).result(record.result, key, record.fence)
        if self.flight.pop(key, None) is not None:
            append(self.history, "settled", key=key, state=str(record.state), result=result)


def _in_pieces(keys: list[str]) -> Iterable[list[str]]:
    return (keys[start : start + FEW] for start in range(0, len(keys), FEW))
