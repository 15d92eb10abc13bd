"""Whether a worker lives, and whether it can take work: judged by the signs that its loop gives."""

from __future__ import annotations

from typing import Final

import attrs

DEAD_AFTER: Final = 30.0
"""Seconds of silence after which a loop counts as dead; the longest trip to a broker that hangs takes 6."""
GRACE: Final = 2.0
"""Seconds that a look may take longer than it has to, before the worker counts as not ready."""


@attrs.frozen
class Health:
    """How a worker is.  The words are for people."""

    alive: bool
    """its event loop turns and its pump makes trips, whether the broker answers or not; else restart it"""
    ready: bool
    """it has claimed, or could have, within the last interval"""
    words: str
    """what it does, or what keeps it from being ready"""


@attrs.define
class Signs:
    """What a loop does, told by the loop itself and read from any thread.  Times are those of its event loop."""

    interval: float
    """seconds from one look of an idle worker to the next, at most"""
    heard: float | None = None
    """until when its silence means nothing; None before its first trip has ended"""
    looked: float | None = None
    """when a claim was answered last"""
    away: bool = False
    """whether the last trip has failed"""
    stopping: bool = False

    def look(self, now: float) -> None:
        """A claim was answered."""
        self.heard = self.looked = now

    def rest(self, now: float, seconds: float) -> None:
        """For so long there will be no trip."""
        self.heard = now + seconds

    def health(self, now: float) -> Health:
        """Judge."""
        silent = 0.0 if self.heard is None else now - self.heard
        if silent >= DEAD_AFTER:
            return Health(alive=False, ready=False, words=f"the event loop or the pump hangs, for {silent:.0f} s")
        if self.stopping:
            return Health(alive=True, ready=False, words="stopping")
        if self.away:
            return Health(alive=True, ready=False, words="the broker is away")
        if self.looked is None:
            return Health(alive=True, ready=False, words="starting")
        late = now - self.looked
        if late > self.interval + GRACE:
            return Health(alive=True, ready=False, words=f"the last look at the broker was {late:.1f} s ago")
        return Health(alive=True, ready=True, words="ready")


NOT_RUNNING: Final = Health(alive=True, ready=False, words="not running")
"""of a worker whose loop has not begun, or has ended"""
