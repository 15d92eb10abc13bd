from __future__ import annotations

import asyncio
import contextlib
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import pytest

from shadows import (
    ConfigurationError,
    ExecutionCancelled,
    ExecutionState,
    Perpetual,
    Retry,
    SerializationError,
    Shadow,
    Timeout,
    Worker,
)
from shadows.core import verdict
from shadows.core.scheduling import AT_ONCE
from shadows.core.verdict import Occurrence
from shadows.ports.broker import Settlement
from tests.contract.acts import take_one, worker
from tests.front.acts import DEADLINE, HOUR, comes_true, finish, heard, state_of, working

if TYPE_CHECKING:
    from shadows import Execution
    from tests.front.places import Place

S = ExecutionState
SHORT = timedelta(milliseconds=5)


async def next_of(shadows: Shadow, key: str) -> Execution[Any]:
    """Return the handle of the run that waits under the key."""
    found = await shadows.get_execution(key)
    assert found is not None
    assert found.state is S.SCHEDULED
    return found


async def gone_on(shadows: Shadow, execution: Execution[Any]) -> Execution[Any]:
    """Let a worker run this execution, and return the one that follows it."""
    async with working(shadows, within=timedelta(seconds=5)):
        with contextlib.suppress(ValueError, TypeError, TimeoutError):
            await execution.get_result(timeout=DEADLINE)
    await execution.sync()
    return await next_of(shadows, execution.key)


async def test_a_run_is_followed_by_the_next_from_start_to_start(shadows: Shadow) -> None:
    """INV 25 and 27: `every` counts from the start, to the millisecond; each handle answers for its own run."""
    ran: list[str] = []

    async def check(city: str, perpetual: Perpetual = Perpetual(every=HOUR)) -> str:
        ran.append(city)
        return f"{city} {len(ran)}"

    execution = await shadows.add(check, key="k")("Oslo")
    following = await gone_on(shadows, execution)
    assert await execution.get_result() == "Oslo 1"
    assert execution.started_at is not None
    assert following.when == execution.started_at + HOUR
    assert (following.args, following.attempt, following.function) == (("Oslo",), 1, check)
    assert execution.state is S.COMPLETED
    assert ran == ["Oslo"]
    await shadows.cancel("k")


async def test_it_goes_on_and_on(shadows: Shadow) -> None:
    """PARITY: `every` may be zero; `run_at_most` lets it run so often, and ends the chain."""
    starts: list[int] = []

    async def again(perpetual: Perpetual = Perpetual()) -> None:
        starts.append(len(starts))

    first = await shadows.add(again)()
    async with asyncio.timeout(DEADLINE):
        async with working(shadows):
            await comes_true(lambda: len(starts) >= 5)
            await shadows.cancel(first.key)
    ran = len(starts)
    await finish(shadows)
    assert len(starts) == ran
    await first.get_result()


async def test_run_at_most_ends_the_chain(place: Place) -> None:
    """SEMANTICS, Running: the occurrence beyond the count ends cancelled, reason `run_at_most`, without successor."""
    ran: list[int] = []

    async def again(perpetual: Perpetual = Perpetual(every=SHORT)) -> None:
        ran.append(1)

    async with place.shadow() as shadows:
        await shadows.add(again, key="k")()
        async with Worker(shadows) as working_once, asyncio.timeout(DEADLINE):
            await working_once.run_at_most({"again": 3})
        assert len(ran) == 3
        last = await shadows.get_execution("k")
        assert last is not None
        assert (last.state, last.error) == (S.CANCELLED, "run_at_most")
        assert (await shadows.snapshot()).total_tasks == 0


async def test_what_was_missed_is_not_caught_up(shadows: Shadow) -> None:
    """SEMANTICS, Perpetual: a start that is past by the end of the run means at once, and only once."""
    starts: list[datetime] = []

    async def slow(perpetual: Perpetual = Perpetual(every=timedelta(milliseconds=10))) -> None:
        starts.append(datetime.now(UTC))
        if len(starts) == 1:
            await asyncio.sleep(0.1)  # ten intervals
        else:
            perpetual.every = HOUR

    execution = await shadows.add(slow, key="k")()
    async with working(shadows):
        await comes_true(lambda: len(starts) == 2)
        await comes_true(lambda: _waits(shadows, "k"))
    await execution.sync()
    following = await next_of(shadows, "k")
    assert execution.completed_at is not None
    assert following.when is not None
    assert following.when >= execution.completed_at + HOUR
    assert len(starts) == 2
    await shadows.cancel("k")


async def _waits(shadows: Shadow, key: str) -> bool:
    return await state_of(shadows, key) == "scheduled"


async def test_a_failed_run_is_followed_after_its_last_attempt(shadows: Shadow) -> None:
    """SEMANTICS, Perpetual: Retry first, then the next occurrence, which has all attempts again; INV 32."""
    attempts: list[int] = []

    async def fragile(
        perpetual: Perpetual = Perpetual(every=HOUR), retry: Retry = Retry(attempts=2, delay=SHORT)
    ) -> None:
        attempts.append(retry.attempt)
        raise ValueError("no")

    execution = await shadows.add(fragile, key="k")()
    following = await gone_on(shadows, execution)
    with pytest.raises(ValueError, match="no"):
        await execution.get_result()
    assert attempts == [1, 2]
    assert (execution.attempt, following.attempt) == (2, 1)
    assert execution.started_at is not None
    assert following.when == execution.started_at + HOUR
    await shadows.cancel("k")


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt(), asyncio.CancelledError()])
async def test_no_exception_of_a_body_breaks_the_chain(shadows: Shadow, error: BaseException) -> None:
    """INV 26, FAULTS 30 and 31: whatever it raises is its failure."""

    async def break_down(perpetual: Perpetual = Perpetual(every=HOUR)) -> None:
        raise error

    execution = await shadows.add(break_down, key="k")()
    async with working(shadows):
        await comes_true(lambda: _waits(shadows, "k"))
    await execution.sync()
    assert execution.state is S.FAILED
    await shadows.cancel("k")


async def test_a_timed_out_run_is_followed_by_the_next(shadows: Shadow) -> None:
    """SEMANTICS, the table: timed out, then the next occurrence."""

    async def hang(perpetual: Perpetual = Perpetual(every=HOUR), limit: Timeout = Timeout(SHORT)) -> None:
        await asyncio.Event().wait()

    execution = await shadows.add(hang, key="k")()
    await gone_on(shadows, execution)
    with pytest.raises(TimeoutError, match="did not end within 5ms"):
        await execution.get_result()
    await shadows.cancel("k")


async def test_a_cancelled_run_is_followed_by_nothing(shadows: Shadow) -> None:
    """INV 30: neither one that waits for its time nor one that runs."""
    began = asyncio.Event()

    async def hang(perpetual: Perpetual = Perpetual(every=SHORT)) -> None:
        began.set()
        await asyncio.Event().wait()

    execution = await shadows.add(hang, key="k")()
    async with working(shadows):
        await heard(began)
        await shadows.cancel("k")
        with pytest.raises(ExecutionCancelled):
            await execution.get_result(timeout=DEADLINE)
    assert await state_of(shadows, "k") == "cancelled"
    assert (await shadows.snapshot()).total_tasks == 0

    waiting = await shadows.add(hang, when=HOUR, key="k")()
    await shadows.cancel("k")
    await finish(shadows)
    await waiting.sync()
    assert waiting.state is S.CANCELLED


async def test_a_body_that_swallows_its_cancel_is_not_followed(shadows: Shadow) -> None:
    """SEMANTICS, Running: it ends as what it returned, with `cancel_ignored`, and is not perpetuated."""
    began = asyncio.Event()

    async def stubborn(perpetual: Perpetual = Perpetual(every=SHORT)) -> str:
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "never mind"
        raise AssertionError

    execution = await shadows.add(stubborn, key="k")()
    async with working(shadows):
        await heard(began)
        await shadows.cancel("k")
        assert await execution.get_result(timeout=DEADLINE) == "never mind"
    await execution.sync()
    assert (execution.state, execution.error) == (S.COMPLETED, "cancel_ignored")
    assert (await shadows.snapshot()).total_tasks == 0


async def test_a_replace_wins_over_the_next_occurrence(shadows: Shadow) -> None:
    """INV 25 and 31: the call that replaced the running one is what waits; nothing of the old one touches it."""
    began, go = asyncio.Event(), asyncio.Event()

    async def work(city: str, perpetual: Perpetual = Perpetual(every=SHORT)) -> str:
        began.set()
        await go.wait()
        perpetual.perpetuate("Rome")
        return city

    old = await shadows.add(work, key="k")("Oslo")
    async with working(shadows, within=timedelta(seconds=5)):
        await heard(began)
        assert (await shadows.snapshot()).total_tasks == 1  # nothing is placed before the settle
        await shadows.replace(work, HOUR, "k")("Paris")
        go.set()
        with pytest.raises(ExecutionCancelled, match="superseded"):
            await old.get_result(timeout=DEADLINE)
    following = await next_of(shadows, "k")
    assert following.args == ("Paris",)
    assert (await shadows.snapshot()).total_tasks == 1
    await shadows.cancel("k")


async def test_the_body_decides_about_the_next_run(shadows: Shadow) -> None:
    """PARITY: other arguments, another interval, a while, a time; each for what follows this run only."""
    noon = datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)

    async def adapt(step: str, rate: int = 60, perpetual: Perpetual = Perpetual(every=HOUR)) -> None:
        match step:
            case "arguments":
                perpetual.perpetuate("interval", rate=30)
            case "interval":
                perpetual.every = 2 * HOUR
                perpetual.perpetuate("after", rate)
            case "after":
                perpetual.after(3 * HOUR)
                perpetual.perpetuate("at", rate + 1)
            case _:
                perpetual.at(noon)

    execution = await shadows.add(adapt, key="k")("arguments")
    found: list[tuple[object, ...]] = []
    for step in ("arguments", "interval", "after", "at"):
        following = await gone_on(shadows, execution)
        assert execution.started_at is not None
        assert execution.completed_at is not None
        found.append((step, following.args, following.kwargs))
        expected = {
            "arguments": execution.started_at + HOUR,
            "interval": execution.started_at + 2 * HOUR,
            "after": execution.completed_at + 3 * HOUR,
            "at": noon,
        }
        assert following.when == expected[step]
        if step != "at":
            execution = await shadows.replace(adapt, None, "k")(*following.args, **following.kwargs)
    assert found == [
        ("arguments", ("interval",), {"rate": 30}),
        ("interval", ("after", 30), {}),
        ("after", ("at", 31), {}),
        ("at", ("at", 31), {}),
    ]
    await shadows.cancel("k")


async def test_a_body_can_end_its_chain(shadows: Shadow) -> None:
    """PARITY: `cancel` is for what follows; the run itself ends as it would have."""

    async def monitor(perpetual: Perpetual = Perpetual(every=SHORT)) -> str:
        perpetual.cancel()
        return "finished"

    execution = await shadows.add(monitor, key="k")()
    await finish(shadows)
    assert await execution.get_result() == "finished"
    await execution.sync()
    assert (execution.state, execution.error) == (S.COMPLETED, None)
    assert (await shadows.snapshot()).total_tasks == 0


async def test_arguments_that_cannot_travel_fail_the_run_but_not_the_chain(shadows: Shadow) -> None:
    """INV 26: the next run has those of this one."""

    async def clumsy(thing: object = None, perpetual: Perpetual = Perpetual(every=HOUR)) -> None:
        perpetual.perpetuate(threading.Lock())

    async def wrong(perpetual: Perpetual = Perpetual(every=HOUR)) -> None:
        perpetual.perpetuate(1, 2, 3)

    execution = await shadows.add(clumsy, key="k")("fine")
    following = await gone_on(shadows, execution)
    with pytest.raises(SerializationError):
        await execution.get_result()
    assert following.args == ("fine",)
    mistaken = await shadows.add(wrong, key="w")()
    await gone_on(shadows, mistaken)
    with pytest.raises(TypeError, match="at most 1 positional"):
        await mistaken.get_result()
    await shadows.cancel("k")
    await shadows.cancel("w")


async def test_a_def_task_goes_on_too(shadows: Shadow) -> None:
    """SEMANTICS, `def` tasks: the same behaviours, from a thread; and `Annotated` declares it as well."""

    def check(city: str, perpetual: Annotated[Perpetual | None, Perpetual(every=HOUR)] = None) -> str:
        assert perpetual is not None
        perpetual.perpetuate(city * 2)
        return city

    execution = await shadows.add(check, key="k")("Oslo")
    following = await gone_on(shadows, execution)
    assert await execution.get_result() == "Oslo"
    assert following.args == ("OsloOslo",)
    await shadows.cancel("k")


async def test_a_chain_goes_on_where_no_records_are_kept(place: Place) -> None:
    """INV 42: with `execution_ttl=0` nothing of a run that ended remains, and the next one follows."""
    ran: list[int] = []

    async def again(perpetual: Perpetual = Perpetual(every=SHORT)) -> None:
        ran.append(1)
        if len(ran) == 3:
            perpetual.cancel()

    async with place.shadow(execution_ttl=timedelta(0)) as shadows:
        await shadows.add(again, key="k")()
        await finish(shadows)
        assert len(ran) == 3
        assert await shadows.get_execution("k") is None


async def test_an_old_worker_does_not_break_the_chain(place: Place) -> None:
    """INV 26: one that does not know the task puts the occurrence back for one that does."""
    ran = asyncio.Event()

    async def check(perpetual: Perpetual = Perpetual(every=HOUR)) -> None:
        ran.set()

    async with place.shadow() as new, place.shadow() as old:
        execution = await new.add(check, key="k")()
        async with working(old):
            await comes_true(lambda: _waits(new, "k"))  # it was put back
        assert not ran.is_set()
        async with working(new):
            await execution.get_result(timeout=DEADLINE)
        await next_of(new, "k")
        await new.cancel("k")


async def test_a_crash_does_not_break_the_chain(shadows: Shadow) -> None:
    """INV 26: the lease of a worker that died goes to another one, and the run is followed as ever."""

    async def check(perpetual: Perpetual = Perpetual(every=HOUR)) -> str:
        return "done"

    execution = await shadows.add(check, key="k")()
    broker, dead = shadows.backend().broker, worker(lease=1)
    lost = await take_one(broker, dead)
    async with working(shadows):
        assert await execution.get_result(timeout=DEADLINE) == "done"
    await execution.sync()
    assert execution.fence is not None
    assert execution.fence > lost.fence
    assert execution.started_at is not None
    assert (await next_of(shadows, "k")).when == execution.started_at + HOUR
    late = verdict.completed("check", follow=Occurrence(lost.payload, AT_ONCE))
    assert await broker.settle(dead, [(lost, late)]) == [Settlement.SUPERSEDED]
    assert (await next_of(shadows, "k")).when == execution.started_at + HOUR
    await shadows.backend().presence.check_out(dead)
    await shadows.cancel("k")


async def test_a_task_is_a_plain_function_all_the_same(shadows: Shadow) -> None:
    """It can be called in a test; what it does to its marker then does not reach any run."""

    async def monitor(perpetual: Perpetual) -> str:
        perpetual.every = SHORT
        perpetual.cancel()
        return "finished"

    declared = Perpetual(every=HOUR)
    assert await monitor(declared) == "finished"

    async def check(perpetual: Perpetual = declared) -> None: ...

    execution = await shadows.add(check, key="k")()
    following = await gone_on(shadows, execution)
    assert execution.started_at is not None
    assert following.when == execution.started_at + HOUR
    await shadows.cancel("k")


async def test_a_task_goes_on_in_one_way_only(shadows: Shadow) -> None:
    """PARITY: one of each single kind; the text names both."""

    async def twice(one: Perpetual = Perpetual(), two: Perpetual = Perpetual()) -> None: ...

    with pytest.raises(ConfigurationError, match="'one' and 'two'"):
        shadows.register(twice)
