"""What a body may do, and what becomes of its call: returned, raised, tried again, cancelled, in a thread."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from shadows import (
    ExecutionCancelled,
    ExecutionState,
    ExponentialRetry,
    PayloadTooLarge,
    Retry,
    SerializationError,
    Shadow,
    TaskFailed,
)
from tests.front.acts import DEADLINE, comes_true, finish, heard, state_of, working

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from tests.front.places import Place

NONE = timedelta(0)


class Refused(ValueError):
    """An exception of the task's own."""


class OwnBase(BaseException):
    """One that most handlers let pass."""


async def test_an_exception_comes_back_with_the_traceback_of_the_worker(shadows: Shadow) -> None:
    """INV 15: its own type and text, and as its cause where it was raised."""

    async def divide(a: int, b: int) -> float:
        return a / b

    execution = await shadows.add(divide)(1, 0)
    async with working(shadows):
        with pytest.raises(ZeroDivisionError, match="division by zero") as caught:
            await execution.get_result(timeout=DEADLINE)
    assert "in divide" in str(caught.value.__cause__)
    await execution.sync()
    assert (execution.state, execution.error) == (ExecutionState.FAILED, "ZeroDivisionError: division by zero")


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), OwnBase("mine")])
async def test_whatever_a_body_raises_is_its_failure_and_the_worker_lives(
    shadows: Shadow, error: BaseException
) -> None:
    """FAULT 30: also what would end a program; the waiter hears of it as a TaskFailed that names it."""

    async def leave() -> None:
        raise error

    async def stay() -> str:
        return "here"

    async with working(shadows):
        failing = await shadows.add(leave)()
        with pytest.raises(TaskFailed, match=type(error).__name__):
            await failing.get_result(timeout=DEADLINE)
        assert await (await shadows.add(stay)()).get_result(timeout=DEADLINE) == "here"


async def test_a_cancellation_that_the_body_raises_itself_is_a_failure(shadows: Shadow) -> None:
    """FAULT 31: nobody asked for it, so it is tried again like any other."""
    attempts: list[int] = []

    async def give_up(retry: Retry = Retry(attempts=2)) -> None:
        attempts.append(retry.attempt)
        raise asyncio.CancelledError

    execution = await shadows.add(give_up, key="c")()
    async with working(shadows):
        with pytest.raises(TaskFailed, match="CancelledError"):
            await execution.get_result(timeout=DEADLINE)
    assert attempts == [1, 2]


class Unpicklable(Exception):
    """Cannot travel."""

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("stays here")


class Unbuildable(Exception):
    """Travels, and cannot be built again."""

    def __init__(self, code: int, *, text: str) -> None:
        super().__init__(f"{code} {text}")


@pytest.mark.parametrize("error", [Unpicklable("locked"), Unbuildable(7, text="locked")])
async def test_an_exception_that_cannot_travel_comes_back_as_one_that_names_it(
    shadows: Shadow, error: Exception
) -> None:
    """INV 15, FAULT 27: as text, and the worker lives."""

    async def fail() -> None:
        raise error

    execution = await shadows.add(fail)()
    await finish(shadows)
    with pytest.raises(TaskFailed, match=f"{type(error).__name__}.*locked"):
        await execution.get_result(timeout=DEADLINE)


def _numbers() -> Generator[int]:
    yield 1


@pytest.mark.parametrize(
    ("make", "error"),
    [(threading.Lock, SerializationError), (_numbers, SerializationError), (lambda: b"x" * 2_000, PayloadTooLarge)],
)
async def test_a_result_that_cannot_travel_fails_the_run_once(
    place: Place, make: Callable[[], object], error: type[Exception]
) -> None:
    """INV 15, FAULT 7, FAULT 38: it would not be better the next time, so the body is not run again."""
    ran: list[int] = []

    async def produce(retry: Retry = Retry(attempts=3)) -> object:
        ran.append(retry.attempt)
        return make()

    async with place.shadow(max_result=1_000) as shadows:
        execution = await shadows.add(produce)()
        await finish(shadows)
        with pytest.raises(error):
            await execution.get_result(timeout=DEADLINE)
    assert ran == [1]


@pytest.mark.pickles
async def test_a_body_is_tried_as_often_as_it_says(shadows: Shadow) -> None:
    """INV 32: ``attempts`` counts the first one; each body knows which it is, and the last exception is the outcome."""
    attempts: list[int] = []

    async def flaky(retry: Retry = Retry(attempts=3)) -> None:
        attempts.append(retry.attempt)
        raise Refused(f"attempt {retry.attempt}")

    execution = await shadows.add(flaky)()
    await finish(shadows)
    with pytest.raises(Refused, match="attempt 3"):
        await execution.get_result(timeout=DEADLINE)
    assert attempts == [1, 2, 3]
    await execution.sync()
    assert execution.attempt == 3


async def test_each_attempt_sees_fresh_arguments(shadows: Shadow) -> None:
    """FAULT 39: what an attempt did to them is not there in the next."""
    seen: list[list[int]] = []

    async def collect(numbers: list[int], retry: Retry = Retry(attempts=2)) -> list[int]:
        seen.append([*numbers])
        numbers.append(retry.attempt)
        if retry.attempt == 1:
            raise Refused
        return numbers

    execution = await shadows.add(collect)([7])
    await finish(shadows)
    assert await execution.get_result(timeout=DEADLINE) == [7, 2]
    assert seen == [[7], [7]]


async def test_the_next_attempt_waits_for_its_delay(shadows: Shadow) -> None:
    """INV 32: between two attempts the call is scheduled, without a worker, and its key stays taken."""

    async def flaky(retry: Retry = Retry(attempts=2, delay=timedelta(hours=1))) -> None:
        raise Refused

    execution = await shadows.add(flaky, key="f")()
    async with working(shadows):
        await comes_true(lambda: _is(shadows, "f", "scheduled"))
    await execution.sync()
    assert (execution.attempt, execution.worker, execution.started_at) == (2, None, None)
    assert execution.when is not None
    assert (
        timedelta(minutes=59) < execution.when - datetime.now(UTC) <= timedelta(hours=1, milliseconds=1)
    )  # rounded up
    await shadows.cancel("f")


async def test_delays_double_up_to_their_maximum(shadows: Shadow) -> None:
    """SPEC, attempts: five attempts have four delays."""
    starts: list[float] = []
    delay = timedelta(milliseconds=10)
    most = timedelta(milliseconds=20)

    async def flaky(retry: ExponentialRetry = ExponentialRetry(5, delay, most)) -> None:
        starts.append(asyncio.get_running_loop().time())
        raise Refused

    await shadows.add(flaky)()
    await finish(shadows)
    gaps = [after - before for before, after in pairwise(starts)]
    assert len(gaps) == 4
    assert all(gap >= least for gap, least in zip(gaps, [0.0095, 0.0195, 0.0195, 0.0195], strict=True))


@pytest.mark.pickles
async def test_a_body_may_ask_for_its_next_attempt(shadows: Shadow) -> None:
    """PARITY, Retry: ``after`` and ``at`` end the attempt wherever they are called, whatever the task catches."""
    attempts: list[int] = []

    async def ask(retry: Retry = Retry(attempts=3, delay=timedelta(hours=1))) -> str:
        attempts.append(retry.attempt)
        try:
            if retry.attempt == 1:
                retry.after(timedelta(milliseconds=1))
            if retry.attempt == 2:
                retry.at(datetime.now(UTC))
        except Exception:  # noqa: BLE001 - a task may be as careless as this
            return "swallowed"
        return "done"

    execution = await shadows.add(ask)()
    await finish(shadows)
    assert await execution.get_result(timeout=DEADLINE) == "done"
    assert attempts == [1, 2, 3]


async def test_a_running_body_is_cancelled(shadows: Shadow) -> None:
    """INV 29, INV 30: it gets CancelledError, is not tried again, and its waiters hear of it."""
    began = asyncio.Event()
    caught: list[str] = []

    async def wait(retry: Retry = Retry(attempts=None)) -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            caught.append("cancelled")
            raise

    execution = await shadows.add(wait, key="w")()
    async with working(shadows, concurrency=1):  # all slots are taken, and it hears of it all the same
        await heard(began)
        assert await shadows.cancel("w") == "requested"
        with pytest.raises(ExecutionCancelled, match="cancelled"):
            await execution.get_result(timeout=DEADLINE)
    assert caught == ["cancelled"]
    assert await state_of(shadows, "w") == "cancelled"


@pytest.mark.pickles
@pytest.mark.parametrize("raises", [False, True])
async def test_a_body_that_swallows_its_cancellation_ends_as_what_it_did(shadows: Shadow, *, raises: bool) -> None:
    """SEMANTICS, Running: the state says what happened, the reason that it ignored a cancel; it is not tried again."""
    began = asyncio.Event()

    async def stubborn(retry: Retry = Retry(attempts=5)) -> str:
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if raises:
                raise Refused("no") from None
        return "still here"

    execution = await shadows.add(stubborn, key="s")()
    async with working(shadows):
        await heard(began)
        await shadows.cancel("s")
        if raises:
            with pytest.raises(Refused):
                await execution.get_result(timeout=DEADLINE)
        else:
            assert await execution.get_result(timeout=DEADLINE) == "still here"
    await execution.sync()
    assert execution.state == ("failed" if raises else "completed")
    assert execution.error == "cancel_ignored"


async def test_a_plain_function_runs_in_a_thread_with_the_context(shadows: Shadow) -> None:
    """SPEC, sync functions: the loop goes on meanwhile, and context variables are there."""
    variable = contextvars.ContextVar("variable", default="unset")
    released = threading.Event()
    loop_thread = threading.get_ident()

    def work(number: int) -> tuple[bool, str, int]:
        assert released.wait(DEADLINE)
        return threading.get_ident() != loop_thread, variable.get(), number + 1

    variable.set("set")
    execution = await shadows.add(work, key="t")(41)
    async with working(shadows):
        await comes_true(lambda: _is(shadows, "t", "running"))
        released.set()
        assert await execution.get_result(timeout=DEADLINE) == (True, "set", 42)


@pytest.mark.pickles
@pytest.mark.parametrize(
    ("error", "heard_of"),
    [(StopIteration("end"), RuntimeError), (SystemExit(1), TaskFailed), (Refused("no"), Refused)],
)
async def test_what_a_thread_raises_is_its_failure(
    shadows: Shadow, error: BaseException, heard_of: type[Exception]
) -> None:
    """FAULT 30: also a StopIteration, which no future can carry, and which a coroutine turns into a RuntimeError."""

    def fail() -> None:
        raise error

    execution = await shadows.add(fail)()
    await finish(shadows)
    with pytest.raises(heard_of):
        await execution.get_result(timeout=DEADLINE)


async def test_a_cancelled_thread_stays_running_until_it_returns(shadows: Shadow) -> None:
    """SEMANTICS, def tasks: a thread cannot be cancelled; when it returns, it is cancelled and its result dropped."""
    began, released = threading.Event(), threading.Event()

    def work() -> str:
        began.set()
        assert released.wait(DEADLINE)
        return "late"

    async def wait() -> None:
        await asyncio.Event().wait()

    thread = await shadows.add(work, key="t")()
    other = await shadows.add(wait, key="w")()
    async with working(shadows):
        await comes_true(began.is_set)
        await comes_true(lambda: _is(shadows, "w", "running"))
        assert await shadows.cancel("t") == "requested"
        await shadows.cancel("t")  # being asked twice does not hurry it
        await shadows.cancel("w")
        with pytest.raises(ExecutionCancelled):  # a worker hears in order, so it has heard of the first one too
            await other.get_result(timeout=DEADLINE)
        assert await state_of(shadows, "t") == "running"
        released.set()
        with pytest.raises(ExecutionCancelled):
            await thread.get_result(timeout=DEADLINE)


async def test_what_a_body_sets_in_its_context_stays_there(shadows: Shadow) -> None:
    """FAULT 37: no other body sees it, on the loop or in a thread."""
    variable = contextvars.ContextVar("variable", default="unset")

    async def on_the_loop(value: str) -> str:
        before = variable.get()
        variable.set(value)
        return before

    def in_a_thread(value: str) -> str:
        before = variable.get()
        variable.set(value)
        return before

    executions = [await shadows.add(task)("set") for task in (on_the_loop, in_a_thread, on_the_loop, in_a_thread)]
    async with working(shadows, concurrency=1):
        assert [await each.get_result(timeout=DEADLINE) for each in executions] == ["unset"] * 4
    assert variable.get() == "unset"


async def test_many_bodies_run_at_once_and_never_more_than_the_slots(shadows: Shadow) -> None:
    """PARITY, concurrency: all slots are used, and no more."""
    running: list[int] = [0]
    most: list[int] = [0]

    async def body() -> None:
        running[0] += 1
        most[0] = max(most[0], running[0])
        await asyncio.sleep(0.002)
        running[0] -= 1

    await shadows.add_many(shadows.call(body)() for _ in range(60))
    await finish(shadows, concurrency=7)
    assert most == [7]


async def _is(shadows: Shadow, key: str, state: str) -> bool:
    return await state_of(shadows, key) == state
