from __future__ import annotations

import asyncio
import contextlib
import threading
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from shadows import ExecutionCancelled, ExecutionState, Retry, Timeout
from tests.front.acts import DEADLINE, HOUR, comes_true, finish, heard, state_of, working

if TYPE_CHECKING:
    from shadows import Shadow

S = ExecutionState
SHORT = timedelta(milliseconds=10)


async def test_a_run_that_is_over_its_time_has_failed_with_a_timeout_error(shadows: Shadow) -> None:
    """SEMANTICS, the table: waiters get TimeoutError, and the state is failed."""
    ended: list[bool] = []

    async def hang(limit: Timeout = Timeout(SHORT)) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(limit.expired())

    execution = await shadows.add(hang)()
    await finish(shadows)
    with pytest.raises(TimeoutError, match="the body did not end within 10ms"):
        await execution.get_result()
    await execution.sync()
    assert execution.state is S.FAILED
    assert execution.error == "TimeoutError: the body did not end within 10ms, which is its Timeout"
    assert ended == [True]


async def test_a_timed_out_attempt_is_tried_again(shadows: Shadow) -> None:
    """INV 30: our own time-outs are told apart from a user's cancel, and each attempt has its time anew."""
    left: list[timedelta] = []

    async def slow(limit: Timeout = Timeout(timedelta(seconds=30)), retry: Retry = Retry(attempts=3)) -> int:
        left.append(limit.remaining())
        if retry.attempt < 3:
            assert limit._limit is not None
            limit._limit.reschedule(asyncio.get_running_loop().time())
            await asyncio.Event().wait()
        return retry.attempt

    execution = await shadows.add(slow)()
    await finish(shadows)
    assert await execution.get_result() == 3
    assert len(left) == 3
    assert min(left) > timedelta(seconds=25)


async def test_a_body_may_extend_its_time(shadows: Shadow) -> None:
    """PARITY: `extend(by=None)`, `remaining()`, `expired()`."""

    async def thorough(limit: Timeout = Timeout(SHORT)) -> bool:
        limit.extend(HOUR)
        await asyncio.sleep(3 * SHORT.total_seconds())
        limit.extend()
        return limit.remaining() > timedelta(minutes=59) and not limit.expired()

    execution = await shadows.add(thorough)()
    await finish(shadows)
    assert await execution.get_result()


async def test_a_cancel_is_no_time_out(shadows: Shadow) -> None:
    """INV 30: the run is cancelled, and not tried again, also when its time is over while it cleans up."""
    began, cleaning, expired = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def work(limit: Timeout = Timeout(HOUR), retry: Retry = Retry(attempts=5)) -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            cleaning.set()
            assert limit._limit is not None
            limit._limit.reschedule(asyncio.get_running_loop().time())
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            assert limit.expired()
            expired.set()

    execution = await shadows.add(work, key="k")()
    async with working(shadows):
        await heard(began)
        await shadows.cancel("k")
        with pytest.raises(ExecutionCancelled):
            await execution.get_result(timeout=DEADLINE)
    assert cleaning.is_set()
    assert expired.is_set()
    await execution.sync()
    assert (execution.state, execution.attempt) == (S.CANCELLED, 1)


async def test_what_a_body_makes_of_its_end_does_not_count(shadows: Shadow) -> None:
    """It was over its time, so it has failed, whatever it returns then."""

    async def stubborn(limit: Timeout = Timeout(SHORT)) -> str:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return "never mind"

    execution = await shadows.add(stubborn)()
    await finish(shadows)
    with pytest.raises(TimeoutError):
        await execution.get_result()
    await execution.sync()
    assert (execution.state, execution.worker is None) == (S.FAILED, False)


async def test_a_def_task_runs_on_until_it_returns_and_has_failed_then(shadows: Shadow) -> None:
    """SEMANTICS, `def` tasks: it stays running, and its result is dropped."""
    began, go, over = threading.Event(), threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def block(limit: Timeout = Timeout(SHORT)) -> str:
        began.set()
        loop.call_soon_threadsafe(_tell_when_over, limit, over)
        assert go.wait(DEADLINE)
        return "late"

    execution = await shadows.add(block, key="k")()
    async with working(shadows, within=timedelta(seconds=5)):
        await heard(over)
        assert began.is_set()
        assert await state_of(shadows, "k") == "running"
        go.set()
        with pytest.raises(TimeoutError, match="did not end within 10ms"):
            await execution.get_result(timeout=DEADLINE)
    await execution.sync()
    assert execution.state is S.FAILED


def _tell_when_over(limit: Timeout, over: asyncio.Event) -> None:
    async def watch() -> None:
        await comes_true(limit.expired)
        over.set()

    _watching.append(asyncio.ensure_future(watch()))


_watching: list[asyncio.Future[None]] = []


async def test_a_def_task_may_extend_its_time_and_be_tried_again(shadows: Shadow) -> None:
    """The thread of the body is not that of the limit."""
    late = threading.Event()

    def block(limit: Timeout = Timeout(timedelta(seconds=30)), retry: Retry = Retry(attempts=2)) -> int:
        limit.extend(HOUR)
        if retry.attempt == 1:
            late.set()
            raise ValueError("once more")
        return int(limit.remaining() / timedelta(minutes=1))

    execution = await shadows.add(block)()
    await finish(shadows)
    assert await execution.get_result() == 60
    assert late.is_set()
