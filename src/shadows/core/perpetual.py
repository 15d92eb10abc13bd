"""When the next occurrence of a task that goes on for ever may start, and how its schedule is told from another."""

from __future__ import annotations

import hashlib
from datetime import timedelta

from shadows.core.scheduling import Due, milliseconds


def next_start(started: int, every: timedelta) -> Due:
    """Return when the next occurrence may start: ``every`` after this one started (ms, by the broker's clock).

    A time that is past by then means at once, so that missed occurrences are not caught up.
    """
    return Due(at=started + milliseconds(every))


def definition(*parts: object) -> str:
    """Return a short name for the schedule that these parts make up: equal for equal parts, on every machine."""
    written = "\0".join(str(part) for part in parts)
    return hashlib.blake2s(written.encode(), digest_size=12).hexdigest()
