from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from shadows import (
    ConfigurationError,
    Disposition,
    ExecutionCancelled,
    ExecutionState,
    Perpetual,
    Retry,
    SerializationError,
    Shadow,
    Worker,
)
from tests.front.acts import HOUR, SOON, comes_true, finish, heard, state_of, working

if TYPE_CHECKING:
    from tests.front.places import Place, ServerPlace

STRUCK, PLACED = Disposition.STRUCK, Disposition.SCHEDULED
ran: list[Any] = []


@pytest.fixture(autouse=True)
def _nothing_ran_yet() -> None:
    ran.clear()


async def pay(customer_id: str, amount: float = 10, *, note: object = None) -> None:
    ran.append((customer_id, amount))


async def mail(customer_id: str) -> None:
    ran.append(customer_id)


async def test_a_struck_task_is_not_placed_until_it_is_restored(shadows: Shadow) -> None:
    """SEMANTICS, Strikes: the disposition says so, the key stays free, and who waits hears why."""
    await shadows.strike(pay, reason="maintenance")
    execution = await shadows.add(pay, key="k")("a")
    assert (execution.disposition, execution.state, execution.error) == (STRUCK, ExecutionState.CANCELLED, "strike")
    with pytest.raises(ExecutionCancelled, match="strike"):
        await execution.get_result()
    await execution.sync()
    assert execution.state is ExecutionState.CANCELLED
    ready = asyncio.Event()
    assert [event["state"] async for event in execution.subscribe(ready)] == ["cancelled"]
    assert [event["error"] async for event in execution.subscribe()] == ["strike"]
    assert ready.is_set()
    assert await shadows.get_execution("k") is None
    assert (await shadows.add(mail)("a")).disposition is PLACED
    assert await shadows.restore(pay)
    assert (await shadows.add(pay, key="k")("a")).disposition is PLACED
    await finish(shadows)
    assert sorted(map(str, ran)) == ["('a', 10)", "a"]


async def test_a_waiting_call_is_judged_when_it_comes_due(shadows: Shadow) -> None:
    """SEMANTICS, Strikes: its state is cancelled, reason strike; one that comes due after the restore runs."""
    waiting = await shadows.add(pay, when=SOON, key="soon")("a")
    later = await shadows.add(pay, when=2 * SOON, key="later")("b")
    await shadows.strike(pay, "customer_id", "==", "a")
    await finish(shadows)
    with pytest.raises(ExecutionCancelled, match="strike"):
        await waiting.get_result()
    await waiting.sync()
    assert (waiting.state, waiting.error) == (ExecutionState.CANCELLED, "strike")
    await later.get_result()
    await shadows.add(pay, when=HOUR, key="soon")("c")
    await shadows.strike(pay)
    await shadows.restore(pay)
    await shadows.replace(pay, None, "soon")("c")
    await finish(shadows)
    assert ran == [("b", 10), ("c", 10)]


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [(("a", 10), {}), (("a",), {"amount": 10}), ((), {"amount": 10, "customer_id": "a"}), (("a",), {})],
)
async def test_an_argument_counts_the_same_however_it_is_passed(
    shadows: Shadow, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    """INV 23 for strikes: by position, by keyword or by its default; at the sender and at the worker."""
    waiting = await shadows.add(pay, when=SOON)(*args, **kwargs)
    await shadows.strike(None, "amount", "<=", 10)
    assert (await shadows.add(pay)(*args, **kwargs)).disposition is STRUCK
    await finish(shadows)
    await waiting.sync()
    assert (waiting.state, ran) == (ExecutionState.CANCELLED, [])


async def test_a_strike_by_parameter_is_of_every_task(shadows: Shadow) -> None:
    """SPEC 2: by task, by parameter over all tasks, by both, compound."""
    await shadows.strike(None, "customer_id", "==", "a")
    await shadows.strike(pay, where={"customer_id": ("==", "b"), "amount": ("between", (100, 200))})
    calls = [shadows.call(mail)("a"), shadows.call(pay)("a"), shadows.call(mail)("b"), shadows.call(pay)("b")]
    calls += [shadows.call(pay)("b", amount) for amount in (99, 100, 200, 201)]
    found = [each.disposition for each in await shadows.add_many(calls)]
    assert found == [STRUCK, STRUCK, PLACED, PLACED, PLACED, STRUCK, STRUCK, PLACED]
    await finish(shadows)
    assert len(ran) == 4


@pytest.mark.parametrize(
    "value", [5, 5.5, "text", b"\xff", (1, "a"), UUID(int=7), datetime(2024, 2, 29, tzinfo=UTC), None]
)
async def test_a_value_may_be_of_any_kind(place: Place, shadows: Shadow, value: object) -> None:
    """Issue 4: of any comparable type; it travels by the codec."""
    await shadows.strike(None, "note", "==", value)
    async with place.shadow() as other:
        assert (await other.add(pay)("a", note=value)).disposition is STRUCK
        assert (await other.add(pay)("a", note="else")).disposition is PLACED


async def test_others_know_a_strike_at_their_next_step(place: Place, shadows: Shadow) -> None:
    """INV 46: no polling and no connection: who decides on an older list is refused, and decides again."""
    async with place.shadow() as other:
        assert (await other.add(pay)("a")).disposition is PLACED
        await shadows.strike(pay)
        assert (await other.add(pay)("a")).disposition is STRUCK
        assert [each.disposition for each in await other.add_many([other.call(pay)("a")] * 3)] == [STRUCK] * 3
        await shadows.restore(pay)
        found = await other.add_many([other.call(pay, key=f"{n}")("a") for n in range(450)])
        assert {each.disposition for each in found} == {PLACED}
        await shadows.clear()


async def test_a_busy_worker_knows_a_strike_before_its_next_body(shadows: Shadow) -> None:
    """INV 46: every claim brings what is new with its leases."""
    began, go = asyncio.Event(), asyncio.Event()

    async def first() -> None:
        began.set()
        await go.wait()

    async with working(shadows, concurrency=1):
        await shadows.add(first)()
        await heard(began)
        executions = await shadows.add_many([shadows.call(mail)(f"{n}") for n in range(20)])
        await shadows.strike(mail)
        go.set()
        for execution in executions:
            with pytest.raises(ExecutionCancelled, match="strike"):
                await execution.get_result(timeout=10)
    assert ran == []


async def test_an_idle_worker_knows_a_strike_before_its_first_claim(place: Place, shadows: Shadow) -> None:
    """INV 46: known before the first claim; also to one that waited at the door when it was struck."""
    shadows.register(mail)
    async with working(shadows):
        await comes_true(lambda: _is_here(shadows))
        async with place.shadow() as other:
            await other.strike("mail")
            await other.restore("mail")
            waiting = await other.add(mail, when=SOON)("a")
            await other.strike("mail")
            with pytest.raises(ExecutionCancelled, match="strike"):
                await waiting.get_result(timeout=10)
    assert ran == []


async def _is_here(shadows: Shadow) -> bool:
    return bool(await shadows.workers())


async def test_a_retry_is_judged_like_any_other_attempt(shadows: Shadow) -> None:
    """SEMANTICS, what ends a run: struck, not retried."""

    async def fail(retry: Retry = Retry(attempts=5, delay=SOON)) -> None:
        ran.append(retry.attempt)
        await shadows.strike("fail")
        raise ValueError

    execution = await shadows.add(fail)()
    await finish(shadows)
    with pytest.raises(ExecutionCancelled, match="strike"):
        await execution.get_result()
    assert ran == [1]


async def test_a_replace_that_is_struck_leaves_the_waiting_call(shadows: Shadow) -> None:
    """SEMANTICS, Strikes: nothing is placed, so nothing is replaced."""
    await shadows.add(pay, when=SOON, key="k")("good")
    await shadows.strike(pay, "customer_id", "==", "bad")
    assert (await shadows.replace(pay, None, "k")("bad")).disposition is STRUCK
    assert (await shadows.replace_many([shadows.call(pay, key="k")("bad")]))[0].disposition is STRUCK
    await finish(shadows)
    assert ran == [("good", 10)]


async def test_restore_lifts_exactly_one_strike(shadows: Shadow) -> None:
    """SEMANTICS, Strikes: the one with the same task, parameter, operator and value; it tells whether there was one."""
    await shadows.strike(pay, "amount", ">", 100)
    await shadows.strike(pay, "amount", ">=", 100, reason="fraud")
    assert not await shadows.restore(pay)
    assert not await shadows.restore(pay, "amount", ">", 101)
    assert not await shadows.restore(None, "amount", ">", 100)
    assert await shadows.restore("pay", where={"amount": (">", 100)})
    (left,) = await shadows.strikes()
    assert (left.function, left.reason, left.until, left.hold) == ("pay", "fraud", None, False)
    assert [(one.parameter, one.operator, one.value) for one in left.conditions] == [("amount", ">=", 100)]
    assert (await shadows.add(pay)("a", 101)).disposition is STRUCK
    assert (await shadows.add(pay)("a", 99)).disposition is PLACED


async def test_a_strike_may_name_a_task_that_nobody_here_knows(place: Place, shadows: Shadow) -> None:
    """SEMANTICS, Strikes: by name."""
    await shadows.strike("nobody's", "any", "<", 5)
    async with place.shadow(allow_unknown=True) as other:
        assert (await other.add("nobody's")(any=4)).disposition is STRUCK
        assert (await other.add("nobody's")(any=5)).disposition is PLACED
        assert (await other.add("nobody's")(4)).disposition is PLACED  # its parameters have no names here


async def test_a_strike_ends_by_itself(shadows: Shadow) -> None:
    """Issue 4, ``until``: by the server's clock; nobody restores it."""
    await shadows.strike(pay, until=timedelta(milliseconds=200))
    await shadows.strike(mail, until=datetime.now(UTC) + HOUR)
    assert (await shadows.add(pay)("a")).disposition is STRUCK
    until = [each.until for each in await shadows.strikes()]
    assert all(each is not None and each > datetime.now(UTC) - HOUR for each in until)

    async def is_over() -> bool:
        return len(await shadows.strikes()) == 1

    await comes_true(is_over)
    assert (await shadows.add(pay)("a")).disposition is PLACED
    assert (await shadows.add(mail)("a")).disposition is STRUCK
    assert not await shadows.restore(pay)


@pytest.mark.parametrize(
    ("strike", "says"),
    [
        ((pay, "amonut", ">", 5), "did you mean amount"),
        ((pay, "amount", ">", "a lot"), "takes a float as amount"),
        ((None, "amount", ">", {}), "has no order"),
        ((pay, "amount", "=>", 5), "none of"),
        ((None,), "name a task"),
    ],
)
async def test_a_strike_that_makes_no_sense_is_refused(shadows: Shadow, strike: tuple[Any, ...], says: str) -> None:
    """FAULT 24: when it is made, where the signature is known; nothing is written."""
    with pytest.raises(ConfigurationError, match=says):
        await shadows.strike(*strike)
    assert await shadows.strikes() == []


async def test_what_cannot_be_refused_never_blocks(shadows: Shadow, caplog: pytest.LogCaptureFixture) -> None:
    """FAULT 24: unknown here when it was struck: no match, and one line tells of it."""
    caplog.set_level("WARNING", "shadows.strikes")
    await shadows.strike("pay", "amonut", ">", 5)
    await shadows.strike(None, "note", "<", 5)
    found = [await shadows.add(pay)("a", 10, note="text") for _ in range(3)]
    assert {each.disposition for each in found} == {PLACED}
    await finish(shadows)
    assert len(ran) == 3
    told = [record.getMessage() for record in caplog.records]
    assert told == [
        "pay: a strike of every task by note does not fit, and is no match; restore it",
        "pay: a strike of pay by amonut does not fit, and is no match; restore it",
    ]


async def test_a_value_that_cannot_travel_is_refused(shadows: Shadow) -> None:
    """FAULT 3: and nothing is written."""
    with pytest.raises(SerializationError):
        await shadows.strike(None, "note", "==", asyncio.get_running_loop())
    assert await shadows.strikes() == []


async def test_a_struck_call_is_not_counted_as_run(shadows: Shadow) -> None:
    """SEMANTICS, run_at_most: first attempts started are counted."""
    struck = await shadows.add(mail, when=SOON / 2, key="struck")("bad")
    await shadows.add(mail, when=SOON, key="runs")("good")
    await shadows.strike(mail, "customer_id", "==", "bad")
    async with Worker(shadows) as worker:
        await worker.run_at_most({"mail": 1})
    assert ran == ["good"]
    assert await state_of(shadows, struck.key) == "cancelled"


async def test_strikes_are_told_and_show_no_values(shadows: Shadow, caplog: pytest.LogCaptureFixture) -> None:
    """Seed 000, log entries: strikes and restores; INV 45: whose arguments nobody sees."""
    caplog.set_level("INFO", "shadows.strikes")
    await shadows.strike(None, "customer_id", "==", "s3cret", reason="fraud\nforged line")
    await shadows.add(mail, key="k")("s3cret")
    await shadows.restore(None, "customer_id", "==", "s3cret")
    told = [record.getMessage() for record in caplog.records]
    assert told == [
        f"1 strikes are in force in shadow {shadows.name}",
        "mail: k is struck (fraud\\nforged line)",
        f"0 strikes are in force in shadow {shadows.name}",
    ]


async def test_strikes_can_be_read_at_any_time(place: Place, shadows: Shadow) -> None:
    """PARITY, ``wait_for_strikes_loaded``: nothing needs it, and it brings the list."""
    await shadows.strike(pay)
    async with place.shadow() as other:
        await other.wait_for_strikes_loaded()
        assert [each.function for each in other.opened().striker.strikes.book.strikes.values()] == ["pay"]


async def test_one_shadow_is_not_struck_with_another(place: Place, shadows: Shadow) -> None:
    """INV 8: strikes of the one are no matter to the other."""
    other = Shadow(f"{place.name}s", place.url)
    async with other:
        await other.strike(pay)
        assert (await shadows.add(pay)("a")).disposition is PLACED
        await other.restore(pay)
    await shadows.clear()


async def test_without_strikes_nobody_sends_more(far: ServerPlace) -> None:
    """Issue 4: no trip more for a call, and none for the list: it rides in what is sent anyway."""
    async with far.shadow() as shadows, Worker(shadows) as worker:
        await shadows.add(mail)("warm up")
        await worker.run_until_finished()
        before = far.curtain.ask("INFO", "commandstats")
        await shadows.add(mail)("a")
        after = far.curtain.ask("INFO", "commandstats")
        assert _calls(after, "evalsha") - _calls(before, "evalsha") == 1
        assert _calls(after, "xlen") - _calls(before, "xlen") == 1
        assert [_calls(after, name) - _calls(before, name) for name in ("xrange", "xrevrange")] == [0, 0]


def _calls(stats: bytes, command: str) -> int:
    for line in stats.decode().splitlines():
        if line.startswith(f"cmdstat_{command}:calls="):
            return int(line.partition("=")[2].partition(",")[0])
    return 0


# Tasks that come again


async def test_a_struck_occurrence_is_skipped_and_the_next_one_follows(shadows: Shadow) -> None:
    """INV 26, SEMANTICS, what ends a run: the chain survives a strike and its restore, without anybody's doing."""

    async def tick(perpetual: Perpetual = Perpetual(every=timedelta(milliseconds=20), automatic=True)) -> None:
        ran.append(1)

    shadows.register(tick)
    async with working(shadows):
        await comes_true(lambda: len(ran) > 1)
        await shadows.strike(tick)
        await comes_true(lambda: _is_skipped(shadows))
        ran.clear()
        await shadows.restore(tick)
        await comes_true(lambda: len(ran) > 1)


async def test_an_automatic_task_that_was_struck_starts_when_it_is_restored(shadows: Shadow) -> None:
    """Issue 4: also when it was struck before the worker came; while it is struck, it is no busy loop."""

    async def tick(perpetual: Perpetual = Perpetual(automatic=True)) -> None:
        ran.append(1)
        perpetual.cancel()

    await shadows.strike(tick)
    shadows.register(tick)
    async with working(shadows):
        await comes_true(lambda: _is_in(shadows, "tick", "scheduled"))
        execution = await shadows.get_execution("tick")
        assert execution is not None
        assert execution.when is not None
        assert ran == []
        await shadows.restore(tick)
        await comes_true(lambda: ran == [1])


async def _is_skipped(shadows: Shadow) -> bool:
    """Look at one occurrence after the other: those that were claimed before the strike still ran."""
    occurrence = await shadows.get_execution("tick")
    assert occurrence is not None
    try:
        await occurrence.get_result(timeout=10)
    except ExecutionCancelled as skipped:
        return skipped.reason == "strike"
    return False


async def _is_in(shadows: Shadow, key: str, state: str) -> bool:
    return await state_of(shadows, key) == state


# Holding


async def test_a_strike_can_hold_what_waits(shadows: Shadow, caplog: pytest.LogCaptureFixture) -> None:
    """Issue 4, ``hold``: new calls are refused; those that wait are parked when they come due, in order, until the
    restore.  A worker that runs until all is finished does not wait for them, and says so.
    """
    caplog.set_level("INFO", "shadows")
    waiting = await shadows.add_many([shadows.call(mail, when=SOON * n / 4, key=f"{n}")(f"{n}") for n in range(1, 5)])
    await shadows.add(pay, when=SOON)("a")
    await shadows.strike(mail, hold=True, reason="the provider is down")
    assert (await shadows.add(mail)("new")).disposition is STRUCK
    await finish(shadows)
    assert ran == [("a", 10)]
    assert [await state_of(shadows, each.key) for each in waiting] == ["parked"] * 4
    assert "mail: 1 is held until a strike is restored (the provider is down)" in caplog.text
    assert "0 calls of tasks that nobody here knows, 4 held at strikes" in caplog.text
    ran.clear()
    assert await shadows.restore(mail)
    await finish(shadows, concurrency=1)
    assert ran == ["1", "2", "3", "4"]
    assert [await each.get_result() for each in waiting] == [None] * 4


async def test_what_was_held_is_let_go_at_a_pace(shadows: Shadow) -> None:
    """Issue 4, ``pace``: in order, so that what was down is not overrun when it comes back."""
    loop, moments = asyncio.get_running_loop(), list[float]()

    async def call_provider(number: int) -> None:
        ran.append(number)
        moments.append(loop.time())

    await shadows.add_many([shadows.call(call_provider, when=SOON)(number) for number in range(4)])
    await shadows.strike(call_provider, hold=True)
    await finish(shadows, concurrency=1)
    assert ran == []
    order = [execution.args[0] for execution in (await shadows.snapshot()).future]
    await shadows.restore(call_provider, pace=timedelta(milliseconds=100))
    await finish(shadows)
    assert ran == order
    assert moments[-1] - moments[0] > 0.25


async def test_a_held_call_can_still_be_struck_by_another(shadows: Shadow) -> None:
    """SPEC 1: each strike stands alone: let go by the one, it is judged by the others."""
    execution = await shadows.add(pay, when=SOON)("a")
    await shadows.strike(pay, hold=True)
    await finish(shadows)
    await shadows.strike(None, "customer_id", "==", "a")
    await shadows.restore(pay)
    await finish(shadows)
    with pytest.raises(ExecutionCancelled, match="strike"):
        await execution.get_result()


@pytest.mark.parametrize("pace", [timedelta(seconds=-1), "soon"])
async def test_a_pace_that_is_none_is_refused(shadows: Shadow, pace: Any) -> None:
    """FAULT 17: before anything is written."""
    await shadows.strike(pay)
    with pytest.raises(ConfigurationError, match="pace"):
        await shadows.restore(pay, pace=pace)
    assert len(await shadows.strikes()) == 1
