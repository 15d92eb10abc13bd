from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from shadows import (
    ConfigurationError,
    CurrentExecution,
    Execution,
    ExecutionProgress,
    ExecutionState,
    Perpetual,
    Progress,
    Retry,
)
from tests.contract.acts import take_one, worker
from tests.front.acts import DEADLINE, HOUR, comes_true, finish, heard, working

if TYPE_CHECKING:
    from shadows import Shadow
    from tests.front.proxy import Proxy

S = ExecutionState


def told(progress: ExecutionProgress) -> tuple[int | None, int, str | None]:
    return progress.current, progress.total, progress.message


async def test_a_task_reports_how_far_it_is(shadows: Shadow) -> None:
    """PARITY: set_total, increment, set_message; everybody sees it in `execution.progress` after a sync."""
    steps = [asyncio.Event() for _ in range(3)]
    reached = [asyncio.Event() for _ in range(3)]

    async def climb(progress: ExecutionProgress = Progress()) -> None:
        reached[0].set()
        await heard(steps[0])
        await progress.set_total(3)
        await progress.increment()
        await progress.set_message("the first hut")
        reached[1].set()
        await heard(steps[1])
        await progress.increment(2)
        await progress.set_message(None)
        reached[2].set()
        await heard(steps[2])

    before = datetime.now(UTC) - timedelta(seconds=1)
    execution = await shadows.add(climb, key="k")()
    assert (told(execution.progress), execution.progress.updated_at) == ((None, 100, None), None)
    async with working(shadows, within=timedelta(seconds=5)):
        await heard(reached[0])
        await execution.sync()
        assert told(execution.progress) == (None, 100, None)
        steps[0].set()
        await heard(reached[1])
        await execution.progress.sync()
        assert told(execution.progress) == (1, 3, "the first hut")
        assert execution.state is S.RUNNING
        assert execution.progress.updated_at is not None
        assert before < execution.progress.updated_at < datetime.now(UTC) + timedelta(seconds=1)
        found = await shadows.get_execution("k")
        assert found is not None
        assert told(found.progress) == (1, 3, "the first hut")
        steps[1].set()
        await heard(reached[2])
        await execution.sync()
        assert told(execution.progress) == (3, 3, None)
        steps[2].set()
        await execution.get_result(timeout=DEADLINE)
    await execution.sync()
    assert told(execution.progress) == (3, 3, None)
    assert repr(execution.progress) == "ExecutionProgress(3 of 3)"


async def test_progress_is_among_the_events(shadows: Shadow) -> None:
    """PARITY: dicts with type "progress" in `execution.subscribe()`, and alone in `progress.subscribe()`."""
    go = asyncio.Event()

    async def climb(progress: ExecutionProgress = Progress()) -> None:
        await heard(go)
        await progress.set_total(2)
        await progress.increment()
        await progress.set_message("half way")

    execution = await shadows.add(climb, key="k")()
    other = await shadows.get_execution("k")
    assert other is not None
    ready, all_events, only = asyncio.Event(), list[dict[str, Any]](), list[dict[str, Any]]()

    async def listen() -> None:
        async for event in execution.subscribe(ready):
            all_events.append(event)

    async def listen_to_progress() -> None:
        async for event in other.progress.subscribe():
            only.append(event)

    listeners = [asyncio.create_task(listen()), asyncio.create_task(listen_to_progress())]
    async with working(shadows, within=timedelta(seconds=5)):
        await heard(ready)
        await comes_true(lambda: any(event.get("state") is S.RUNNING for event in all_events))
        go.set()
        async with asyncio.timeout(DEADLINE):
            await asyncio.gather(*listeners)
    progress = [event for event in all_events if event["type"] == "progress"]
    assert {event["key"] for event in progress} == {"k"}
    numbers = [(event["current"], event["total"], event["message"]) for event in progress]
    assert numbers == sorted(numbers, key=str, reverse=True)  # one or the other may be passed over
    assert numbers[-1] == (1, 2, "half way")
    assert all(isinstance(event["updated_at"], datetime) for event in progress)
    assert only[-1:] == progress[-1:]
    assert [event["type"] for event in only] == ["progress"] * len(only)
    assert all_events[-1]["state"] is S.COMPLETED
    assert told(execution.progress) == (1, 2, "half way")


async def test_who_comes_later_hears_of_what_was_reported_before(shadows: Shadow) -> None:
    """INV 39: the first events of a subscription tell the present state, and how far it is."""
    reached, go = asyncio.Event(), asyncio.Event()

    async def climb(progress: ExecutionProgress = Progress()) -> None:
        await progress.increment(7)
        reached.set()
        await heard(go)

    execution = await shadows.add(climb)()
    async with working(shadows, within=timedelta(seconds=5)):
        await heard(reached)
        events = execution.subscribe()
        first, second = await anext(events), await anext(events)
        assert (first["state"], second["type"], second["current"]) == (S.RUNNING, "progress", 7)
        go.set()
        async with asyncio.timeout(DEADLINE):
            assert [event["state"] async for event in events] == [S.COMPLETED]


async def test_each_attempt_begins_anew(shadows: Shadow) -> None:
    """INV 32: what a failed attempt reported is not how far the next one is."""
    found: list[tuple[int | None, int, str | None]] = []

    async def climb(retry: Retry = Retry(attempts=2), progress: ExecutionProgress = Progress()) -> None:
        found.append(told(progress))
        if retry.attempt == 1:
            await progress.increment(50)
            raise ValueError("slipped")
        execution = await shadows.get_execution("k")
        assert execution is not None
        found.append(told(execution.progress))

    await shadows.add(climb, key="k")()
    await finish(shadows)
    assert found == [(None, 100, None)] * 3


async def test_only_the_current_holder_reports(shadows: Shadow) -> None:
    """INV 12 and 31: what a lost lease reports, or the run before, is not the progress of this one."""
    reached, go = asyncio.Event(), asyncio.Event()

    async def climb(perpetual: Perpetual = Perpetual(every=HOUR), progress: ExecutionProgress = Progress()) -> None:
        await progress.increment()
        reached.set()
        await heard(go)

    execution = await shadows.add(climb, key="k")()
    broker, dead = shadows.backend().broker, worker(lease=0.001)
    lost = await take_one(broker, dead)
    assert await broker.report(lost, {"current": "99", "fence": str(lost.fence)})
    async with working(shadows, within=timedelta(seconds=5)):
        await heard(reached)
        assert not await broker.report(lost, {"current": "98", "fence": str(lost.fence)})
        await execution.sync()
        assert told(execution.progress) == (1, 100, None)
        go.set()
        await execution.get_result(timeout=DEADLINE)
        following = await shadows.get_execution("k")
        assert following is not None
        assert told(following.progress) == (None, 100, None)
    await shadows.backend().presence.check_out(dead)
    with pytest.raises(RuntimeError, match="only the task itself reports the progress of 'k'"):
        await execution.progress.increment()
    await shadows.cancel("k")


async def test_a_task_has_one_progress_however_it_comes_by_it(shadows: Shadow) -> None:
    """`CurrentExecution().progress` is what `Progress()` gives."""

    async def climb(
        progress: ExecutionProgress = Progress(), execution: Execution[object] = CurrentExecution()
    ) -> object:
        await progress.increment()
        await execution.progress.increment()
        await execution.sync()
        await progress.sync()
        return told(execution.progress)

    execution = await shadows.add(climb)()
    await finish(shadows)
    assert await execution.get_result() == (2, 100, None)


async def test_reports_at_the_same_time_are_not_confused(shadows: Shadow) -> None:
    """A task may report from many of its own tasks: the last report tells all of it."""

    async def climb(progress: ExecutionProgress = Progress()) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(40):
                group.create_task(_increment(progress))

    execution = await shadows.add(climb)()
    await finish(shadows)
    await execution.sync()
    assert execution.progress.current == 40


async def _increment(progress: ExecutionProgress) -> None:
    await progress.increment()


async def test_a_def_task_reports_without_awaiting(shadows: Shadow) -> None:
    """SEMANTICS, `def` tasks: the call alone is the report."""

    def climb(progress: ExecutionProgress = Progress()) -> None:
        progress.set_total(2)  # type: ignore[unused-awaitable]
        progress.increment()  # type: ignore[unused-awaitable]
        progress.set_message("half way")  # type: ignore[unused-awaitable]

    execution = await shadows.add(climb)()
    await finish(shadows)
    await execution.sync()
    assert told(execution.progress) == (1, 2, "half way")


async def test_what_cannot_be_progress_is_refused(shadows: Shadow) -> None:
    """FAULT 10 and PARITY: whole numbers from 1, and text that can travel."""
    progress, wrong = Progress(), "5"
    for refused in (progress.set_total, progress.increment):
        with pytest.raises(ConfigurationError, match="=0 is too small; use 1 or more"):
            await refused(0)
        for value in (wrong, True, 1.5, None):
            with pytest.raises(TypeError, match="must be a whole number"):
                await refused(value)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="message=5 must be a string"):
        await progress.set_message(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigurationError, match="lone surrogate"):
        await progress.set_message("\ud800")
    assert told(progress) == (None, 100, None)


async def test_a_task_that_reports_is_a_plain_function_all_the_same() -> None:
    """A test may call it: its marker counts by itself, and has nothing to read."""

    async def climb(progress: ExecutionProgress = Progress()) -> tuple[int | None, int, str | None]:
        await progress.set_total(5)
        await progress.increment()
        await progress.sync()
        assert [event async for event in progress.subscribe()] == []
        return told(progress)

    assert await climb() == (1, 5, None)


async def test_a_broker_that_is_away_stops_no_body(proxy: Proxy) -> None:
    """INV 33: a report that cannot be sent is made up for by the next one."""

    async def climb(progress: ExecutionProgress = Progress()) -> None:
        proxy.lose_request("report")
        await progress.increment()
        await progress.increment()

    async with proxy.shadow() as shadows:
        execution = await shadows.add(climb)()
        await finish(shadows)
        await execution.get_result()
        await execution.sync()
        assert execution.progress.current == 2


async def test_the_last_progress_is_told_even_where_no_event_arrives(proxy: Proxy) -> None:
    """Events are hints: whoever is deaf to them hears before the end of what was reported last."""
    go = asyncio.Event()

    async def climb(progress: ExecutionProgress = Progress()) -> None:
        await heard(go)
        await progress.increment(3)
        await progress.increment(4)

    async with proxy.shadow() as shadows:
        execution = await shadows.add(climb)()
        ready = asyncio.Event()
        proxy.deaf = True
        async with working(shadows, within=timedelta(seconds=5)):
            listening = asyncio.create_task(_all(execution, ready))
            await heard(ready)
            go.set()
            async with asyncio.timeout(DEADLINE):
                events = await listening
    assert [event.get("current") for event in events[-2:]] == [7, None]
    assert events[-1]["state"] is S.COMPLETED


async def _all(execution: Execution[Any], ready: asyncio.Event) -> list[dict[str, Any]]:
    return [event async for event in execution.subscribe(ready)]
