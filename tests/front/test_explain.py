"""Why a call does not run: each reason, as an operator is told it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import pytest

from shadows import ConcurrencyLimit, Debounce, ExecutionState, Progress, RateLimit, Retry, Shadow
from shadows.core import verdict
from shadows.explain import Explanation, Why, explain
from shadows.ports.broker import Order
from tests.contract.acts import call, instead, worker
from tests.front.acts import HOUR, comes_true, finish, heard, state_of, working

if TYPE_CHECKING:
    from shadows.core.holder import Holder
    from shadows.ports.broker import Lease

MINUTE = timedelta(minutes=1)


async def ship(order: int) -> None: ...


async def spoil() -> None:
    raise ValueError("spoiled")


async def take(shadows: Shadow, who: Holder) -> Lease:
    """Lease the only call that is ready."""
    (lease,) = (await shadows.backend().broker.claim(Order(who, 1))).leases
    return lease


async def told(shadows: Shadow, key: str, *words: str) -> Explanation:
    """Explain a key; each of these words must be there."""
    found = await explain(shadows, key)
    for word in words:
        assert word in found.says, found
    return found


async def test_nothing_is_kept_of_an_unknown_key(shadows: Shadow) -> None:
    """And nothing is left behind by asking."""
    found = await told(shadows, "k", "nothing is known")
    assert (found.why, found.execution) == (Why.NOTHING_KEPT, None)


async def test_a_scheduled_call_waits_for_its_time(shadows: Shadow) -> None:
    """And is told of early, if no worker would run it then."""
    await shadows.add(ship, key="k", when=HOUR)(1)
    found = await told(shadows, "k", "scheduled for", "(in ")
    assert found.why is Why.LATER
    assert found.notes == ("no worker that is here knows the task ship",)
    async with working(shadows):
        await comes_true(lambda: _is_known(shadows, "ship"))
        assert (await explain(shadows, "k")).notes == ()
    await shadows.cancel("k")


async def _is_known(shadows: Shadow, task: str) -> bool:
    return len(await shadows.task_workers(task)) > 0


async def test_a_call_that_failed_waits_for_its_next_attempt(shadows: Shadow) -> None:
    """Which one, and when."""

    async def flaky(retry: Retry = Retry(attempts=2, delay=HOUR)) -> None:
        raise ValueError

    await shadows.add(flaky, key="k")()
    async with working(shadows):
        await comes_true(lambda: _is(shadows, "k", "scheduled"))
        found = await told(shadows, "k", "attempt 1 has failed", "the next one starts")
    assert found.why is Why.RETRY
    await shadows.cancel("k")


async def _is(shadows: Shadow, key: str, state: str) -> bool:
    return await state_of(shadows, key) == state


async def test_a_ready_call_without_any_worker(shadows: Shadow) -> None:
    """What to type is told; a call whose time has passed is ready too, though nobody has looked."""
    await shadows.add(ship, key="k")(1)
    found = await told(shadows, "k", "no worker is here")
    assert found.why is Why.NO_WORKER
    assert "shadows worker" in found.remedy
    await shadows.add(ship, key="late", when=timedelta(milliseconds=1))(1)
    await comes_true(lambda: _why(shadows, "late", Why.NO_WORKER))
    await shadows.clear()


async def _why(shadows: Shadow, key: str, why: Why) -> bool:
    return (await explain(shadows, key)).why is why


async def test_a_ready_call_that_no_worker_here_knows(shadows: Shadow) -> None:
    """With the nearest name that they do know."""
    presence, who = shadows.backend().presence, worker("packer")
    await presence.check_in(who, ["shipp"], horizon=10_000)
    await shadows.add(ship, key="k")(1)
    found = await told(shadows, "k", "none of the 1 workers here knows the task ship")
    assert (found.why, found.workers) == (Why.UNKNOWN_TASK, ())
    assert "they know shipp" in found.remedy
    await presence.check_out(who)
    await shadows.clear()


async def test_a_call_that_was_put_back_for_a_worker_that_knows_it(shadows: Shadow) -> None:
    """INV 19: since when, when it is tried again, and whether somebody is here now who knows it."""
    broker, presence, who = shadows.backend().broker, shadows.backend().presence, worker("packer")
    await shadows.add(ship, key="k")(1)
    lease = await take(shadows, who)
    await broker.settle(who, [(lease, verdict.unknown(lease.payload, attempt=1))])
    found = await told(shadows, "k", "no worker that took it has known the task ship", "tried again")
    assert (found.why, found.notes) == (Why.UNKNOWN_TASK, ())
    await presence.check_in(who, ["ship"], horizon=10_000)
    assert (await explain(shadows, "k")).notes == ("packer is here now and knows it",)
    await presence.check_out(who)
    await shadows.clear()


async def test_a_ready_call_waits_for_a_free_slot(shadows: Shadow) -> None:
    """Those who know its task, and how much there is to do."""
    presence, who, other = shadows.backend().presence, worker("one"), worker("two")
    for each in (who, other):
        await presence.check_in(each, ["ship"], horizon=10_000)
    await shadows.add(ship, key="k")(1)
    found = await told(shadows, "k", "waits for a free slot of one and 1 others", "0 calls are running, 1 are ready")
    assert found.why is Why.BUSY
    assert {one.name for one in found.workers} == {"one", "two"}
    for each in (who, other):
        await presence.check_out(each)
    await shadows.clear()


async def test_a_running_call_tells_where_and_since_when(shadows: Shadow) -> None:
    """And whether it was asked to stop, and who waits for its key."""
    began, go = asyncio.Event(), asyncio.Event()

    async def wait(progress: Progress = Progress()) -> None:
        began.set()
        try:
            await heard(go)
        except asyncio.CancelledError:
            await heard(go)

    await shadows.add(wait, key="k")()
    async with working(shadows, name="packer", within=MINUTE):
        await heard(began)
        await comes_true(lambda: _is_known(shadows, "wait"))
        found = await told(shadows, "k", "attempt 1 started on packer at")
        assert (found.why, found.notes) == (Why.RUNNING, ())
        await shadows.cancel("k")
        assert (await told(shadows, "k", "asked to stop")).why is Why.CANCELLING
        await shadows.replace(wait, HOUR, "k")()
        assert (await explain(shadows, "k")).notes == ("another call waits to take this key when the body has ended",)
        go.set()
        await comes_true(lambda: _is(shadows, "k", "scheduled"))
    await shadows.cancel("k")


async def test_a_call_whose_worker_has_gone(shadows: Shadow) -> None:
    """INV 12: another one takes it over, if it knows the task."""
    broker, presence, who = shadows.backend().broker, shadows.backend().presence, worker("gone")
    await shadows.add(ship, key="k")(1)
    lease = await take(shadows, who)
    found = await told(shadows, "k", "nothing is heard of that worker", "none is here that knows the task ship")
    assert found.why is Why.LOST
    await presence.check_in(other := worker("other"), ["ship"], horizon=10_000)
    found = await told(shadows, "k", "another one takes over")
    assert (found.why, found.remedy) == (Why.LOST, "")
    await broker.settle(who, [(lease, verdict.completed("ship", b""))])
    for each in (who, other):
        await presence.check_out(each)


async def test_a_redelivered_call_tells_how_often(shadows: Shadow) -> None:
    """A call that kills its workers shows."""
    broker, first, who = shadows.backend().broker, worker("gone", lease=0.001), worker("here")
    await shadows.add(ship, key="k")(1)
    await take(shadows, first)
    await shadows.backend().presence.check_in(who, ["ship"], horizon=10_000)
    leases: list[Lease] = []

    async def redelivered() -> bool:
        leases.extend((await broker.claim(Order(who, 1, sweep="-"))).leases)
        return bool(leases)

    await comes_true(redelivered)
    assert (await told(shadows, "k", "delivered 2 times")).why is Why.RUNNING
    await broker.settle(who, [(leases[0], verdict.completed("ship", b""))])
    for each in (first, who):
        await shadows.backend().presence.check_out(each)


async def test_a_parked_call_waits_for_others_at_its_gate(shadows: Shadow) -> None:
    """INV 20: at which, who is inside, and how many stand before it."""
    began, go = asyncio.Event(), asyncio.Event()

    async def sync(tenant: Annotated[str, ConcurrencyLimit(1)]) -> None:
        began.set()
        await heard(go)

    await shadows.add(sync, key="first")("acme")
    async with working(shadows, within=MINUTE):
        await heard(began)
        for key in ("second", "third"):
            await shadows.add(sync, key=key)("acme")
            await comes_true(lambda key=key: _is(shadows, key, "parked"))  # type: ignore[misc]
        found = await told(shadows, "second", "tenant:acme (1 of 1 slots taken by first, first in line)")
        assert found.why is Why.SLOTS
        found = await told(shadows, "third", "taken by first, 1 before it")
        assert (found.standing.before, found.standing.holders) == (1, ("first",))
        go.set()
        await comes_true(lambda: _is(shadows, "third", "completed"))


async def test_a_call_that_waits_at_a_rate(shadows: Shadow) -> None:
    """Which limit, and when it passes."""

    async def mail(limit: RateLimit = RateLimit(1, per=HOUR)) -> None: ...

    async with working(shadows):
        for key in ("first", "second"):
            await shadows.add(mail, key=key)()
            await comes_true(lambda key=key: _has_begun(shadows, key))  # type: ignore[misc]
        found = await told(shadows, "second", "its rate limit lets it pass", "mail (1 of 1 in 1h used, first in line)")
    assert found.why is Why.RATE
    await shadows.clear()


async def _has_begun(shadows: Shadow, key: str) -> bool:
    return await state_of(shadows, key) in {"completed", "scheduled"}


async def test_a_call_that_waits_for_quiet(shadows: Shadow) -> None:
    """A newer one takes its place."""

    async def index(quiet: Debounce = Debounce(HOUR)) -> None: ...

    async with working(shadows):
        await shadows.add(index, key="k")()
        await comes_true(lambda: _is(shadows, "k", "scheduled"))
        found = await told(shadows, "k", "waits for quiet", "index (after 1h without a newer one)")
    assert found.why is Why.QUIET
    await shadows.clear()


async def test_a_held_call_names_its_strike(shadows: Shadow) -> None:
    """INV 46: with the reason that somebody gave."""
    await shadows.add(ship, key="k")(7)
    await shadows.strike(ship, "order", "==", 7, hold=True, reason="customs")
    async with working(shadows):
        await comes_true(lambda: _is(shadows, "k", "parked"))
        found = await told(shadows, "k", "a strike holds it", "ship where order == 7, customs")
    assert found.why is Why.HELD
    assert found.strike is not None
    assert found.strike.reason == "customs"
    await shadows.clear()
    await shadows.restore(ship, "order", "==", 7)


async def test_a_call_that_a_strike_forbids(shadows: Shadow) -> None:
    """It waits still, and will not run; whatever it waits for now."""
    presence, who = shadows.backend().presence, worker("packer")
    await shadows.add(ship, key="ready")(1)
    await shadows.add(ship, key="later", when=HOUR)(1)
    await shadows.strike(parameter="order", operator="<", value=5)
    found = await explain(shadows, "ready")
    assert (found.why, found.strike) == (Why.NO_WORKER, None)
    note = "a strike forbids it (any task where order < 5): it will not run while that is in force"
    assert note in found.notes
    assert note in (await explain(shadows, "later")).notes
    await presence.check_in(who, ["ship"], horizon=10_000)
    found = await told(shadows, "ready", "ends cancelled when a worker takes it", "any task where order < 5")
    assert (found.why, found.strike is not None) == (Why.STRUCK, True)
    await presence.check_out(who)
    await shadows.clear()


async def test_an_ended_call_tells_how(shadows: Shadow) -> None:
    """With its error, and what can be done."""
    await shadows.add(ship, key="fine")(1)
    await shadows.add(spoil, key="bad key")()
    await shadows.add(ship, key="off", when=HOUR)(1)
    await shadows.cancel("off")
    await finish(shadows)
    assert (await told(shadows, "fine", "it has completed")).why is Why.COMPLETED
    found = await told(shadows, "bad key", "ValueError: spoiled", "in attempt 1")
    assert (found.why, found.remedy) == (Why.FAILED, "shadows dead replay 'bad key', to run it once more")
    found = await told(shadows, "off", "it was cancelled", "somebody cancelled it")
    assert (found.why, found.notes) == (Why.CANCELLED, ())
    assert found.execution is not None
    assert found.execution.state is ExecutionState.CANCELLED


async def test_a_dead_letter_is_told_as_one(shadows: Shadow) -> None:
    """INV 14: with its reason."""
    broker, who = shadows.backend().broker, worker()
    await shadows.add(ship, key="k")(1)
    lease = await take(shadows, who)
    await broker.settle(who, [(lease, verdict.dead(lease.payload, attempt=2, reason="worker-lost"))])
    found = await told(shadows, "k", "it is a dead letter", "worker-lost, attempt 2")
    assert found.why is Why.DEAD
    assert "shadows dead show k" in found.remedy
    await shadows.backend().presence.check_out(who)


@pytest.mark.parametrize("reason", ["cooldown", "something new"])
async def test_a_dropped_call_tells_why(shadows: Shadow, reason: str) -> None:
    """The word of a later release is told as it is."""
    broker, who = shadows.backend().broker, worker()
    await broker.schedule([call("k", b"cannot be read")])
    lease = await take(shadows, who)
    await broker.settle(who, [(lease, verdict.cancelled("ship", reason=reason))])
    expected = {"cooldown": "another call had closed its cooldown"}
    assert (await told(shadows, "k", expected.get(reason, reason))).why is Why.CANCELLED
    await shadows.backend().presence.check_out(who)


async def test_a_call_that_cannot_be_read_here_is_explained_all_the_same(shadows: Shadow) -> None:
    """Its task has no name then."""
    presence, who = shadows.backend().presence, worker("packer")
    await presence.check_in(who, ["ship"], horizon=10_000)
    await shadows.backend().broker.schedule([call("k", b"cannot be read"), instead("k", b"nor can this")])
    assert (await told(shadows, "k", "a task whose name cannot be read")).why is Why.UNKNOWN_TASK
    await presence.check_out(who)
    await shadows.clear()
