"""saq on Redis; no results are kept."""

# ruff: noqa: D102 - see Producer

from __future__ import annotations

import asyncio
import importlib
from typing import TYPE_CHECKING, Any

from benchmarks.libraries import NAP, TEXT, Settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.suite.record import Record

saq: Any = importlib.import_module("saq")
DROPPED = -1  # the ttl of a job whose record goes when it has ended


class Producer:
    """See Producer."""

    def __init__(self, url: str, settings: Settings) -> None:  # noqa: ARG002 - it has none
        self._queue = saq.Queue.from_url(url)

    async def open(self) -> None:
        await self._queue.connect()

    async def close(self) -> None:
        await self._queue.disconnect()

    async def add(self, number: int, task: str) -> None:
        await self._queue.enqueue(task, number=number, text=TEXT, ttl=DROPPED)

    async def add_many(self, numbers: Iterable[int], task: str) -> None:
        await asyncio.gather(*[self.add(number, task) for number in numbers])

    async def add_at(self, number: int, when: float) -> None:
        await self._queue.enqueue("noop", number=number, text=TEXT, ttl=DROPPED, scheduled=when)


def work(url: str, settings: Settings, record: Record) -> None:
    """Work until it is killed."""

    async def noop(context: object, *, number: int, text: str) -> None:  # noqa: ARG001 - it is given them
        record.started(number)

    async def nap(context: object, *, number: int, text: str) -> None:  # noqa: ARG001 - likewise
        record.started(number)
        await asyncio.sleep(NAP)
        record.ended(number)

    async def forever() -> None:
        functions = [("noop", noop), ("nap", nap)]
        await saq.Worker(saq.Queue.from_url(url), functions=functions, concurrency=settings["slots"]).start()

    asyncio.run(forever())
