"""pydocket, with the settings of the entrant: its own defaults, or its best ones."""

# ruff: noqa: D102 - see Producer

from __future__ import annotations

import asyncio
import importlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from benchmarks.libraries import NAP, TEXT, Settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.suite.record import Record

docket: Any = importlib.import_module("docket")


def _docket(url: str, settings: Settings, record: Record | None = None) -> tuple[Any, dict[str, Any]]:
    """Give a docket and its tasks.

    It uses one connection for each running task, and redis-py 8 allows 100 unless the URL says otherwise: with a
    hundred slots the worker would meet the limit and pause for five seconds.
    """

    async def noop(number: int, text: str) -> None:  # noqa: ARG001 - every library's task takes the same
        if record is not None:
            record.started(number)

    async def nap(number: int, text: str) -> None:  # noqa: ARG001 - likewise
        if record is not None:
            record.started(number)
            await asyncio.sleep(NAP)
            record.ended(number)

    kept = {"execution_ttl": timedelta(0)} if settings.get("no_record") else {}
    return docket.Docket(name="bench", url=f"{url}?max_connections=1000", **kept), {"noop": noop, "nap": nap}


class Producer:
    """See Producer."""

    def __init__(self, url: str, settings: Settings) -> None:
        self._docket, self._tasks = _docket(url, settings)

    async def open(self) -> None:
        await self._docket.__aenter__()
        for task in self._tasks.values():
            self._docket.register(task)

    async def close(self) -> None:
        await self._docket.__aexit__(None, None, None)

    async def add(self, number: int, task: str) -> None:
        await self._docket.add(self._tasks[task])(number, TEXT)

    async def add_many(self, numbers: Iterable[int], task: str) -> None:
        await asyncio.gather(*[self.add(number, task) for number in numbers])

    async def add_at(self, number: int, when: float) -> None:
        await self._docket.add(self._tasks["noop"], when=datetime.fromtimestamp(when, UTC))(number, TEXT)


def work(url: str, settings: Settings, record: Record) -> None:
    """Work until it is killed."""

    async def forever() -> None:
        opened, tasks = _docket(url, settings, record)
        polling = {}
        if "polling" in settings:
            pause = timedelta(seconds=settings["polling"])
            polling = {"minimum_check_interval": pause, "scheduling_resolution": pause}
        async with opened:
            for task in tasks.values():
                opened.register(task)
            async with docket.Worker(opened, concurrency=settings["slots"], **polling) as worker:
                await worker.run_forever()

    asyncio.run(forever())
