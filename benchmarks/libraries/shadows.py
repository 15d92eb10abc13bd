"""shadows, as a user would run it: records and results on, unless the settings say otherwise."""

# ruff: noqa: D102 - see Producer

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from benchmarks.libraries import NAP, TEXT, Settings
from shadows import Shadow, Worker

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.suite.record import Record


def _shadow(url: str, settings: Settings, record: Record | None = None) -> Shadow:
    async def noop(number: int, text: str) -> None:  # noqa: ARG001 - every library's task takes the same
        if record is not None:
            record.started(number)

    async def nap(number: int, text: str) -> None:  # noqa: ARG001 - likewise
        if record is not None:
            record.started(number)
            await asyncio.sleep(NAP)
            record.ended(number)

    kept = settings.get("execution_ttl")
    shadow = Shadow("bench", url, execution_ttl=None if kept is None else timedelta(seconds=kept))
    shadow.register(noop)
    shadow.register(nap)
    return shadow


class Producer:
    """See Producer."""

    def __init__(self, url: str, settings: Settings) -> None:
        self._shadow = _shadow(url, settings)
        self._tasks = self._shadow.tasks

    async def open(self) -> None:
        await self._shadow.__aenter__()

    async def close(self) -> None:
        await self._shadow.__aexit__(None, None, None)

    async def add(self, number: int, task: str) -> None:
        await self._shadow.add(self._tasks[task])(number, TEXT)

    async def add_many(self, numbers: Iterable[int], task: str) -> None:
        call = self._shadow.call(self._tasks[task])
        await self._shadow.add_many([call(number, TEXT) for number in numbers])

    async def add_at(self, number: int, when: float) -> None:
        await self._shadow.add(self._tasks["noop"], when=datetime.fromtimestamp(when, UTC))(number, TEXT)

    async def add_many_at(self, numbers: Iterable[int], when: float) -> None:
        """Add calls that are all due at once."""
        call = self._shadow.call(self._tasks["noop"], when=datetime.fromtimestamp(when, UTC))
        await self._shadow.add_many([call(number, TEXT) for number in numbers])


def work(url: str, settings: Settings, record: Record) -> None:
    """Work until it is killed, or asked to end."""

    async def forever() -> None:
        ended: asyncio.Task[None] | None = asyncio.current_task()
        assert ended is not None  # noqa: S101
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.cancel)
        async with _shadow(url, settings, record) as shadow, Worker(shadow, concurrency=settings["slots"]) as worker:
            await worker.run_forever()

    with suppress(asyncio.CancelledError):
        asyncio.run(forever())
