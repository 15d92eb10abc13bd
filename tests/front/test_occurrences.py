"""Handles on runs whose key has gone on to the next occurrence."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self, cast

import pytest

from shadows import Disposition, ExecutionCancelled, ExecutionState, ResultUnavailable, Shadow
from shadows.core import verdict
from shadows.core.scheduling import AT_ONCE, Due
from shadows.core.verdict import Occurrence
from shadows.ports.looking import Part
from tests.contract.acts import done, settle, take_one, worker
from tests.front.acts import heard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from shadows import Execution
    from shadows.core.holder import Holder
    from shadows.ports.broker import Broker, Lease
    from tests.front.places import Place


async def say(word: str) -> str:
    return word


class Chain:
    """A call whose occurrences this test runs itself: it knows what the worker of a perpetual task would do."""

    def __init__(self, shadows: Shadow) -> None:
        opened = cast("Any", shadows)._open
        self.broker: Broker = opened.backend.broker
        self.outcomes = opened.access.outcomes
        self.presence = opened.backend.presence
        self.who: Holder = worker()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.presence.check_out(self.who)

    async def lease(self) -> Lease:
        """Take the occurrence that is ready."""
        return await take_one(self.broker, self.who)

    async def go_on(self, result: str, *, due: Due = AT_ONCE) -> None:
        """Run the occurrence that is ready; the next one follows it."""
        lease = await self.lease()
        following = Occurrence(lease.payload, due)
        await settle(
            self.broker,
            self.who,
            lease,
            verdict.completed("say", self.outcomes.of_result(result, lease.key, lease.fence), follow=following),
        )

    async def fail(self, error: Exception) -> None:
        """The same, of a body that raised."""
        lease = await self.lease()
        following = Occurrence(lease.payload, AT_ONCE)
        await settle(
            self.broker,
            self.who,
            lease,
            verdict.failed("say", self.outcomes.of_error(error, lease.key, lease.fence), follow=following),
        )

    async def end(self) -> None:
        """Run the occurrence that is ready; it is the last one."""
        await settle(self.broker, self.who, await self.lease(), done())


@pytest.fixture
async def chain(shadows: Shadow) -> AsyncIterator[Chain]:
    """Give what runs the occurrences of the shadow of this test."""
    async with Chain(shadows) as runs:
        yield runs


async def current(shadows: Shadow, key: str) -> Execution[Any]:
    """Return a handle on the run that has the key now."""
    found = await shadows.get_execution(key)
    assert found is not None
    return found


@pytest.mark.parametrize("key", ["k", None], ids=["chosen key", "generated key"])
async def test_each_handle_gets_the_result_of_its_own_run(shadows: Shadow, chain: Chain, key: str | None) -> None:
    """SEMANTICS, Perpetual: get_result answers for the run that the handle was returned for."""
    first = await shadows.add(say, key=key)("x")
    await chain.go_on("1")
    second = await current(shadows, first.key)
    await chain.fail(ValueError("2"))
    third = await current(shadows, first.key)
    assert await first.get_result() == "1"
    with pytest.raises(ValueError, match="2"):
        await second.get_result()
    await third.sync()
    assert third.state is ExecutionState.QUEUED
    await chain.end()
    assert await third.get_result() is None
    states = []
    for execution in (first, second, third):
        await execution.sync()
        states.append((execution.state, execution.error, execution.disposition is Disposition.SUPERSEDED))
        assert execution.completed_at is not None
    assert states == [
        (ExecutionState.COMPLETED, None, False),
        (ExecutionState.FAILED, "ValueError: 2", False),
        (ExecutionState.COMPLETED, None, False),
    ]


async def test_who_waits_is_woken_by_the_end_of_its_own_run(shadows: Shadow, chain: Chain) -> None:
    """INV 39, INV 40: at once, although the key's record is the next run's by then."""
    first = await shadows.add(say, key="k")("x")
    waiting = asyncio.create_task(first.get_result(timeout=10))
    subscribed, states = asyncio.Event(), list[Any]()

    async def follow() -> None:
        async with aclosing(first.subscribe(subscribed)) as events:
            states.extend([event["state"] async for event in events])

    following = asyncio.create_task(follow())
    await heard(subscribed)
    await chain.go_on("1")
    assert await waiting == "1"
    async with asyncio.timeout(10):
        await following
    assert states[0] is ExecutionState.QUEUED
    assert states[-1] is ExecutionState.COMPLETED
    second = await current(shadows, "k")
    later = asyncio.create_task(second.get_result(timeout=10))
    await chain.go_on("2")
    assert await later == "2"


async def test_the_end_of_a_run_wakes_those_who_wait_for_its_successor(shadows: Shadow, chain: Chain) -> None:
    """INV 25: the replace wins over the next occurrence, and its waiter gets its result."""
    first = await shadows.add(say, key="k")("x")
    lease = await chain.lease()
    replaced = await shadows.replace(say, None, "k")("y")
    later = asyncio.create_task(replaced.get_result(timeout=10))
    following = Occurrence(lease.payload, Due(after=60_000))
    await settle(chain.broker, chain.who, lease, verdict.completed("say", follow=following))
    await chain.go_on("new", due=Due(after=60_000))
    assert await later == "new"
    with pytest.raises((ExecutionCancelled, ResultUnavailable)):
        await first.get_result()


async def test_a_handle_whose_key_was_taken_by_a_call_still_says_so(shadows: Shadow, chain: Chain) -> None:
    """Its run was replaced while it waited, not followed."""
    await shadows.add(say, key="k")("x")
    await chain.go_on("1")
    second = await current(shadows, "k")
    await shadows.replace(say, timedelta(hours=1), "k")("y")
    with pytest.raises(ExecutionCancelled, match="superseded"):
        await second.get_result()
    await second.sync()
    assert second.disposition is Disposition.SUPERSEDED


async def test_a_run_of_which_nothing_is_kept_any_more_is_not_called_superseded(place: Place) -> None:
    """SEMANTICS, execution_ttl=0: the state of an ended run is none; that its key goes on is no reason."""
    keepers, forgetters = place.shadow(), place.shadow(execution_ttl=timedelta(0))
    async with keepers as keeps, forgetters as shadows, Chain(shadows) as chain:
        first = await shadows.add(say, key="k")("x")
        same = await current(keeps, "k")
        await chain.go_on("1")
        for execution in (first, same):
            await execution.sync()
            assert (execution.state, execution.disposition is Disposition.SUPERSEDED) == (None, False)
            with pytest.raises(ResultUnavailable):
                await execution.get_result()
            assert [event async for event in execution.subscribe()] == []
        record = await chain.broker.read("k", Part.NOTHING)
        assert record is not None
        assert record.occurrence
        await chain.end()
