"""One role of one peer, in a process of its own.

    python -m benchmarks.child producer|worker CONTENDER URL SETTINGS

It speaks JSON, a line each way: a request names what to do, the answer comes when it is done. When its
parent is gone, so is it.
"""

import asyncio
import importlib
import json
import os
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from benchmarks.contenders import Contender
from benchmarks.recorder import recorder

type Answer = dict[str, object]

CHUNK = 500  # calls that are added together: enough for any batching
AT_ONCE = 20  # scheduled calls that are added together


class Producer:
    """Adds calls."""

    def __init__(self, contender: Contender) -> None:
        self._contender = contender

    async def backlog(self, count: int) -> Answer:
        """Add many calls."""
        began = time.monotonic()
        for start in range(0, count, CHUNK):
            await self._contender.add_many(range(start, min(start + CHUNK, count)))
        return {"seconds": time.monotonic() - began}

    async def paced(self, count: int, gap: float, first: int = 0) -> Answer:
        """Add a call every `gap` seconds; answer when each was added."""
        added: dict[int, float] = {}
        begin = time.monotonic()
        for number in range(first, first + count):
            await asyncio.sleep(begin + (number - first) * gap - time.monotonic())
            added[number] = time.monotonic()
            await self._contender.add(number)
        return {"times": added}

    async def scheduled(self, count: int, gap: float, lead: float) -> Answer:
        """Add calls that are due about every `gap` seconds, after `lead` seconds; answer when each is due."""
        ahead = time.monotonic() - time.time()
        begin = time.time() + lead
        due = {number: begin + gap * (number + _jitter(number)) for number in range(count)}
        for start in range(0, count, AT_ONCE):
            together = range(start, min(start + AT_ONCE, count))
            await asyncio.gather(*[self._add_at(number, due[number]) for number in together])
        return {"times": {number: when + ahead for number, when in due.items()}}

    async def _add_at(self, number: int, when: float) -> None:
        await self._contender.add_at(number, datetime.fromtimestamp(when, UTC))


class Worker:
    """Runs calls."""

    def __init__(self, contender: Contender) -> None:
        self._contender = contender
        self._working: asyncio.Task[None] | None = None

    async def finish(self, count: int) -> Answer:
        """Run a backlog to its end; answer how long that took, and what it cost."""
        recorder.expected = count
        began, cost = time.monotonic(), time.process_time()
        await self._contender.finish()
        spent, cost = time.monotonic() - began, time.process_time() - cost
        starts = recorder.starts.values()
        return {
            "ran": len(starts),
            "again": recorder.again,
            "whole": spent,
            "span": max(starts, default=0) - min(starts, default=0),
            "cpu": cost,
            "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }

    async def work(self) -> Answer:
        """Begin to work, and go on until the end."""
        self._working = asyncio.create_task(self._contender.work())
        return {}

    async def starts(self) -> Answer:
        """Answer when each call started."""
        if self._working is not None and self._working.done():
            self._working.result()
            raise RuntimeError("the worker has stopped by itself")
        return {"times": recorder.starts, "again": recorder.again}


def _jitter(number: int) -> float:
    """Give a fraction of a gap, so that due times do not keep step with anybody's polling."""
    return number * 0.618 % 1 * 0.8


async def _serve(role: str, contender_name: str, url: str, settings: dict[str, object]) -> None:
    module = importlib.import_module(f"benchmarks.contenders.{contender_name}")
    async with module.open_contender(url, settings, recorder) as contender:
        actor = {"producer": Producer, "worker": Worker}[role](contender)
        _say({})
        while line := await asyncio.to_thread(sys.stdin.readline):
            request: dict[str, Any] = json.loads(line)
            act: Callable[..., Awaitable[Answer]] = getattr(actor, request.pop("do"))
            _say(await act(**request))
        sys.stdout.flush()
        os._exit(0)  # a worker may still work; nobody waits for it


def _say(answer: Answer) -> None:
    print("@" + json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], sys.argv[2], sys.argv[3], json.loads(sys.argv[4])))
