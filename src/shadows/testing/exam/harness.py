"""What a backend needs to sit the exam: how to open it, how time passes for it, how to see whether somebody waits."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from typing import TYPE_CHECKING, Protocol, Self, cast

from shadows.adapters.clock import SystemClock
from shadows.adapters.memory.backend import open_backend as open_memory
from shadows.ports.backend import Backend, Terms

if TYPE_CHECKING:
    from shadows.ports.broker import Broker

names = itertools.count(1)
"""for shadows that nobody had before"""


class Harness(Protocol):
    """One backend under examination: a shadow of its own that starts empty, and a clock that the test moves."""

    kind: str
    """the backend's name: memory, or a server's"""
    name: str
    """the shadow's"""
    terms: Terms
    backend: Backend

    @property
    def broker(self) -> Broker:
        """The broker of the shadow that every test has from the start."""
        ...

    @property
    def now(self) -> int:
        """The time in ms, as the broker sees it."""
        ...

    async def open(self, terms: Terms | None = None, *, name: str = "") -> Backend:
        """Open one more backend, on the same shadow unless another is named; it is closed after the test."""
        ...

    async def pass_time(self, seconds: float) -> None:
        """Let so much time pass for everything that is scheduled or leased in the shadows of this harness."""
        ...

    async def somebody_waits(self) -> None:
        """Return when a claim with patience has gone to sleep."""
        ...


class MemoryHarness:
    """The model: its clock is ours."""

    def __init__(self, terms: Terms | None = None) -> None:
        self.kind = "memory"
        self.name = f"exam-{next(names)}"
        self.terms = terms or Terms()
        self.now = round(SystemClock().now().timestamp()) * 1000
        self._open = contextlib.AsyncExitStack()
        self.backend = cast("Backend", None)

    async def __aenter__(self) -> Self:
        self.backend = await self.open(self.terms)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    @property
    def broker(self) -> Broker:
        return self.backend.broker

    async def open(self, terms: Terms | None = None, *, name: str = "") -> Backend:
        made = open_memory(name or self.name, terms or self.terms, clock=lambda: self.now)
        return await self._open.enter_async_context(made)

    async def pass_time(self, seconds: float) -> None:
        self.now += round(seconds * 1000)

    async def somebody_waits(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)
