"""Time, seen from this process.  The broker's own clock decides what is due; this one only measures and
labels.
"""

from __future__ import annotations

from typing import Protocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime


class Clock(Protocol):
    """The one way in which the library asks for the time."""

    def now(self) -> datetime:
        """Return the current time, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never jump."""
        ...
