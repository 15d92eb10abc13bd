"""streaq; no results are kept."""

# ruff: noqa: D102 - see Producer

from __future__ import annotations

import asyncio
import importlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from benchmarks.libraries import NAP, TEXT, Settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.suite.record import Record

streaq: Any = importlib.import_module("streaq")


def _worker(url: str, settings: Settings, record: Record | None = None) -> tuple[Any, dict[str, Any]]:
    worker = streaq.Worker(redis_url=url, concurrency=settings["slots"])

    async def noop(number: int, text: str) -> None:  # noqa: ARG001 - every library's task takes the same
        if record is not None:
            record.started(number)

    async def nap(number: int, text: str) -> None:  # noqa: ARG001 - likewise
        if record is not None:
            record.started(number)
            await asyncio.sleep(NAP)
            record.ended(number)

    return worker, {task.__name__: worker.task(ttl=0)(task) for task in (noop, nap)}


class Producer:
    """See Producer."""

    def __init__(self, url: str, settings: Settings) -> None:
        self._worker, self._tasks = _worker(url, settings)

    async def open(self) -> None:
        await self._worker.__aenter__()

    async def close(self) -> None:
        await self._worker.__aexit__(None, None, None)

    async def add(self, number: int, task: str) -> None:
        await self._tasks[task].enqueue(number, TEXT)

    async def add_many(self, numbers: Iterable[int], task: str) -> None:
        enqueue = self._tasks[task].enqueue
        await self._worker.enqueue_many([enqueue(number, TEXT) for number in numbers])

    async def add_at(self, number: int, when: float) -> None:
        await self._tasks["noop"].enqueue(number, TEXT).start(schedule=datetime.fromtimestamp(when, UTC))


def work(url: str, settings: Settings, record: Record) -> None:
    """Work until it is killed."""
    _worker(url, settings, record)[0].run_sync()
