"""taskiq on its Redis stream broker, which acknowledges; calls are kept until they have run."""

# ruff: noqa: D102 - Contender says what each method does

import asyncio
import importlib
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Any

from benchmarks.contenders import CONCURRENCY, TEXT, Recorder, Settings

taskiq: Any = importlib.import_module("taskiq")
api: Any = importlib.import_module("taskiq.api")
acks: Any = importlib.import_module("taskiq.acks")
taskiq_redis: Any = importlib.import_module("taskiq_redis")
LOOK = timedelta(seconds=1)  # the least that its scheduler documents


@asynccontextmanager
async def open_contender(url: str, settings: Settings, recorder: Recorder) -> AsyncGenerator["Taskiq"]:
    """Connect."""
    broker = taskiq_redis.RedisStreamBroker(url, consumer_id="0")

    async def noop(number: int, text: str) -> None:  # noqa: ARG001 - every contender's task takes the same
        recorder.started(number)

    source = taskiq_redis.ListRedisScheduleSource(url)
    await broker.startup()
    await source.startup()
    try:
        task = broker.register_task(noop, task_name="noop")
        yield Taskiq(broker, task, source, recorder, scheduling=bool(settings.get("scheduling")))
    finally:
        await source.shutdown()
        await broker.shutdown()


class Taskiq:
    """See Contender."""

    def __init__(self, broker: Any, noop: Any, source: Any, recorder: Recorder, *, scheduling: bool) -> None:
        self._broker = broker
        self._noop = noop
        self._source = source
        self._recorder = recorder
        self._scheduling = scheduling

    async def add(self, number: int) -> None:
        await self._noop.kiq(number, TEXT)

    async def add_many(self, numbers: Iterable[int]) -> None:
        await asyncio.gather(*[self.add(number) for number in numbers])

    async def add_at(self, number: int, when: datetime) -> None:
        await self._noop.schedule_by_time(self._source, when, number, TEXT)

    async def work(self) -> None:
        working = [
            api.run_receiver_task(
                self._broker, max_async_tasks=CONCURRENCY, ack_time=acks.AcknowledgeType.WHEN_EXECUTED
            )
        ]
        if self._scheduling:
            scheduler = taskiq.TaskiqScheduler(self._broker, [self._source])
            working.append(api.run_scheduler_task(scheduler, interval=LOOK, loop_interval=LOOK))
        await asyncio.gather(*working)

    async def finish(self) -> None:
        """Work until the last body has started: it knows no end of its own."""
        working = asyncio.create_task(self.work())
        await self._recorder.complete.wait()
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working
