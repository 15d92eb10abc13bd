"""Dead letters: what cannot be run, and why; and how it is run once more."""

from __future__ import annotations

import enum

import attrs

from shadows.core.scheduling import AT_ONCE, Due


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


@attrs.frozen
class Replay:
    """One call that shall be run once more, under its key, as a new run at its first attempt."""

    key: str
    run: str
    """identifies the request, and then the new run; repeating it gets the first answer"""
    letter: str = ""
    """the id of the dead letter; empty: the failed run whose record the key has, dead or not"""
    due: Due = AT_ONCE
    struck: bool = False
    """a strike forbids it"""


class Replayed(enum.StrEnum):
    """The answer to one replay."""

    REPLAYED = "replayed"
    """it is placed; if it was a dead letter, it is one no more"""
    ALREADY = "already"
    """a live run has this key; nothing was changed"""
    STRUCK = "struck"
    """a strike forbids it; nothing was changed"""
    GONE = "gone"
    """the key has no such dead letter, or no failed run whose arguments are kept; nothing was changed"""
    BROKEN = "broken"
    """the key's record holds something else; nothing was changed"""
