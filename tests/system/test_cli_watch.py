"""`shadows watch`."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from shadows import ExecutionProgress, Progress, Shadow, Worker
from shadows.cli import watching
from tests.system.conftest import on
from tests.system.workers import at_work

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from tests.system.conftest import Said
    from tests.system.programs import Program

    type Run = Callable[..., Said]

TIME = r"\d\d:\d\d:\d\dZ"


async def double(n: int) -> int:
    """Return twice as much."""
    return 2 * n


async def stall(message: str = "broken on purpose") -> None:
    """Fail."""
    raise ValueError(message)


async def strange() -> object:
    """Return what no JSON holds."""
    return {1}


class Steps:
    """A task that goes on when it is told to."""

    def __init__(self) -> None:
        self.running = asyncio.Event()
        self.go = asyncio.Event()
        self.end = asyncio.Event()

    async def export(self, progress: ExecutionProgress = Progress()) -> int:
        """Report when told to, and end when told to."""
        self.running.set()
        await self.go.wait()
        await progress.set_total(200)
        await progress.set_message("[bold] page 1")
        await progress.increment(80)
        await self.end.wait()
        await progress.increment(120)
        return 3


async def run_all(shadow: Shadow) -> None:
    """Run one call of each kind."""
    await shadow.add(double, key="good")(21)
    await shadow.add(stall, key="bad")()
    await shadow.add(strange, key="strange")()
    await shadow.add(double, key="gone", when=timedelta(hours=1))(1)
    await shadow.cancel("gone")
    async with Worker(shadow, name="worker-1") as worker:
        await worker.run_until_finished()


@pytest.mark.parametrize(
    ("key", "code", "last"),
    [
        ("good", 0, rf"{TIME}  completed  returned 42, after \S+"),
        ("bad", 1, rf"{TIME}  failed     ValueError: broken on purpose"),
        ("gone", 1, rf"{TIME}  cancelled  cancelled"),
    ],
)
def test_what_has_ended_is_told_and_is_the_exit_code(
    shadows: Run, here: tuple[str, str], key: str, code: int, last: str
) -> None:
    """A script can wait for a call and go on if it has succeeded."""
    on(*here, run_all)
    said = shadows("watch", key)
    assert said.code == code, said.err
    lines = said.out.splitlines()
    assert re.fullmatch(rf"((double|stall)  )?{key}", lines[0]), said.out
    assert re.fullmatch(last, lines[-1]), said.out
    assert said.err == ""


def test_in_json_each_event_is_a_line(shadows: Run, here: tuple[str, str]) -> None:
    """A result that is no JSON is shown as Python does."""
    on(*here, run_all)
    state, result = [json.loads(line) for line in shadows("watch", "good", "--json").out.splitlines()]
    assert (state["type"], state["key"], state["state"], state["worker"]) == ("state", "good", "completed", "worker-1")
    assert datetime.fromisoformat(state["started_at"]) <= datetime.fromisoformat(state["completed_at"])
    assert set(state) == {"type", "key", "state", "worker", "started_at", "completed_at", "error"}
    assert result == {"type": "result", "key": "good", "result": 42}
    (failed,) = [json.loads(line) for line in shadows("watch", "bad", "--json").out.splitlines()]
    assert failed["error"] == "ValueError: broken on purpose"
    assert json.loads(shadows("watch", "strange", "--json").out.splitlines()[-1])["result"] == "{1}"


def test_a_result_that_cannot_be_read_here_is_none(
    shadows: Run, here: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call has completed all the same."""
    on(*here, run_all)
    monkeypatch.setenv("SHADOW_EXECUTION_TTL", "0")
    said = shadows("watch", "good", "--json")
    assert said.code == 0
    assert json.loads(said.out.splitlines()[-1])["result"] is None


def test_a_key_that_nobody_knows_ends_with_3(shadows: Run, here: tuple[str, str]) -> None:
    """It is not waited for."""
    found = shadows("watch", "nothing")
    assert found.code == 3
    assert f"the shadow {here[1]} has no call 'nothing'" in found.err


def test_one_may_wait_no_longer_than_this(shadows: Run, here: tuple[str, str]) -> None:
    """It goes on without us."""
    on(*here, lambda shadow: shadow.add(double, key="later", when=timedelta(hours=1))(1))
    found = shadows("watch", "later", "--timeout", "50ms")
    assert found.code == 75
    assert "'later' has not ended within 50ms; it is scheduled" in found.err
    assert shadows("watch", "later", "--timeout", "soon").code == 78


def test_a_run_of_which_nothing_is_kept_in_the_end_ends_with_3(
    shadows: Run, here: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can tell whether it has succeeded."""
    on(*here, lambda shadow: shadow.add(double, key="brief")(1))

    async def over(execution: Any) -> AsyncGenerator[Mapping[str, Any]]:
        execution.state = None
        for event in list[Mapping[str, Any]]():
            yield event

    monkeypatch.setattr("shadows.execution.Execution.subscribe", over)
    found = shadows("watch", "brief")
    assert found.code == 3
    assert "what became of 'brief' is not kept" in found.err


async def test_each_step_is_a_line_at_once_where_nobody_looks(
    real_place: str, shadow_name: str, program: Callable[..., Program]
) -> None:
    """Piped into a file or a program, on a real server."""
    steps = Steps()
    async with Shadow(shadow_name, real_place) as shadow, at_work(shadow):
        execution = await shadow.add(steps.export)()
        await steps.running.wait()
        plain = program("watch", execution.key, SHADOW_URL=real_place, SHADOW_NAME=shadow_name)
        ndjson = program("watch", execution.key, "--json", SHADOW_URL=real_place, SHADOW_NAME=shadow_name)
        await asyncio.to_thread(plain.until, rf"{TIME}  running    attempt 1 on ")
        await asyncio.to_thread(ndjson.until, r'"state": "running"')
        steps.go.set()
        await asyncio.to_thread(plain.until, rf"{TIME}  running    80 of 200  \[bold\] page 1")
        await asyncio.to_thread(ndjson.until, r'"current": 80, "total": 200, "message": "\[bold\] page 1"')
        steps.end.set()
        assert await asyncio.to_thread(plain.end) == 0, plain.text
        assert await asyncio.to_thread(ndjson.end) == 0, ndjson.text
    assert re.search(rf"{TIME}  completed  returned 3, after ", plain.lines[-1]), plain.text
    kinds = [json.loads(line)["type"] for line in ndjson.lines]
    assert (kinds[0], kinds[-2:]) == ("state", ["state", "result"])
    assert "progress" in kinds


async def test_ctrl_c_stops_watching_and_not_the_call(
    real_place: str, shadow_name: str, program: Callable[..., Program]
) -> None:
    """The exit code is the usual one."""
    import signal  # noqa: PLC0415

    async with Shadow(shadow_name, real_place) as shadow:
        execution = await shadow.add(double, when=timedelta(hours=1))(1)
        watch = program("watch", execution.key, SHADOW_URL=real_place, SHADOW_NAME=shadow_name)
        await asyncio.to_thread(watch.until, "scheduled")
        watch.signal(signal.SIGINT)
        assert await asyncio.to_thread(watch.end) == 130
        assert watch.lines[-1] == "error: interrupted"
        await execution.sync()
        assert execution.state == "scheduled"


async def test_a_terminal_shows_a_bar_below_the_lines(
    shadow_name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fits 80 columns, and what a task says is no markup."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm-256color")
    steps = Steps()
    async with Shadow(shadow_name, "memory://terminal") as shadow, at_work(shadow):
        execution = await shadow.add(steps.export)()
        with watching.view(execution, shadow.clock) as tell:

            async def go_on(event: Mapping[str, Any]) -> None:
                """Let the task take its next step when the one before has been seen."""
                await tell(event)
                if event["type"] == "progress" and event["current"] == 80:
                    steps.end.set()
                elif event.get("state") == "running":
                    steps.go.set()

            await watching.follow(execution, go_on)
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", capsys.readouterr().out)
    assert re.search(rf"{TIME}  running    attempt 1 on ", text), text
    assert re.search(r"━+ +80 of 200 +\d:\d\d:\d\d +\[bold\] page 1", text), text
    assert re.search(rf"{TIME}  completed  ", text), text
    assert max(map(len, re.split(r"[\r\n]+", text))) <= 80, text


async def test_a_terminal_shows_what_has_not_begun(
    shadow_name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is a bar, but nothing in it."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    async with Shadow(shadow_name, "memory://not-begun") as shadow:
        execution = await shadow.add(double, when=timedelta(hours=1))(1)
        with watching.view(execution, shadow.clock) as tell:

            async def cancel(event: Mapping[str, Any]) -> None:
                """Let it never begin."""
                await tell(event)
                await shadow.cancel(execution.key)

            assert await watching.follow(execution, cancel) == 1
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", capsys.readouterr().out)
    assert re.search(rf"{TIME}  scheduled  due in ", text), text
    assert re.search(rf"{TIME}  cancelled  cancelled", text), text


async def test_much_progress_makes_few_lines(shadow_name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """At most one for each part in a hundred."""
    async with Shadow(shadow_name, "memory://much") as shadow:
        execution = await shadow.add(double)(1)
        await execution.sync()
        with watching.view(execution, shadow.clock) as tell:
            for current in range(1001):
                execution.progress.take({"current": str(current), "total": "1000"})
                await tell(execution.progress.event())
    lines = capsys.readouterr().out.splitlines()[1:]
    assert len(lines) == 101
    assert re.fullmatch(rf"{TIME}  queued +1000 of 1000", lines[-1])
