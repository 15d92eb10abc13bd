"""The processes of a worker: whatever happens to one happens to one call."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from contextlib import asynccontextmanager
from multiprocessing import Pipe
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import pytest

from shadows.adapters.codecs.cloudpickle import CloudpickleCodec
from shadows.core.settings import WorkerOptions
from shadows.dependencies.registry import Registry
from shadows.engine import child, processes
from shadows.engine.attempt import Attempt, Stop
from shadows.engine.elsewhere import Elsewhere
from shadows.errors import ProcessDied, SerializationError, TaskFailed
from shadows.ports.broker import Lease
from tests import crunching
from tests.front.acts import comes_true

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

CODEC = CloudpickleCodec()


class House:
    """A worker's processes, two at most."""

    def __init__(self) -> None:
        self.elsewhere = Elsewhere.of(WorkerOptions(name="house", concurrency=4, task_processes=2), CODEC)
        self.pool = self.elsewhere.processes
        self.registry = Registry()

    async def run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call the function in a process."""
        return await self.elsewhere.run(self.attempt(), self.registry.plans[self.known(function)], args, kwargs)

    def known(self, function: Callable[..., Any]) -> str:
        return self.registry.register(function)

    def attempt(self) -> Attempt:
        return Attempt(Lease("k", "token", 7, 1, b"", 1, 0, 0))

    def begin(self, function: Callable[..., Any], *args: Any) -> tuple[Attempt, asyncio.Task[Any]]:
        """Call the function in a process, and return the attempt that it is for."""
        attempt = self.attempt()
        plan = self.registry.plans[self.known(function)]
        attempt.task = run = asyncio.create_task(self.elsewhere.run(attempt, plan, args, {}))  # type: ignore[assignment]
        return attempt, run


@asynccontextmanager
async def open_house() -> AsyncIterator[House]:
    house = House()
    try:
        yield house
    finally:
        await house.elsewhere.close()
    assert house.pool._alive == set()


def is_alive(pid: int) -> bool:
    """Whether there is such a process; one whose end nobody has taken note of yet counts as gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_a_process_is_used_again_and_there_are_no_more_than_allowed() -> None:
    """Starting one takes a tenth of a second, and a computer has only so many processors."""
    async with open_house() as house:
        first, second = await house.run(crunching.where, 1), await house.run(crunching.where, number=2)
        assert (first[1], second[1]) == (1, 2)
        assert first[0] == second[0] != os.getpid()
        pids = {pid for pid, _ in await asyncio.gather(*(house.run(crunching.where) for _ in range(8)))}
        assert len(pids) <= 2
    assert not any(is_alive(pid) for pid in pids)


async def test_a_function_that_no_module_has_travels_as_it_is() -> None:
    """As those of a program's main module do: they are of use in scripts, and at a prompt."""
    base = 40

    def add(number: int) -> int:
        return base + number

    async with open_house() as house:
        house.registry.register(add, process=True)
        assert await house.run(add, 2) == 42


async def test_what_a_body_raises_there_is_raised_here() -> None:
    """FAULT 27, FAULT 30, FAULT 31, FAULT 35: with the traceback from there, where it can be rebuilt."""
    raised: list[tuple[str, type[BaseException], str]] = [
        ("own", crunching.Own, "^no$"),
        ("stiff", TaskFailed, "^tests.crunching.Stiff: no$"),
        ("wordless", TaskFailed, "^tests.crunching.Stiff$"),
        ("hollow", TaskFailed, r"Hollow: \d+"),
        ("exit", SystemExit, "4"),
        ("cancel", asyncio.CancelledError, "^$"),
        ("memory", MemoryError, "^$"),
    ]
    async with open_house() as house:
        pid, _ = await house.run(crunching.where)
        for how, error, text in raised:
            with pytest.raises(error, match=text) as caught:
                await house.run(crunching.fail, how)
            assert "in fail" in str(caught.value.__cause__)
            is_used_again = how != "memory"  # who has run out of it may be short of it for good
            assert ((await house.run(crunching.where))[0] == pid) == is_used_again


async def test_a_result_that_cannot_travel_says_so_when_it_is_written() -> None:
    """FAULT 38: like one of a thread, so that the run has failed, and is not tried again."""
    async with open_house() as house:
        result = await house.run(crunching.fail, "lock")
        with pytest.raises(SerializationError, match=r"^the value is a _thread.lock, which cannot travel"):
            CODEC.encode(result)


async def test_a_process_that_dies_is_the_failure_of_its_call_alone() -> None:
    """FAULT 36: the other call, and the next one, know nothing of it."""
    ends = {
        "exit": "ended with the exit code 3",
        "SIGSEGV": "ended by SIGSEGV",
        "SIGKILL": "SIGKILL; was the memory used up",
        "SIGTERM": "ended by SIGTERM",
    }
    async with open_house() as house:
        for how, text in ends.items():
            other = asyncio.create_task(house.run(crunching.where))
            with pytest.raises(ProcessDied, match=rf"end\(\).*{text}"):
                await house.run(crunching.end, how)
            assert await other
        assert await house.run(crunching.where)


async def test_a_signal_without_a_name_is_told_by_its_number() -> None:
    """There are more signals than names."""
    assert "signal 250" in processes._epitaph(crunching.end, -250)


async def test_what_a_dead_process_has_started_holds_nobody_up(tmp_path: Path) -> None:
    """FAULT 36: its child has the connection too, so that the end of the process is not the end of that."""
    async with open_house() as house:
        with pytest.raises(ProcessDied, match="exit code 5"):
            await house.run(crunching.fork_and_end, str(tmp_path / "left"))


async def test_a_process_that_died_while_it_was_idle_is_not_used() -> None:
    """FAULT 36: the system may have needed its memory."""
    async with open_house() as house:
        pid, _ = await house.run(crunching.where)
        os.kill(pid, signal.SIGKILL)
        # Not `is_alive`: its threads may keep the connection open for a moment longer than it lives.
        await comes_true(lambda: not house.pool._idle[0].is_sound())
        assert (await house.run(crunching.where))[0] != pid


@pytest.mark.parametrize(("why", "how"), [*zip(Stop, ["", "deaf", "parent"], strict=True)])
async def test_a_cancel_ends_the_process(tmp_path: Path, why: Stop, how: str) -> None:
    """SEMANTICS, Running: unlike a thread; it may tidy up, and one that does not hear is killed."""
    note = tmp_path / "began"
    async with open_house() as house:
        attempt, run = house.begin(crunching.compute, str(note), how)
        await comes_true(lambda: note.exists() and note.read_text() != "")
        pid = int(note.read_text())
        attempt.cancel(why)
        with pytest.raises(asyncio.CancelledError):
            await run
        assert not is_alive(pid)
        assert (note.read_text() == "tidied up") == (how != "deaf")
        assert await house.run(crunching.where)


async def test_who_waits_for_a_process_is_cancelled_at_once(tmp_path: Path) -> None:
    """A call that has not begun has nothing to end."""
    async with open_house() as house:
        busy = [house.begin(crunching.compute, str(tmp_path / name)) for name in ("a", "b")]
        await comes_true(lambda: len([*tmp_path.iterdir()]) == 2)
        attempt, run = house.begin(crunching.where)
        await asyncio.sleep(0)
        attempt.cancel(Stop.CANCELLED)
        with pytest.raises(asyncio.CancelledError):
            await run
        for each, _ in busy:
            each.cancel(Stop.SHUTDOWN)
        await asyncio.wait([run for _, run in busy])


async def test_a_call_that_is_cancelled_before_it_has_a_process_starts_none() -> None:
    """The thread that would start it hears of that first."""
    async with open_house() as house:
        call = processes._Call(house.pool, house.registry.plans[house.known(crunching.where)])
        call.hasten()
        with pytest.raises(asyncio.CancelledError):
            call.run()
        assert house.pool._alive == set()


async def test_an_answer_that_comes_with_the_cancel_is_the_last_of_its_process() -> None:
    """It was told to end, so no other call may get it."""
    async with open_house() as house:
        pid, _ = await house.run(crunching.where)
        (process,) = house.pool._alive
        call = processes._Call(house.pool, house.registry.plans[house.known(crunching.where)])
        ask = process.call

        def answer_and_cancel(function: bytes, arguments: bytes) -> tuple[bytes, bytes]:
            answer = ask(function, arguments)
            call.hasten()
            return answer

        process.call = answer_and_cancel  # type: ignore[method-assign]
        assert await asyncio.to_thread(call.run) == (pid, 0)
        assert not is_alive(pid)
        call.hasten()  # once more: there is nothing to end any more


async def test_the_end_of_the_worker_is_the_end_of_its_processes(tmp_path: Path) -> None:
    """Also of those that still work, and whoever comes too late gets none."""
    note = tmp_path / "began"
    async with open_house() as house:
        _, run = house.begin(crunching.compute, str(note), "deaf")
        await comes_true(lambda: note.exists() and note.read_text() != "")
        house.pool.close()
        with pytest.raises(ProcessDied):
            await run
        with pytest.raises(asyncio.CancelledError):
            house.pool.take()
    assert not is_alive(int(note.read_text()))


async def test_an_argument_that_cannot_travel_is_named() -> None:
    """FAULT 3: a dependency that the worker made, such as a pool of connections, may be one."""
    async with open_house() as house:
        with pytest.raises(SerializationError, match=r"kwargs\['number'\]"):
            await house.run(crunching.where, number=threading.Lock())


def test_a_process_ends_with_its_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """FAULT 77: killed workers leave nothing behind; an idle process just ends, a working one ends what it started."""
    killed: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "killpg", lambda *what: killed.append(what))
    for working in (False, True):
        ours, theirs = Pipe()
        calls: SimpleQueue[tuple[bytes, bytes] | None] = SimpleQueue()
        busy = threading.Event()
        if working:
            busy.set()
        ours.close()
        child._receive(theirs, calls, busy)
        theirs.close()
        assert calls.get() is None
    assert killed == [(0, signal.SIGKILL)]


class Late(Exception):
    """An exception, or a result, that is told to end while it is written."""

    def __reduce__(self) -> Any:
        child._end(signal.SIGTERM, None)


def test_the_end_is_heard_wherever_the_body_is() -> None:
    """While it runs, while its result is written, while its exception is."""

    def ends() -> None:
        child._end(signal.SIGTERM, None)

    def fails() -> None:
        raise Late

    def returns() -> Late:
        return Late()

    for body in (ends, fails, returns):
        with pytest.raises(child.Ended):
            child._run(CODEC, CODEC.encode(body), CODEC.encode(((), {})))


async def test_a_process_that_does_not_end_by_itself_is_killed() -> None:
    """FAULT 36: a worker that leaves waits for its processes, but not for ever."""
    async with open_house() as house:
        pid, _ = await house.run(crunching.where)
        (process,) = house.pool._idle
        os.kill(pid, signal.SIGSTOP)
        assert await asyncio.to_thread(process.end) == -signal.SIGKILL
