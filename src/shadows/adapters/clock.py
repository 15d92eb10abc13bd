"""The only file of the library that reads a clock."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import attrs


def milliseconds() -> float:
    """Return the milliseconds since 1970, with what is known below the point."""
    return time.time_ns() / 1_000_000


@attrs.frozen
class SystemClock:
    """The machine's own clocks; see :class:`shadows.ports.clock.Clock`."""

    def now(self) -> datetime:
        """Return the current time, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that never jump."""
        return time.monotonic()
