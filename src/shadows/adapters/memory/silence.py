"""Silences: for a while nobody was heard, so that nobody can have renewed a lease either."""

from __future__ import annotations

import attrs

SILENCE = 1_500
"""ms without a sweep of anybody, who each come about once a second, after which they could not reach the broker"""
GRACE = 10_000
"""The most ms that they get afterwards to renew what they hold; half of their lease, if that is less."""


@attrs.frozen
class Silence:
    """Nobody was heard between two moments, in ms."""

    since: int
    back: int

    def spares_until(self, lease: int, renewed: int) -> float:
        """Return until when nobody takes a lease of this length over that was renewed last at that moment.

        It is spared if the silence was too long for it, and its holder was alive when it began: who is renews
        each quarter of a lease.
        """
        half = lease / 2
        if self.back - self.since > half and renewed > self.since - half:
            return self.back + min(half, GRACE)
        return 0


@attrs.define
class Ear:
    """Hears who sweeps."""

    last: int | None = None
    silence: Silence = Silence(0, 0)
    """the last one"""

    def hear(self, now: int) -> None:
        """Somebody sweeps."""
        if self.last is not None and now - self.last > SILENCE:
            self.silence = Silence(self.last, now)
        if now < self.silence.back:  # the clock was set back
            self.silence = Silence(0, 0)
        self.last = now

    def free_from(self, lease: int, renewed: int) -> float:
        """Return the moment from which others may take over a lease of this length that was renewed last at that."""
        return max(renewed + lease + 1, self.silence.spares_until(lease, renewed))
