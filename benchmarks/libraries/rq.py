"""rq with its simple worker, which does not fork: one call at a time, no results."""

# ruff: noqa: D102 - see Producer

from __future__ import annotations

import importlib
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from benchmarks.libraries import NAP, TEXT, Settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.suite.record import Record

redis: Any = importlib.import_module("redis")
library: Any = importlib.import_module("rq")
TASKS = {"noop": "benchmarks.libraries.rq.noop", "nap": "benchmarks.libraries.rq.nap"}
_records: list[Record] = []


def noop(number: int, text: str) -> None:  # noqa: ARG001 - every library's task takes the same
    """Tell the record."""
    _records[0].started(number)


def nap(number: int, text: str) -> None:  # noqa: ARG001 - likewise
    """Tell the record, and wait."""
    _records[0].started(number)
    time.sleep(NAP)
    _records[0].ended(number)


class Producer:
    """See Producer."""

    def __init__(self, url: str, settings: Settings) -> None:  # noqa: ARG002 - it has none
        self._client = redis.Redis.from_url(url)
        self._queue = library.Queue(connection=self._client)

    async def open(self) -> None:
        self._client.ping()

    async def close(self) -> None:
        self._client.close()

    async def add(self, number: int, task: str) -> None:
        self._queue.enqueue(TASKS[task], number, TEXT, result_ttl=0)

    async def add_many(self, numbers: Iterable[int], task: str) -> None:
        prepare = library.Queue.prepare_data
        self._queue.enqueue_many([prepare(TASKS[task], (number, TEXT), result_ttl=0) for number in numbers])

    async def add_at(self, number: int, when: float) -> None:
        self._queue.enqueue_at(datetime.fromtimestamp(when, UTC), TASKS["noop"], number, TEXT, result_ttl=0)


def work(url: str, settings: Settings, record: Record) -> None:
    """Work until it is killed."""
    _records.append(record)
    client = redis.Redis.from_url(url)
    worker = library.SimpleWorker([library.Queue(connection=client)], connection=client, log_job_description=False)
    worker.work(logging_level="ERROR", with_scheduler=bool(settings.get("scheduling")))
