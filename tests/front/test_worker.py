"""How a worker works: until when, with whom, and how it ends."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from shadows import ConfigurationError, ExecutionCancelled, Retry, Shadow, Worker
from shadows.engine import drain
from tests.clients import on_another_loop
from tests.contract.acts import sweep, worker
from tests.front.acts import DEADLINE, HOUR, SOON, comes_true, finish, heard, state_of, working

if TYPE_CHECKING:
    from shadows.ports.broker import Lease
    from tests.front.places import Place, ServerPlace


async def test_a_worker_returns_when_nothing_is_left(shadows: Shadow) -> None:
    """SEMANTICS, run_until_finished: also what is due later, what is tried again and what bodies add is run first."""
    ran: list[str] = []

    async def leaf(name: str) -> None:
        ran.append(name)

    async def root(retry: Retry = Retry(attempts=2, delay=timedelta(milliseconds=20))) -> None:
        if retry.attempt == 1:
            raise ValueError
        await shadows.add(leaf)("from a body")

    await shadows.add(root)()
    await shadows.add(leaf, when=SOON)("later")
    await finish(shadows)
    assert sorted(ran) == ["from a body", "later"]
    assert (await shadows.snapshot()).total_tasks == 0


async def test_several_workers_in_one_process_share_the_work(shadows: Shadow) -> None:
    """INV 1: each call runs once, on either; presence lists both, though their names are the same."""
    seen: dict[int, int] = {}
    both = asyncio.Event()

    async def body(number: int) -> None:
        seen[number] = seen.get(number, 0) + 1
        if len(seen) == 10:
            both.set()
        if number < 10:
            await heard(both)

    async with working(shadows, name="twin", concurrency=5), working(shadows, name="twin", concurrency=5):
        await comes_true(lambda: _workers(shadows, 2))
        executions = await shadows.add_many(shadows.call(body)(number) for number in range(100))
        for execution in executions:
            await execution.get_result(timeout=DEADLINE)
    assert seen == dict.fromkeys(range(100), 1)
    assert await shadows.workers() == []


async def test_a_task_or_a_key_runs_at_most_so_many_times(shadows: Shadow) -> None:
    """SPEC, run_at_most: names and keys are counted; what is beyond the count ends cancelled and says why."""
    ran: list[str] = []

    async def body(name: str) -> None:
        ran.append(name)

    async def free() -> None:
        ran.append("free")

    for number in range(4):
        await shadows.add(body, key=f"k{number}")(f"k{number}")
    await shadows.add(body, key="own")("own")
    await shadows.add(free)()
    await shadows.add(free)()
    beyond = await shadows.add(body, key="k3")("k3")
    async with Worker(shadows) as worker, asyncio.timeout(DEADLINE):
        await worker.run_at_most({"body": 2, "own": 1})
    assert sorted(ran) == ["free", "free", "k0", "k1", "own"]
    with pytest.raises(ExecutionCancelled, match="run_at_most"):
        await beyond.get_result(timeout=DEADLINE)


@pytest.mark.parametrize("count", [-1, True, 1.5, "2"])
async def test_a_count_that_is_none_is_refused(shadows: Shadow, count: Any) -> None:
    """FAULT 17: the message names the task and the value."""
    async with Worker(shadows) as worker:
        with pytest.raises(ConfigurationError, match="'body'"):
            await worker.run_at_most({"body": count})


async def test_a_worker_waits_for_its_bodies_when_it_stops(shadows: Shadow) -> None:
    """INV 36: it claims no more, lets the running body end, settles it, and leaves presence."""
    began, go = asyncio.Event(), asyncio.Event()

    async def body() -> str:
        began.set()
        await heard(go)
        return "done"

    async with Worker(shadows) as worker:
        run = asyncio.create_task(worker.run_forever())
        first = await shadows.add(body)()
        await heard(began)
        worker.stop()
        second = await shadows.add(body, key="second")()
        go.set()
        await run
        assert await first.get_result(timeout=DEADLINE) == "done"
        assert await state_of(shadows, "second") == "queued"
    assert await shadows.workers() == []
    await shadows.cancel(second.key)


async def test_what_has_not_ended_at_the_limit_is_handed_back(shadows: Shadow) -> None:
    """INV 18, INV 36: the body is cancelled; another worker runs the same attempt, as if it had never been claimed."""
    began = asyncio.Event()
    attempts: list[tuple[int, bool]] = []

    async def body(retry: Retry = Retry(attempts=1)) -> str:
        execution = await shadows.get_execution("b")
        assert execution is not None
        attempts.append((retry.attempt, execution.redelivered))
        if len(attempts) == 1:
            began.set()
            await asyncio.Event().wait()
        return "done"

    execution = await shadows.add(body, key="b")()
    async with working(shadows):
        await heard(began)
    assert await state_of(shadows, "b") == "queued"
    await finish(shadows)
    assert await execution.get_result(timeout=DEADLINE) == "done"
    assert attempts == [(1, False), (1, False)]


async def test_a_body_that_will_not_end_holds_nobody_up(shadows: Shadow, monkeypatch: pytest.MonkeyPatch) -> None:
    """INV 36: past the limit and its grace the call is handed back over the body's head."""
    monkeypatch.setattr(drain, "GRACE", 0.1)
    began, go = asyncio.Event(), asyncio.Event()

    async def stubborn() -> None:
        began.set()
        while not go.is_set():
            try:
                await heard(go)
            except asyncio.CancelledError:
                continue

    await shadows.add(stubborn, key="s")()
    async with working(shadows):
        await heard(began)
    assert await state_of(shadows, "s") == "queued"
    await shadows.cancel("s")
    go.set()


async def test_a_thread_that_will_not_end_holds_nobody_up(shadows: Shadow) -> None:
    """SEMANTICS, def tasks: at the limit its lease is handed back, and the worker leaves at once."""
    began, go = threading.Event(), threading.Event()

    def work() -> None:
        began.set()
        assert go.wait(DEADLINE)

    await shadows.add(work, key="t")()
    async with working(shadows):
        await comes_true(began.is_set)
    assert not go.is_set()
    assert await state_of(shadows, "t") == "queued"
    go.set()
    await shadows.cancel("t")


async def test_cancelling_the_run_drains_it(shadows: Shadow) -> None:
    """SPEC, drain: the embedder's way to stop is as graceful as ours."""
    began, go = asyncio.Event(), asyncio.Event()

    async def body() -> str:
        began.set()
        await heard(go)
        return "done"

    execution = await shadows.add(body)()
    async with Worker(shadows) as worker:
        run = asyncio.create_task(worker.run_forever())
        await heard(began)
        run.cancel()
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await run
    assert await execution.get_result(timeout=DEADLINE) == "done"


async def test_being_cancelled_again_and_again_shortens_the_drain(shadows: Shadow) -> None:
    """SPEC, drain: the second time the bodies are cancelled at once, and their calls handed back."""
    began = asyncio.Event()

    async def body() -> None:
        began.set()
        await asyncio.Event().wait()

    await shadows.add(body, key="b")()
    async with Worker(shadows, drain_timeout=HOUR) as worker:
        run = asyncio.create_task(worker.run_forever())
        await heard(began)
        run.cancel()
        await asyncio.sleep(0)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
    assert await state_of(shadows, "b") == "queued"
    await shadows.cancel("b")


async def test_a_lease_lives_while_the_event_loop_is_blocked(shadows: Shadow) -> None:
    """INV 12: renewal has a thread of its own, so a body that blocks for several leases' length is not run twice."""
    ran: list[str] = []
    taken: list[Lease] = []
    began, watched = threading.Event(), threading.Event()

    async def block() -> str:
        ran.append("ran")
        began.set()
        watched.wait(DEADLINE)  # a body that blocks is what this is about
        return "done"

    def watch() -> None:
        began.wait(DEADLINE)
        taken.extend(asyncio.run(_taken_over(shadows.name, on_another_loop(shadows.url))))
        watched.set()

    execution = await shadows.add(block)()
    other = threading.Thread(target=watch)
    other.start()
    async with working(shadows, redelivery_timeout=timedelta(seconds=1)):
        await asyncio.to_thread(other.join)
        assert taken == []
        assert await execution.get_result(timeout=DEADLINE) == "done"
    assert ran == ["ran"]


async def _taken_over(name: str, url: str) -> list[Lease]:
    """Be another worker for two seconds, which takes over what nobody renews."""
    who = worker("other")
    taken: list[Lease] = []
    async with Shadow(name, url) as shadows:
        for _ in range(40):
            taken += await sweep(shadows.backend().broker, who)
            await asyncio.sleep(0.05)
        await shadows.backend().presence.check_out(who)
    return taken


async def test_embedding_leaves_signal_handlers_alone(shadows: Shadow) -> None:
    """INV 38: they belong to the program, and to the command line where that is ours."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    async with working(shadows):
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


async def test_an_unknown_task_goes_to_a_worker_that_knows_it(place: Place) -> None:
    """INV 19, FAULT 47: the worker that does not know it puts it back, counts it, and is not held up by it."""

    async def known() -> str:
        return "done"

    async with place.shadow() as service, place.shadow() as stranger, place.shadow() as friend:
        execution = await service.add(known, key="u")()
        async with Worker(stranger) as worker, asyncio.timeout(DEADLINE):
            await worker.run_until_finished()
        assert await state_of(service, "u") == "scheduled"
        friend.register(known)
        async with working(friend):
            assert await execution.get_result(timeout=DEADLINE) == "done"


async def test_an_idle_worker_sends_two_commands_a_second(far: ServerPlace) -> None:
    """SEMANTICS, wake-ups: one claim and one blocking pop a second carry everything that it has to say."""

    def sent() -> int:
        told = far.curtain.ask("INFO", "commandstats").decode().splitlines()
        calls = dict(line.partition(":calls=")[::2] for line in told if line.startswith("cmdstat_"))
        return sum(int(calls.get(f"cmdstat_{name}", "0").partition(",")[0]) for name in ("evalsha", "blpop"))

    async with far.shadow() as shadows, working(shadows):
        await comes_true(lambda: _workers(shadows, 1))
        before, began = sent(), time.monotonic()
        await comes_true(lambda: sent() - before >= 4)
        assert time.monotonic() - began > 0.9


async def test_a_worker_is_used_inside_of_its_context_and_once_at_a_time(shadows: Shadow) -> None:
    """FAULT 21: each misuse has a message of its own."""
    worker = Worker(shadows)
    with pytest.raises(RuntimeError, match="not open"):
        await worker.run_forever()
    worker.stop()  # nothing runs; nothing happens
    async with worker:
        with pytest.raises(RuntimeError, match="entered already"):
            await worker.__aenter__()
        run = asyncio.create_task(worker.run_forever())
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="running already"):
            await worker.run_forever()
        worker.stop()
        await run
    await worker.__aexit__(None, None, None)  # it was left already
    assert "concurrency=10" in repr(worker)
    assert worker.options.concurrency == 10


async def _workers(shadows: Shadow, count: int) -> bool:
    return len(await shadows.workers()) == count
