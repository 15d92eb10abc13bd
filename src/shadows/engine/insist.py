"""Insist: what follows when a body goes on in spite of its cancel."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from shadows.engine.attempt import Attempt, Stop
    from shadows.ports.observer import Observer

GRACE: Final = 5.0
"""Seconds that a cancelled body has to end before it is told of, and cancelled once more."""


def cancel(attempt: Attempt, why: Stop, observer: Observer) -> None:
    """Cancel the body; if it does not end, say so and cancel it a second time.

    It keeps its slot until it ends: then as what it did, marked ``cancel_ignored``.  If it never does, it is
    abandoned at the end of the worker, and its lease is handed back.
    """
    attempt.cancel(why)

    def look() -> None:
        if attempt.task is not None and not (attempt.over or attempt.task.done()):
            observer.ignored(attempt.lease, GRACE, in_thread=attempt.in_thread)
            attempt.task.cancel(why.name)

    asyncio.get_running_loop().call_later(GRACE, look)
