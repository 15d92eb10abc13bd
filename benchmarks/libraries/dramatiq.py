"""dramatiq on Redis: threads, no results."""

# ruff: noqa: D102 - see Producer

from __future__ import annotations

import importlib
import threading
import time
from typing import TYPE_CHECKING, Any

from benchmarks.libraries import NAP, TEXT, Settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.suite.record import Record

dramatiq: Any = importlib.import_module("dramatiq")
brokers: Any = importlib.import_module("dramatiq.brokers.redis")


def _broker(url: str, record: Record | None = None) -> tuple[Any, dict[str, Any]]:
    broker = brokers.RedisBroker(url=url)
    dramatiq.set_broker(broker)

    def noop(number: int, text: str) -> None:  # noqa: ARG001 - every library's task takes the same
        if record is not None:
            record.started(number)

    def nap(number: int, text: str) -> None:  # noqa: ARG001 - likewise
        if record is not None:
            record.started(number)
            time.sleep(NAP)
            record.ended(number)

    return broker, {task.__name__: dramatiq.actor(task, broker=broker) for task in (noop, nap)}


class Producer:
    """See Producer."""

    def __init__(self, url: str, settings: Settings) -> None:  # noqa: ARG002 - it has none
        self._broker, self._tasks = _broker(url)

    async def open(self) -> None: ...

    async def close(self) -> None:
        self._broker.close()

    async def add(self, number: int, task: str) -> None:
        self._tasks[task].send(number, TEXT)

    async def add_many(self, numbers: Iterable[int], task: str) -> None:
        for number in numbers:
            self._tasks[task].send(number, TEXT)

    async def add_at(self, number: int, when: float) -> None:
        wait = max(0, int((when - time.time()) * 1000))
        self._tasks["noop"].send_with_options(args=(number, TEXT), delay=wait)


def work(url: str, settings: Settings, record: Record) -> None:
    """Work until it is killed."""
    broker, _ = _broker(url, record)
    dramatiq.Worker(broker, worker_threads=settings["slots"]).start()
    threading.Event().wait()
