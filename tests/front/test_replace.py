from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from shadows import (
    Cancellation,
    Disposition,
    ExecutionCancelled,
    ExecutionState,
    ResultUnavailable,
    Retry,
    Shadow,
)
from tests.front.acts import HOUR, SOON, comes_true, finish, heard, state_of, working

if TYPE_CHECKING:
    from tests.front.places import Place

RETRY = Retry(attempts=3)


async def test_replace_of_a_key_that_nobody_has_acts_like_add(shadows: Shadow) -> None:
    """INV 2."""

    async def say(word: str) -> str:
        return word

    execution = await shadows.replace(say, None, "k")("new")
    assert execution.disposition is Disposition.SCHEDULED
    await finish(shadows)
    assert await execution.get_result() == "new"


@pytest.mark.parametrize("when", [HOUR, None], ids=["scheduled", "queued"])
async def test_a_waiting_call_gives_way_to_the_one_that_replaces_it(shadows: Shadow, when: timedelta | None) -> None:
    """INV 3: one step, with the new arguments and time; who waits for the old one hears that it was superseded."""

    async def say(word: str) -> str:
        return word

    old = await shadows.add(say, when=when, key="k")("old")
    waiter = asyncio.create_task(old.get_result(timeout=10))
    await asyncio.sleep(0)  # it has begun to wait
    new = await shadows.replace(say, SOON, "k")("new")
    assert new.disposition is Disposition.SCHEDULED
    with pytest.raises(ExecutionCancelled, match="superseded") as cancelled:
        await waiter
    assert (cancelled.value.key, cancelled.value.reason) == ("k", "superseded")
    assert (await shadows.snapshot()).total_tasks == 1
    await finish(shadows)
    assert await new.get_result() == "new"


async def test_the_successor_of_a_running_call_starts_when_the_old_body_has_ended(shadows: Shadow) -> None:
    """INV 3, SEMANTICS: one key never has two bodies; the old one is not cancelled, and its waiter is superseded."""
    began, go = asyncio.Event(), asyncio.Event()
    now: list[str] = []
    most: list[int] = []

    async def say(word: str) -> str:
        now.append(word)
        most.append(len(now))
        if word == "old":
            began.set()
            await go.wait()
        now.remove(word)
        return word

    old = await shadows.add(say, key="k")("old")
    async with working(shadows, within=timedelta(seconds=5)):
        await heard(began)
        new = await shadows.replace(say, None, "k")("new")
        assert new.disposition is Disposition.SCHEDULED
        waiters = [asyncio.create_task(each.get_result(timeout=10)) for each in (old, new)]
        await new.sync()
        assert new.state is ExecutionState.SCHEDULED  # its turn comes
        await old.sync()
        assert old.state is ExecutionState.RUNNING
        go.set()
        assert await waiters[1] == "new"
        with pytest.raises(ExecutionCancelled) as cancelled:
            await waiters[0]
        assert cancelled.value.reason == "superseded"
    assert most == [1, 1]
    await old.sync()
    assert (old.state, old.disposition) == (ExecutionState.CANCELLED, Disposition.SUPERSEDED)


async def test_the_last_of_several_successors_wins(shadows: Shadow) -> None:
    """SEMANTICS: a second replace of a running key overwrites the first one's successor, whose waiter hears of it."""
    began, go = asyncio.Event(), asyncio.Event()

    async def say(word: str) -> str:
        if word == "old":
            began.set()
            await go.wait()
        return word

    await shadows.add(say, key="k")("old")
    async with working(shadows, within=timedelta(seconds=5)):
        await heard(began)
        second = await shadows.replace(say, None, "k")("second")
        third = await shadows.replace(say, None, "k")("third")
        with pytest.raises(ExecutionCancelled, match="superseded"):
            await second.get_result(timeout=10)
        go.set()
        assert await third.get_result(timeout=10) == "third"


async def test_cancel_drops_the_successor_too(shadows: Shadow) -> None:
    """SEMANTICS: cancel of a running key ends the body and drops what was to follow it."""
    began = asyncio.Event()
    ran: list[str] = []

    async def say(word: str) -> None:
        ran.append(word)
        began.set()
        await asyncio.Event().wait()

    await shadows.add(say, key="k")("old")
    async with working(shadows):
        await heard(began)
        new = await shadows.replace(say, None, "k")("new")
        assert await shadows.cancel("k") is Cancellation.REQUESTED
        with pytest.raises(ExecutionCancelled):
            await new.get_result(timeout=10)
        await comes_true(lambda: _is(shadows, "k", "cancelled"))
    assert ran == ["old"]


async def _is(shadows: Shadow, key: str, state: str) -> bool:
    return await state_of(shadows, key) == state


async def test_add_after_a_requested_cancel_waits_for_the_body_to_end(shadows: Shadow) -> None:
    """INV 6, INV 31: it is accepted at once, and the cancel of the old run does not reach it."""
    began, ending, go = asyncio.Event(), asyncio.Event(), asyncio.Event()
    now: list[str] = []

    async def say(word: str) -> str:
        assert now == []
        now.append(word)
        try:
            if word == "old":
                began.set()
                await asyncio.Event().wait()
        finally:
            if word == "old":
                ending.set()
                await go.wait()
            now.remove(word)
        return word

    await shadows.add(say, key="k")("old")
    async with working(shadows, within=timedelta(seconds=5)):
        await heard(began)
        await shadows.cancel("k")
        new = await shadows.add(say, key="k")("new")
        assert new.disposition is Disposition.SCHEDULED
        await heard(ending)
        go.set()
        assert await new.get_result(timeout=10) == "new"


async def test_nothing_that_a_replaced_body_does_touches_its_successor(shadows: Shadow) -> None:
    """INV 3: the old body fails and would be tried again: that attempt is dropped, the successor runs."""
    began, go = asyncio.Event(), asyncio.Event()
    ran: list[str] = []

    async def say(word: str, retry: Retry = RETRY) -> str:
        ran.append(word)
        if word == "old":
            began.set()
            await go.wait()
            raise ValueError(word)
        return word

    await shadows.add(say, key="k")("old")
    async with working(shadows, within=timedelta(seconds=5)):
        await heard(began)
        new = await shadows.replace(say, None, "k")("new")
        go.set()
        assert await new.get_result(timeout=10) == "new"
    assert ran == ["old", "new"]


async def test_without_records_a_replaced_call_still_gives_way(place: Place) -> None:
    """INV 42: ``execution_ttl=0`` breaks neither dedupe nor replace; a result is never to be had."""
    ran: list[str] = []

    async def say(word: str) -> None:
        ran.append(word)

    async with place.shadow(execution_ttl=timedelta(0)) as shadows:
        first = await shadows.add(say, key="k")("old")
        assert (await shadows.add(say, key="k")("more")).disposition is Disposition.ALREADY_SCHEDULED
        await shadows.replace(say, None, "k")("new")
        with pytest.raises(ResultUnavailable, match="execution_ttl=0"):
            await first.get_result()
        await finish(shadows)
        assert ran == ["new"]
        await first.sync()
        assert first.state is None
        assert await shadows.get_execution("k") is None
