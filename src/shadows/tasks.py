"""Tasks that every shadow knows: to leave a trace, to fail on purpose, and to take a while."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from shadows.core.durations import duration

_log = logging.getLogger("shadows.task.trace")


async def trace(message: str) -> None:
    """Write the message to the log of the worker."""
    _log.info("%s", message)


async def fail(message: str) -> None:
    """Fail with the message."""
    raise RuntimeError(message)


async def sleep(seconds: float | timedelta) -> None:
    """Run for so long, and do nothing."""
    await asyncio.sleep(duration(seconds, option="seconds", zero=True).total_seconds())


standard_tasks: list[Callable[..., Any]] = [trace, fail, sleep]
