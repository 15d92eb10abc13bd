"""What is measured of a library: to add calls, and to work.

Each module defines `open_contender(url, settings, recorder)`, an async context manager that yields a
`Contender`. It is imported in the environment of its peer only.
"""

from collections.abc import Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from benchmarks.recorder import Recorder

TEXT = "hello-bench"
"""The second argument of every call; the first is its number."""
CONCURRENCY = 100

type Settings = Mapping[str, object]


class Contender(Protocol):
    """One library, connected. Every call is of a task that does nothing but tell the recorder."""

    async def add(self, number: int) -> None:
        """Add one call."""
        ...

    async def add_many(self, numbers: Iterable[int]) -> None:
        """Add up to a few hundred calls in the fastest documented way."""
        ...

    async def add_at(self, number: int, when: datetime) -> None:
        """Add one call for later."""
        ...

    async def work(self) -> None:
        """Work until cancelled."""
        ...

    async def finish(self) -> None:
        """Work until nothing is left."""
        ...


type Opener = type[AbstractAsyncContextManager[Contender]]

__all__ = ["CONCURRENCY", "TEXT", "Contender", "Opener", "Recorder", "Settings"]
