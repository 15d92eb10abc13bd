"""How long to wait before trying a lost broker again."""

from __future__ import annotations

from typing import Final

FIRST: Final = 0.05
"""Seconds before the second try."""


def pause(failures: int, *, longest: float, random: float) -> float:
    """Return the seconds to wait after so many failures in a row (1 or more).

    Doubles from 50 ms to ``longest``, of which a random part of up to a half is left off (``random`` in [0,
    1)), so that many clients that lost one server do not come back as one.
    """
    full = min(longest, FIRST * 2.0 ** min(failures - 1, 30))
    return full * (1 - random / 2)


def is_longer(failures: int, pause: float) -> bool:
    """Whether the pause after so many failures is a step of the doubling, and not yet the longest over again."""
    return pause > FIRST * 2.0 ** min(failures - 2, 30)
