from __future__ import annotations

from typing import TYPE_CHECKING

from shadows.ports.backend import Terms
from shadows.testing.exam.acts import LEASE, call, done, instead, place, retry, settle, sweep, take_one, worker

if TYPE_CHECKING:
    from tests.contract.harness import Harness


async def test_progress_is_merged_field_by_field(harness: Harness) -> None:
    """A later report overwrites what it names and leaves the rest."""
    broker = harness.broker
    await place(broker, call("a"))
    lease = await take_one(broker, worker())
    assert await broker.progress("a") == {}
    assert await broker.report(lease, {"current": "1", "total": "10", "message": "beginning"})
    assert await broker.report(lease, {"current": "2", "größe": "é\0\n", "empty": ""})
    assert await broker.progress("a") == {
        "current": "2",
        "total": "10",
        "message": "beginning",
        "größe": "é\0\n",
        "empty": "",
    }


async def test_many_fields_may_be_reported_at_once(harness: Harness) -> None:
    """No script unpacks more values than Lua can bear."""
    await place(harness.broker, call("a"))
    lease = await take_one(harness.broker, worker())
    fields = {f"field {number}": str(number) for number in range(400)}
    assert await harness.broker.report(lease, fields)
    assert await harness.broker.progress("a") == fields


async def test_only_the_current_holder_reports(harness: Harness) -> None:
    """INV 12: the lease was lost, so what its body says does not count any more."""
    broker, quick = harness.broker, worker()
    await place(broker, call("a"))
    lost = await take_one(broker, worker())
    await broker.report(lost, {"from": "old"})
    await harness.pass_time(LEASE + 1)
    (lease,) = await sweep(broker, quick)
    assert not await broker.report(lost, {"from": "lost"})
    assert await broker.report(lease, {"more": "new"})
    assert (await broker.progress("a"))["more"] == "new"
    assert (await broker.progress("a")).get("from") != "lost"


async def test_an_ended_run_reports_nothing_more(harness: Harness) -> None:
    """Its progress stays with its record as it was."""
    broker, who = harness.broker, worker()
    await place(broker, call("a"))
    lease = await take_one(broker, who)
    await broker.report(lease, {"done": "all"})
    await settle(broker, who, lease, done())
    assert not await broker.report(lease, {"done": "more than all"})
    assert await broker.progress("a") == {"done": "all"}


async def test_a_call_between_two_attempts_reports_nothing(harness: Harness) -> None:
    """The lease of the failed attempt is over."""
    broker, who = harness.broker, worker()
    await place(broker, call("a"))
    lease = await take_one(broker, who)
    await settle(broker, who, lease, retry(lease))
    assert not await broker.report(lease, {"late": "1"})
    assert await broker.progress("a") == {}


async def test_a_successor_begins_without_progress(harness: Harness) -> None:
    """INV 3: nothing of the old run is seen under the new one."""
    broker, who = harness.broker, worker()
    await place(broker, call("a"))
    lease = await take_one(broker, who)
    await broker.report(lease, {"of": "the old"})
    await place(broker, instead("a"))
    await settle(broker, who, lease, done())
    assert await broker.progress("a") == {}
    assert await broker.report(await take_one(broker, who), {"of": "the new"})
    assert await broker.progress("a") == {"of": "the new"}


async def test_progress_of_an_unknown_key_is_empty(harness: Harness) -> None:
    """And a report for a lease of another life leaves nothing behind."""
    broker, who = harness.broker, worker()
    assert await broker.progress("a") == {}
    gone = (await harness.open(Terms(execution_ttl=0))).broker
    await place(gone, call("a"))
    lease = await take_one(gone, who)
    await settle(gone, who, lease, done())
    assert not await broker.report(lease, {"late": "1"})
    assert await broker.progress("a") == {}
