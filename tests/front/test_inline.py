"""Calls that have run when `add` returns, on every backend: it is the same engine."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from shadows import (
    ConfigurationError,
    CurrentShadow,
    CurrentWorker,
    Disposition,
    ExecutionCancelled,
    ExecutionState,
    Perpetual,
    Retry,
    Shadow,
    TaskKey,
    Worker,
)
from shadows.testing import VirtualClock, assert_no_tasks, assert_task_count, assert_task_scheduled, inline

if TYPE_CHECKING:
    from tests.front.places import Place

DAY = timedelta(days=1)


async def double(number: int) -> int:
    return 2 * number


def halve(number: int) -> float:
    if number % 2:
        raise ValueError(number)
    return number / 2


async def test_a_call_has_run_when_add_returns(shadows: Shadow) -> None:
    """`async def` and `def`, one and many; outside of the block, nothing runs."""
    async with inline(shadows) as worker:
        execution = await shadows.add(double)(4)
        assert execution.state is ExecutionState.COMPLETED
        assert await execution.get_result() == 8
        assert await (await shadows.replace(halve, None, "k")(4)).get_result() == 2
        many = await shadows.add_many(shadows.call(double)(number) for number in range(5))
        assert [await one.get_result() for one in many] == [0, 2, 4, 6, 8]
        assert isinstance(worker, Worker)
    await shadows.add(double)(4)
    await assert_task_count(shadows, double, count=1)


async def test_it_raises_what_the_task_raises(shadows: Shadow) -> None:
    """One exception as it is; several in a group."""
    async with inline(shadows):
        with pytest.raises(ValueError, match=r"^3$"):
            await shadows.add(halve)(3)
        with pytest.raises(ExceptionGroup, match="2 calls failed") as raised:
            await shadows.add_many(shadows.call(halve)(number) for number in (1, 2, 3))
    assert [error.args for error in raised.value.exceptions] == [(1,), (3,)]


async def test_what_is_for_later_or_not_placed_does_not_run(shadows: Shadow) -> None:
    """It is placed as ever, and may be asserted; a key that waits already changes nothing."""
    async with inline(shadows):
        await shadows.add(halve, when=DAY, key="k")(3)
        again = await shadows.add(halve, key="k")(3)
        assert again.disposition is Disposition.ALREADY_SCHEDULED
        await shadows.strike(double)
        assert (await shadows.add(double)(1)).disposition is Disposition.STRUCK
        await shadows.restore(double)
        await assert_task_scheduled(shadows, halve, key="k")
        await shadows.cancel("k")


async def test_what_a_body_places_has_run_too(shadows: Shadow) -> None:
    """However long the chain, with fewer slots than links; a body that waits for another one's result gets it."""
    seen: list[int] = []

    async def link(number: int, shadow: Shadow = CurrentShadow()) -> None:
        seen.append(number)
        if number:
            await shadow.add(link)(number - 1)

    async def parent(shadow: Shadow = CurrentShadow()) -> int:
        return await (await shadow.add(double)(21)).get_result()

    async def again(times: int, shadow: Shadow = CurrentShadow(), key: str = TaskKey()) -> None:
        seen.append(times)
        if times:
            await shadow.replace(again, None, key)(times - 1)

    async with inline(shadows, concurrency=2):
        await shadows.add(link)(5)
        assert seen == [5, 4, 3, 2, 1, 0]
        assert await (await shadows.add(parent)()).get_result() == 42
        await shadows.add(again, key="again")(2)
        assert seen[6:] == [2, 1, 0]
        await assert_no_tasks(shadows)


async def test_what_a_body_sets_off_may_fail_as_well(shadows: Shadow) -> None:
    """Nobody else would hear of it."""

    async def parent(shadow: Shadow = CurrentShadow()) -> None:
        await shadow.add(halve)(3)

    async with inline(shadows):
        with pytest.raises(ValueError, match=r"^3$"):
            await shadows.add(parent)()


async def test_many_may_wait_at_once(shadows: Shadow) -> None:
    """One worker serves them all, and rests when the last one has what it wants."""
    async with inline(shadows):
        executions = await asyncio.gather(*(shadows.add(double)(number) for number in range(20)))
        assert [await one.get_result() for one in executions] == [2 * number for number in range(20)]
    assert await shadows.workers() == []


async def test_a_body_that_is_cancelled_is_told_of(shadows: Shadow) -> None:
    """It is no result either."""

    async def gives_up(shadow: Shadow = CurrentShadow(), key: str = TaskKey()) -> None:
        await shadow.cancel(key)
        await asyncio.sleep(60)

    async with inline(shadows):
        with pytest.raises(ExecutionCancelled):
            await shadows.add(gives_up)()


async def test_a_body_that_stops_the_worker_stops_nobody_who_waits(shadows: Shadow) -> None:
    """It begins again for what is left."""

    async def stops(worker: Worker = CurrentWorker()) -> None:
        worker.stop()

    async with inline(shadows, concurrency=1):
        await shadows.add_many([shadows.call(stops)(), shadows.call(double)(1), shadows.call(stops)()])
        await shadows.add(double)(1)


async def test_a_worker_that_breaks_says_why(shadows: Shadow, monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead of letting the test wait for ever."""

    async def broken(self: Worker) -> None:
        raise MemoryError("broken")

    async with inline(shadows):
        monkeypatch.setattr(Worker, "run_forever", broken)
        with pytest.raises(MemoryError, match="broken"):
            await shadows.add(double)(1)
    await shadows.clear()


async def test_a_perpetual_task_goes_on_only_while_somebody_waits(shadows: Shadow) -> None:
    """Its next run is placed, and stays."""
    runs: list[str] = []

    async def again(perpetual: Perpetual = Perpetual(every=DAY), key: str = TaskKey()) -> None:
        runs.append(key)

    async with inline(shadows):
        await shadows.add(again, key="k")()
        assert runs == ["k"]
        await assert_task_scheduled(shadows, again, key="k")
        await shadows.cancel("k")


async def test_it_needs_results(place: Place) -> None:
    """A shadow that keeps none cannot tell what came of a call."""
    async with place.shadow(execution_ttl=timedelta(0)) as shadows:
        with pytest.raises(ConfigurationError, match=r"inline\(Shadow\(.* needs results, and execution_ttl=0 keeps"):
            async with inline(shadows):
                pass


async def test_retries_take_no_time_under_a_virtual_clock() -> None:
    """SPEC, virtual clock: `add` waits for a week, in milliseconds."""
    attempts: list[int] = []

    async def fickle(retry: Retry = Retry(attempts=8, delay=DAY)) -> str:
        attempts.append(retry.attempt)
        if retry.attempt < 8:
            raise ConnectionError
        return "done"

    async with VirtualClock() as clock, Shadow("inline", "memory://inline", clock=clock) as shadows, inline(shadows):
        began = clock.now()
        assert await (await shadows.add(fickle)()).get_result() == "done"
        assert clock.now() - began == 7 * DAY
    assert attempts == [*range(1, 9)]
