"""Leftovers: asyncio tasks that a body made, did not wait for, and left behind.

They are found by their context, which names the run that made them.  Nothing is counted per call: at most
once a second, and only when a body has ended since, all tasks of the loop are looked at.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

import attrs

from shadows.dependencies.context import current_execution
from shadows.dependencies.running import Running

if TYPE_CHECKING:
    from collections.abc import Callable

    from shadows.core.settings import Leftover
    from shadows.dependencies.running import Workplace
    from shadows.ports.broker import Lease
    from shadows.ports.observer import Observer

BETWEEN: Final = 1.0
"""Seconds between two looks: much of what a body leaves behind ends by itself soon after it."""


@attrs.define
class Leftovers:
    """Looks for what the bodies of one worker left behind."""

    workplace: Workplace
    """whose bodies"""
    policy: Leftover
    observer: Observer
    due: bool = attrs.field(default=False, init=False)
    """whether a body has ended since the last look"""
    _next: float = attrs.field(default=0.0, init=False)
    _told: WeakSet[asyncio.Task[Any]] = attrs.field(factory=WeakSet["asyncio.Task[Any]"], init=False)

    def look(self, now: float, goes_on: Callable[[Lease], bool]) -> None:
        """Look if it is time to; ``goes_on`` tells whether the body of a lease does."""
        if self.due and now >= self._next:
            self._next = now + BETWEEN
            self.look_now(goes_on)

    def look_now(self, goes_on: Callable[[Lease], bool]) -> None:
        """Tell of every leftover once, and cancel it unless the worker was told to leave it alone."""
        self.due = False
        if self.policy == "keep":
            return
        found: dict[int, tuple[Lease, list[asyncio.Task[Any]]]] = {}
        for task in asyncio.all_tasks():
            running = task.get_context().get(current_execution.of_run)
            if not isinstance(running, Running) or running.workplace is not self.workplace:
                continue
            if task not in self._told and not goes_on(running.lease):
                found.setdefault(running.fence, (running.lease, []))[1].append(task)
        for lease, tasks in found.values():
            self._told.update(tasks)
            cancels = self.policy == "cancel"
            self.observer.left_behind(lease, sorted(map(_name, tasks)), cancelled=cancels)
            if cancels:
                for task in tasks:
                    task.cancel("left behind by its body")


def _name(task: asyncio.Task[Any]) -> str:
    return getattr(task.get_coro(), "__qualname__", "?")
