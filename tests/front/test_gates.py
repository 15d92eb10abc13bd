"""What tasks declare at their gates, seen from outside, on every backend."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import attrs
import pytest

from shadows import (
    ConcurrencyLimit,
    ConfigurationError,
    Cooldown,
    Debounce,
    ExecutionCancelled,
    Perpetual,
    RateLimit,
    Retry,
    Worker,
)
from tests.front.acts import DEADLINE, HOUR, comes_true, finish, heard, state_of, working

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from shadows import Execution, Shadow
    from tests.front.places import ServerPlace

TENTH = timedelta(milliseconds=100)


@attrs.define
class Watch:
    """Sees how many bodies run together, and which ran, in order."""

    most: Counter[object] = attrs.field(factory=Counter[object])
    ran: list[Any] = attrs.field(factory=list[Any])
    _now: Counter[object] = attrs.field(factory=Counter[object])

    @asynccontextmanager
    async def inside(self, *whats: object, call: object = None) -> AsyncIterator[None]:
        """Be one of those that run now, in each of these respects."""
        self.ran.append(call)
        self._now.update(whats)
        self.most |= self._now
        try:
            await asyncio.sleep(0.005)
            yield
        finally:
            self._now.subtract(whats)


async def test_never_more_run_than_are_allowed_and_others_are_not_held_up(shadows: Shadow) -> None:
    """INV 20: one at a time for each customer, customers beside each other, in the order in which they were added."""
    watch = Watch()

    async def process(customer_id: int, n: int, limit: ConcurrencyLimit = ConcurrencyLimit("customer_id")) -> None:
        async with watch.inside(customer_id, "all", call=(customer_id, n)):
            pass

    for n in range(8):
        for customer in (1, 2):
            await shadows.add(process)(customer, n)
    await finish(shadows)
    assert (watch.most[1], watch.most[2], watch.most["all"]) == (1, 1, 2)
    assert [n for customer, n in watch.ran if customer == 1] == list(range(8))


async def test_several_workers_keep_one_limit(shadows: Shadow) -> None:
    """INV 20: whoever frees a slot wakes the next, wherever that runs."""
    watch = Watch()

    async def process(n: int, limit: ConcurrencyLimit = ConcurrencyLimit(max_concurrent=2)) -> None:
        async with watch.inside("all", call=n):
            pass

    executions = [await shadows.add(process)(n) for n in range(60)]
    async with working(shadows), working(shadows), working(shadows), asyncio.timeout(DEADLINE):
        for execution in executions:
            await execution.get_result(timeout=DEADLINE)
    assert watch.most["all"] == 2
    assert sorted(watch.ran) == list(range(60))


async def test_a_limited_argument_counts_the_same_however_it_is_passed(shadows: Shadow) -> None:
    """INV 23: by position, by keyword, or by its default."""
    watch = Watch()

    async def process(n: int, db: str = "main", *, limit: ConcurrencyLimit = ConcurrencyLimit("db")) -> None:
        async with watch.inside(db, call=n):
            pass

    await shadows.add(process)(0, "main")
    await shadows.add(process)(1, db="main")
    await shadows.add(process)(2)
    await shadows.add(process)(n=3, db="main")
    await finish(shadows)
    assert watch.most["main"] == 1
    assert len(watch.ran) == 4


async def test_the_annotated_form_limits_the_argument_that_it_annotates(shadows: Shadow) -> None:
    """SPEC, concurrency limits: and the body gets the argument itself."""
    watch = Watch()

    async def process(tenant: Annotated[str, ConcurrencyLimit(2)], n: int) -> str:
        async with watch.inside(tenant, call=n):
            return tenant

    executions = [await shadows.add(process)(tenant, n) for n in range(6) for tenant in "ab"]
    await finish(shadows, concurrency=20)
    assert [await execution.get_result() for execution in executions] == [*"ab"] * 6
    assert (watch.most["a"], watch.most["b"]) == (2, 2)


async def test_a_scope_is_shared_by_tasks_and_keeps_others_apart(shadows: Shadow) -> None:
    """SEMANTICS, Gates: same scope, argument and value: one set, whichever task declares it."""
    watch = Watch()

    async def read(db: str, limit: ConcurrencyLimit = ConcurrencyLimit("db", scope="disk")) -> None:
        async with watch.inside("disk", "all"):
            pass

    async def write(db: str, limit: ConcurrencyLimit = ConcurrencyLimit("db", scope="disk")) -> None:
        async with watch.inside("disk", "all"):
            pass

    async def ping(db: str, limit: ConcurrencyLimit = ConcurrencyLimit("db", scope="net")) -> None:
        async with watch.inside("net", "all"):
            pass

    for _ in range(4):
        for task in (read, write, ping):
            await shadows.add(task)("main")
    await finish(shadows)
    assert (watch.most["disk"], watch.most["net"], watch.most["all"]) == (1, 1, 2)


async def test_a_call_passes_all_of_its_limits_or_none(shadows: Shadow) -> None:
    """INV 22: seed 004, multi-level: per user, per type and per region together."""
    watch = Watch()

    async def export(
        user_id: int,
        export_type: str,
        region: str,
        user_limit: ConcurrencyLimit = ConcurrencyLimit("user_id", max_concurrent=1),
        type_limit: ConcurrencyLimit = ConcurrencyLimit("export_type", max_concurrent=3),
        region_limit: ConcurrencyLimit = ConcurrencyLimit("region", max_concurrent=4),
    ) -> None:
        async with watch.inside(user_id, export_type, region):
            pass

    for n in range(40):
        await shadows.add(export)(n % 7, "pdf" if n % 3 else "csv", "eu" if n % 2 else "us")
    await finish(shadows, concurrency=30)
    assert len(watch.ran) == 40
    assert max(watch.most[user] for user in range(7)) == 1
    assert max(watch.most["pdf"], watch.most["csv"]) <= 3
    assert max(watch.most["eu"], watch.most["us"]) <= 4


async def test_a_blocked_call_says_that_it_is_parked_and_can_be_cancelled(shadows: Shadow) -> None:
    """INV 22, INV 29: it is known by its key, no attempt is used, and it may end before it begins."""
    entered, leave = asyncio.Event(), asyncio.Event()

    async def process(n: int, limit: ConcurrencyLimit = ConcurrencyLimit(max_concurrent=1)) -> int:
        if n == 0:
            entered.set()
            await leave.wait()
        return n

    await shadows.add(process, key="first")(0)
    async with working(shadows, within=timedelta(seconds=1)):
        await heard(entered)
        second = await shadows.add(process, key="second")(1)
        third = await shadows.add(process, key="third")(2)
        await comes_true(lambda: _parked(shadows, "second", "third"))
        snapshot = await shadows.snapshot()
        assert (snapshot.total_tasks, snapshot.parked) == (3, 2)
        assert [execution.key for execution in snapshot.future] == ["second", "third"]
        assert (await shadows.add(process, key="second")(9)).disposition == "already_scheduled"
        assert (await shadows.cancel("second")) == "cancelled"
        await shadows.replace(process, key="third", when=timedelta(0))(3)
        leave.set()
        execution = await shadows.get_execution("third")
        assert execution is not None
        assert await execution.get_result(timeout=DEADLINE) == 3
        with pytest.raises(ExecutionCancelled):
            await second.get_result(timeout=DEADLINE)
        assert third.attempt == 1


async def _parked(shadows: Shadow, *keys: str) -> bool:
    return {await state_of(shadows, key) for key in keys} == {"parked"}


async def test_failures_retries_and_cancels_give_the_slot_back(shadows: Shadow) -> None:
    """INV 21: whatever becomes of an attempt."""
    watch = Watch()

    async def process(
        n: int, retry: Retry = Retry(attempts=2), limit: ConcurrencyLimit = ConcurrencyLimit(max_concurrent=1)
    ) -> None:
        async with watch.inside("all", call=n):
            if n % 2:
                raise ValueError(n)

    for n in range(6):
        await shadows.add(process)(n)
    await finish(shadows)
    assert watch.most["all"] == 1
    assert Counter(watch.ran) == {0: 1, 2: 1, 4: 1, 1: 2, 3: 2, 5: 2}


async def test_a_thread_keeps_its_slot_until_it_returns(shadows: Shadow) -> None:
    """SEMANTICS, def tasks: plain functions are limited like any other."""
    together, most = Counter[str](), Counter[str]()

    def process(n: int, limit: ConcurrencyLimit = ConcurrencyLimit(max_concurrent=2)) -> int:
        together["all"] += 1
        most["all"] = max(most["all"], together["all"])
        together["all"] -= 1
        return n

    executions = [await shadows.add(process)(n) for n in range(10)]
    await finish(shadows)
    assert [await execution.get_result() for execution in executions] == list(range(10))
    assert most["all"] <= 2


async def test_a_rate_limit_lets_calls_begin_at_their_pace(shadows: Shadow) -> None:
    """SEMANTICS, Gates: two in any 100 ms; the others wait, scheduled for their own moment, in order."""
    order: list[int] = []

    async def send(n: int, limit: RateLimit = RateLimit(2, per=TENTH)) -> None:
        order.append(n)

    executions = [await shadows.add(send)(n) for n in range(7)]
    await finish(shadows)
    assert sorted(order) == list(range(7))
    assert order[:2] == [0, 1]
    # Exact is the admission, by the broker's clock; what lies between it and the body is this machine's.
    first, last = executions[0], executions[6]
    for execution in (first, last):
        await execution.sync()
    assert first.started_at is not None
    assert last.started_at is not None
    assert last.started_at - first.started_at >= 3 * TENTH


async def test_a_rate_limit_with_drop_drops(shadows: Shadow) -> None:
    """SEMANTICS, dropped by a gate: waiters get ExecutionCancelled, and the execution says why."""
    ran: list[int] = []

    async def send(n: int, limit: RateLimit = RateLimit(1, per=HOUR, drop=True)) -> None:
        ran.append(n)

    executions = [await shadows.add(send)(n) for n in range(3)]
    await finish(shadows)
    assert ran == [0]
    await _dropped(executions[1:], "rate_limit")


async def _dropped(executions: list[Execution[Any]], reason: str) -> None:
    for execution in executions:
        with pytest.raises(ExecutionCancelled, match=reason):
            await execution.get_result(timeout=DEADLINE)
        await execution.sync()
        assert execution.state == "cancelled"


async def test_a_cooldown_runs_the_first_and_drops_the_rest(shadows: Shadow) -> None:
    """Each value of the argument for itself."""
    ran: list[tuple[str, int]] = []

    async def alert(host: Annotated[str, Cooldown(HOUR)], n: int) -> None:
        ran.append((host, n))

    executions = [await shadows.add(alert)(host, n) for n in range(3) for host in "ab"]
    await finish(shadows)
    assert sorted(ran) == [("a", 0), ("b", 0)]
    await _dropped(executions[2:], "cooldown")


async def test_a_debounce_runs_the_last_with_its_arguments(shadows: Shadow) -> None:
    """After quiet; the earlier ones end cancelled, reason debounced."""
    ran: list[int] = []

    async def index(n: int, quiet: Debounce = Debounce(TENTH)) -> None:
        ran.append(n)

    executions = [await shadows.add(index)(n) for n in range(4)]
    await finish(shadows)
    assert ran == [3]
    await _dropped(executions[:3], "debounced")


async def test_a_run_that_was_dropped_by_a_gate_still_perpetuates(shadows: Shadow) -> None:
    """INV 24: its occurrences go on, each with its own fate at the gate."""
    ran: list[str] = []

    async def beat(
        again: Perpetual = Perpetual(every=timedelta(milliseconds=20)), cool: Cooldown = Cooldown(HOUR)
    ) -> None:
        ran.append("beat")

    first = await shadows.add(beat, key="beat")()
    seen: set[int | None] = set()

    async def several_were_placed() -> bool:
        found = await shadows.get_execution("beat")
        seen.add(None if found is None or found.when is None else round(found.when.timestamp() * 1000))
        return len(seen) > 4

    async with working(shadows):
        await first.get_result(timeout=DEADLINE)
        await comes_true(several_were_placed)
        assert await shadows.cancel("beat") in {"cancelled", "requested"}
    assert ran == ["beat"]
    await shadows.clear()


async def test_a_dropped_call_does_not_count_as_run(shadows: Shadow) -> None:
    """run_at_most counts first attempts that were started."""
    ran: list[int] = []

    async def alert(n: int, cool: Cooldown = Cooldown(HOUR)) -> None:
        ran.append(n)

    for n in range(3):
        await shadows.add(alert)(n)
    async with Worker(shadows) as worker, asyncio.timeout(DEADLINE):
        await worker.run_at_most({"alert": 1})
    assert ran == [0]


async def test_a_worker_that_stops_hands_slots_and_waiting_calls_on(shadows: Shadow) -> None:
    """INV 17, INV 18: nothing that it held stays closed, and what waits at the gate needs it no more."""
    entered = asyncio.Event()
    ran: list[int] = []

    async def process(n: int, limit: ConcurrencyLimit = ConcurrencyLimit(max_concurrent=1)) -> None:
        ran.append(n)
        if ran == [0]:
            entered.set()
            await asyncio.sleep(60)

    for n in range(5):
        await shadows.add(process, key=f"k{n}")(n)
    async with working(shadows):
        await heard(entered)
    await finish(shadows)
    assert sorted(ran) == [0, 0, 1, 2, 3, 4]


@pytest.mark.pickles
async def test_a_value_whose_text_fails_is_the_runs_own_failure(shadows: Shadow) -> None:
    """INV 15: str(argument) is the caller's code; the worker lives on."""

    async def process(thing: Unspeakable, limit: ConcurrencyLimit = ConcurrencyLimit("thing")) -> None: ...

    execution = await shadows.add(process)(Unspeakable())
    await finish(shadows)
    with pytest.raises(RuntimeError, match="no name"):
        await execution.get_result(timeout=DEADLINE)


class Unspeakable:
    """Has no text."""

    def __str__(self) -> str:
        raise RuntimeError("no name")


async def test_a_limit_on_an_argument_that_is_not_there_is_refused_when_registered(shadows: Shadow) -> None:
    """The text names the task and the argument."""

    async def process(customer_id: int, limit: ConcurrencyLimit = ConcurrencyLimit("customer")) -> None: ...

    with pytest.raises(ConfigurationError, match=r"process\(\).*'customer'.*did you mean 'customer_id'"):
        shadows.register(process)


def scripts_run(far: ServerPlace) -> int:
    """Return how many scripts clients have sent to the server; what runs inside of them is not counted."""
    stats = far.curtain.ask("INFO", "commandstats").decode()
    line = next((line for line in stats.splitlines() if line.startswith("cmdstat_evalsha:")), "calls=0,")
    return int(line.partition("calls=")[2].partition(",")[0])


@pytest.mark.parametrize("count", [500, pytest.param(10_000, marks=[pytest.mark.slow, pytest.mark.timeout(600)])])
async def test_calls_that_share_one_slot_need_three_round_trips_each(far: ServerPlace, count: int) -> None:
    """INV 20: claimed, asked and parked, woken and claimed by the turn that settles the one before."""
    ran: list[int] = []

    async def process(n: int, limit: ConcurrencyLimit = ConcurrencyLimit(max_concurrent=1)) -> None:
        ran.append(n)

    async with far.shadow() as shadows:
        await shadows.add_many([shadows.call(process)(n) for n in range(count)])
        before = scripts_run(far)
        async with Worker(shadows) as worker:
            await worker.run_until_finished()
        assert scripts_run(far) - before <= 3 * count
    assert ran == list(range(count))


async def test_nobody_polls_for_a_blocked_call(far: ServerPlace) -> None:
    """INV 20: while 100 calls wait for one slot, an idle worker sends what it sends without them."""
    entered, leave = asyncio.Event(), asyncio.Event()

    async def process(n: int, limit: ConcurrencyLimit = ConcurrencyLimit(max_concurrent=1)) -> None:
        entered.set()
        await leave.wait()

    async with far.shadow() as shadows:
        for n in range(100):
            await shadows.add(process)(n)
        async with working(shadows, within=timedelta(seconds=5)):
            await heard(entered)
            await comes_true(lambda: _all_parked(far, 99))
            before = scripts_run(far)
            await asyncio.sleep(1.5)
            assert scripts_run(far) - before <= 6
            leave.set()
            await comes_true(lambda: _nothing_left(shadows))


def _all_parked(far: ServerPlace, count: int) -> bool:
    found: int = far.curtain.ask("ZCARD", far.curtain.key("!parked"))
    return found == count


async def _nothing_left(shadows: Shadow) -> bool:
    return (await shadows.snapshot()).total_tasks == 0
