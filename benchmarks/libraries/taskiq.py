"""taskiq on its list broker, which does not acknowledge, or on its stream broker, which does."""

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

taskiq: Any = importlib.import_module("taskiq")
api: Any = importlib.import_module("taskiq.api")
acks: Any = importlib.import_module("taskiq.acks")
taskiq_redis: Any = importlib.import_module("taskiq_redis")
LOOK = timedelta(seconds=1)  # the least that its scheduler documents


def _broker(url: str, settings: Settings, record: Record | None = None) -> tuple[Any, dict[str, Any]]:
    if settings["broker"] == "list":
        broker = taskiq_redis.ListQueueBroker(url)
    else:
        broker = taskiq_redis.RedisStreamBroker(url, consumer_id="0")

    async def noop(number: int, text: str) -> None:  # noqa: ARG001 - every library's task takes the same
        if record is not None:
            record.started(number)

    async def nap(number: int, text: str) -> None:  # noqa: ARG001 - likewise
        if record is not None:
            record.started(number)
            await asyncio.sleep(NAP)
            record.ended(number)

    return broker, {task.__name__: broker.register_task(task, task_name=task.__name__) for task in (noop, nap)}


class Producer:
    """See Producer."""

    def __init__(self, url: str, settings: Settings) -> None:
        self._broker, self._tasks = _broker(url, settings)
        self._source = taskiq_redis.ListRedisScheduleSource(url)

    async def open(self) -> None:
        await self._broker.startup()
        await self._source.startup()

    async def close(self) -> None:
        await self._source.shutdown()
        await self._broker.shutdown()

    async def add(self, number: int, task: str) -> None:
        await self._tasks[task].kiq(number, TEXT)

    async def add_many(self, numbers: Iterable[int], task: str) -> None:
        await asyncio.gather(*[self.add(number, task) for number in numbers])

    async def add_at(self, number: int, when: float) -> None:
        due = datetime.fromtimestamp(when, UTC)
        await self._tasks["noop"].schedule_by_time(self._source, due, number, TEXT)


def work(url: str, settings: Settings, record: Record) -> None:
    """Work until it is killed."""

    async def forever() -> None:
        broker, _ = _broker(url, settings, record)
        late = acks.AcknowledgeType.WHEN_EXECUTED
        working = [api.run_receiver_task(broker, max_async_tasks=settings["slots"], run_startup=True, ack_time=late)]
        if settings.get("scheduling"):
            scheduler = taskiq.TaskiqScheduler(broker, [taskiq_redis.ListRedisScheduleSource(url)])
            working.append(api.run_scheduler_task(scheduler, interval=LOOK, loop_interval=LOOK))
        await asyncio.gather(*working)

    asyncio.run(forever())
