"""Which event loop a worker's process runs on."""

from __future__ import annotations

import asyncio

from shadows.core.settings import PROCESS
from shadows.errors import ConfigurationError


def new_loop(kind: str) -> asyncio.AbstractEventLoop:
    """Return a new event loop: ``asyncio`` is Python's own, ``uvloop`` the one of that package.

    Raises:
        ConfigurationError: uvloop is not installed.
    """
    if kind != "uvloop":
        return asyncio.new_event_loop()
    try:
        import uvloop  # noqa: PLC0415 - only what is used is imported
    except ImportError as missing:
        raise ConfigurationError(
            "loop=uvloop cannot work: uvloop is not installed",
            source="loop",
            value=kind,
            instead="asyncio",
            remedy="pip install 'shadow-task[uvloop]'",
        ) from missing
    return uvloop.new_event_loop()


def expect(kind: str) -> None:
    """Refuse a program's own loop if another one was asked for: it runs already.

    Raises:
        ConfigurationError: it is not uvloop's.
    """
    if kind == "uvloop" and not type(asyncio.get_running_loop()).__module__.startswith("uvloop"):
        msg = f"{PROCESS['loop'].variable}=uvloop cannot work here: Worker.run finds another event loop running"
        raise ConfigurationError(
            f"{msg}; unset it, or run the program with asyncio.run(..., loop_factory=uvloop.new_event_loop)"
        )
