"""What a worker's process writes to its log, in each form: what is in it, and what never is."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from shadows import Shadow

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.system.conftest import Said
    from tests.system.programs import Program

    type Run = Callable[..., Said]

TASKS = """
from typing import Annotated

from shadows import Logged, TaskLogger

async def charge(card, order: Annotated[str, Logged], log=TaskLogger()):
    log.info("charging", extra={"step": 1})

async def decline(card, order: Annotated[str, Logged]):
    copied = card + "-copied"
    raise ValueError("declined")

async def stutter(card, order: Annotated[str, Logged]):
    try:
        raise KeyError("first")
    except KeyError as first:
        raise RuntimeError("second") from first

tasks = [charge, decline, stutter]
"""
SECRET = "4242-4242"  # noqa: S105 - it is none; it must not be seen all the same


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder that holds a module of tasks."""
    (tmp_path / "shop.py").write_text(TASKS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


async def place(url: str, shadow: str) -> None:
    """Place a call of each task, with one argument that may be seen and one that may not."""
    async with Shadow(shadow, url, allow_unknown=True) as client:
        for task in ("charge", "decline", "stutter"):
            await client.add(task, key=f"{task}-1")(SECRET, "order-7")


def work(shadows: Run, form: str, name: str, *more: str) -> str:
    """Run the calls and return what was logged."""
    url = f"memory://{name}"
    asyncio.run(place(url, name))
    words = ("--url", url, "--shadows", name, "--name", "w-1", "--tasks", "shop:tasks", "--until-finished")
    said = shadows("worker", *words, "--logging-format", form, *more)
    assert said.code == 0
    return said.err


@pytest.mark.parametrize("form", ["console", "plain", "json"])
def test_no_form_of_the_log_holds_an_argument_that_is_not_logged(shadows: Run, shadow_name: str, form: str) -> None:
    """INV 45: neither at DEBUG nor in a traceback, whose frames have the arguments among their variables."""
    text = work(shadows, form, shadow_name, "--logging-level", "debug")
    assert SECRET not in text
    assert "ValueError" in text
    assert "declined" in text
    assert "charge(..., 'order-7')" in text


def test_json_entries_name_the_call_in_fields(shadows: Run, shadow_name: str) -> None:
    """One document a line: the life of a worker and of each of its calls, and what its tasks log themselves."""
    entries: list[dict[str, Any]] = [json.loads(line) for line in work(shadows, "json", shadow_name).splitlines()]
    of_call = {"shadow": shadow_name, "worker": "w-1", "task": "charge", "key": "charge-1", "attempt": 1}
    told = [entry for entry in entries if entry.get("key") == "charge-1"]
    assert [entry["logger"] for entry in told] == ["shadows.task", "shadows.task.charge", "shadows.task"]
    assert all(of_call.items() <= entry.items() for entry in told)
    assert told[1]["step"] == 1
    assert all(entry["timestamp"].endswith("Z") and entry["level"] for entry in entries)
    starting = f"Worker(Shadow(name='{shadow_name}', url='memory://{shadow_name}'), name='w-1', concurrency=10)"
    assert entries[0]["event"] == f"starting {starting}"
    assert entries[1]["event"] == f"worker w-1 of shadow {shadow_name} knows 3 tasks"
    assert entries[-1]["event"] == "worker w-1 has stopped"
    failed = next(entry for entry in entries if entry.get("key") == "stutter-1" and entry["level"] == "error")
    kinds = [one["exc_type"] for one in failed["exception"]]
    assert kinds == ["RuntimeError", "KeyError"]
    assert all("locals" not in frame for one in failed["exception"] for frame in one["frames"])


@pytest.mark.parametrize("form", ["console", "plain"])
def test_lines_for_people_say_nothing_twice(shadows: Run, shadow_name: str, form: str) -> None:
    """Our own text names the call; what a task logs is followed by where it comes from."""
    lines = work(shadows, form, shadow_name).splitlines()
    completed = next(line for line in lines if "charge-1 completed" in line)
    assert "key=" not in completed
    charging = next(line for line in lines if "charging" in line)
    assert re.search(r"key='?charge-1'?", charging)
    assert "step=1" in charging


@pytest.mark.parametrize("form", ["console", "plain", "json"])
def test_a_level_leaves_out_what_is_below_it(shadows: Run, shadow_name: str, form: str) -> None:
    """What failed is told at every level up to ERROR."""
    text = work(shadows, form, shadow_name, "--logging-level", "error")
    assert "declined" in text
    assert "completed" not in text
    assert "knows 3 tasks" not in text


def test_a_warning_is_an_entry_like_any_other(program: Callable[..., Program], folder: Path) -> None:
    """Whoever reads the log as JSON can read all of it."""
    (folder / "old.py").write_text("import warnings\nwarnings.warn('this is old')\ntasks = []\n")
    words = ("--url", "memory://x", "--tasks", "old:tasks", "--logging-format", "json", "--until-finished")
    worker = program("worker", *words)
    assert worker.end() == 0
    entries = [json.loads(line) for line in worker.lines]
    warned = [entry for entry in entries if entry["logger"] == "py.warnings"]
    assert len(warned) == 1
    assert "this is old" in warned[0]["event"]


@pytest.mark.parametrize("at_a_terminal", [True, False])
def test_the_form_goes_by_where_the_log_goes(folder: Path, at_a_terminal: bool) -> None:  # noqa: FBT001 - a parameter
    """Colours for people at a terminal, plain lines for files and pipes."""
    words = [sys.executable, "-m", "shadows", "worker", "--url", "memory://x", "--tasks", "shop:tasks"]
    ours, theirs = pty.openpty() if at_a_terminal else os.pipe()
    with open(ours, "rb", buffering=0) as reading:  # noqa: PTH123 - it has no path
        done = subprocess.Popen([*words, "--until-finished"], cwd=folder, stderr=theirs, stdout=theirs)
        os.close(theirs)
        text = b""
        try:
            while chunk := reading.read(4096):
                text += chunk
        except OSError:  # a terminal that nobody writes to any more
            pass
        assert done.wait() == 0
    assert (b"\x1b[" in text) is at_a_terminal
    assert b"knows 3 tasks" in text
