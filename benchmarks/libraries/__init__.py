"""What the suite needs of a library: to add calls, and to work.

Each module defines a class `Producer` and a function `work`. It is imported in the environment of its library only,
and asked only for what its entrant says it can.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from benchmarks.suite.record import Record

TEXT = "hello-bench"
"""The second argument of every call; the first is its number."""
NAP = 0.01
"""Seconds that the task `nap` waits."""

type Settings = Mapping[str, Any]


class Producer(Protocol):
    """Adds calls. Made with a URL and settings."""

    async def open(self) -> None:
        """Connect."""
        ...

    async def close(self) -> None:
        """Let go."""
        ...

    async def add(self, number: int, task: str) -> None:
        """Add one call."""
        ...

    async def add_many(self, numbers: Iterable[int], task: str) -> None:
        """Add up to a few hundred calls in the fastest documented way."""
        ...

    async def add_at(self, number: int, when: float) -> None:
        """Add one call for later, in seconds since the epoch."""
        ...


class Work(Protocol):
    """Works for ever, or until it is killed."""

    def __call__(self, url: str, settings: Settings, record: Record) -> None:
        """Take what it works for, with how many slots, and where its calls tell that they start."""
        ...
