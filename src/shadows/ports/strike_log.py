"""The ordered log of strikes and restores: one entry for each strike that is in force or was restored of late."""

from __future__ import annotations

from typing import Protocol

import attrs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shadows.core.scheduling import Due

MOST = 1000
"""So many strikes may be in force at once."""
TOO_MANY = f"{MOST:,} strikes are in force, and no more are taken; restore some, or compare with < or between"
MOST_RESTORES = 100
"""So many restores are kept for those who read only what is new; who comes later starts anew."""


@attrs.frozen
class Instruction:
    """One entry of the log: a strike, or a restore."""

    name: str
    """of the strike, letters and digits; an entry takes the place of an earlier one of its name"""
    strike: bytes = attrs.field(repr=False, default=b"")
    """the strike, encoded; empty for a restore"""
    until: Due | None = None
    """when the strike ends by itself: then the log holds a restore instead; as the log tells it, an instant"""
    hold: bool = False
    """calls that it matches may be parked at it"""


@attrs.frozen
class News:
    """What the log says beyond the position of a reader."""

    since: str
    """the reader's position"""
    position: str
    """of its last entry, "" when it has none.  Positions grow: numbers that are joined by hyphens"""
    instructions: tuple[Instruction, ...]
    """oldest first"""
    anew: bool
    """this is all that there is: what the reader knew before is void, for the log no longer tells it apart"""


class StrikesMoved(Exception):
    """Decided on an older list than the broker's own, and so not done: decide again with the news.

    ``partly`` says that some calls of the batch may have been placed before the list moved.
    """

    def __init__(self, news: News, *, partly: bool = False) -> None:
        super().__init__(f"the strike list has moved on to {news.position!r}")
        self.news = news
        self.partly = partly


@attrs.frozen
class Noted:
    """The answer to an appended instruction."""

    found: bool
    """a strike of this name was in force before"""
    news: News | None
    """what lies beyond the writer's position, its own instruction included; None when nothing does"""


class StrikeLog(Protocol):
    """Totally ordered: everybody reads the same entries in the same order.  It compacts itself, so that its size is
    bounded however much is struck and restored.
    """

    async def append(self, instruction: Instruction, *, position: str = "", pace: int = 0) -> Noted:
        """Write one instruction, in place of an earlier one of the same name, and remove what has expired.

        A restore of what is not in force writes nothing.  Repeating an instruction changes nothing but its place.
        What is held at a strike that is restored, expires or holds no more is let go by the next claims, in bounded
        steps, in the order in which it came, ``pace`` ms apart.

        Raises:
            ConfigurationError: MOST strikes are in force.
        """
        ...

    async def since(self, position: str = "") -> News | None:
        """Return what follows the position ("": everything), None when nothing does.

        A strike whose time is over by the broker's clock is restored in this step.
        """
        ...
