"""The bare client, redis-py: what a stream costs without a library around it, in batches of a hundred."""

# ruff: noqa: D102 - see Producer

from __future__ import annotations

import asyncio
import importlib
from typing import TYPE_CHECKING, Any

from benchmarks.libraries import TEXT, Settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.suite.record import Record

redis: Any = importlib.import_module("redis.asyncio")
STREAM, GROUP = "bare", "workers"
NOTHING = "return 1"


class Producer:
    """See Producer."""

    def __init__(self, url: str, settings: Settings) -> None:  # noqa: ARG002 - it has none
        self._client = redis.Redis.from_url(url)
        self._digest = ""

    async def open(self) -> None:
        await self._client.ping()
        self._digest = await self._client.script_load(NOTHING)

    async def close(self) -> None:
        await self._client.aclose()

    async def add(self, number: int, task: str) -> None:
        await self._client.xadd(STREAM, {"task": task, "number": number, "text": TEXT})

    async def add_many(self, numbers: Iterable[int], task: str) -> None:
        async with self._client.pipeline(transaction=False) as pipeline:
            for number in numbers:
                pipeline.xadd(STREAM, {"task": task, "number": number, "text": TEXT})
            await pipeline.execute()

    async def add_at(self, number: int, when: float) -> None:
        raise NotImplementedError

    async def empty(self, number: int) -> None:
        """Run a script that does nothing: the least that one step costs the server."""
        await self._client.evalsha(self._digest, 0, number)


def work(url: str, settings: Settings, record: Record) -> None:
    """Work until it is killed."""

    async def forever() -> None:
        client = redis.Redis.from_url(url)
        await client.xgroup_create(STREAM, GROUP, "0", mkstream=True)
        while True:
            found = await client.xreadgroup(GROUP, "one", {STREAM: ">"}, count=settings["slots"], block=1000)
            for _, entries in found or ():
                for _, fields in entries:
                    record.started(int(fields[b"number"]))
                names = [name for name, _ in entries]
                async with client.pipeline(transaction=False) as pipeline:
                    pipeline.xack(STREAM, GROUP, *names)
                    pipeline.xdel(STREAM, *names)
                    await pipeline.execute()

    asyncio.run(forever())
