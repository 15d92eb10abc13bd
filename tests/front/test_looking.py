from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from shadows import ConfigurationError, Disposition, ExecutionCancelled, ExecutionState, Retry, Shadow, Worker, tasks
from tests.front.acts import DEADLINE, HOUR, comes_true, finish, heard, state_of, working

if TYPE_CHECKING:
    from tests.front.places import Place

STANDARD = {"trace": tasks.trace, "fail": tasks.fail, "sleep": tasks.sleep}


async def say(word: str) -> str:
    return word


async def test_a_snapshot_tells_what_waits_what_runs_and_who_works(shadows: Shadow) -> None:
    """PARITY: numbers, calls with their arguments and times, and workers with the tasks that they know."""
    began = asyncio.Event()

    async def wait(word: str) -> None:
        began.set()
        await asyncio.Event().wait()

    shadows.register(say)
    await shadows.add(wait, key="running")("r")
    async with working(shadows, concurrency=1, name="w"):
        await heard(began)
        await shadows.add(say, when=HOUR, key="later")("l")
        await shadows.add(say, key="queued")("q")
        await comes_true(lambda: _is_listed(shadows))
        snapshot = await shadows.snapshot()
        assert abs(snapshot.taken - datetime.now(UTC)) < timedelta(minutes=1)
        assert (snapshot.total_tasks, snapshot.scheduled, snapshot.queued, snapshot.dead) == (3, 1, 1, 0)
        future = {each.key: (each.state, each.args, each.function, each.disposition) for each in snapshot.future}
        loaded = Disposition.LOADED
        assert future == {
            "later": (ExecutionState.SCHEDULED, ("l",), say, loaded),
            "queued": (ExecutionState.QUEUED, ("q",), say, loaded),
        }
        assert snapshot.future[0].when is not None
        assert snapshot.future[0].when > snapshot.taken + HOUR - timedelta(minutes=1)
        (running,) = snapshot.running
        assert (running.execution.key, running.execution.args, running.worker) == ("running", ("r",), "w")
        assert running.started == running.execution.started_at
        (worker,) = snapshot.workers
        assert (worker.name, worker.tasks) == ("w", frozenset({"wait", "say", *STANDARD}))
        assert [found.name for found in await shadows.task_workers("say")] == ["w"]
        assert await shadows.task_workers("nothing") == []
        assert await shadows.clear() == 2
        assert await state_of(shadows, "running") == "running"
    await shadows.cancel("running")


async def _is_listed(shadows: Shadow) -> bool:
    return len(await shadows.task_workers("say")) == 1


async def test_a_snapshot_lists_no_more_than_asked_for(shadows: Shadow) -> None:
    """INV 43: the numbers are exact all the same."""
    await shadows.add_many(shadows.call(say, when=HOUR if n % 2 else None)("x") for n in range(20))
    snapshot = await shadows.snapshot(limit=7)
    assert (len(snapshot.future), snapshot.scheduled, snapshot.queued) == (7, 10, 10)
    await shadows.clear()


async def test_clear_cancels_what_waits_and_frees_its_keys(shadows: Shadow) -> None:
    """INV 6: waiters hear of it, and an add of such a key is accepted at once."""
    executions = [await shadows.add(say, when=when, key=key)("x") for when, key in ((HOUR, "s"), (None, "q"))]
    assert await shadows.clear() == 2
    for each in executions:
        with pytest.raises(ExecutionCancelled) as cancelled:
            await each.get_result(timeout=DEADLINE)
        assert cancelled.value.reason == "cleared"
        assert (await shadows.add(say, key=each.key)("y")).disposition is Disposition.SCHEDULED
    assert await shadows.clear() == 2
    assert await shadows.clear() == 0


async def test_after_clear_a_running_key_is_still_live(shadows: Shadow) -> None:
    """SEMANTICS, Keys: so no second body begins under it."""
    began, go = asyncio.Event(), asyncio.Event()

    async def wait() -> str:
        began.set()
        await heard(go)
        return "done"

    execution = await shadows.add(wait, key="k")()
    async with working(shadows, within=timedelta(seconds=5)):
        await heard(began)
        assert await shadows.clear() == 0
        assert (await shadows.add(wait, key="k")()).disposition is Disposition.ALREADY_SCHEDULED
        go.set()
        assert await execution.get_result(timeout=DEADLINE) == "done"


async def test_a_handle_is_found_by_its_key(shadows: Shadow) -> None:
    """PARITY, ``get_execution``: live or ended; what nobody knows is None."""
    assert await shadows.get_execution("k") is None
    await shadows.add(say, key="k")("word")
    live = await shadows.get_execution("k")
    assert live is not None
    assert (live.state, live.args, live.function, live.disposition) == (
        ExecutionState.QUEUED,
        ("word",),
        say,
        Disposition.LOADED,
    )
    await finish(shadows, name="w")
    assert await live.get_result(timeout=DEADLINE) == "word"
    ended = await shadows.get_execution("k")
    assert ended is not None
    assert (ended.state, ended.function_name, ended.function, ended.worker) == (
        ExecutionState.COMPLETED,
        "say",
        say,
        "w",
    )
    assert ended.started_at is not None
    assert ended.completed_at is not None
    assert ended.completed_at >= ended.started_at
    assert await ended.get_result(timeout=DEADLINE) == "word"


async def test_a_client_knows_what_it_was_told(place: Place) -> None:
    """PARITY: ``name``, ``url``, ``execution_ttl``, ``tasks``; a collection is registered by its path."""
    async with place.shadow(execution_ttl=HOUR) as shadows:
        assert (shadows.name, shadows.url, shadows.execution_ttl) == (place.name, place.url, HOUR)
        assert shadows.tasks == STANDARD
        shadows.register(say, names=["say", "tell"])
        assert shadows.tasks == {**STANDARD, "say": say, "tell": say}
        shadows.register_collection("operator:neg")
        assert list(shadows.tasks) == [*STANDARD, "say", "tell", "neg"]
        with pytest.raises(ConfigurationError, match="two tasks would be named 'say'"):
            shadows.register(len, names=["say"])
        execution = await shadows.add("neg")(7)
        async with working(shadows):
            assert await execution.get_result(timeout=DEADLINE) == -7


async def test_an_idle_worker_is_woken_by_a_call_that_becomes_due(shadows: Shadow) -> None:
    """SEMANTICS, wake-ups: at its time, though the worker would look by itself only much later."""
    started: list[datetime] = []

    async def note() -> None:
        started.append(datetime.now(UTC))

    options = {"scheduling_resolution": timedelta(seconds=30)}
    async with Worker(shadows, **options) as worker:  # type: ignore[arg-type]
        run = asyncio.create_task(worker.run_forever())
        await comes_true(lambda: _are_here(shadows, 1))
        due = datetime.now(UTC) + timedelta(milliseconds=80)
        execution = await shadows.add(note, when=due)()
        await execution.get_result(timeout=DEADLINE)
        worker.stop()
        await run
    assert timedelta(milliseconds=-1) < started[0] - due < timedelta(seconds=DEADLINE)


async def test_a_worker_beats_as_often_as_its_shadow_wants(place: Place) -> None:
    """INV 34: those two options say when it counts as gone, and while it lives it never does."""
    seen: set[datetime] = set()
    async with place.shadow(heartbeat_interval=timedelta(milliseconds=100), missed_heartbeats=5) as shadows:
        async with working(shadows), asyncio.timeout(DEADLINE):
            await comes_true(lambda: _are_here(shadows, 1))
            while len(seen) < 4:
                (here,) = await shadows.workers()
                seen.add(here.last_seen)
                await asyncio.sleep(0.005)
        assert await shadows.workers() == []


async def test_a_worker_is_told_of_a_call_that_is_due_before_all_others(shadows: Shadow) -> None:
    """DESIGN: a call scheduled ahead of the earliest one rings as well, so that nobody sleeps past it."""
    await shadows.add(say, when=HOUR, key="far")("x")
    async with working(shadows):
        await comes_true(lambda: _are_here(shadows, 1))
        near = await shadows.add(say, when=timedelta(milliseconds=20))("near")
        assert await near.get_result(timeout=DEADLINE) == "near"
    await shadows.cancel("far")


async def _are_here(shadows: Shadow, count: int) -> bool:
    return len(await shadows.workers()) == count


async def test_a_call_that_is_tried_again_keeps_its_key_and_its_handle(shadows: Shadow) -> None:
    """INV 1, INV 32: between two attempts nobody else gets the key, and the waiter waits for the last."""
    seen: list[Disposition] = []

    async def flaky(retry: Retry = Retry(attempts=2, delay=timedelta(milliseconds=30))) -> int:
        if retry.attempt == 1:
            first.stop()  # so that the second attempt waits for another worker
            raise ValueError
        seen.append((await shadows.add(flaky, key="k")()).disposition)
        return retry.attempt

    execution = await shadows.add(flaky, key="k")()
    async with Worker(shadows) as first:
        await first.run_forever()
    assert await state_of(shadows, "k") == "scheduled"
    seen.append((await shadows.add(flaky, key="k")()).disposition)
    async with working(shadows):
        assert await execution.get_result(timeout=DEADLINE) == 2
    assert seen == [Disposition.ALREADY_SCHEDULED] * 2
