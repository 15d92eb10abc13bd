"""`shadows add` and `shadows tasks trace|fail|sleep`."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from shadows import ExecutionState, Shadow, Worker
from tests.system.conftest import attend, on
from tests.system.workers import at_work

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.system.conftest import Said
    from tests.system.programs import Program

    type Run = Callable[..., Said]

SHOP = """
async def double(n: int, note: str = "") -> int:
    return 2 * n

async def stall() -> None:
    raise ValueError("broken on purpose")

tasks = [double, stall]
"""
seen: list[object] = []


async def double(n: int, note: str = "") -> int:
    """Return twice as much."""
    seen.append((n, note))
    return 2 * n


async def stall() -> None:
    """Fail."""
    raise ValueError("broken on purpose")


@pytest.fixture(autouse=True)
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder that holds a module with those tasks."""
    (tmp_path / "shop.py").write_text(SHOP)
    monkeypatch.chdir(tmp_path)
    seen.clear()


async def work(shadow: Shadow) -> None:
    """Run what is ready."""
    shadow.register(double)
    async with Worker(shadow) as worker:
        await worker.run_until_finished()


def test_a_call_is_placed_by_the_name_of_its_task(shadows: Run, here: tuple[str, str]) -> None:
    """The functions need not be here; arguments are JSON, or text."""
    said = shadows("add", "double", "--arg", "n=21", "--arg", "note=from the shell", "--key", "d-1")
    assert (said.code, said.out) == (0, "placed: double as d-1\n")
    on(*here, work)
    assert seen == [(21, "from the shell")]


def test_a_call_may_be_for_later(shadows: Run, here: tuple[str, str]) -> None:
    """After a while, or at a time."""
    assert re.fullmatch(
        r"placed: double as [0-9a-f]{32}, due in (5m|4m\d+s)\n", shadows("add", "double", "--in", "5m").out
    )
    at = json.loads(shadows("add", "double", "--at", "2030-01-01T00:00Z", "--key", "k", "--json").out)
    assert at == {
        "shadow": here[1],
        "key": "k",
        "task": "double",
        "disposition": "scheduled",
        "when": "2030-01-01T00:00:00+00:00",
        "state": "scheduled",
        "error": None,
        "result": None,
    }
    execution = on(*here, lambda shadow: shadow.get_execution("k"))
    assert execution.when == datetime.fromisoformat("2030-01-01T00:00:00Z")


def test_a_key_that_is_taken_ends_with_4(shadows: Run, here: tuple[str, str]) -> None:
    """What is there stays; one can follow it."""
    shadows("add", "double", "--arg", "n=1", "--key", "d-1", "--in", "1h")
    found = shadows("add", "double", "--arg", "n=2", "--key", "d-1")
    assert found.code == 4
    assert "the key 'd-1' is taken by a live run: scheduled" in found.err
    assert "shadows watch d-1" in found.err
    execution = on(*here, lambda shadow: shadow.get_execution("d-1"))
    assert execution.kwargs == {"n": 1}


def test_a_struck_call_ends_with_4(shadows: Run, here: tuple[str, str]) -> None:
    """The strike is named by its list."""
    on(*here, lambda shadow: shadow.strike("double", "n", ">", 1000))
    found = shadows("add", "double", "--arg", "n=1001")
    assert found.code == 4
    assert "a strike forbids this call" in found.err
    assert "shadows strikes ls" in found.err
    assert shadows("add", "double", "--arg", "n=1000").code == 0


def test_a_task_that_no_worker_knows_is_a_typo(shadows: Run, here: tuple[str, str]) -> None:
    """Nothing is placed, unless the task is here to be seen or no worker is."""
    said = shadows("add", "doubel", "--key", "typo")
    assert (said.code, said.err) == (0, "note: no worker is here, so it waits for one\n")
    attend(*here, "worker-1", "double")
    found = shadows("add", "doubel")
    assert found.code == 3
    assert "no worker that is here knows a task 'doubel'; did you mean double?" in found.err
    assert "--tasks module:attribute" in found.err
    assert shadows("add", "stall", "--tasks", "shop:tasks").err == "note: no worker that is here knows a task 'stall'\n"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["double", "--arg", "m=1", "--tasks", "shop:tasks"], 2, ["'m'", "double"]),
        (["double", "--arg", "n=1", "--arg", "n=2"], 2, ["--arg n", "twice"]),
        (["double", "--arg", "n"], 78, ["--arg='n'", "name=value"]),
        (["double", "--in", "5m", "--at", "2030-01-01T00:00Z"], 2, ["--in", "--at"]),
        (["double", "--in", "5parsecs"], 78, ["--in='5parsecs'"]),
        (["double", "--at", "2030-01-01"], 78, ["--at='2030-01-01'", "2030-01-01T00:00:00+00:00"]),
        (["double", "--in", "200w", "--at", ""], 2, ["--in", "--at"]),
        (["double", "--in", "1000w"], 78, ["horizon"]),
        (["double", "--timeout", "5s"], 2, ["--timeout", "--wait"]),
        (["double", "--key", ""], 78, ["key=''"]),
        ([], 2, ["TASK"]),
    ],
)
@pytest.mark.usefixtures("here")
def test_what_cannot_be_placed_is_refused(shadows: Run, words: list[str], code: int, said: list[str]) -> None:
    """In a few lines."""
    found = shadows("add", *words)
    assert found.code == code, found.err
    assert all(part in found.err for part in said), found.err
    assert len(found.err.splitlines()) <= 8
    assert json.loads(shadows("snapshot", "--json").out)["total"] == 0


def test_to_wait_longer_than_one_likes_ends_with_75(shadows: Run, here: tuple[str, str]) -> None:
    """The call stays where it is."""
    found = shadows("add", "double", "--key", "d-1", "--in", "1h", "--wait", "--timeout", "50ms")
    assert found.code == 75
    assert "'d-1' has not ended within 50ms; it is scheduled" in found.err
    assert on(*here, lambda shadow: shadow.get_execution("d-1")).state is ExecutionState.SCHEDULED


async def test_one_can_wait_for_the_end(real_place: str, shadow_name: str, program: Callable[..., Program]) -> None:
    """The exit code says how it ended; in JSON there is one document, with the result."""
    around = {"SHADOW_URL": real_place, "SHADOW_NAME": shadow_name}
    async with Shadow(shadow_name, real_place) as shadow:
        shadow.register(double)
        shadow.register(stall)
        async with at_work(shadow):
            good = program("add", "double", "--arg", "n=21", "--wait", "--timeout", "20s", **around)
            data = program("add", "double", "--arg", "n=21", "--key", "d-1", "--wait", "--json", **around)
            bad = program("add", "stall", "--key", "s-1", "--wait", "--json", **around)
            codes = [await asyncio.to_thread(each.end) for each in (good, data, bad)]
    assert codes == [0, 0, 1], (good.text, data.text, bad.text)
    assert re.search(r"completed  returned 42, after ", good.lines[-1]), good.text
    said = json.loads(data.text)
    assert (said["state"], said["result"], said["error"]) == ("completed", 42, None)
    said = json.loads(bad.text)
    assert (said["state"], said["result"], said["error"]) == ("failed", None, "ValueError: broken on purpose")


# The tasks that are always there


@pytest.mark.parametrize(
    ("words", "task", "args"),
    [
        (["trace"], "trace", ("hello from shadows",)),
        (["trace", "system startup completed"], "trace", ("system startup completed",)),
        (["fail"], "fail", ("failed on purpose",)),
        (["fail", "as wanted", "--delay", "1h"], "fail", ("as wanted",)),
        (["sleep"], "sleep", (1.0,)),
        (["sleep", "2m", "--delay", "5s"], "sleep", (120.0,)),
        (["sleep", "0.5", "--in", "5s"], "sleep", (0.5,)),
    ],
)
def test_the_standard_tasks_need_no_code(
    shadows: Run, here: tuple[str, str], words: list[str], task: str, args: tuple[object, ...]
) -> None:
    """Every worker knows them."""
    attend(*here, "worker-1", "trace", "fail", "sleep")
    said = shadows("tasks", *words, "--key", "k")
    assert said.code == 0
    assert said.out.startswith(f"placed: {task} as k")
    assert said.err == ""
    execution = on(*here, lambda shadow: shadow.get_execution("k"))
    assert (execution.function_name, execution.args) == (task, args)
    assert execution.state is (ExecutionState.SCHEDULED if len(words) > 2 else ExecutionState.QUEUED)


def test_a_sleep_of_no_duration_is_refused(shadows: Run, here: tuple[str, str]) -> None:
    """As everywhere, an example is shown."""
    found = shadows("tasks", "sleep", "long")
    assert found.code == 78
    assert "SPAN='long'" in found.err
    assert on(*here, lambda shadow: shadow.snapshot()).total_tasks == 0


def test_a_broken_record_in_the_way_is_told(real_place: str, shadow_name: str, shadows: Run) -> None:
    """Somebody else wrote to the key."""
    import redis  # noqa: PLC0415

    with redis.Redis.from_url(real_place) as client:
        client.set(f"{shadow_name}:runs:k", "nonsense")
    found = shadows("add", "double", "--key", "k", "--url", real_place, "--shadows", shadow_name)
    assert found.code == 1
    assert "'k'" in found.err
