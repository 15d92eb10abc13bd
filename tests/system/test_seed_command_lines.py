"""Every command line that the documents print works as printed, under our names (seeds 000 to 003)."""

from __future__ import annotations

import json
import re
import shlex
import signal
import socket
from typing import TYPE_CHECKING, Any

import pytest

from shadows import Shadow
from shadows.core.settings import PROCESS, SHADOW, WORKER, effective
from tests.system.conftest import empty_database, on, until
from tests.system.reading import SEEDS, blocks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.system.programs import Program

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not SEEDS.is_dir(), reason=f"{SEEDS} is not there")]

DOCUMENTS = ("000", "001", "002", "003")
FILES = {
    "myapp/tasks.py": """
        async def process_order(order): ...
        async def old_task_function(): ...
        all_tasks = production_tasks = v2_tasks = [process_order, old_task_function]
        """,
    "myapp/monitoring.py": "async def check(): ...\nhealth_checks = [check]\n",
    "tests/tasks.py": "async def try_it(): ...\ntest_tasks = [try_it]\n",
    "tasks.py": blocks("003", "bash")[2] if SEEDS.is_dir() else "",
}
"""What the command lines name; the last of them is printed."""

SUBSTITUTIONS = [
    # what is printed, what is typed, why
    (r"\bdocket\b", "shadows", "the sibling system's names"),
    (r"\bDOCKET_", "SHADOW_", "the sibling system's names"),
    (r"(redis|valkey)://[a-z.]+:6379/0", r"\1://{place}", "the server of this test"),
    (r"(-port[ =]|_PORT=)(8080|9090)\b", r"\1{port}", "a port that is free"),
]

OF_OTHERS = {"uv", "pip", "or", "kill", "docker", "pytest", "ACL", "redis-cli"}
"""Programs that are not ours: how to install, to stop from outside, to prepare a server."""


def lines(document: str) -> list[str]:
    """Give what a document wants to be typed, each in one line, without those of other programs."""
    found: list[str] = []
    for block in blocks(document, "bash"):
        if block == FILES["tasks.py"]:
            continue
        whole = re.sub(r" *\\\n *", " ", block)
        found += [line.strip() for line in whole.splitlines() if line.strip() and not line.startswith("#")]
    return [line for line in found if line.split()[0] not in OF_OTHERS]


def typed(line: str, place: str) -> str:
    """Give a line as it is typed here."""
    for printed, instead, _ in SUBSTITUTIONS:
        line = re.sub(printed, instead, line)
    return line.replace("{place}", place.removeprefix("redis://")).replace("{port}", str(free_port()))


def free_port() -> int:
    """Give a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def every(start: str) -> list[Any]:
    """Give the lines of all documents that begin so, each once."""
    found: dict[str, Any] = {}
    for document in DOCUMENTS if SEEDS.is_dir() else ():
        for line in lines(document):
            if typed(line, "").startswith(start):
                found.setdefault(line, pytest.param(line, id=f"{document}: {line[:60]}"))
    return list(found.values())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder with the modules in it."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(re.sub(r"^ +(?=async|all)", "", text, flags=re.MULTILINE))
    return tmp_path


def named(words: list[str], option: str, default: str) -> str:
    """Give the value of an option."""
    return words[words.index(option) + 1] if option in words else default


@pytest.mark.parametrize("line", every("shadows worker "))
def test_a_worker_starts_and_ends_well(
    line: str, one_place: str, folder: Path, program: Callable[..., Program]
) -> None:
    """It is there for others to see, under its name, with its tasks; SIGTERM ends it, as the documents say."""
    place = empty_database(one_place)
    words = shlex.split(typed(line, place))
    shadow = named(words, "--shadows", "shadows")
    worker = program(*words[1:], cwd=folder, SHADOW_URL=place)

    async def see(shadows: Shadow) -> list[Any]:
        await until(shadows.workers)
        return await shadows.workers()

    [seen] = on(place, shadow, see)
    assert seen.name == named(words, "--name", seen.name)
    path = named(words, "--tasks", "")
    assert ("process_order" in seen.tasks) is ("myapp.tasks" in path or path == "tasks:tasks")
    assert ("check" in seen.tasks) is ("health_checks" in path)
    worker.signal(signal.SIGTERM)
    assert worker.end() == 0, worker.text
    if "json" in words:
        assert all(json.loads(line) for line in worker.lines)


@pytest.mark.parametrize("document", ["000", "002"])
def test_a_worker_is_configured_by_the_printed_variables(
    document: str, one_place: str, folder: Path, program: Callable[..., Program]
) -> None:
    """No option is needed; all of them are read."""
    place = empty_database(one_place)
    exports = [typed(line, place) for line in lines(document) if line.startswith("export ")]
    assert len(exports) == 14
    environment = dict(line.removeprefix("export ").split("=", 1) for line in exports[:-1])
    found = {
        each.setting.variable: each.source
        for settings in (SHADOW, WORKER, PROCESS)
        for each in effective(settings, {}, environment)
    }
    assert {variable for variable, source in found.items() if source} == set(environment)
    assert exports[-1] == f"export SHADOW_URL=valkey://{place.removeprefix('redis://')}"
    environment["SHADOW_URL"] = exports[-1].partition("=")[2]
    worker = program("worker", cwd=folder, **environment)

    async def see(shadows: Shadow) -> list[Any]:
        await until(shadows.workers)
        return await shadows.workers()

    [seen] = on(environment["SHADOW_URL"], "orders", see)
    assert seen.name == "orders-worker-1"
    assert "process_order" in seen.tasks
    worker.signal(signal.SIGTERM)
    assert worker.end() == 0, worker.text


OTHER_COMMANDS = [
    one for start in ("snapshot", "clear", "strike", "restore", "tasks", "workers") for one in every(f"shadows {start}")
]


@pytest.mark.parametrize("line", OTHER_COMMANDS)
def test_any_other_command_does_what_it_says(
    line: str, one_place: str, folder: Path, program: Callable[..., Program]
) -> None:
    """It ends well.  What is restored was struck before."""
    place = empty_database(one_place)
    words = shlex.split(typed(line, place))
    if words[1] == "restore":
        assert program("strike", *words[2:], cwd=folder, SHADOW_URL=place).end() == 0
    ran = program(*words[1:], cwd=folder, SHADOW_URL=place)
    assert ran.end() == 0, ran.text
    strikes = on(place, "shadows", Shadow.strikes)
    assert len(strikes) == (words[1] == "strike")
    if words[1] == "tasks":
        assert on(place, "shadows", lambda shadows: shadows.snapshot()).total_tasks == 1


def test_no_command_line_is_left_out() -> None:
    """Each is one of those above."""
    printed = {line for document in DOCUMENTS for line in lines(document) if not line.startswith("export ")}
    tried = {param.values[0] for param in [*every("shadows worker "), *OTHER_COMMANDS]}
    assert printed == tried
    assert len(printed) > 25
