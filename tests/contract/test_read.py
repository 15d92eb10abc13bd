from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shadows.core.lifecycle import ExecutionState
from shadows.ports.looking import Part, Record
from shadows.testing.exam.acts import (
    call,
    claim,
    done,
    instead,
    look,
    place,
    retry,
    run,
    settle,
    sweep,
    take,
    take_one,
    worker,
)

if TYPE_CHECKING:
    from tests.contract.harness import Harness


async def test_nothing_is_kept_for_an_unknown_key(harness: Harness) -> None:
    """Reading and watching a key that nobody used leaves nothing behind (INV 6)."""
    assert await harness.broker.read("a", Part.PAYLOAD | Part.RESULT | Part.WATCH) is None
    assert await harness.broker.read("a") is None


async def test_the_record_of_a_scheduled_call(harness: Harness) -> None:
    """Its time, its run, and no worker."""
    await place(harness.broker, call("a", b"1", after=5, run="one"))
    assert await look(harness.broker, "a") == Record(
        "a", ExecutionState.SCHEDULED, "one", 1, due=harness.now + 5_000, payload=b"1"
    )


async def test_the_record_of_a_ready_call(harness: Harness) -> None:
    """Due when it was meant to be, ready or not; without a run id of its own it has an empty one."""
    await place(harness.broker, call("a", b"1", after=5), call("b", b"2"))
    due = harness.now + 5_000
    await harness.pass_time(6)
    await claim(harness.broker, worker(), 0)
    assert await look(harness.broker, "a") == Record("a", ExecutionState.QUEUED, "", 1, due=due, payload=b"1")
    assert (await look(harness.broker, "b")).state == "queued"


async def test_the_record_of_a_running_call(harness: Harness) -> None:
    """Who runs it, since when, under which fence, and for the how-manieth time."""
    broker, who = harness.broker, worker()
    await place(broker, call("a", b"1", at=harness.now - 10, run="one"))
    await take_one(broker, worker())
    await harness.pass_time(31)
    (lease,) = await sweep(broker, who)
    await place(broker, instead("a", run="two"))
    assert await look(broker, "a") == Record(
        "a",
        ExecutionState.RUNNING,
        "one",
        1,
        due=lease.due,
        fence=lease.fence,
        holder=who.id,
        started=harness.now,
        deliveries=2,
        successor="two",
        payload=b"1",
    )


async def test_a_successor_without_a_run_id_is_one_all_the_same(harness: Harness) -> None:
    """An empty id is told apart from none."""
    await place(harness.broker, call("a"))
    await take_one(harness.broker, worker())
    assert (await look(harness.broker, "a")).successor is None
    await place(harness.broker, instead("a"))
    assert (await look(harness.broker, "a")).successor == ""


async def test_the_record_of_a_retried_call(harness: Harness) -> None:
    """Its attempt is the next one, wherever it waits."""
    broker, who = harness.broker, worker()
    await place(broker, call("a"), call("b"))
    a, b = await take(broker, who)
    await settle(broker, who, a, retry(a))
    await settle(broker, who, b, retry(b, after=5))
    assert [(await look(broker, key)).attempt for key in "ab"] == [2, 2]


async def test_the_record_of_a_completed_run(harness: Harness) -> None:
    """Its end and its result; the worker that ran it last is still known."""
    broker, who = harness.broker, worker()
    await run(broker, "a", b"result", who=who)
    record = await look(broker, "a")
    assert (record.state, record.ended, record.result) == ("completed", harness.now, b"result")
    assert (record.holder, record.task, record.deliveries, record.payload) == (who.id, "task", 0, None)


@pytest.mark.parametrize("after", [None, 5.0])
@pytest.mark.parametrize("size", [0, 64, 65, 5_000])
async def test_payload_and_result_come_only_when_asked_for(harness: Harness, size: int, after: float | None) -> None:
    """A read of the small values stays small."""
    broker, who = harness.broker, worker()
    await place(broker, call("a", b"x" * size, after=after))
    for part, payload in ((Part.NOTHING, None), (Part.RESULT, None), (Part.PAYLOAD, b"x" * size)):
        record = await broker.read("a", part)
        assert record is not None
        assert record.payload == payload
    await harness.pass_time(5)
    await settle(broker, who, await take_one(broker, who), done(b"r" * 100))
    for part, result in ((Part.NOTHING, None), (Part.PAYLOAD, None), (Part.RESULT, b"r" * 100)):
        record = await broker.read("a", part)
        assert record is not None
        assert record.result == result


async def test_reading_changes_nothing(harness: Harness) -> None:
    """Nor does watching."""
    broker = harness.broker
    await place(broker, call("a", b"1", after=5))
    first = await broker.read("a", Part.PAYLOAD | Part.RESULT | Part.WATCH)
    assert await look(broker, "a") == first == await look(broker, "a")
