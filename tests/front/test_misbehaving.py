"""Bodies that block, do not listen, leave things behind, or use up the memory: no worker ends by them."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from shadows import (
    ExecutionCancelled,
    OutOfMemory,
    Retry,
    SerializationError,
    Shadow,
    TaskFailed,
    Worker,
)
from shadows.engine import ballast, insist, leftovers, watchdog
from tests.clients import on_another_loop
from tests.front.acts import DEADLINE, comes_true, finish, heard, state_of, working

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator

    from tests.front.places import Place

LEASE = timedelta(milliseconds=300)


# Blocking


def said(caplog: pytest.LogCaptureFixture, words: str) -> list[str]:
    """Return what the workers said that has these words in it."""
    return [record.getMessage() for record in caplog.records if words in record.getMessage()]


async def test_a_body_that_blocks_the_loop_is_named_once_with_its_stack(
    shadows: Shadow, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FAULT 33, INV 45: the task, the key and where it is; no values.  A child task of a body counts as its body."""
    monkeypatch.setattr(watchdog, "NOTICE", 0.16)

    async def block(secret: str, *, in_a_child: bool) -> None:
        async def sleepy() -> None:
            time.sleep(0.6)  # noqa: ASYNC251 - a body that blocks is what this is about

        await (asyncio.create_task(sleepy()) if in_a_child else sleepy())

    async with working(shadows):
        for key in ("first", "second"):
            execution = await shadows.add(block, key=key)("hunter2", in_a_child=key == "second")
            await execution.get_result(timeout=DEADLINE)
            (told,) = said(caplog, "has blocked the event loop")
            assert told.startswith(f"block: {key} has blocked the event loop for 0.")
            assert "in sleepy" in told
            assert "run.py" not in told
            assert "hunter2" not in told
            caplog.clear()


async def test_what_blocks_and_is_no_body_is_shown_all_the_same(
    shadows: Shadow, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FAULT 33: the embedding program's own callbacks stop our bodies too."""
    monkeypatch.setattr(watchdog, "NOTICE", 0.16)

    def sleepy() -> None:
        time.sleep(0.6)

    async def wait() -> None:
        asyncio.get_running_loop().call_soon(sleepy)
        await asyncio.sleep(0.01)

    execution = await shadows.add(wait)()
    async with working(shadows):
        await execution.get_result(timeout=DEADLINE)
    (told,) = said(caplog, "has blocked the event loop")
    assert told.startswith("something: no call that is known")
    assert "in sleepy" in told


async def test_a_body_that_goes_on_blocking_leaves_the_other_calls_to_other_workers(
    shadows: Shadow, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FAULT 33, INV 12: only its own lease is renewed; what others took over is cancelled here, and settles nothing."""
    monkeypatch.setattr(watchdog, "NOTICE", 0.1)
    monkeypatch.setattr(watchdog, "ABANDON", 0.3)
    began, taken_over = asyncio.Event(), threading.Event()
    ran: list[str] = []

    async def block() -> str:
        ran.append("block")
        await heard(began)
        assert taken_over.wait(DEADLINE)
        time.sleep(LEASE.total_seconds())  # noqa: ASYNC251 - likewise
        return "here"

    async def wait() -> str:
        if "wait" in ran:
            taken_over.set()
            return "elsewhere"
        ran.append("wait")
        began.set()
        await asyncio.Event().wait()
        return "here"

    blocking, waiting = await shadows.add(block)(), await shadows.add(wait)()
    async with working(shadows, redelivery_timeout=LEASE):
        other = threading.Thread(target=lambda: asyncio.run(_work_elsewhere(shadows, taken_over, wait, block)))
        other.start()
        assert await blocking.get_result(timeout=DEADLINE) == "here"
        assert await waiting.get_result(timeout=DEADLINE) == "elsewhere"
        await asyncio.to_thread(other.join)
        await comes_true(lambda: bool(said(caplog, "the lease was lost")))
    assert ran == ["block", "wait"]
    assert said(caplog, "all other calls of this worker are left to other workers")[0].startswith("block: ")


async def _work_elsewhere(shadows: Shadow, until: threading.Event, *tasks: Callable[..., Any]) -> None:
    async with Shadow(shadows.name, on_another_loop(shadows.url)) as mine:
        for task in tasks:
            mine.register(task)
        async with working(mine, redelivery_timeout=LEASE, within=timedelta(seconds=5)):
            await comes_true(until.is_set)
            await asyncio.sleep(2 * LEASE.total_seconds())  # the blocking one is not taken over


# Not listening to a cancel


@pytest.mark.parametrize("ends_by", ["itself", "the second cancel"])
async def test_a_body_that_swallows_its_cancel_is_cancelled_once_more(
    shadows: Shadow, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, ends_by: str
) -> None:
    """FAULT 32: after a grace, with a warning; its slot counts until it ends, and its record says what happened."""
    monkeypatch.setattr(insist, "GRACE", 0.05)
    began, heard_twice, go = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def stubborn() -> str:
        began.set()
        with contextlib.suppress(asyncio.CancelledError):
            await go.wait()
        try:
            await go.wait()
        except asyncio.CancelledError:
            heard_twice.set()
            if ends_by == "the second cancel":
                raise
        await go.wait()
        return "still here"

    async def next_one() -> None: ...

    execution = await shadows.add(stubborn, key="s")()
    async with working(shadows, concurrency=1):
        await heard(began)
        waiting = await shadows.add(next_one, key="n")()
        await shadows.cancel("s")
        await heard(heard_twice)
        assert said(caplog, "stubborn: s goes on 0.1 s after it was cancelled")
        if ends_by == "the second cancel":
            with pytest.raises(ExecutionCancelled):
                await execution.get_result(timeout=DEADLINE)
            return
        assert await state_of(shadows, "n") == "queued"
        go.set()
        assert await execution.get_result(timeout=DEADLINE) == "still here"
        await waiting.get_result(timeout=DEADLINE)
    await execution.sync()
    assert execution.error == "cancel_ignored"


async def test_a_thread_that_goes_on_after_its_cancel_is_told_of(
    shadows: Shadow, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FAULT 32, SEMANTICS, def tasks: honestly, for nothing reaches a thread."""
    monkeypatch.setattr(insist, "GRACE", 0.05)
    began, go = threading.Event(), threading.Event()

    def work() -> str:
        began.set()
        assert go.wait(DEADLINE)
        return "late"

    execution = await shadows.add(work, key="t")()
    async with working(shadows):
        await comes_true(began.is_set)
        await shadows.cancel("t")
        await comes_true(lambda: bool(said(caplog, "cancelled once more, which reaches no thread")))
        assert await state_of(shadows, "t") == "running"
        go.set()
        with pytest.raises(ExecutionCancelled):
            await execution.get_result(timeout=DEADLINE)


async def test_a_body_that_ignores_every_cancel_is_abandoned_at_the_end(
    shadows: Shadow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FAULT 32, INV 29: its lease is handed back; as somebody had asked to cancel it, the call never starts again."""
    monkeypatch.setattr("shadows.engine.drain.GRACE", 0.1)
    monkeypatch.setattr(insist, "GRACE", 0.01)
    began, cancelled, go = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def stubborn() -> None:
        began.set()
        while not go.is_set():
            try:
                await heard(go)
            except asyncio.CancelledError:
                cancelled.set()

    execution = await shadows.add(stubborn, key="s")()
    async with working(shadows):
        await heard(began)
        await shadows.cancel("s")
        await heard(cancelled)
    assert not go.is_set()
    with pytest.raises(ExecutionCancelled):
        await execution.get_result(timeout=DEADLINE)
    go.set()


# Leaving things behind


@pytest.mark.parametrize("leftover_tasks", ["cancel", "warn", "keep", None])
async def test_asyncio_tasks_that_a_body_leaves_behind(
    shadows: Shadow, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, leftover_tasks: str | None
) -> None:
    """FAULT 37: cancelled with a warning, unless the worker is told otherwise; those of running bodies stay."""
    monkeypatch.setattr(leftovers, "BETWEEN", 0.0)
    left: list[asyncio.Task[None]] = []
    go = asyncio.Event()

    async def forever() -> None:
        await asyncio.Event().wait()

    async def leave() -> None:
        left.append(asyncio.create_task(forever()))

    async def wait() -> None:
        child = asyncio.create_task(heard(go))
        await child

    own = asyncio.create_task(forever())
    await (await shadows.add(leave)()).sync()
    waiting = await shadows.add(wait)()
    async with working(shadows, leftover_tasks=leftover_tasks):
        if leftover_tasks in {"cancel", None}:
            await comes_true(lambda: bool(left) and left[0].cancelled())
        elif leftover_tasks == "warn":
            await comes_true(lambda: bool(said(caplog, "left asyncio tasks behind")))
        go.set()
        await waiting.get_result(timeout=DEADLINE)
    told = said(caplog, "left asyncio tasks behind")
    assert len(told) == (0 if leftover_tasks == "keep" else 1)
    assert all("leave: " in each and "forever" in each for each in told)
    assert not own.done()
    for task in (own, *left):
        task.cancel()


async def test_each_worker_looks_after_its_own_bodies(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """FAULT 37: two in one process may be told different things."""
    monkeypatch.setattr(leftovers, "BETWEEN", 0.0)
    left: list[asyncio.Task[Any]] = []

    async def leave() -> None:
        left.append(asyncio.create_task(asyncio.Event().wait()))

    async def nothing() -> None: ...

    async with place.shadow() as one, Shadow(f"{place.name}-two", place.url) as two:
        await one.add(leave)()
        async with working(one, leftover_tasks="keep"):
            await comes_true(lambda: bool(left))
            await two.add(nothing)()
            await finish(two)
    assert not left[0].done()
    left[0].cancel()


async def test_what_a_body_uses_together_with_others_is_none_of_its_leftovers(
    shadows: Shadow, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """FAULT 37: our own tasks that bodies share are not theirs, though a body caused them to begin."""
    monkeypatch.setattr(leftovers, "BETWEEN", 0.0)

    async def leaf() -> str:
        return "leaf"

    async def root() -> list[str]:
        executions = [await shadows.add(leaf)() for _ in range(3)]
        return [await each.get_result(timeout=DEADLINE) for each in executions]

    execution = await shadows.add(root)()
    async with working(shadows):
        assert await execution.get_result(timeout=DEADLINE) == ["leaf"] * 3
        assert await (await shadows.add(root)()).get_result(timeout=DEADLINE) == ["leaf"] * 3
    assert said(caplog, "left asyncio tasks behind") == []


async def test_a_thread_that_a_body_leaves_behind_does_no_harm(shadows: Shadow) -> None:
    """FAULT 37: nobody can end it; it has its own context, and no part in the call any more."""
    go = threading.Event()
    threads: list[threading.Thread] = []

    async def leave() -> str:
        threads.append(threading.Thread(target=go.wait, args=(DEADLINE,)))
        threads[0].start()
        return "left"

    execution = await shadows.add(leave)()
    await finish(shadows)
    assert await execution.get_result(timeout=DEADLINE) == "left"
    assert threads[0].is_alive()
    go.set()
    threads[0].join()


# Using up depth and memory


async def test_too_deep_a_recursion_and_too_little_memory_are_failures(shadows: Shadow) -> None:
    """FAULT 35: there is enough left to go on, and so the worker does."""

    async def recurse(depth: int) -> int:
        return await recurse(depth + 1)

    def hoard() -> bytes:
        return bytes(1 << 62)

    async with working(shadows):
        with pytest.raises(RecursionError):
            await (await shadows.add(recurse)(0)).get_result(timeout=DEADLINE)
        with pytest.raises(MemoryError):
            await (await shadows.add(hoard)()).get_result(timeout=DEADLINE)
        with pytest.raises(MemoryError):
            await (await shadows.add(hoard)()).get_result(timeout=DEADLINE)


async def test_a_worker_without_memory_hands_back_what_runs_and_ends(
    shadows: Shadow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FAULT 35: it says so in an error of its own, which the command line makes its exit code of."""
    began = asyncio.Event()

    async def wait() -> None:
        began.set()
        await asyncio.Event().wait()

    async def hoard() -> None:
        await heard(began)
        monkeypatch.setattr(ballast, "ROOM", 1 << 62)
        raise MemoryError

    failing, _ = await shadows.add(hoard)(), await shadows.add(wait, key="w")()
    async with Worker(shadows, drain_timeout=timedelta(hours=1)) as worker:
        with pytest.raises(OutOfMemory, match="used up the memory"):
            await worker.run_forever()
    assert await state_of(shadows, "w") == "queued"
    with pytest.raises(MemoryError):
        await failing.get_result(timeout=DEADLINE)
    await shadows.cancel("w")


# Odd results and exceptions


def _numbers() -> Generator[int]:
    yield 1


async def _more_numbers() -> AsyncIterator[int]:
    yield 1


async def _answer() -> int:
    return 42


@pytest.mark.pickles
@pytest.mark.parametrize("what", ["generator", "async_generator", "coroutine", "lock"])
async def test_a_result_that_is_no_value_fails_the_run_with_a_clear_reason(shadows: Shadow, what: str) -> None:
    """FAULT 38: a plain function that returns a coroutine was meant to be async; nobody awaits it for its author."""
    coroutine = _answer()
    results = {
        "generator": _numbers(),
        "async_generator": _more_numbers(),
        "coroutine": coroutine,
        "lock": threading.Lock(),
    }
    ran: list[int] = []

    def produce(retry: Retry = Retry(attempts=3)) -> Any:
        ran.append(retry.attempt)
        return results[what]

    execution = await shadows.add(produce)()
    await finish(shadows)
    with pytest.raises(SerializationError, match=f"{what}, which cannot travel"):
        await execution.get_result(timeout=DEADLINE)
    assert ran == [1]
    coroutine.close()


async def test_groups_cycles_and_long_messages_end_their_run_alone(shadows: Shadow) -> None:
    """FAULT 29: what is too long travels in words, and those are cut."""

    async def fail(how: str) -> None:
        match how:
            case "group":
                raise ExceptionGroup("both", [ValueError("one"), KeyError("two")])
            case "cycle":
                one, two = ValueError("one"), ValueError("two")
                one.__cause__, two.__cause__ = two, one
                raise one
            case _:
                raise ValueError("x" * 10_000_000)

    async with working(shadows):
        with pytest.raises(ExceptionGroup) as raised:
            await (await shadows.add(fail)("group")).get_result(timeout=DEADLINE)
        assert [type(each) for each in raised.value.exceptions] == [ValueError, KeyError]
        with pytest.raises(ValueError, match="one"):
            await (await shadows.add(fail)("cycle")).get_result(timeout=DEADLINE)
        with pytest.raises(TaskFailed, match=r"x\.\.\. \(10,000,000 characters\)") as cut:
            await (await shadows.add(fail)("long")).get_result(timeout=DEADLINE)
        assert len(str(cut.value)) + len(str(cut.value.__cause__)) < 70_000


async def test_a_body_that_fails_at_once_for_ever_does_not_spin(shadows: Shadow) -> None:
    """FAULT 42: unlimited attempts wait a second and some jitter unless a delay is written; each is counted."""

    async def fail(retry: Retry = Retry(attempts=None)) -> None:
        raise ValueError

    execution = await shadows.add(fail, key="f")()
    before = datetime.now(UTC)
    async with working(shadows):
        await comes_true(lambda: _is_scheduled(shadows, "f"))
        await execution.sync()
        assert execution.attempt == 2
        assert execution.when is not None
        assert before + timedelta(seconds=0.5) < execution.when < datetime.now(UTC) + timedelta(seconds=1.5)
    await shadows.cancel("f")


async def _is_scheduled(shadows: Shadow, key: str) -> bool:
    return await state_of(shadows, key) == "scheduled"


async def test_what_a_body_does_to_its_process_stays_its_own_affair(place: Place) -> None:
    """FAULT 39: the next attempt sees its arguments fresh, though not the process."""
    seen: list[tuple[list[int], list[str]]] = []
    state: list[str] = []

    def change(numbers: list[int], retry: Retry = Retry(attempts=2)) -> None:
        seen.append(([*numbers], [*state]))
        numbers.clear()
        state.append("changed")
        raise ValueError

    async with place.shadow() as shadows:
        await shadows.add(change)([1, 2])
        await finish(shadows)
    assert seen == [([1, 2], []), ([1, 2], ["changed"])]
