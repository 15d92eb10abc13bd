from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shadows.core import verdict
from shadows.ports.backend import Terms
from shadows.ports.broker import Cancellation
from shadows.testing.exam.acts import (
    LEASE,
    back,
    call,
    claim,
    done,
    instead,
    look,
    place,
    run,
    settle,
    state,
    sweep,
    take,
    take_one,
    unknown,
    worker,
)

if TYPE_CHECKING:
    from tests.contract.harness import Harness


@pytest.mark.parametrize("where", ["scheduled", "queued", "unknown", "retried"])
async def test_a_waiting_call_that_was_cancelled_never_starts(harness: Harness, where: str) -> None:
    """INV 29: wherever it waits, it ends now, and its time finds nothing."""
    broker, who = harness.broker, worker()
    await place(broker, call("a", b"x" * 100, after=5 if where == "scheduled" else None))
    if where in {"unknown", "retried"}:
        lease = await take_one(broker, who)
        again = verdict.again(lease.payload, attempt=2)
        await settle(broker, who, lease, unknown(lease) if where == "unknown" else again)
    assert await broker.cancel("a") == Cancellation.CANCELLED
    record = await look(broker, "a")
    assert (record.state, record.reason, record.ended) == ("cancelled", "cancelled", harness.now)
    assert (record.payload, record.due, record.result) == (None, None, None)
    await harness.pass_time(60)
    answer = await claim(broker, who, sweep="-")
    assert (answer.leases, answer.left, answer.due_in) == ((), 0, None)


async def test_a_running_call_is_marked_and_its_holder_told(harness: Harness) -> None:
    """Its end is for the holder to tell; until then the key is taken."""
    broker, who = harness.broker, worker()
    await place(broker, call("a"))
    lease = await take_one(broker, who)
    assert await broker.cancel("a") == Cancellation.REQUESTED
    record = await look(broker, "a")
    assert (record.state, record.cancel_requested, record.holder) == ("running", True, who.id)
    assert (await claim(broker, who, 0)).cancels == (("a", lease.fence),)
    await settle(broker, who, lease, verdict.cancelled("task"))
    assert (await look(broker, "a")).state == "cancelled"


async def test_a_cancel_of_an_unknown_key_leaves_nothing_behind(harness: Harness) -> None:
    """INV 6: no record, no mark that would hit a later call of that key."""
    broker = harness.broker
    assert await broker.cancel("a") == Cancellation.NOT_LIVE
    assert await broker.read("a") is None
    await place(broker, call("a"))
    assert (await take_one(broker, worker())).key == "a"


async def test_an_ended_run_cannot_be_cancelled(harness: Harness) -> None:
    """Its record stays as it is."""
    broker = harness.broker
    await run(broker, "a", b"result")
    before = await look(broker, "a")
    assert await broker.cancel("a") == Cancellation.NOT_LIVE
    assert await look(broker, "a") == before
    await place(broker, call("b"))
    assert await broker.cancel("b") == Cancellation.CANCELLED
    assert await broker.cancel("b") == Cancellation.NOT_LIVE


@pytest.mark.parametrize("after", [None, 5.0])
async def test_a_key_is_free_at_once_after_a_cancel(harness: Harness, after: float | None) -> None:
    """INV 6: the next add of a call that waited is accepted and runs."""
    broker = harness.broker
    await place(broker, call("a", b"old", after=after))
    await broker.cancel("a")
    assert await place(broker, call("a", b"new")) == ["scheduled"]
    assert (await take_one(broker, worker())).payload == b"new"
    await harness.pass_time(6)
    assert await take(broker, worker()) == ()


async def test_a_cancel_drops_the_successor(harness: Harness) -> None:
    """What was to follow the cancelled call does not; a later add becomes the successor again."""
    broker, who = harness.broker, worker()
    await place(broker, call("a", b"old"), call("b", b"old"))
    a, b = await take(broker, who)
    await place(broker, instead("a", b"dropped", run="two"), instead("b", b"dropped", run="two"))
    assert await broker.cancel("a") == await broker.cancel("b") == Cancellation.REQUESTED
    assert (await look(broker, "a")).successor is None
    await settle(broker, who, a, done())
    assert await state(broker, "a") == "completed"
    assert await place(broker, call("b", b"later")) == ["scheduled"]
    await settle(broker, who, b, done())
    assert (await take_one(broker, who)).payload == b"later"


async def test_a_cancel_never_reaches_the_successor(harness: Harness) -> None:
    """INV 31: the mark lies on the old run and goes with it; the new one starts, unmarked."""
    broker, who = harness.broker, worker()
    await place(broker, call("a", b"old"))
    old = await take_one(broker, who)
    await broker.cancel("a")
    await place(broker, call("a", b"new"))
    await settle(broker, who, old, verdict.cancelled("task"))
    lease = await take_one(broker, who)
    assert (lease.payload, (await look(broker, "a")).cancel_requested) == (b"new", False)
    assert await settle(broker, who, lease, back(lease)) == "settled"


async def test_a_cancel_may_be_repeated(harness: Harness) -> None:
    """INV 37: a second request says the same, and nothing else happens."""
    broker, who = harness.broker, worker()
    await place(broker, call("a"))
    lease = await take_one(broker, who)
    assert await broker.cancel("a") == await broker.cancel("a") == Cancellation.REQUESTED
    assert set((await claim(broker, who)).cancels) == {("a", lease.fence)}
    assert await settle(broker, who, lease, back(lease)) == "cancelled"
    assert await broker.cancel("a") == Cancellation.NOT_LIVE


async def test_a_requested_cancel_ends_a_call_whose_holder_is_gone(harness: Harness) -> None:
    """INV 29, INV 31: the sweep ends it and places the successor, which then runs."""
    broker = harness.broker
    await place(broker, call("a", b"old"))
    await take_one(broker, worker())
    await broker.cancel("a")
    await place(broker, call("a", b"new"))
    await harness.pass_time(LEASE + 1)
    leases = await sweep(broker, worker()) or await take(broker, worker())
    assert [lease.payload for lease in leases] == [b"new"]


async def test_a_cancel_of_what_somebody_else_redelivered_reaches_the_new_holder(harness: Harness) -> None:
    """The old holder has lost the lease; the one that has it now must hear."""
    broker, old, new = harness.broker, worker(), worker()
    await place(broker, call("a"))
    await take_one(broker, old)
    await harness.pass_time(LEASE + 1)
    (lease,) = await sweep(broker, new)
    await broker.cancel("a")
    assert (await claim(broker, old)).cancels == ()
    assert (await claim(broker, new)).cancels == (("a", lease.fence),)


async def test_a_cancelled_call_leaves_nothing_where_nothing_is_kept(harness: Harness) -> None:
    """INV 42: with a lifetime of 0 the record goes with the run, ready or running."""
    broker = (await harness.open(Terms(execution_ttl=0))).broker
    who = worker()
    await place(broker, call("a"), call("b", b"x" * 100, after=9))
    lease = (await take(broker, who))[0]
    assert await broker.cancel("b") == Cancellation.CANCELLED
    assert await broker.cancel("a") == Cancellation.REQUESTED
    assert await settle(broker, who, lease, back(lease)) == "cancelled"
    assert [await broker.read(key) for key in "ab"] == [None, None]


async def test_a_cancel_touches_one_shadow_alone(harness: Harness) -> None:
    """INV 8: the same key of another shadow lives on."""
    other = (await harness.open(name=harness.name + "x")).broker
    await place(harness.broker, call("a"))
    await place(other, call("a"))
    await other.cancel("a")
    assert await state(harness.broker, "a") == "queued"
