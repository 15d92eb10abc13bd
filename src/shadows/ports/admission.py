"""The answers of the broker's verb ``admit``."""

from __future__ import annotations

import enum

import attrs


class Passage(enum.StrEnum):
    """What became of a call at its gates."""

    ADMITTED = "admitted"
    """it holds all of them; the body may run"""
    PARKED = "parked"
    """a slot is missing: the lease is given up, and the call is woken when it has one"""
    DELAYED = "delayed"
    """its moment is later: the lease is given up, and the call is scheduled for that"""
    DROPPED = "dropped"
    """it is not to run; the lease is kept, to be settled as cancelled"""
    CANCELLED = "cancelled"
    """its cancel was requested: it has ended"""
    SUPERSEDED = "superseded"
    """the lease was lost, or the key has a successor; it is not ours any more"""
    BROKEN = "broken"
    """a key of ours holds something else; the lease is kept, and nothing was changed"""


@attrs.frozen
class Admission:
    """The answer for one lease."""

    passage: Passage
    reason: str = ""
    """of a dropped call: ``debounced``, ``cooldown`` or ``rate_limit``; of a broken one: the key that is in the way"""
