"""`shadows worker --reload`: a worker that starts anew when its source changes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from shadows.cli import reload
from shadows.cli.reload import Sources, Supervisor, command, sources_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.system.programs import Program


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look often, and have no patience."""
    monkeypatch.setattr(reload, "PACE", 0.02)
    monkeypatch.setattr(reload, "PATIENCE", 0.2)


# As a developer sees it


@pytest.mark.slow
def test_a_worker_starts_anew_when_its_tasks_change(
    program: Callable[..., Program], one_place: str, shadow_name: str, tmp_path: Path
) -> None:
    """A mistake does not end it: it waits for the next change.  Ctrl-C ends both, well."""
    shop = tmp_path / "shop.py"
    shop.write_text("def pack(): ...\n")
    words = ("--url", one_place, "--shadows", shadow_name, "--tasks", "shop")
    working = program("worker", "--reload", *words)
    working.until("knows 1 task")
    shop.write_text("def pack(): ...\ndef ship(): ...\n")
    working.until("shadows: shop.py changed; starting the worker anew")
    working.until("knows 2 tasks")
    shop.write_text("def pack(:\n")
    working.until("SyntaxError")
    working.until("shadows: the worker has ended with 78; it starts again when a file changes")
    (tmp_path / "other.py").touch()
    shop.write_text("def pack(): ...\ndef ship(): ...\ndef weigh(): ...\n")
    working.until("knows 3 tasks")
    working.signal(signal.SIGINT)
    assert working.end() == 0
    assert "handing back" not in working.text.split("knows 3 tasks")[1]  # as it would if it had heard it twice


def test_what_cannot_work_is_told_at_once(program: Callable[..., Program]) -> None:
    """No change of a file could help."""
    refused = program("worker", "--reload", "--concurrency", "0")
    assert refused.end() == 78
    assert "shadows worker --reload --concurrency 10" in refused.text


def test_a_signal_ends_it_also_while_nothing_runs(program: Callable[..., Program], tmp_path: Path) -> None:
    """Whoever waits for a change may lose patience."""
    (tmp_path / "shop.py").write_text("raise SystemExit\n")
    waiting = program("worker", "--reload", "--url", "memory://", "--tasks", "shop")
    waiting.until("starts again when a file changes")
    waiting.signal(signal.SIGTERM)
    assert waiting.end() == 0


# The files


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def test_changes_are_those_of_python_files_that_people_write(folder: Path, started: None) -> None:
    """Those that tools write, those of other programs, and those of environments are left alone."""
    (folder / "app").mkdir()
    (folder / "gone.py").touch()
    for name in (".git", "node_modules", "env"):
        (folder / name).mkdir()
    (folder / "env" / "pyvenv.cfg").touch()
    (folder / "broken.py").symlink_to("nowhere.py")
    sources = Sources([folder])
    assert sources.changed() == []
    for name in ("notes.txt", ".git/hook.py", "node_modules/x.py", "env/x.py"):
        (folder / name).touch()
    assert sources.changed() == []
    (folder / "app" / "new.py").touch()
    (folder / "gone.py").unlink()
    assert sources.changed() == [str(folder / "app" / "new.py"), str(folder / "gone.py")]
    (folder / "app" / "new.py").write_text("x = 1\n")
    assert sources.changed() == [str(folder / "app" / "new.py")]
    assert sources.changed() == []


def test_a_file_that_is_being_written_is_waited_for(
    folder: Path, started: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An editor may truncate it first, and half a module does not import."""
    sources, pauses = Sources([folder]), iter(["x = 1\n", "x = 1\ny = 2\n"])

    def write_on(seconds: float) -> None:
        if text := next(pauses, ""):
            (folder / "shop.py").write_text(text)

    monkeypatch.setattr(reload, "rest", write_on)
    (folder / "shop.py").touch()
    assert sources.changed() == [str(folder / "shop.py")]
    assert next(pauses, None) is None
    assert sources.changed() == []


def test_the_packages_of_tasks_that_lie_elsewhere_are_looked_at_too(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without importing them: this process must stay as it is."""
    elsewhere = folder.parent / "elsewhere"
    (elsewhere / "parcels").mkdir(parents=True)
    (elsewhere / "parcels" / "__init__.py").write_text("raise SystemExit\n")
    (elsewhere / "letters.py").touch()
    monkeypatch.syspath_prepend(elsewhere)
    paths = ["parcels.tasks:tasks", "parcels", "letters", "nowhere:tasks", "operator:neg", "zipimport"]
    roots = {Path(root) for root in sources_of(paths).roots}
    assert {folder, elsewhere / "parcels", elsewhere / "letters.py"} <= roots
    assert "parcels" not in sys.modules
    sources = sources_of(["letters"])
    (elsewhere / "letters.py").write_text("x = 1\n")
    assert sources.changed() == [str(elsewhere / "letters.py")]
    monkeypatch.chdir(elsewhere)
    assert sources_of(["letters"]).roots == [elsewhere]


# The child


class Scripted(Sources):
    """Sources that change when it is their turn."""

    def __init__(self, *turns: Callable[[], list[str]]) -> None:
        super().__init__([])
        self.turns: Iterator[Callable[[], list[str]]] = iter(turns)

    def changed(self) -> list[str]:
        """Give what the next turn does."""
        return next(self.turns, list)()


def running(code: str, *turns: Callable[[], list[str]]) -> Supervisor:
    """Give a supervisor of a small program."""
    return Supervisor([sys.executable, "-c", code], Scripted(*turns))


def until_exists(path: Path, then: list[str]) -> Callable[[], list[str]]:
    """Give a turn that waits until the child has made a file."""

    def turn() -> list[str]:
        while not path.exists():
            reload.rest(0.01)
        path.unlink()
        return then

    return turn


def test_a_child_that_has_nothing_left_to_do_ends_it(started: None) -> None:
    """As with --until-finished."""
    assert running("").run() == 0


def test_a_child_that_does_not_end_is_ended(started: None, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Twice it is asked, as people do; what it runs is left to its leases then."""
    stubborn = f"""
import pathlib, signal, sys
if pathlib.Path({str(tmp_path / "second")!r}).exists(): sys.exit()
signal.signal(signal.SIGTERM, lambda *_: None)
pathlib.Path({str(tmp_path / "second")!r}).touch()
pathlib.Path({str(tmp_path / "ready")!r}).touch()
while True: signal.pause()
"""
    changed = until_exists(tmp_path / "ready", [str(tmp_path / "a.py"), str(tmp_path / "b.py")])
    assert running(stubborn, changed).run() == 0
    assert "a.py and 1 more changed; starting the worker anew" in capfd.readouterr().err


def test_a_child_that_a_signal_has_killed_is_told_as_a_shell_tells_it(
    started: None, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """128 and the signal."""
    killed = f"""
import os, pathlib, signal
if not pathlib.Path({str(tmp_path / "second")!r}).exists():
    pathlib.Path({str(tmp_path / "second")!r}).touch()
    os.kill(os.getpid(), signal.SIGKILL)
"""
    supervisor = running(killed)
    supervisor.sources = Scripted(*[lambda: ["a.py"] if supervisor._child is None else []] * 1000)
    assert supervisor.run() == 0
    assert "the worker has ended with 137" in capfd.readouterr().err


def test_a_signal_goes_on_to_the_child_and_its_code_is_ours(started: None, tmp_path: Path) -> None:
    """No change is looked for any more."""
    waiting = f"""
import pathlib, signal, sys
signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
pathlib.Path({str(tmp_path / "ready")!r}).touch()
while True: signal.pause()
"""
    ready = until_exists(tmp_path / "ready", [])

    def interrupted() -> list[str]:
        ready()
        os.kill(os.getpid(), signal.SIGINT)
        return []

    assert running(waiting, interrupted).run() == 130


def test_a_signal_while_it_starts_anew_is_not_lost(
    started: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The child that has just begun hears of it, or there is none any more."""
    waiting = f"import pathlib, signal; pathlib.Path({str(tmp_path / 'ready')!r}).touch(); signal.pause()"

    def interrupted() -> list[str]:
        until_exists(tmp_path / "ready", [])()
        os.kill(os.getpid(), signal.SIGTERM)
        return ["a.py"]

    assert running(waiting, interrupted).run() == 0
    popen = subprocess.Popen

    def late(*args: object, **kwargs: object) -> object:
        os.kill(os.getpid(), signal.SIGTERM)
        return popen([sys.executable, "-c", "import signal; signal.pause()"], process_group=0)

    monkeypatch.setattr(subprocess, "Popen", late)
    assert running("").run() == 128 + signal.SIGTERM


def test_the_command_is_the_one_that_we_were_started_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the options of the interpreter, in the same interpreter."""
    monkeypatch.setattr(sys, "orig_argv", ["python3", "-X", "dev", "-m", "shadows", "worker", "--reload", "--debug"])
    assert command() == [sys.executable, "-X", "dev", "-m", "shadows", "worker", "--debug"]
