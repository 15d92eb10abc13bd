"""celery on Redis: threads, no results, acknowledged when a task has ended."""

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

celery: Any = importlib.import_module("celery")


def _app(url: str, record: Record | None = None) -> tuple[Any, dict[str, Any]]:
    app = celery.Celery("bench", broker=url)
    app.conf.update(
        task_ignore_result=True,
        task_acks_late=True,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
    )

    def noop(number: int, text: str) -> None:  # noqa: ARG001 - every library's task takes the same
        if record is not None:
            record.started(number)

    def nap(number: int, text: str) -> None:  # noqa: ARG001 - likewise
        if record is not None:
            record.started(number)
            time.sleep(NAP)
            record.ended(number)

    return app, {task.__name__: app.task(name=task.__name__)(task) for task in (noop, nap)}


class Producer:
    """See Producer."""

    def __init__(self, url: str, settings: Settings) -> None:  # noqa: ARG002 - it has none
        self._app, self._tasks = _app(url)

    async def open(self) -> None:
        self._app.connection_for_write().ensure_connection(max_retries=1)

    async def close(self) -> None:
        self._app.close()

    async def add(self, number: int, task: str) -> None:
        self._tasks[task].delay(number, TEXT)

    async def add_many(self, numbers: Iterable[int], task: str) -> None:
        with self._app.producer_or_acquire() as producer:
            for number in numbers:
                self._tasks[task].apply_async((number, TEXT), producer=producer)

    async def add_at(self, number: int, when: float) -> None:
        self._tasks["noop"].apply_async((number, TEXT), eta=datetime.fromtimestamp(when, UTC))


def work(url: str, settings: Settings, record: Record) -> None:
    """Work until it is killed."""
    app, _ = _app(url, record)
    app.worker_main(["worker", "-P", "threads", "-c", str(settings["slots"]), "--loglevel=ERROR"])
