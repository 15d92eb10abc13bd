"""What a task can do to the process of its worker: end it, use up its memory, keep the interpreter for itself."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from shadows import ExecutionState, Shadow
from tests.system.conftest import until
from tests.system.programs import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.system.programs import Program

    type Start = Callable[..., Program]

pytestmark = pytest.mark.slow

TASKS = """
import asyncio, ctypes, os, resource, signal, time
from pathlib import Path

from shadows import Retry, in_process

async def end(how):
    print("ending by", how, flush=True)
    if how == "exit":
        os._exit(3)
    os.kill(os.getpid(), getattr(signal, how))
    await asyncio.sleep(60)

async def wait():
    await asyncio.sleep(600)

kept = []

async def hoard():
    await asyncio.sleep(0.3)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + (64 << 20)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    while True:
        kept.append(bytearray(1 << 20))

def hold(notes, gate):
    with open(notes, "a") as written:
        written.write(f"{os.getpid()}\\n")
    gate = os.open(gate, os.O_RDWR)
    if len(Path(notes).read_text().splitlines()) == 1:
        ctypes.PyDLL(None).read(gate, ctypes.create_string_buffer(1), 1)
        return "first"
    os.write(gate, b"!")
    return "second"

hold_here = hold

@in_process
def hold_elsewhere(notes, gate):
    return hold(notes, gate)

async def block():
    time.sleep(1.5)

async def careless():
    async def leave():
        raise SystemExit(3)
    child = asyncio.create_task(leave())
    await asyncio.sleep(600)

tasks = [end, wait, hoard, hold, hold_elsewhere, block, careless]
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Path:
    """Give a folder that holds a module of tasks."""
    (tmp_path / "jobs.py").write_text(TASKS)
    return tmp_path


def add(url: str, shadow: str, task: str, *args: object) -> None:
    """Place a call under the key of its task."""

    async def run() -> None:
        async with Shadow(shadow, url, allow_unknown=True) as client:
            await client.add(task, key=task)(*args)

    asyncio.run(run())


def worker(program: Start, url: str, shadow: str, **environment: str) -> Program:
    """Start a worker that knows the tasks."""
    started = program("worker", "--tasks", "jobs:tasks", "--url", url, "--shadows", shadow, **environment)
    started.until(r"knows \d+ tasks")
    return started


def look(url: str, shadow: str, key: str) -> tuple[ExecutionState | None, str | None, int]:
    """Return the state of a call, what went wrong with it, and how many dead letters there are."""

    async def run() -> tuple[ExecutionState | None, str | None, int]:
        async with Shadow(shadow, url) as client:
            found = await client.get_execution(key)
            assert found is not None
            return found.state, found.error, (await client.snapshot()).dead

    return asyncio.run(run())


def test_a_call_that_ends_each_of_its_workers_is_a_dead_letter_after_five(
    program: Start, one_place: str, shadow_name: str
) -> None:
    """FAULT 36, INV 14: os._exit, SIGSEGV and SIGKILL alike; it is redelivered four times, and no worker dies after."""
    add(one_place, shadow_name, "end", "exit")
    for _ in range(5):
        doomed = worker(program, one_place, shadow_name, SHADOW_WORKER_REDELIVERY_TIMEOUT="300ms")
        doomed.until("ending by exit")
        assert doomed.end() == 3
    state, error, dead = look(one_place, shadow_name, "end")
    assert (state, dead) == (ExecutionState.RUNNING, 0)
    last = worker(program, one_place, shadow_name, SHADOW_WORKER_REDELIVERY_TIMEOUT="300ms")

    async def is_dead() -> bool:
        return (await asyncio.to_thread(look, one_place, shadow_name, "end"))[2] == 1

    asyncio.run(until(is_dead))
    state, error, _ = look(one_place, shadow_name, "end")
    assert (state, error) == (ExecutionState.FAILED, "worker-lost")
    assert "ending by" not in last.text
    last.signal(signal.SIGTERM)
    assert last.end() == 0


@pytest.mark.parametrize("how", ["SIGSEGV", "SIGKILL"])
def test_a_call_whose_worker_crashed_is_run_by_the_next(
    program: Start, one_place: str, shadow_name: str, how: str
) -> None:
    """FAULT 36: as the same attempt; the system may have killed the worker for want of memory."""
    add(one_place, shadow_name, "end", how)
    for _ in range(2):
        doomed = worker(program, one_place, shadow_name, SHADOW_WORKER_REDELIVERY_TIMEOUT="300ms")
        doomed.until(f"ending by {how}")
        assert doomed.end() == -getattr(signal, how)


def test_a_worker_without_memory_hands_back_and_exits_70(program: Start, one_place: str, shadow_name: str) -> None:
    """FAULT 35: the task's own call has failed; what ran beside it is there for another worker at once."""
    add(one_place, shadow_name, "wait")
    add(one_place, shadow_name, "hoard")
    ended = worker(program, one_place, shadow_name)
    assert ended.end() == 70
    assert re.search("error: a task has used up the memory of Worker", ended.text), ended.text
    assert look(one_place, shadow_name, "wait")[0] is ExecutionState.QUEUED
    state, error, _ = look(one_place, shadow_name, "hoard")
    assert (state, error) == (ExecutionState.FAILED, "MemoryError: ")


def test_a_child_task_that_ends_the_loop_hands_back_and_exits_70(
    program: Start, one_place: str, shadow_name: str
) -> None:
    """FAULT 30, SEMANTICS, Running: SystemExit in an asyncio task that a body has made."""
    add(one_place, shadow_name, "wait")
    add(one_place, shadow_name, "careless")
    ended = worker(program, one_place, shadow_name)
    assert ended.end() == 70
    assert "error: SystemExit(3) ended the worker; its running calls were handed back" in ended.text
    assert look(one_place, shadow_name, "wait")[0] is ExecutionState.QUEUED


def test_a_body_that_blocks_is_named_in_the_log(program: Start, one_place: str, shadow_name: str) -> None:
    """FAULT 33: within a second, with the line that it is at."""
    add(one_place, shadow_name, "block")
    blocked = worker(program, one_place, shadow_name)
    blocked.until("block: block has blocked the event loop for [01].[0-9] s")
    blocked.until("jobs.py.*in block")
    blocked.until("block: block completed")
    blocked.signal(signal.SIGTERM)
    assert blocked.end() == 0
    assert blocked.text.count("has blocked") == 1


@pytest.mark.parametrize("task", ["hold", "hold_elsewhere"])
def test_a_body_that_keeps_the_interpreter_loses_its_lease_unless_it_has_a_process_of_its_own(
    program: Start, one_place: str, shadow_name: str, folder: Path, task: str
) -> None:
    """FAULT 34: then no thread can renew; another worker runs the call, and the first one's result counts for
    nothing. The first body goes on when the second one lets it; where there is to be no second, after three leases.
    """
    notes, gate = folder / "notes", folder / "gate"
    os.mkfifo(gate)
    lease = {"SHADOW_WORKER_REDELIVERY_TIMEOUT": "800ms"}
    workers = [worker(program, one_place, shadow_name, **lease) for _ in range(2)]
    add(one_place, shadow_name, task, str(notes), str(gate))

    async def result() -> Any:
        if task == "hold_elsewhere":
            await until(partial(asyncio.to_thread, notes.exists))
            await asyncio.sleep(2.4)
            gate.write_text("!")
        async with Shadow(shadow_name, one_place) as client:
            execution = await client.get_execution(task)
            assert execution is not None
            return await execution.get_result(timeout=PATIENCE)

    assert asyncio.run(result()) == ("second" if task == "hold" else "first")
    assert len(notes.read_text().splitlines()) == (2 if task == "hold" else 1)
    for each in workers:
        each.signal(signal.SIGTERM)
    assert [each.end() for each in workers] == [0, 0]
