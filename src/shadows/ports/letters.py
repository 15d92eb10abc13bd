"""Dead letters: what cannot be run, and why."""

from __future__ import annotations

import attrs


@attrs.frozen
class DeadLetter:
    """A call that could not be run, or an entry that could not be read (then ``key`` is None and
    ``payload`` its raw fields).
    """

    id: str
    died: int
    """ms since the epoch"""
    key: str | None
    reason: str
    attempt: int
    deliveries: int
    payload: bytes = attrs.field(repr=False)
