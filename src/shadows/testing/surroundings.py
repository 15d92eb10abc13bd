"""What the fixtures of the plugin put around a test, and what they look for when it has ended."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager, nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shadows.adapters.memory.store import forget_store
from shadows.adapters.memory.virtual_clock import VirtualClock
from shadows.core.urls import parse
from shadows.shadow import Shadow
from shadows.testing.assertions import describe
from shadows.testing.inline import inline
from shadows.worker import Worker

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Collection, Mapping
    from datetime import datetime

    from shadows.snapshot import Snapshot

_SOON = timedelta(milliseconds=5)
"""How often a worker in a test looks by itself."""


@asynccontextmanager
async def clock(start: datetime | None) -> AsyncGenerator[VirtualClock]:
    """Give a clock that rules the loop of the test."""
    _check_loop()
    async with VirtualClock(start) as entered:
        yield entered


@asynccontextmanager
async def shadow(url: str, clock: VirtualClock | None, options: Mapping[str, Any]) -> AsyncGenerator[Shadow]:
    """Give a shadow, of which nothing is left afterwards; one that goes by a virtual clock lives in memory."""
    _check_loop()
    chosen: dict[str, Any] = {"name": f"test-{os.urandom(8).hex()}", "url": url, **options}
    if clock is not None:
        chosen |= {"url": "memory://", "clock": clock}
    async with Shadow(**chosen) as entered:
        try:
            yield entered
        finally:
            if "name" not in options:  # else somebody else may have it, too
                await _delete(entered)


@asynccontextmanager
async def worker(shadow: Shadow, options: Mapping[str, Any]) -> AsyncGenerator[Worker]:
    """Give a worker that looks often."""
    chosen: dict[str, Any] = {"minimum_check_interval": _SOON, "scheduling_resolution": _SOON, **options}
    async with Worker(shadow, **chosen) as entered:
        yield entered


@asynccontextmanager
async def at_once(shadow: Shadow, *, wanted: bool) -> AsyncGenerator[None]:
    """Let calls run before ``add`` returns, if that is wanted."""
    async with inline(shadow) if wanted else nullcontext():
        yield


async def left_behind(shadow: Shadow, allowed: Collection[str]) -> list[str]:
    """Tell what the test has left that it should not have.  Who holds a slot at a gate runs, or waits admitted."""
    snapshot: Snapshot = await shadow.snapshot()
    letters = await shadow.dead_letters()
    found = {
        "running": [f"running: {line}" for line in describe(one.execution for one in snapshot.running)],
        "waiting": [f"waiting: {line}" for line in describe(snapshot.future)],
        "workers": [f"a worker that still works, or has died: {one.name}" for one in snapshot.workers],
        "dead": [f"a dead letter: {one.function_name}  key={one.key!r}  {one.reason}" for one in letters],
    }
    return [
        f"{line}  (allow it: @pytest.mark.shadows(allow=[{kind!r}]))"
        for kind, lines in found.items()
        if kind not in allowed
        for line in lines
    ]


def _check_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError(
            "a shadow lives on asyncio: let the fixture anyio_backend return 'asyncio', or a list with it alone"
        ) from None


async def _delete(shadow: Shadow) -> None:
    """Delete all that is kept under the shadow's name, which nobody else has."""
    url = parse(shadow.url)
    if url.kind == "memory":
        forget_store(f"{url.path}/{shadow.name}")
        return
    client = shadow.redis()
    try:
        own = f"{{{shadow.name}}}" if url.kind == "cluster" else shadow.name
        async for key in client.scan_iter(match=f"{own}:*", count=10_000):
            await client.delete(key)
    finally:
        await client.aclose()
