"""Drain: how a worker ends.  It waits for its bodies, then cancels them, then goes without them."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import timedelta

    from shadows.engine.loop import Loop

GRACE: Final = 1.0
"""Seconds that cancelled bodies have to end, and then the broker to take back what they held."""


async def drain(loop: Loop, pump: asyncio.Task[None], limit: timedelta) -> None:
    """End the loop that ``pump`` runs within ``limit`` and two graces, whatever its bodies and the broker do.

    What has not ended at the limit is cancelled and handed back, without using up an attempt.  What the
    broker does not take back by then is redelivered when its lease expires.  Being cancelled in the middle
    cuts the present step short.
    """
    loop.stop()
    for step, patience in ((None, limit.total_seconds()), (loop.cut, GRACE), (loop.let_go, GRACE)):
        if step is not None:
            step()
        with contextlib.suppress(asyncio.CancelledError):  # asked again: go on to the next step at once
            await asyncio.wait({pump}, timeout=patience)
        if pump.done():
            break
    else:
        pump.cancel()
        await asyncio.wait({pump})
