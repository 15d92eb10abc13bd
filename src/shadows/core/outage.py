"""What is said of a broker that is away: at once, at each longer pause, and when it is back, but never a flood."""

from __future__ import annotations

from typing import Final

import attrs

from shadows.core.backoff import is_longer

WINDOW: Final = 60.0
"""Seconds in which at most ``MOST`` lines are said; also the time from one reminder to the next."""
MOST: Final = 12


@attrs.frozen
class Line:
    """One line that is to be said now."""

    seconds: float
    """since the first failure"""
    untold: int
    """earlier outages that nobody was told of, for there were too many"""


@attrs.define
class Outage:
    """Judges which failures, and which return, are worth a line.  Times are seconds that never jump."""

    _said: list[float] = attrs.field(factory=list[float], init=False)
    """when lines were said, in the last minute"""
    _since: float | None = attrs.field(default=None, init=False)
    """when the broker went away, if it is"""
    _told: bool = attrs.field(default=False, init=False)
    """whether this outage was told of; only then its end is too"""
    _untold: int = attrs.field(default=0, init=False)

    def failed(self, now: float, failures: int, pause: float) -> Line | None:
        """Hear of the so-manieth failure in a row, after which so many seconds are waited."""
        if self._since is None:
            self._since = now
        quiet = not self._said or now - self._said[-1] >= WINDOW
        if self._told and not quiet and not is_longer(failures, pause):
            return None
        self._forget(now)
        if len(self._said) > MOST - 2:  # the last one is kept for the end
            return None
        self._told = True
        return self._say(now)

    def ended(self, now: float) -> Line | None:
        """Hear that the broker is back."""
        told, line = self._told, None
        if told:
            self._forget(now)
            line = self._say(now)
        elif self._since is not None:
            self._untold += 1
        self._since, self._told = None, False
        return line

    def _say(self, now: float) -> Line:
        line = Line(now - (now if self._since is None else self._since), self._untold)
        self._said.append(now)
        self._untold = 0
        return line

    def _forget(self, now: float) -> None:
        self._said = [said for said in self._said if now - said < WINDOW]
