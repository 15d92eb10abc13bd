"""Who is here: workers check in, send heartbeats (which ride in their claims) and check out."""

from __future__ import annotations

from typing import Protocol

import attrs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from shadows.core.holder import Holder


@attrs.frozen
class Attendance:
    """One worker that is here."""

    holder: str
    """the holder's id"""
    last_seen: int
    """ms since the epoch"""
    tasks: frozenset[str]


class Presence(Protocol):
    """The list of living workers.  It is for people and monitors; no lease depends on it."""

    async def check_in(self, holder: Holder, tasks: Collection[str], *, horizon: int) -> None:
        """Enter the holder and the tasks that it knows; forgotten after ``horizon`` ms without a
        heartbeat.
        """
        ...

    async def check_out(self, holder: Holder) -> None:
        """Remove the holder and everything that is kept for it, unless leases of its are still out: those
        keep their owner.
        """
        ...

    async def roster(self, *, horizon: int) -> list[Attendance]:
        """Return those that were seen within ``horizon`` ms, by id."""
        ...
