"""Who follows what a client asks of its broker.  Where nobody listens there is none, and asking costs no more."""

from __future__ import annotations

import enum
from typing import Protocol

import attrs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from shadows.ports.broker import Entry, Placement


class Asked(enum.StrEnum):
    """What a client may ask for, besides placing calls."""

    CANCEL = "cancel"
    CLEAR = "clear"
    STRIKE = "strike"
    RESTORE = "restore"


@attrs.define
class Sending:
    """Calls on their way to the broker."""

    entries: Sequence[Entry]
    """as they are to be sent: with what the worker is to know of who placed them"""
    placements: Sequence[Placement] = ()
    """what became of them, once that is known"""


@attrs.define
class Asking:
    """Something else that is asked for."""

    answer: object = None
    """once it is known"""


class Follower(Protocol):
    """Told synchronously: on entering before the trip, on leaving when it is over; an error that ends it passes
    through.
    """

    def placing(self, entries: Sequence[Entry]) -> AbstractContextManager[Sending]:
        """These calls are to be placed."""
        ...

    def asking(
        self, asked: Asked, *, key: str | None = None, task: str | None = None
    ) -> AbstractContextManager[Asking]:
        """Something is asked for, of the run of a key, or about a task."""
        ...
