from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from shadows import ExecutionState, Retry, Shadow
from tests.front.acts import HOUR, SOON, working

S = ExecutionState


async def test_each_state_is_told_until_the_last(shadows: Shadow) -> None:
    """PARITY: ``subscribe`` begins with the present state; then events with who runs it since when, and the error."""
    go = {1: asyncio.Event(), 2: asyncio.Event()}

    async def work(retry: Retry = Retry(attempts=2, delay=SOON)) -> None:
        await go[retry.attempt].wait()
        if retry.attempt == 1:
            msg = "once more"
            raise ValueError(msg)

    execution = await shadows.add(work, key="k")()
    ready, events = asyncio.Event(), execution.subscribe()
    first = await anext(events)
    assert (first["type"], first["key"], first["state"]) == ("state", "k", S.QUEUED)
    heard: list[dict[str, Any]] = []
    async with asyncio.timeout(10), working(shadows, within=timedelta(seconds=5), name="w"):
        async for event in events:
            heard.append(event)
            if event["state"] is S.RUNNING:
                go[execution.attempt].set()
    states = [event["state"] for event in heard]
    assert states[0] is S.RUNNING
    assert S.RUNNING in states[1:]
    assert states[-1] is S.COMPLETED
    assert heard[-1]["worker"] == "w"
    assert heard[-1]["completed_at"] >= heard[-1]["started_at"] > heard[0]["started_at"]
    assert (execution.state, execution.attempt) == (S.COMPLETED, 2)

    assert [event["state"] async for event in execution.subscribe(ready)] == [S.COMPLETED]
    assert ready.is_set()


async def test_nothing_is_missed_once_it_is_ready(shadows: Shadow) -> None:
    """INV 39: whoever acts after ``ready`` sees what follows from it, however soon that is."""
    execution = await shadows.add(_nothing, when=HOUR, key="k")()
    ready = asyncio.Event()

    async def listen() -> list[ExecutionState]:
        return [event["state"] async for event in execution.subscribe(ready)]

    listener = asyncio.create_task(listen())
    async with asyncio.timeout(10):
        await ready.wait()
        await shadows.cancel("k")
        assert await listener == [S.SCHEDULED, S.CANCELLED]
    assert execution.error == "cancelled"


async def test_a_superseded_run_is_told_as_cancelled(shadows: Shadow) -> None:
    """The handle hears of the end of its own run, not of the life of the one that took its key."""
    old = await shadows.add(_nothing, when=HOUR, key="k")()
    events = old.subscribe()
    async with asyncio.timeout(10):
        assert (await anext(events))["state"] is S.SCHEDULED
        await shadows.replace(_nothing, HOUR, "k")()
        last = await anext(events)
        assert (last["state"], last["error"]) == (S.CANCELLED, "superseded")
        with pytest.raises(StopAsyncIteration):
            await anext(events)
    await shadows.cancel("k")


async def _nothing() -> None: ...
