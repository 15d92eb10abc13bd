"""huey on Redis: threads, no results; what a worker has taken is gone if it dies."""

# ruff: noqa: D102 - see Producer

from __future__ import annotations

import importlib
import logging
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from benchmarks.libraries import NAP, TEXT, Settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.suite.record import Record

library: Any = importlib.import_module("huey")


def _huey(url: str, record: Record | None = None) -> tuple[Any, dict[str, Any]]:
    made = library.RedisHuey("bench", url=url, results=False)

    def noop(number: int, text: str) -> None:  # noqa: ARG001 - every library's task takes the same
        if record is not None:
            record.started(number)

    def nap(number: int, text: str) -> None:  # noqa: ARG001 - likewise
        if record is not None:
            record.started(number)
            time.sleep(NAP)
            record.ended(number)

    return made, {task.__name__: made.task(name=task.__name__)(task) for task in (noop, nap)}


class Producer:
    """See Producer."""

    def __init__(self, url: str, settings: Settings) -> None:  # noqa: ARG002 - it has none
        _, self._tasks = _huey(url)

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def add(self, number: int, task: str) -> None:
        self._tasks[task](number, TEXT)

    async def add_many(self, numbers: Iterable[int], task: str) -> None:
        for number in numbers:
            self._tasks[task](number, TEXT)

    async def add_at(self, number: int, when: float) -> None:
        self._tasks["noop"].schedule((number, TEXT), eta=datetime.fromtimestamp(when, UTC))


def work(url: str, settings: Settings, record: Record) -> None:
    """Work until it is killed."""
    logging.getLogger("huey").setLevel(logging.ERROR)
    made, _ = _huey(url, record)
    made.create_consumer(workers=settings["slots"], worker_type="thread").run()
