"""The client for code without an event loop, on every backend."""

from __future__ import annotations

import asyncio
import gc
import inspect
import os
import subprocess
import sys
import threading
import weakref
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from shadows import (
    Agenda,
    Cancellation,
    ConfigurationError,
    Disposition,
    ExecutionCancelled,
    ExecutionState,
    Shadow,
    SyncShadow,
    UnknownTask,
    Worker,
)
from shadows.sync_shadow import SyncArguments
from shadows.testing import assert_task_count
from shadows.wiring import ShadowArguments

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.front.places import Place

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


async def double(number: int) -> int:
    return 2 * number


def halve(number: int) -> float:
    if number % 2:
        raise ValueError(number)
    return number / 2


async def slow() -> None:
    await asyncio.sleep(3600)


@contextmanager
def working(place: Place) -> Iterator[None]:
    """Run a worker in a thread with a loop of its own, as if it were another process."""
    begun, told = threading.Event(), threading.Event()

    url = place.url.replace("client=glide", "client=redis-py")  # which serves one event loop of a process

    async def work() -> None:
        async with Shadow(place.name, url) as shadows, Worker(shadows) as worker:
            for task in (double, halve, slow):
                shadows.register(task)
            run = asyncio.create_task(worker.run_forever())
            begun.set()
            await asyncio.to_thread(told.wait)
            worker.stop(within=timedelta(seconds=0.1))
            await run

    thread = threading.Thread(target=asyncio.run, args=(work(),))
    thread.start()
    begun.wait()
    try:
        yield
    finally:
        told.set()
        thread.join()


@pytest.fixture
def shadows(place: Place) -> Iterator[SyncShadow]:
    made = SyncShadow(place.name, place.url)
    yield made
    made.close()


def test_a_call_is_placed_and_its_result_read(shadows: SyncShadow, place: Place) -> None:
    """The same executions, dispositions and errors as with the asynchronous client."""
    shadows.register(halve)
    with working(place):
        execution = shadows.add(double, key="d")(21)
        assert shadows.get_result(execution, timeout=HOUR) == 42
        assert (execution.state, execution.disposition) == (ExecutionState.COMPLETED, Disposition.SCHEDULED)
        assert shadows.get_result(shadows.add("halve")(4), deadline=datetime.now(UTC) + HOUR) == 2
        with pytest.raises(ValueError, match=r"^3$"):
            shadows.get_result(shadows.add(halve)(3))
        many = shadows.add_many(shadows.call(double)(number) for number in range(5))
        assert [shadows.get_result(one) for one in many] == [0, 2, 4, 6, 8]
        found = shadows.get_execution("d")
        assert found is not None
        assert shadows.get_result(found) == 42
        [worker] = shadows.workers()
        assert shadows.task_workers("double") == [worker]


def test_what_waits_is_changed_and_looked_at(shadows: SyncShadow) -> None:
    """Replace, cancel, clear; by key."""
    shadows.add(double, when=DAY, key="k")(1)
    assert shadows.add(double, when=DAY, key="k")(2).disposition is Disposition.ALREADY_SCHEDULED
    shadows.replace(double, HOUR, "k")(3)
    [many] = shadows.replace_many([shadows.call(double, DAY, "m")(4)])
    shadows.cancel("m")
    assert shadows.schedule(many).disposition is Disposition.SCHEDULED
    assert shadows.labels() == {"shadows.name": shadows.name}
    assert sorted(one.args for one in shadows.snapshot().future) == [(3,), (4,)]
    assert shadows.snapshot(limit=1).total_tasks == 2
    execution = shadows.get_execution("k")
    assert shadows.cancel("k") is Cancellation.CANCELLED
    assert execution is not None
    shadows.sync(execution)
    assert execution.state is ExecutionState.CANCELLED
    with pytest.raises(ExecutionCancelled):
        shadows.get_result(execution)
    assert shadows.clear() == 1


def test_strikes_and_dead_letters(shadows: SyncShadow, place: Place) -> None:
    """And a failed run, once more."""
    shadows.strike(double, "number", ">", 5, reason="too many")
    assert [strike.function for strike in shadows.strikes()] == ["double"]
    assert shadows.add(double)(6).disposition is Disposition.STRUCK
    assert shadows.restore(double, "number", ">", 5)
    assert (shadows.dead_letters(), shadows.discard("0-1"), shadows.replay("nothing")) == ([], 0, None)
    with working(place):
        failed = shadows.add(halve, key="h")(1)
        with pytest.raises(ValueError, match=r"^1$"):
            shadows.get_result(failed)
        again = shadows.replay("h")
        assert again is not None
        with pytest.raises(ValueError, match=r"^1$"):
            shadows.get_result(again)


def test_mistakes_are_told_at_once(shadows: SyncShadow) -> None:
    """In the caller's thread, as they are."""
    with pytest.raises(TypeError, match="double"):
        shadows.add(double)()  # type: ignore[call-arg]
    with pytest.raises(UnknownTask, match="did you mean"):
        shadows.add("doubel")(1)
    with pytest.raises(ConfigurationError, match="when="):
        shadows.add(double, when=datetime(2024, 1, 1))(1)  # noqa: DTZ001
    with pytest.raises(ConfigurationError, match="patience="):
        SyncShadow(patience=0)


def test_nothing_is_opened_before_it_is_used(place: Place) -> None:
    """At the top of a module it costs nothing; tasks can be registered there."""
    before = _threads()
    shadows = SyncShadow(place.name, place.url, execution_ttl=HOUR)
    shadows.register(double, names=["twice"])
    shadows.register_collection(f"{__name__}:halve")
    assert {"twice", "halve"} <= set(shadows.tasks)
    assert (shadows.name, shadows.url) == (place.name, place.url)
    assert repr(shadows).startswith(f"SyncShadow(name='{place.name}', url=")
    assert _threads() == before
    shadows.close()
    shadows.close()


def test_after_its_end_it_is_closed(place: Place) -> None:
    """As a context manager, or when nobody has it any more; its thread has ended."""
    before = _threads()
    with SyncShadow(place.name, place.url) as shadows:
        assert shadows.clear() == 0
        assert len(_threads() - before) == 1
    assert _threads() == before
    with pytest.raises(RuntimeError, match=r"SyncShadow\(.*\) is closed; make another one"):
        shadows.clear()
    shadows = SyncShadow(place.name, place.url)
    shadows.clear()
    gone = weakref.ref(shadows)
    del shadows
    gc.collect()
    assert (gone(), _threads()) == (None, before)


def test_the_last_reference_may_be_dropped_in_its_own_thread(place: Place) -> None:
    """By the garbage collector, say: it must not wait for itself."""
    made = SyncShadow(place.name, place.url)
    [before] = [made.run(_thread)]
    made.run(_closes(made))
    before.join(timeout=60)
    assert not before.is_alive()


def _threads() -> set[threading.Thread]:
    """Return those with a loop in them; one that looked up a name for it ends by itself, a moment later."""
    return {thread for thread in threading.enumerate() if thread.name == "shadows-sync"}


async def _thread(_: Shadow) -> threading.Thread:
    return threading.current_thread()


def _closes(shadows: SyncShadow) -> Any:
    async def closes(_: Shadow) -> None:
        shadows.close()

    return closes


def test_who_still_waits_when_it_is_closed_is_told_so(place: Place) -> None:
    """Nobody is left waiting for ever."""
    shadows, waits = SyncShadow(place.name, place.url), threading.Event()

    async def wait(_: Shadow) -> None:
        waits.set()
        await asyncio.sleep(3600)

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(shadows.run, wait, timeout=3600)
        assert waits.wait(60)
        shadows.close()
        with pytest.raises(CancelledError):
            waiting.result(60)


def test_many_threads_use_one(shadows: SyncShadow) -> None:
    """They share the loop, and the first of them opens it."""
    with ThreadPoolExecutor(8) as pool:
        executions = list(
            pool.map(lambda number: shadows.add(double, when=DAY, key=f"k{number % 50}")(number), range(200))
        )
    scheduled = [one for one in executions if one.disposition is Disposition.SCHEDULED]
    assert len(scheduled) == 50 == shadows.clear()


async def test_where_a_loop_runs_it_says_what_to_use_instead(shadows: SyncShadow) -> None:
    """It would stand still; another thread is fine."""
    with pytest.raises(RuntimeError, match=r"would block the event loop that runs here; use Shadow and await it, or"):
        shadows.clear()
    assert await asyncio.to_thread(shadows.clear) == 0


def test_who_waits_too_long_is_told_so(shadows: SyncShadow, place: Place) -> None:
    """The client's own patience, a timeout for one thing, and that of a result; the wait has ended then."""
    execution = shadows.add(double, when=DAY)(1)
    with pytest.raises(TimeoutError, match="has not ended in time"):
        shadows.get_result(execution, timeout=0.01)
    ended = threading.Event()

    async def waits(_: Shadow) -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.set()

    with pytest.raises(TimeoutError, match=r"SyncShadow\(.*\) has not answered within 0.05 s"):
        shadows.run(waits, timeout=0.05)
    assert ended.wait(60)
    with SyncShadow(place.name, place.url, patience=0.05) as impatient, pytest.raises(TimeoutError, match=r"0\.05 s"):
        impatient.run(waits)
    assert shadows.clear() == 1


def test_the_rest_of_the_asynchronous_client_is_there_too(shadows: SyncShadow) -> None:
    """Whatever takes a shadow."""
    agenda = Agenda()
    agenda.add(double)(1)
    placed = shadows.run(lambda shadow: agenda.scatter(shadow, over=DAY))
    assert len(placed) == 1
    shadows.run(lambda shadow: assert_task_count(shadow, double, count=1))
    assert shadows.clear() == 1


def test_it_takes_what_a_shadow_takes() -> None:
    """Except a virtual clock, which rules the loop of the test, and not this one; and it can all that a shadow can."""
    taken = {*inspect.signature(Shadow).parameters, *ShadowArguments.__annotations__}
    assert set(SyncArguments.__annotations__) == taken - {"name", "url", "clock", "options"}
    beside = {"backend", "calls", "clock", "execution_ttl", "opened", "override", "redis", "wait_for_strikes_loaded"}
    asynchronous = {name for name in vars(Shadow) if not name.startswith("_")} - beside
    assert asynchronous - set(vars(SyncShadow)) == set()
    for name in asynchronous - {"name", "url", "tasks"}:
        ours, theirs = (inspect.signature(getattr(kind, name)) for kind in (SyncShadow, Shadow))
        assert list(ours.parameters.values()) == list(theirs.parameters.values()), name


def test_a_shadow_that_cannot_be_opened_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """And its thread does not stay."""
    before = _threads()
    with pytest.raises(ConfigurationError), SyncShadow("x", "redis://127.0.0.1:1/0?no_such_option=1"):
        pass
    assert _threads() == before


FORKS = """
import os, sys
from datetime import timedelta
from shadows import SyncShadow

shadows, unused = (SyncShadow(sys.argv[1], sys.argv[2]) for _ in range(2))
def task(who: str) -> None: ...
shadows.add(task, when=timedelta(days=1), key="parent")("parent")   # so that there is a thread
child = os.fork()
shadows.add(task, when=timedelta(days=1), key=f"after-{bool(child)}")("either")
if child:
    _, status = os.waitpid(child, 0)
    print(status, sorted(one.key for one in shadows.snapshot().future))
    shadows.clear()
"""


def test_a_forked_process_opens_one_of_its_own(place: Place) -> None:
    """As under gunicorn with `--preload`; both end well, without anybody's close."""
    if place.kind == "memory":
        return  # each process has its own
    environment = {**os.environ, "PYTHONWARNINGS": "ignore::DeprecationWarning"}
    command = [sys.executable, "-c", FORKS, place.name, place.url]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=60)
    assert (done.stdout, done.stderr, done.returncode) == ("0 ['after-False', 'after-True', 'parent']\n", "", 0)
