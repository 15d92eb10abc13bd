"""One role of one library, in a process of its own and in its library's environment.

    python -m benchmarks.suite.child producer|worker LIBRARY URL SETTINGS RECORD SIZE

A producer speaks JSON, a line each way. A worker works until it is killed.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.suite.record import Record

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

type Answer = dict[str, Any]
AT_ONCE = 20  # calls that are added together where nobody measures how fast


class Actor:
    """Adds calls, and tells how many, how long that took, and what it cost this process."""

    def __init__(self, producer: Any) -> None:
        self._producer = producer

    async def each(self, first: int, count: int, cap: float, task: str = "noop") -> Answer:
        """Add one call at a time, until there are so many or so many seconds are over."""
        return await self._until(first, count, cap, 1, lambda numbers: self._producer.add(numbers[0], task))

    async def at_once(self, first: int, count: int, cap: float, together: int) -> Answer:
        """Add calls from so many coroutines at once."""

        async def add(numbers: range) -> None:
            await asyncio.gather(*[self._producer.add(number, "noop") for number in numbers])

        return await self._until(first, count, cap, together, add)

    async def many(self, first: int, count: int, cap: float, together: int, task: str = "noop") -> Answer:
        """Add calls in the fastest way that there is."""
        return await self._until(first, count, cap, together, lambda numbers: self._producer.add_many(numbers, task))

    async def later(self, first: int, count: int, cap: float, when: float) -> Answer:
        """Add calls that are due at this time."""

        async def add(numbers: range) -> None:
            await asyncio.gather(*[self._producer.add_at(number, when) for number in numbers])

        return await self._until(first, count, cap, AT_ONCE, add)

    async def many_later(self, first: int, count: int, together: int, when: float) -> Answer:
        """Add calls that are due at this time, in batches."""
        return await self._until(first, count, 1e9, together, lambda numbers: self._producer.add_many_at(numbers, when))

    async def empty(self, count: int) -> Answer:
        """Run empty scripts."""
        return await self._until(0, count, 1e9, 1, lambda numbers: self._producer.empty(numbers[0]))

    async def paced(self, first: int, count: int, gap: float) -> Answer:
        """Add a call every `gap` seconds; tell when each was added."""
        times: list[float] = []
        begin = time.monotonic()
        for number in range(count):
            await asyncio.sleep(begin + number * gap - time.monotonic())
            times.append(time.monotonic())
            await self._producer.add(first + number, "noop")
        return {"times": times}

    async def scheduled(self, first: int, count: int, gap: float, lead: float) -> Answer:
        """Add calls that are due about every `gap` seconds, after `lead` seconds; tell when each is due."""
        ahead = time.monotonic() - time.time()
        begin = time.time() + lead
        due = [begin + gap * (number + number * 0.618 % 1 * 0.8) for number in range(count)]  # in step with no polling
        for start in range(0, count, AT_ONCE):
            together = range(start, min(start + AT_ONCE, count))
            await asyncio.gather(*[self._producer.add_at(first + number, due[number]) for number in together])
        return {"times": [when + ahead for when in due]}

    async def _until(
        self, first: int, count: int, cap: float, together: int, add: Callable[[range], Awaitable[None]]
    ) -> Answer:
        begun, spent = time.monotonic(), time.process_time()
        done = 0
        while done < count and time.monotonic() - begun < cap:
            numbers = range(first + done, first + min(done + together, count))
            await add(numbers)
            done += len(numbers)
        return {"done": done, "seconds": time.monotonic() - begun, "cpu": time.process_time() - spent}


async def _produce(module: Any, url: str, settings: dict[str, Any]) -> None:
    producer = module.Producer(url, settings)
    await producer.open()
    actor = Actor(producer)
    _say({})
    while line := sys.stdin.readline():
        request: dict[str, Any] = json.loads(line)
        act: Callable[..., Awaitable[Answer]] = getattr(actor, request.pop("do"))
        _say(await act(**request))
    await producer.close()


def _say(answer: Answer) -> None:
    print("@" + json.dumps(answer), flush=True)


def _main(role: str, library: str, url: str, settings: str, path: str, size: str) -> None:
    module = importlib.import_module(f"benchmarks.libraries.{library}")
    if role == "producer":
        asyncio.run(_produce(module, url, json.loads(settings)))
    else:
        module.work(url, json.loads(settings), Record(Path(path), int(size)))


if __name__ == "__main__":
    _main(*sys.argv[1:])
