from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from shadows import Cancellation, ExecutionCancelled, ExecutionState, Shadow
from tests.front.acts import HOUR, finish, heard, state_of, working


@pytest.mark.parametrize("when", [HOUR, None], ids=["scheduled", "queued"])
async def test_a_waiting_call_that_is_cancelled_never_starts(shadows: Shadow, when: timedelta | None) -> None:
    """INV 29: waiters wake with ``ExecutionCancelled``, and the key is free at once."""
    ran: list[int] = []

    async def note() -> None:
        ran.append(1)

    execution = await shadows.add(note, when=when, key="k")()
    waiter = asyncio.create_task(execution.get_result(timeout=10))
    assert await shadows.cancel("k") is Cancellation.CANCELLED
    with pytest.raises(ExecutionCancelled) as cancelled:
        await waiter
    assert cancelled.value.reason == "cancelled"
    await finish(shadows)
    assert ran == []
    await execution.sync()
    assert (execution.state, execution.error) == (ExecutionState.CANCELLED, "cancelled")
    assert await shadows.cancel("k") is Cancellation.NOT_LIVE


async def test_nothing_is_left_behind_by_the_cancel_of_a_key_that_nobody_knows(shadows: Shadow) -> None:
    """INV 6."""
    assert await shadows.cancel("nobody") is Cancellation.NOT_LIVE
    assert await shadows.get_execution("nobody") is None
    with pytest.raises(TypeError, match="key"):
        await shadows.cancel(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def test_a_second_cancel_changes_nothing(shadows: Shadow) -> None:
    """The body hears one CancelledError, however often it is asked for, so that it can clean up in peace."""
    began, go = asyncio.Event(), asyncio.Event()
    cancelled: list[int] = []

    async def wait() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(1)
            await go.wait()
            raise

    execution = await shadows.add(wait, key="k")()
    async with working(shadows, within=timedelta(seconds=5)):
        await heard(began)
        await shadows.cancel("k")
        assert await shadows.cancel("k") is Cancellation.REQUESTED
        other = await shadows.add(wait, when=HOUR, key="other")()
        assert await shadows.cancel("other") is Cancellation.CANCELLED  # the worker heard of both by now, or will
        go.set()
        for each in (execution, other):
            with pytest.raises(ExecutionCancelled):
                await each.get_result(timeout=10)
    assert cancelled == [1]
    assert await state_of(shadows, "k") == "cancelled"
