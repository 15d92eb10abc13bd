"""pydocket at its best settings: many slots, no records, and 5 ms where it polls."""

# ruff: noqa: D102 - Contender says what each method does

import asyncio
import importlib
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from benchmarks.contenders import CONCURRENCY, TEXT, Recorder, Settings

docket: Any = importlib.import_module("docket")
POLLING = timedelta(milliseconds=5)


@asynccontextmanager
async def open_contender(url: str, settings: Settings, recorder: Recorder) -> AsyncGenerator["Docket"]:  # noqa: ARG001
    """Connect.

    It uses one connection for each running task, and redis-py 8 allows 100 unless the URL says otherwise:
    with a hundred slots the worker would meet the limit and pause for five seconds.
    """

    async def noop(number: int, text: str) -> None:  # noqa: ARG001 - every contender's task takes the same
        recorder.started(number)

    roomy = f"{url}?max_connections=1000"
    async with docket.Docket(name="bench", url=roomy, execution_ttl=timedelta(0)) as opened:
        opened.register(noop)
        yield Docket(opened, noop)


class Docket:
    """See Contender."""

    def __init__(self, opened: Any, noop: Any) -> None:
        self._docket = opened
        self._noop = noop

    async def add(self, number: int) -> None:
        await self._docket.add(self._noop)(number, TEXT)

    async def add_many(self, numbers: Iterable[int]) -> None:
        await asyncio.gather(*[self.add(number) for number in numbers])

    async def add_at(self, number: int, when: datetime) -> None:
        await self._docket.add(self._noop, when=when)(number, TEXT)

    async def work(self) -> None:
        async with self._worker() as worker:
            await worker.run_forever()

    async def finish(self) -> None:
        async with self._worker() as worker:
            await worker.run_until_finished()

    def _worker(self) -> Any:
        return docket.Worker(
            self._docket,
            concurrency=CONCURRENCY,
            minimum_check_interval=POLLING,
            scheduling_resolution=POLLING,
        )
