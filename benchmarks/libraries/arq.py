"""arq; no results are kept."""

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

arq: Any = importlib.import_module("arq")
connections: Any = importlib.import_module("arq.connections")
workers: Any = importlib.import_module("arq.worker")


class Producer:
    """See Producer."""

    def __init__(self, url: str, settings: Settings) -> None:  # noqa: ARG002 - it has none
        self._url = url
        self._pool: Any = None

    async def open(self) -> None:
        self._pool = await arq.create_pool(connections.RedisSettings.from_dsn(self._url))

    async def close(self) -> None:
        await self._pool.aclose()

    async def add(self, number: int, task: str) -> None:
        await self._pool.enqueue_job(task, number, TEXT)

    async def add_many(self, numbers: Iterable[int], task: str) -> None:
        await asyncio.gather(*[self.add(number, task) for number in numbers])

    async def add_at(self, number: int, when: float) -> None:
        await self._pool.enqueue_job("noop", number, TEXT, _defer_until=datetime.fromtimestamp(when, UTC))


def work(url: str, settings: Settings, record: Record) -> None:
    """Work until it is killed."""

    async def noop(context: object, number: int, text: str) -> None:  # noqa: ARG001 - it is given them
        record.started(number)

    async def nap(context: object, number: int, text: str) -> None:  # noqa: ARG001 - likewise
        record.started(number)
        await asyncio.sleep(NAP)
        record.ended(number)

    async def forever() -> None:
        worker = workers.Worker(
            functions=[workers.func(task, name=task.__name__, keep_result=0) for task in (noop, nap)],
            redis_settings=connections.RedisSettings.from_dsn(url),
            max_jobs=settings["slots"],
            handle_signals=False,
            keep_result=0,
        )
        await worker.async_run()

    asyncio.run(forever())
