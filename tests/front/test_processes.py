"""Tasks in a process of their own: like any other, and what happens to the process is their affair alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from shadows import ExecutionCancelled, ProcessDied, Shadow
from tests import crunching
from tests.front.acts import DEADLINE, comes_true, finish, state_of, working

if TYPE_CHECKING:
    from tests.front.places import Place


async def test_a_task_in_a_process_is_added_run_and_awaited_like_any_other(shadows: Shadow) -> None:
    """Issue 3, sync tasks: in another process than its worker, with its arguments and result."""
    executions = [await shadows.add(crunching.where)(number=number) for number in range(3)]
    await finish(shadows, task_processes=1)
    found = [await each.get_result(timeout=DEADLINE) for each in executions]
    assert [number for _, number in found] == [0, 1, 2]
    assert os.getpid() not in {pid for pid, _ in found}


async def test_a_dead_process_is_a_failure_that_is_tried_again(shadows: Shadow) -> None:
    """FAULT 36: the worker lives and says at once what happened; ``Retry`` decides about the next attempt."""
    once = await shadows.add(crunching.end)("SIGSEGV")
    twice = await shadows.add(crunching.flaky_end)("")
    asked = await shadows.add(crunching.ask_again)()
    await finish(shadows)
    with pytest.raises(ProcessDied, match="SIGSEGV"):
        await once.get_result(timeout=DEADLINE)
    assert await twice.get_result(timeout=DEADLINE) == 2
    assert await asked.get_result(timeout=DEADLINE) == 2


async def test_a_cancelled_computation_ends_at_once(shadows: Shadow, tmp_path: Path) -> None:
    """SEMANTICS, Running: what cannot be done with a thread; it may tidy up."""
    note = tmp_path / "note"
    execution = await shadows.add(crunching.compute, key="c")(str(note))
    async with working(shadows):
        await comes_true(lambda: note.exists() and note.read_text() != "")
        await shadows.cancel("c")
        with pytest.raises(ExecutionCancelled):
            await execution.get_result(timeout=DEADLINE)
    assert note.read_text() == "tidied up"


async def test_a_computation_that_takes_too_long_is_ended(shadows: Shadow, tmp_path: Path) -> None:
    """Issue 3, sync tasks: the time limit is kept in the worker, and the process does not outlive it."""
    note = tmp_path / "note"
    execution = await shadows.add(crunching.compute_too_long)(str(note))
    await finish(shadows)
    with pytest.raises(TimeoutError, match="did not end within 2s"):
        await execution.get_result(timeout=DEADLINE)
    assert note.read_text() == "tidied up"


async def test_what_computes_at_the_drain_limit_is_ended_and_handed_back(shadows: Shadow, tmp_path: Path) -> None:
    """INV 18, INV 36: the process does not outlive its worker."""
    note = tmp_path / "note"
    await shadows.add(crunching.compute, key="c")(str(note))
    async with working(shadows):
        await comes_true(lambda: note.exists() and note.read_text() != "")
    assert await state_of(shadows, "c") == "queued"
    assert note.read_text() == "tidied up"
    await shadows.cancel("c")


async def test_dependencies_are_made_in_the_worker_and_their_values_travel(place: Place) -> None:
    """Issue 3, sync tasks: they are open until the body has ended; one that works around it says so when it is used."""
    async with place.shadow() as shadows:
        execution = await shadows.add(crunching.equipped, key="e")(7)
        await finish(shadows)
        assert await execution.get_result(timeout=DEADLINE) == (
            7,
            "e",
            "folder of e",
            "around: Around stays in the worker, and the task is in another process: no 'secret' here",
        )
    assert crunching.opened == []
