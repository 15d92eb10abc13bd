"""The commands, run in this process: what they print, and how they end."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import attrs
import pytest

from shadows import ExecutionState, __version__
from shadows.cli.commands import COMMANDS, group
from shadows.cli.worker_options import WorkerSays
from shadows.core.settings import WorkerOptions
from tests.system.conftest import on

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from shadows import Shadow
    from tests.system.conftest import Said
    from tests.system.programs import Program

    type Run = Callable[..., Said]

TASKS = """
import asyncio, logging

def double(n):
    print("doubling", n)
    return 2 * n

async def fail(message="broken on purpose"):
    raise ValueError(message)

async def note():
    logging.getLogger("shop").warning("sold out", extra={"article": 7})

tasks = [double, fail, note]
only_double = double
number = 3
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder that holds a module of tasks."""
    (tmp_path / "shop.py").write_text(TASKS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def double(n: int) -> int:
    """Stand for the task of that name."""
    return 2 * n


async def fail(message: str = "broken on purpose") -> None:
    """Stand for the task of that name."""


async def note() -> None:
    """Stand for the task of that name."""


async def place_some(shadow: Shadow) -> None:
    """Place two calls for now and one for later."""
    await shadow.add(double, key="now")(21)
    await shadow.add(fail, key="bad")()
    await shadow.add(double, key="later", when=timedelta(hours=2))(3)


# Help and usage


def test_every_command_is_in_the_overview_with_what_it_is_for(shadows: Run) -> None:
    """The overview is written without the parser, to be quick."""
    for words in ([], ["--help"], ["-h"], ["help"]):
        said = shadows(*words)
        assert said.code == 0
        lines = [re.split(r"  +", line.strip()) for line in said.out.splitlines()]
        assert all([name, command.purpose] in lines for name, command in COMMANDS.items())


@pytest.mark.parametrize("name", sorted({words.partition(" ")[0] for words in COMMANDS if " " in words}))
def test_a_group_alone_names_its_commands(shadows: Run, name: str) -> None:
    """`shadows strikes` is a question, and gets an answer."""
    for words in ([name], [name, "--help"], [name, "help"]):
        said = shadows(*words)
        assert said.code == 0
        assert said.out.startswith(f"Usage: shadows {name} COMMAND")
        assert all(f"  {second}" in said.out for second in group(name))


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_its_options(shadows: Run, command: str) -> None:
    """`--help` after a command shows its usage and ends well."""
    said = shadows(*command.split(), "--help")
    assert said.code == 0
    assert f"Usage: shadows {command}" in said.out


def test_the_worker_offers_every_documented_option_and_its_variable(shadows: Run) -> None:
    """Each option names the environment variable that it wins over."""
    text = re.sub(r"[│\s]+", " ", shadows("worker", "--help").out)
    flags = ["name", "concurrency", "redelivery-timeout", "reconnection-delay", "minimum-check-interval"]
    flags += ["scheduling-resolution", "schedule-automatic-tasks", "drain-timeout"]
    flags += ["dependency-timeout", "fallback-task", "healthcheck-port", "metrics-port"]
    for flag in flags:
        assert f"--{flag}" in text
        assert f"SHADOW_WORKER_{flag.replace('-', '_').upper()}" in text.replace(" ", "")
    for variable in ("SHADOW_TASKS", "SHADOW_NAME", "SHADOW_URL", "SHADOW_LOGGING_LEVEL", "SHADOW_LOGGING_FORMAT"):
        assert variable in text


def test_the_version_is_printed_alone(shadows: Run) -> None:
    """A script can read it, by either spelling."""
    assert shadows("version").out == shadows("--version").out == f"{__version__}\n"


def test_python_dash_m_is_the_same_command() -> None:
    """`python -m shadows` needs no script on PATH."""
    done = subprocess.run([sys.executable, "-m", "shadows", "version"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"{__version__}\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["snapshto"], ["there is no command 'snapshto'", "shadows snapshot"]),
        (["strikes", "lst"], ["there is no command 'lst' in shadows strikes", "shadows strikes ls"]),
        (["frobnicate"], ["there is no command 'frobnicate'", "shadows --help"]),
        (["clear", "everything"], ["takes no argument 'everything'", "shadows clear --shadows everything"]),
        (["worker", "--concurency", "3"], ["--concurency", "shadows worker --concurrency 3"]),
        (["worker", "--concurrency"], ["--concurrency lacks its value", "shadows worker --concurrency 10"]),
        (["snapshot", "--limit", "many"], ["many", "--limit", "shadows snapshot --limit 100"]),
    ],
)
def test_a_command_line_that_makes_no_sense_ends_with_2(shadows: Run, words: list[str], said: list[str]) -> None:
    """A few lines say what is wrong and what to type."""
    found = shadows(*words)
    assert found.code == 2
    assert all(part in found.err for part in said), found.err
    assert len(found.err.splitlines()) <= 8


# Values that cannot work


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["worker", "--concurrency", "0"], ["--concurrency='0'", "1 to 10000"]),
        (["worker", "--redelivery-timeout", "5parsecs"], ["--redelivery-timeout='5parsecs'", "1h30m"]),
        (["worker", "--drain-timeout=-1s"], ["--drain-timeout='-1s'", "negative"]),
        (["worker", "--logging-format", "xml"], ["--logging-format='xml'", "json"]),
        (["worker", "--tasks", "a shop"], ["--tasks='a shop'", "module:attribute"]),
        (["snapshot", "--shadows", "a:b"], ["--shadows='a:b'"]),
        (["clear", "--url", "htp://x"], ["--url='htp://x'", "redis://"]),
        (["demo", "--url", "redis:/x"], ["--url='redis:/x'"]),
    ],
)
def test_a_value_that_cannot_work_ends_with_78(shadows: Run, words: list[str], said: list[str]) -> None:
    """One line names the option as it was typed, the value, and what can be written instead."""
    found = shadows(*words)
    assert found.code == 78
    assert all(part in found.err for part in said), found.err
    assert found.err.splitlines()[-1].startswith(f"  type:  shadows {words[0]} {words[1].partition('=')[0]}")


def test_a_bad_variable_is_named_as_such(shadows: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """One who looks for an option of that name would look in vain."""
    monkeypatch.setenv("SHADOW_WORKER_CONCURRENCY", "lots")
    found = shadows("worker", "--url", "memory://x")
    assert found.code == 78
    assert "SHADOW_WORKER_CONCURRENCY='lots'" in found.err


def test_an_option_wins_over_its_variable(shadows: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bad variable does not matter where an option stands for it."""
    monkeypatch.setenv("SHADOW_NAME", "no name: this")
    assert shadows("snapshot", "--url", "memory://x", "--shadows", "fine").code == 0


# Tasks


@pytest.mark.parametrize(
    ("tasks", "said"),
    [
        ("shpo:tasks", ["no module 'shpo'"]),
        ("shop:taks", ["'shop' has no 'taks'", "tasks"]),
        ("shop:number", ["shop:number", "not a int"]),
    ],
)
def test_a_typo_in_a_task_module_ends_with_78(shadows: Run, tasks: str, said: list[str]) -> None:
    """The message names the path and what is missing, and the nearest name that is there."""
    found = shadows("worker", "--url", "memory://x", "--tasks", tasks)
    assert found.code == 78
    assert all(part in found.err for part in said), found.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import no_such_library\n", ["broken.py, line 1", "ModuleNotFoundError: No module named 'no_such_library'"]),
        ("\n\ndef f(:\n", ["broken.py, line 3", "SyntaxError"]),
        ("import sys\nsys.exit(3)\n", ["broken.py, line 2", "SystemExit: 3"]),
    ],
)
def test_a_task_module_that_does_not_import_is_told_with_its_line(
    shadows: Run, folder: Path, text: str, said: list[str]
) -> None:
    """What, where, why and what to type; no traceback unless it is asked for."""
    (folder / "broken.py").write_text(text)
    found = shadows("worker", "--url", "memory://x", "--tasks", "broken:tasks")
    assert found.code == 78
    assert "cannot import the tasks broken:tasks" in found.err
    assert all(part in found.err for part in said), found.err
    assert "Traceback" not in found.err
    assert len(found.err.splitlines()) <= 8
    assert "Traceback" in shadows("worker", "--url", "memory://x", "--tasks", "broken:tasks", "--debug").err


@pytest.mark.parametrize(
    ("words", "known"),
    [
        (["--tasks", "shop"], 3),
        (["--tasks", "shop:only_double"], 1),
        (["--tasks", "shop:only_double,shop:fail"], 2),
        (["--tasks", "shop:only_double", "--tasks", "shop:fail", "--tasks", "shop:note"], 3),
        (["--tasks", "corner.store"], 1),
    ],
)
def test_tasks_are_named_by_module_or_attribute_once_or_more(
    shadows: Run, folder: Path, words: list[str], known: int
) -> None:
    """Repeated or separated by commas; what lies in the working directory is found."""
    (folder / "corner").mkdir()
    (folder / "corner" / "store.py").write_text("async def open_up(): ...\n")
    said = shadows("worker", "--url", "memory://named", "--until-finished", *words)
    assert said.code == 0
    assert f"knows {known} task" in said.err


@pytest.mark.parametrize("sign", ["SIGTERM", "SIGINT"])
def test_a_signal_while_tasks_are_imported_ends_well(shadows: Run, folder: Path, sign: str) -> None:
    """Nothing was claimed yet, so there is nothing to drain."""
    (folder / "slow.py").write_text(f"import os, signal\nos.kill(os.getpid(), signal.{sign})\nimport time\n")
    found = shadows("worker", "--url", "memory://x", "--tasks", "slow:tasks")
    assert (found.code, found.err) == (0, "")


def test_ctrl_c_in_another_command_ends_with_130(shadows: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has nothing to drain; it only says so."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("shadows.cli.snapshot._show", interrupted)
    found = shadows("snapshot", "--url", "memory://x")
    assert (found.code, found.err) == (130, "error: interrupted\n")


# The worker


def test_a_worker_runs_the_calls_of_tasks_in_the_working_directory(shadows: Run, place: str, shadow_name: str) -> None:
    """Nothing has to be installed or put on PYTHONPATH; collections and single functions will do."""
    on(place, shadow_name, place_some)
    on(place, shadow_name, lambda shadow: shadow.cancel("later"))
    tasks = ("--tasks", "shop:only_double,shop:fail")
    said = shadows("worker", "--url", place, "--shadows", shadow_name, *tasks, "--until-finished")
    assert said.code == 0
    assert "doubling 21" in said.out
    now = on(place, shadow_name, lambda shadow: shadow.get_execution("now"))
    bad = on(place, shadow_name, lambda shadow: shadow.get_execution("bad"))
    assert now.state is ExecutionState.COMPLETED
    assert bad.error == "ValueError: broken on purpose"


def test_the_environment_configures_a_worker(shadows: Run, shadow_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No option is needed at all."""
    place = "memory://environment"
    on(place, shadow_name, lambda shadow: shadow.add(double)(1))
    for name, value in {"NAME": shadow_name, "URL": place, "TASKS": "shop:tasks", "WORKER_NAME": "env-worker"}.items():
        monkeypatch.setenv(f"SHADOW_{name}", value)
    said = shadows("worker", "--until-finished")
    assert "doubling 1" in said.out
    assert "env-worker" in said.err


def test_a_worker_without_tasks_says_so(shadows: Run) -> None:
    """It would look busy and never run anything."""
    said = shadows("worker", "--url", "memory://no-tasks", "--until-finished")
    assert said.code == 0
    assert "no tasks are named" in said.err
    assert "--tasks module:attribute" in said.err


def test_memory_is_told_to_be_of_one_process(shadows: Run, program: Callable[..., Program]) -> None:
    """Whoever copies that URL to a second process would see two healthy ones, and a call that never runs."""
    worker = program("worker", "--url", "memory://alone")
    worker.until("memory://alone lives inside of this process, so nobody else can place calls for it")
    worker.signal(signal.SIGINT)
    assert worker.end() == 0, worker.text
    said = shadows("snapshot", "--url", "memory://alone")
    assert said.err.startswith("note: memory://alone lives inside of one process, here this command's own")
    assert shadows("snapshot", "--url", "memory://alone", "--json").err == ""
    assert "lives inside" not in shadows("worker", "--url", "memory://alone", "--until-finished").err


@pytest.mark.parametrize("form", ["console", "plain", "json"])
def test_logs_hold_extra_fields_and_tracebacks_in_each_format(shadows: Run, shadow_name: str, form: str) -> None:
    """What an application logs through the standard library is rendered like our own lines."""
    place = f"memory://logs-{form}"
    on(place, shadow_name, lambda shadow: shadow.add(note)())
    on(place, shadow_name, lambda shadow: shadow.add(fail)())
    words = ("--url", place, "--shadows", shadow_name, "--tasks", "shop:tasks", "--until-finished")
    said = shadows("worker", *words, "--logging-format", form, "--logging-level", "warning")
    assert said.code == 0
    assert "ValueError" in said.err
    assert "broken on purpose" in said.err
    assert "knows 3 tasks" not in said.err  # which is INFO
    if form == "json":
        entries = [json.loads(line) for line in said.err.splitlines()]
        sold = next(entry for entry in entries if entry["event"] == "sold out")
        assert (sold["level"], sold["logger"], sold["article"]) == ("warning", "shop", 7)
        assert any(entry.get("exception") for entry in entries)
    else:
        assert re.search(r"sold out +(\[shop\] +)?article=7", said.err)
        assert "Traceback" in said.err
        assert "\x1b" not in said.err  # no colours where nobody looks


def test_the_worker_command_takes_what_worker_takes() -> None:
    """Whatever is called like an option of Worker is one."""
    assert set(attrs.fields_dict(WorkerOptions)) <= set(attrs.fields_dict(WorkerSays))


# Snapshot and clear


def test_a_snapshot_shows_numbers_calls_and_workers(shadows: Run, place: str, shadow_name: str) -> None:
    """The arguments stay hidden; keys, times and states are shown."""
    on(place, shadow_name, place_some)
    said = shadows("snapshot", "--url", place, "--shadows", shadow_name, "--stats", "--tasks", "shop:tasks")
    assert said.code == 0
    assert f"shadow {shadow_name}: 0 running, 2 queued, 1 scheduled" in said.out
    assert re.search(r"scheduled +double +later +in (1h59m|2h)", said.out), said.out
    assert re.search(r"queued +double +now +now", said.out), said.out
    assert re.search(r"\n double +0 +1 +1|\ndouble +0 +1 +1", said.out), said.out
    assert "no worker is here" in said.out


def test_a_snapshot_in_json_is_for_programs(shadows: Run, place: str, shadow_name: str) -> None:
    """Numbers are numbers, times are ISO 8601 with their zone."""
    on(place, shadow_name, place_some)
    said = shadows("snapshot", "--url", place, "--shadows", shadow_name, "--json")
    data = json.loads(said.out)
    assert (data["total"], data["queued"], data["scheduled"], data["running"], data["dead"]) == (3, 2, 1, 0, 0)
    assert {call["key"]: call["state"] for call in data["calls"]} == {
        "later": "scheduled",
        "now": "queued",
        "bad": "queued",
    }
    assert data["by_task"] == {"double": {"scheduled": 1, "queued": 1}, "fail": {"queued": 1}}
    assert data["taken"].endswith("+00:00")
    assert data["workers"] == []


def test_a_snapshot_lists_no_more_than_its_limit_and_says_so(shadows: Run, shadow_name: str) -> None:
    """The numbers are exact all the same."""
    on("memory://limit", shadow_name, place_some)
    said = shadows("snapshot", "--url", "memory://limit", "--shadows", shadow_name, "--limit", "1")
    assert "0 running, 2 queued, 1 scheduled" in said.out
    assert "... and 2 more; --limit 3 lists them too" in said.out


def test_clear_cancels_what_waits_and_says_how_many(shadows: Run, place: str, shadow_name: str) -> None:
    """A second one finds nothing."""
    on(place, shadow_name, place_some)
    words = ("clear", "--url", place, "--shadows", shadow_name)
    assert shadows(*words).out == f"cancelled 3 waiting calls of the shadow {shadow_name}\n"
    on(place, shadow_name, lambda shadow: shadow.add(double)(1))
    assert shadows(*words).out == f"cancelled 1 waiting call of the shadow {shadow_name}\n"
    assert shadows(*words).out == f"cancelled 0 waiting calls of the shadow {shadow_name}\n"


# Servers that are away, or refuse


def test_a_server_that_is_away_ends_with_69_and_its_password_is_not_shown(shadows: Run) -> None:
    """The URL, the reason, and what to type."""
    for command in ("snapshot", "clear"):
        found = shadows(command, "--url", "redis://me:hunter2@127.0.0.1:1/0")
        assert found.code == 69
        assert "redis://me:***@127.0.0.1:1/0" in found.err
        assert f"shadows {command} --url redis://HOST:PORT/0" in found.err
        assert "hunter2" not in found.err
        assert len(found.err.splitlines()) <= 8


def test_a_pipe_whose_reader_has_gone_is_no_accident(shadows: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in `shadows snapshot | head -1`: no message, no traceback."""

    def broken(*_: object, **__: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("shadows.cli.snapshot._show", broken)
    found = shadows("snapshot", "--url", "memory://x")
    assert (found.code, found.err) == (1, "")


@pytest.mark.parametrize(("unbuffered", "code"), [("", 0), ("1", 1)])
def test_a_closed_pipe_leaves_no_word_of_the_interpreter_either(unbuffered: str, code: int) -> None:
    """Whether it is noticed while writing or at the end, it is passed over in silence."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "shadows", "help"],
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (code, "")


def test_a_mistake_of_ours_ends_with_70_and_asks_to_be_reported(shadows: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The place and the type are there; the traceback comes with --debug."""

    def broken(*_: object, **__: object) -> None:
        raise TypeError("a mistake\nin two lines")

    monkeypatch.setattr("shadows.cli.snapshot._show", broken)
    found = shadows("snapshot", "--url", "memory://x")
    assert found.code == 70
    assert "test_cli.py, line" in found.err
    assert "TypeError: a mistake" in found.err
    assert "shadows snapshot --url memory://x --debug" in found.err
    assert "Traceback" in shadows("snapshot", "--url", "memory://x", "--debug").err
