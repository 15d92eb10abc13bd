"""Seeds: how the calls of automatic tasks come into being, and stay alive."""

from __future__ import annotations

import enum

import attrs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shadows.core.scheduling import Due


@attrs.frozen
class Seed:
    """What shall wait under a key whenever nothing else is live there."""

    key: str
    payload: bytes = attrs.field(repr=False)
    due: Due
    definition: str
    """names the schedule that decides ``due``: a word of 1 to 64 bytes without spaces, such as a digest;
    another word means another schedule
    """


class Seeding(enum.StrEnum):
    """The answer to one seed."""

    SEEDED = "seeded"
    """nothing was live; the call is placed"""
    LIVE = "live"
    """it waits or runs already; nothing was changed, so its time does not drift"""
    CHANGED = "changed"
    """the call that waits had another definition; it has the time and the payload of this seed now"""
    OLDER = "older"
    """something is live, and a newer definition than this one is known; nothing was changed"""
    CANCELLED = "cancelled"
    """somebody, or the task itself, decided against its last run; nothing was placed"""
    BROKEN = "broken"
    """the key's record holds something else; nothing was changed"""
