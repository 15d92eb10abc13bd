from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shadows.core import verdict
from shadows.ports.looking import Part
from shadows.testing.exam.acts import (
    LEASE,
    back,
    call,
    dead,
    done,
    hear,
    instead,
    look,
    place,
    retry,
    settle,
    sweep,
    take_one,
    unknown,
    worker,
)

if TYPE_CHECKING:
    from tests.contract.harness import Harness


async def test_a_watched_run_tells_of_its_whole_life(harness: Harness) -> None:
    """INV 39: from the read with WATCH on, every new state is heard, with the fence that brought it and the time."""
    broker, who = harness.broker, worker()
    await place(broker, call("a"))
    async with harness.backend.event_bus.listen("a") as hints:
        await broker.read("a", Part.WATCH)
        lease = await take_one(broker, who)
        await settle(broker, who, lease, retry(lease))
        second = await take_one(broker, who)
        await settle(broker, who, second, done(b"result"))
        heard = await hear(hints, 4)
    assert [(hint.what, hint.fence) for hint in heard] == [
        ("running", lease.fence),
        ("queued", lease.fence),
        ("running", second.fence),
        ("completed", second.fence),
    ]
    assert {hint.at for hint in heard} == {harness.now}


async def test_a_scheduled_call_tells_when_it_becomes_ready(harness: Harness) -> None:
    """INV 39: its time came, and a claim moved it, whoever takes it then."""
    broker = harness.broker
    await place(broker, call("a", after=1))
    async with harness.backend.event_bus.listen("a") as hints:
        await broker.read("a", Part.WATCH)
        await harness.pass_time(1)
        lease = await take_one(broker, worker())
        heard = await hear(hints, 2)
    assert [(hint.what, hint.fence) for hint in heard] == [("queued", None), ("running", lease.fence)]


@pytest.mark.parametrize("kind", ["completed", "failed", "cancelled", "buried"])
async def test_the_result_is_there_before_the_end_is_announced(harness: Harness, kind: str) -> None:
    """INV 40: who reads on hearing of the end finds all of it."""
    broker, who = harness.broker, worker()
    await place(broker, call("a"))
    lease = await take_one(broker, who)
    outcomes = {
        "completed": done(b"result"),
        "failed": verdict.failed("task", b"result"),
        "cancelled": verdict.cancelled("task"),
        "buried": dead(lease),
    }
    async with harness.backend.event_bus.listen("a") as hints:
        await broker.read("a", Part.WATCH)
        await settle(broker, who, lease, outcomes[kind])
        (hint,) = await hear(hints)
    record = await look(broker, "a")
    assert hint.what == record.state == ("failed" if kind == "buried" else kind)
    assert record.result == (b"result" if kind in {"completed", "failed"} else None)


async def test_an_end_between_reading_and_listening_is_not_missed(harness: Harness) -> None:
    """INV 39: who listens first and reads then sees the end in the record, if no hint comes any more."""
    broker, who = harness.broker, worker()
    await place(broker, call("a"))
    lease = await take_one(broker, who)
    async with harness.backend.event_bus.listen("a"):
        await settle(broker, who, lease, done(b"result"))
        record = await broker.read("a", Part.WATCH | Part.RESULT)
    assert record is not None
    assert (record.state, record.result) == ("completed", b"result")


@pytest.mark.parametrize("after", [None, 5.0])
async def test_a_replaced_call_tells_its_waiters_that_it_was_superseded(harness: Harness, after: float | None) -> None:
    """INV 11: waiters of the run that has gone wake, wherever it waited."""
    broker = harness.broker
    await place(broker, call("a", after=after, run="one"))
    async with harness.backend.event_bus.listen("a") as hints:
        await broker.read("a", Part.WATCH)
        await place(broker, instead("a", run="two"))
        (hint,) = await hear(hints)
    assert hint.what == "superseded"


@pytest.mark.parametrize("kind", ["end", "again", "back", "unknown", "bury", "cancel"])
async def test_waiters_of_a_run_whose_successor_takes_over_wake(harness: Harness, kind: str) -> None:
    """INV 11: whatever the old body's verdict was, its run is over and its waiters hear of it."""
    broker, who = harness.broker, worker()
    await place(broker, call("a"))
    lease = await take_one(broker, who)
    outcomes = {
        "end": done(b"result"),
        "again": retry(lease),
        "back": back(lease),
        "unknown": unknown(lease),
        "bury": dead(lease),
        "cancel": verdict.cancelled("task"),
    }
    async with harness.backend.event_bus.listen("a") as hints:
        await broker.read("a", Part.WATCH)
        await place(broker, instead("a"))
        await settle(broker, who, lease, outcomes[kind])
        (hint,) = await hear(hints)
    ends = {"end": "completed", "bury": "failed", "cancel": "cancelled"}
    assert (hint.what, hint.fence) == (ends.get(kind, "superseded"), lease.fence)


@pytest.mark.parametrize("how", ["cancel", "clear", "lost for good", "lost and cancelled"])
async def test_an_end_without_a_settle_is_announced_as_well(harness: Harness, how: str) -> None:
    """INV 11, INV 29: who waits for a call that will never run hears so."""
    broker = harness.broker
    await place(broker, call("a"))
    if how.startswith("lost"):
        await take_one(broker, worker())
    async with harness.backend.event_bus.listen("a") as hints:
        await broker.read("a", Part.WATCH)
        if how in {"cancel", "lost and cancelled"}:
            await broker.cancel("a")
        if how == "clear":
            await broker.clear()
        if how.startswith("lost"):
            await harness.pass_time(LEASE + 1)
            assert await sweep(broker, worker(), max_deliveries=1) == ()
        (hint,) = await hear(hints)
    assert hint.what == ("failed" if how == "lost for good" else "cancelled")


async def test_progress_is_heard_with_its_fields(harness: Harness) -> None:
    """Each report, with the fence of the lease that made it."""
    broker = harness.broker
    await place(broker, call("a"))
    lease = await take_one(broker, worker())
    fields = {"current": "1", "message": "a b\0\né: 3,"}
    async with harness.backend.event_bus.listen("a") as hints:
        await broker.read("a", Part.WATCH)
        await broker.report(lease, fields)
        (hint,) = await hear(hints)
    assert (hint.what, hint.fence, dict(hint.fields)) == ("progress", lease.fence, fields)


async def test_each_listener_hears_its_own_key_alone(harness: Harness) -> None:
    """INV 8: two may listen to one key; a key that looks like a pattern is none; another shadow is not heard."""
    broker, other = harness.broker, (await harness.open(name=harness.name + "x")).broker
    bus = harness.backend.event_bus
    await place(broker, call("a"), call("*"), call("b"))
    await place(other, call("a"))
    async with bus.listen("a") as first, bus.listen("a") as second, bus.listen("*") as pattern:
        for key in ("b", "a", "*"):
            await broker.read(key, Part.WATCH)
        await other.read("a", Part.WATCH)
        await other.cancel("a")
        for key in ("b", "a", "*"):
            await broker.cancel(key)
        await place(broker, call("a"))
        await broker.read("a", Part.WATCH)
        await place(broker, instead("a"))
        assert [hint.what for hint in await hear(first, 2)] == ["cancelled", "superseded"]
        assert [hint.what for hint in await hear(second, 2)] == ["cancelled", "superseded"]
        assert [hint.what for hint in await hear(pattern, 1)] == ["cancelled"]
        assert pattern is not first


async def test_a_run_that_nobody_watches_tells_nothing(harness: Harness) -> None:
    """Hints cost where somebody asked for them; the next run of a watched key begins unwatched."""
    broker, who = harness.broker, worker()
    async with harness.backend.event_bus.listen("a") as hints:
        await place(broker, call("a"))
        await settle(broker, who, await take_one(broker, who), done())
        await place(broker, call("a"))
        await broker.read("a", Part.WATCH)
        await broker.cancel("a")
        await place(broker, call("a"))
        await settle(broker, who, await take_one(broker, who), done())
        await place(broker, call("a"))
        await broker.read("a", Part.WATCH)
        await broker.clear()
        heard = await hear(hints, 2)
    assert [hint.what for hint in heard] == ["cancelled", "cancelled"]


async def test_listening_again_after_having_stopped(harness: Harness) -> None:
    """The last listener closes the way, the next one opens it anew."""
    broker = harness.broker
    for _ in range(2):
        await place(broker, call("a"))
        async with harness.backend.event_bus.listen("a") as hints:
            await broker.read("a", Part.WATCH)
            await broker.cancel("a")
            assert [hint.what for hint in await hear(hints)] == ["cancelled"]
