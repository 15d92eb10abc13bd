"""shadows, as a user would run it: records and results on, unless the settings say otherwise."""

# ruff: noqa: D102 - Contender says what each method does

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from benchmarks.contenders import CONCURRENCY, TEXT, Recorder, Settings
from shadows import Shadow, Worker


@asynccontextmanager
async def open_contender(url: str, settings: Settings, recorder: Recorder) -> AsyncGenerator["Shadows"]:
    """Connect."""

    async def noop(number: int, text: str) -> None:  # noqa: ARG001 - every contender's task takes the same
        recorder.started(number)

    ttl = settings.get("execution_ttl")
    kept = timedelta(seconds=float(str(ttl))) if ttl is not None else None
    async with Shadow(name="bench", url=url, execution_ttl=kept) as shadow:
        shadow.register(noop)
        yield Shadows(shadow)


class Shadows:
    """See Contender."""

    def __init__(self, shadow: Shadow) -> None:
        self._shadow = shadow
        self._noop = shadow.tasks["noop"]

    async def add(self, number: int) -> None:
        await self._shadow.add(self._noop)(number, TEXT)

    async def add_many(self, numbers: Iterable[int]) -> None:
        call = self._shadow.call(self._noop)
        await self._shadow.add_many([call(number, TEXT) for number in numbers])

    async def add_at(self, number: int, when: datetime) -> None:
        await self._shadow.add(self._noop, when=when)(number, TEXT)

    async def work(self) -> None:
        async with Worker(self._shadow, concurrency=CONCURRENCY) as worker:
            await worker.run_forever()

    async def finish(self) -> None:
        async with Worker(self._shadow, concurrency=CONCURRENCY) as worker:
            await worker.run_until_finished()
