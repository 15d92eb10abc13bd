"""`shadows worker --processes`: several worker processes under one parent.  Each one is a process of its own."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from shadows import ExecutionState, Shadow
from shadows.cli import crew
from shadows.process.crew import Crew, Member
from tests.pages import ask
from tests.system.conftest import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.system.programs import Program

    type Start = Callable[..., Program]

pytestmark = pytest.mark.slow

TASKS = """
import asyncio, os, signal, time
from pathlib import Path

async def pid():
    return os.getpid()

async def until_told(path):
    Path(path + ".runs").touch()
    while not Path(path).exists():
        await asyncio.sleep(0.01)
    return "told"

async def die(number):
    os.kill(os.getpid(), number)

tasks = [pid, until_told, die]
"""


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three interpreters begin at once, where other tests wait for one."""
    monkeypatch.setattr("tests.system.programs.PATIENCE", 60.0)
    monkeypatch.setattr("tests.system.conftest.PATIENCE", 60.0)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Path:
    """Give a folder that holds a module of tasks."""
    (tmp_path / "jobs.py").write_text(TASKS)
    return tmp_path


class Working:
    """A parent of worker processes, and what it tells."""

    def __init__(self, start: Start, url: str, shadow: str, *words: str, count: int = 2) -> None:
        self.url, self.shadow = url, shadow
        self.parent = start(
            *("worker", "--processes", str(count), "--url", url, "--shadows", shadow, "--tasks", "jobs:tasks", *words)
        )
        self.numbers = range(1, count + 1)

    def pids(self) -> dict[int, int]:
        """Wait until all of them run, and give their processes."""
        return {number: self.pid(number) for number in self.numbers}

    def pid(self, number: int) -> int:
        """Wait until this one runs, and give its process."""
        return int(self.parent.until(rf"worker process {number} runs as (\d+)")[1])

    def port(self) -> int:
        """Give where it serves everything."""
        return int(self.parent.until(r"port (\d+) serves / /readyz /livez /autoscale /metrics$")[1])

    def add(self, task: str, *args: object, key: str | None = None) -> None:
        """Place a call."""

        async def place() -> None:
            async with Shadow(self.shadow, self.url, allow_unknown=True) as client:
                await client.add(task, key=key)(*args)

        asyncio.run(place())

    def state(self, key: str) -> ExecutionState | None:
        """Tell what has become of a call."""

        async def look() -> ExecutionState | None:
            async with Shadow(self.shadow, self.url, allow_unknown=True) as client:
                found = await client.get_execution(key)
                return found.state if found else None

        return asyncio.run(look())

    def exists(self, path: Path) -> None:
        """Wait for a file."""

        async def there() -> bool:
            return os.path.exists(path)  # noqa: ASYNC240, PTH110 - it takes no time

        asyncio.run(until(there))

    def gone(self, *pids: int) -> None:
        """Wait until these processes have ended."""

        async def ended() -> bool:
            return not any(_lives(pid) for pid in pids)

        asyncio.run(until(ended))

    def becomes(self, path: str, wanted: Callable[[tuple[int, str]], bool]) -> str:
        """Ask until the answer is as it should be, and give it."""
        port, seen = self.port(), [(0, "")]

        async def answered() -> bool:
            seen[:] = [await asyncio.to_thread(ask, port, path)]
            return wanted(seen[0])

        try:
            asyncio.run(until(answered))
        except TimeoutError:
            raise AssertionError((seen, self.parent.text)) from None
        return seen[0][1]


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123 - no file in a folder
        return stat.read().rsplit(")", 1)[1].split()[0] != "Z"


def test_one_that_dies_is_started_anew_and_the_others_go_on(
    program: Start, one_place: str, shadow_name: str, folder: Path
) -> None:
    """The log tells which signal ended it; what it ran is delivered again; names are those of the processes."""
    works = Working(program, one_place, shadow_name, "--redelivery-timeout", "2s")
    before = works.pids()
    works.add("until_told", str(folder / "told"), key="told")
    works.exists(folder / "told.runs")
    works.add("die", int(signal.SIGKILL), key="die")
    found = works.parent.until(r"worker process (\d) \((\d+)\) was ended by SIGKILL; another starts in 0.5 s")
    number, pid = int(found[1]), int(found[2])
    assert before[number] == pid
    works.parent.until(rf"worker process {number} runs as (?!{pid}$)\d+")
    assert re.search(rf"worker \S+#{before[1]} of shadow .* process=1$", works.parent.text, re.MULTILINE)
    (folder / "told").touch()
    works.parent.signal(signal.SIGTERM)
    assert works.parent.end() == 0


def test_it_drains_at_the_first_signal_though_each_process_hears_it_twice(
    program: Start, one_place: str, shadow_name: str, folder: Path
) -> None:
    """What ends a service may signal all of its processes.  One that dies meanwhile is not started anew."""
    works = Working(program, one_place, shadow_name)
    pids = works.pids()
    works.add("until_told", str(folder / "told"), key="told")
    works.exists(folder / "told.runs")
    works.parent.signal(signal.SIGTERM)
    works.parent.until("SIGTERM: 2 worker processes drain")
    works.parent.until("SIGTERM: waiting up to 30s")
    for pid in pids.values():
        if _lives(pid):
            os.kill(pid, signal.SIGTERM)
    (folder / "told").touch()
    assert works.parent.end() == 0
    assert works.state("told") is ExecutionState.COMPLETED
    assert "handing back" not in works.parent.text
    assert "another starts" not in works.parent.text


def test_the_second_signal_hands_back(program: Start, one_place: str, shadow_name: str, folder: Path) -> None:
    """The exit code tells the signal, as that of a single worker does."""
    works = Working(program, one_place, shadow_name)
    works.pids()
    works.add("until_told", str(folder / "told"), key="told")
    works.exists(folder / "told.runs")
    works.parent.signal(signal.SIGINT)
    works.parent.until("SIGTERM: waiting up to 30s")
    works.parent.signal(signal.SIGINT)
    assert works.parent.end() == 130
    assert works.state("told") is ExecutionState.QUEUED


def test_the_third_signal_kills(program: Start, one_place: str, shadow_name: str, folder: Path) -> None:
    """A process that is stuck for good holds nobody up."""
    stuck = folder / "stuck.py"
    stuck.write_text("import signal\nasync def stick():\n    signal.pause()\n    signal.pause()\n")
    works = Working(program, one_place, shadow_name, "--tasks", "stuck:stick")
    pids = works.pids()
    works.add("stick")
    works.parent.until("started.* process=")
    for told in ("SIGTERM: 2 worker processes drain", "SIGTERM once more", "SIGTERM again: killing"):
        works.parent.signal(signal.SIGTERM)
        works.parent.until(told)
    assert works.parent.end() == 143
    works.gone(*pids.values())


def test_they_drain_when_their_parent_is_killed(program: Start, one_place: str, shadow_name: str, folder: Path) -> None:
    """Nobody could tell them to, any more."""
    works = Working(program, one_place, shadow_name)
    pids = works.pids()
    works.add("until_told", str(folder / "told"), key="told")
    works.exists(folder / "told.runs")
    works.parent.signal(signal.SIGKILL)
    works.parent.until("SIGTERM: waiting up to 30s")
    (folder / "told").touch()
    works.gone(*pids.values())
    assert works.state("told") is ExecutionState.COMPLETED


def test_one_port_tells_of_all_of_them(program: Start, one_place: str, shadow_name: str) -> None:
    """Probes see the worst of them; counters are added up, and what a worker counts for itself stays apart."""
    both = ("--healthcheck-port", "0", "--metrics-port", "0", "--concurrency", "1", "--name", "w")
    works = Working(program, one_place, shadow_name, *both)
    works.pids()
    works.becomes("/readyz", lambda seen: seen == (200, "ready\n"))
    assert ask(works.port(), "/livez") == (200, "alive, ready\n")
    demand = '{"backlog": 0, "oldest_age_s": 0.0, "desired_workers": 1}\n'
    assert ask(works.port(), "/autoscale") == (200, demand)
    for number in range(20):
        works.add("pid", key=str(number))

    def samples(text: str) -> dict[tuple[str, str, str], float]:
        return {
            (sample.name, sample.labels.get("shadows_worker", ""), sample.labels.get("process", "")): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def ran(text: str) -> float:
        found = samples(text)
        return sum(found.get(("shadows_tasks_succeeded_total", f"w-{number}", ""), 0) for number in works.numbers)

    text = works.becomes("/metrics", lambda seen: ran(seen[1]) == 20)
    found = samples(text)
    assert {found["shadows_slots_free", f"w-{number}", ""] for number in works.numbers} <= {0, 1}
    assert all(("process_resident_memory_bytes", "", str(number)) in found for number in works.numbers)
    assert ("process_cpu_seconds_total", "", "") in found
    works.add("die", int(signal.SIGSEGV))
    works.parent.until("was ended by SIGSEGV")
    works.becomes("/readyz", lambda seen: seen[0] == 503)
    assert ask(works.port(), "/livez")[0] == 200
    works.parent.signal(signal.SIGTERM)
    assert works.parent.end() == 0


def beginning(count: int, code: str) -> Crew:
    """Give a parent of small programs, in this process."""
    return Crew([sys.executable, "-c", code], count, crew.FINAL, until_finished=False, left=lambda _: None)


async def test_a_process_that_dies_again_and_again_is_slowed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is not fatal, for it may be for want of something that comes back; the others wait for the first one."""
    monkeypatch.setattr("shadows.process.crew.FIRST", 0.01)
    caplog.set_level("INFO", "shadows")
    dying = beginning(3, "import os; os.kill(os.getpid(), 40)")
    running = asyncio.create_task(dying.run())

    async def four_times() -> bool:
        return caplog.text.count("another starts in") == 4

    await until(four_times)
    os.kill(os.getpid(), signal.SIGTERM)
    assert await running == 0
    assert re.findall(r"worker process (\d) .*was ended by signal 40; another starts in (\S+) s", caplog.text) == [
        ("1", "0.01"),
        ("1", "0.02"),
        ("1", "0.04"),
        ("1", "0.08"),
    ]


async def test_a_process_that_cannot_be_started_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    """Such as when there are too many of them."""
    crowded = Crew(["/nowhere/python"], 2, crew.FINAL, until_finished=False, left=lambda _: None)
    running = asyncio.create_task(crowded.run())

    async def told() -> bool:
        return "worker process 1 cannot be started: No such file or directory; another starts in 0.5 s" in caplog.text

    await until(told)
    crowded.hear(signal.SIGTERM)
    assert await running == 0


async def test_a_process_that_has_not_begun_is_killed_at_the_second_signal(caplog: pytest.LogCaptureFixture) -> None:
    """It has claimed nothing, and may be stuck in an import."""
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(600)"
    stuck = beginning(2, code)
    running = asyncio.create_task(stuck.run())

    async def started() -> bool:
        return bool(stuck.members)

    await until(started)
    assert await stuck.ask("/readyz") == {1: None, 2: None}
    stuck.hear(signal.SIGINT)
    stuck.hear(signal.SIGINT)
    assert await running == 130


class Late(Crew):
    """A parent that hears a signal at the worst moment."""

    async def _start(self, number: int) -> Member:
        member = await super()._start(number)
        self.members.clear()
        self.hear(signal.SIGTERM)
        self.members[number] = member
        return member


async def test_a_process_that_is_started_while_all_end_is_ended_at_once() -> None:
    """Nobody else would end it."""
    code = "import time; time.sleep(600)"
    late = Late([sys.executable, "-c", code], 2, crew.FINAL, until_finished=False, left=lambda _: None)
    assert await late.run() == 0


def test_they_end_when_nothing_is_left(program: Start, one_place: str, shadow_name: str) -> None:
    """None is started anew then."""
    works = Working(program, one_place, shadow_name, "--until-finished")
    assert works.parent.end() == 0
    assert "another starts" not in works.parent.text


@pytest.mark.parametrize(
    ("source", "complaint", "code"),
    [("tasks = [", "SyntaxError", 78), ("import nowhere_to_be_found", "nowhere_to_be_found", 78)],
)
def test_tasks_that_cannot_be_imported_end_it_before_anything_is_claimed(
    program: Start, one_place: str, shadow_name: str, folder: Path, source: str, complaint: str, code: int
) -> None:
    """It is told once, however many processes there are to be, and nobody tries again."""
    (folder / "jobs.py").write_text(source)
    works = Working(program, one_place, shadow_name, count=3)
    assert works.parent.end() == code
    assert works.parent.text.count(complaint) == 1
    assert "worker process 1 " in works.parent.text
    assert "it cannot work, and neither could another one" in works.parent.text
    assert "runs as" not in works.parent.text


def test_a_server_that_refuses_ends_it_with_77(program: Start, one_place: str, shadow_name: str) -> None:
    """As it ends a single worker."""
    refused = one_place.replace("://", "://nobody:wrong@")
    assert Working(program, refused, shadow_name).parent.end() == 77


def test_it_starts_anew_with_its_sources_too(program: Start, one_place: str, shadow_name: str, folder: Path) -> None:
    """With --reload the parent is what is started anew."""
    works = Working(program, one_place, shadow_name, "--reload")
    works.pids()
    (folder / "jobs.py").write_text(f"{TASKS}\nasync def more(): ...\ntasks.append(more)\n")
    works.parent.until("jobs.py changed; starting the worker anew")
    works.parent.until("knows 4 tasks")
    works.parent.signal(signal.SIGINT)
    assert works.parent.end() == 0


def test_a_port_that_is_taken_is_told_by_the_parent(program: Start) -> None:
    """No process is started for it."""
    with socket.create_server(("", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = program("worker", "--processes", "2", "--tasks", "jobs:tasks", "--healthcheck-port", port)
        assert refused.end() == 78
    assert f"--healthcheck-port={port} cannot be served: address already in use" in refused.text
    assert "worker process" not in refused.text
