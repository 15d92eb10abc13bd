"""One attempt while it runs here."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    import asyncio

    from shadows.ports.broker import Lease


class Stop(enum.Enum):
    """Why we cancelled a body."""

    CANCELLED = enum.auto()
    """somebody asked for it"""
    LOST = enum.auto()
    """its lease went to another worker"""
    SHUTDOWN = enum.auto()
    """the worker's drain limit is over"""


@attrs.define
class Attempt:
    """A lease, the asyncio task that works on it, and our reason to cancel it, once there is one."""

    lease: Lease
    stop: Stop | None = None
    task: asyncio.Task[None] | None = None
    asking: bool = False
    """it is at its gates; the answer tells whether it still has its lease"""
    in_thread: bool = False
    """whether the body is in a thread, which cannot be cancelled"""
    over: bool = False
    """the body has ended, and what it gave is being stored: too late to cancel it, but not to leave"""

    def cancel(self, why: Stop) -> None:
        """Cancel the body; only the first reason counts."""
        if self.over and why is Stop.CANCELLED:
            return
        if self.stop is None or self.over:
            self.stop = why
            if self.task is not None:
                self.task.cancel(why.name)
