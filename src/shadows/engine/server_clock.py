"""The broker's clock decides what is due and which leases have expired: who looks at it notices when it jumps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

LEAST: Final = 1.0
"""Seconds; what is less may have been put right step by step, and nobody needs to hear of it."""


@attrs.define
class ServerClock:
    """Compares it with the time of the event loop, which never jumps.

    When exactly it was read on the way there and back is unknown, so there is a least and a most that it can be ahead
    of ours.  It has jumped for certain when what it can be now and what it could be before do not touch.
    """

    jumped: Callable[[float], None]
    """hears by how many seconds at least; less than none: back"""
    _least: float | None = attrs.field(default=None, init=False)
    _most: float = attrs.field(default=0.0, init=False)

    def look(self, theirs: int, sent: float, received: float) -> None:
        """Hear what it was, in ms, somewhen between two of our own seconds; 0 is unknown."""
        if not theirs:
            return
        least, most = theirs / 1000 - received, theirs / 1000 - sent
        if self._least is not None:
            if least - self._most >= LEAST:
                self.jumped(least - self._most)
            elif self._least - most >= LEAST:
                self.jumped(most - self._least)
        self._least, self._most = least, most
