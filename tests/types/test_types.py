from __future__ import annotations

import inspect
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import shadows

HERE = Path(__file__).parent
CORRECT, MISTAKES = HERE / "correct.py", HERE / "mistakes.py"

PYRIGHT = {
    "include": [CORRECT.name, MISTAKES.name],
    "typeCheckingMode": "standard",
    "strict": [CORRECT.name],
    "pythonVersion": "3.12",
    "enableTypeIgnoreComments": False,  # those are mypy's
    "reportUnnecessaryTypeIgnoreComment": "error",
}
MYPY = """
[mypy]
strict = true
python_version = 3.12
"""

PUBLIC = {
    "Agenda",
    "BrokenKey",
    "BrokerError",
    "BrokerFull",
    "BrokerUnavailable",
    "CallArgument",
    "Cancellation",
    "ConcurrencyLimit",
    "ConfigurationError",
    "Cooldown",
    "Cron",
    "CurrentExecution",
    "CurrentShadow",
    "CurrentWorker",
    "CycleError",
    "DeadLetter",
    "Debounce",
    "Depends",
    "Disposition",
    "Execution",
    "ExecutionCancelled",
    "ExecutionProgress",
    "ExecutionState",
    "ExponentialRetry",
    "Logged",
    "NotAllowed",
    "NotAuthentic",
    "OutOfMemory",
    "OutcomeUnknown",
    "PayloadTooLarge",
    "Perpetual",
    "ProcessDied",
    "Progress",
    "RateLimit",
    "ResultUnavailable",
    "Retry",
    "RunningExecution",
    "SerializationError",
    "Shadow",
    "ShadowsError",
    "Shared",
    "Snapshot",
    "Strike",
    "StrikeList",
    "SyncShadow",
    "TaskArgument",
    "TaskCall",
    "TaskFailed",
    "TaskKey",
    "TaskLogger",
    "Timeout",
    "Undecodable",
    "UnknownTask",
    "UnsupportedServer",
    "Worker",
    "WorkerInfo",
    "__version__",
    "in_process",
    "tasks",
    "testing",
}
"""What other programs import.  A name is added when a feature is, and none is taken away without a deprecation."""


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """Give a folder outside of the repository with the programs in it, as a user has them."""
    for program in (CORRECT, MISTAKES):
        shutil.copy(program, tmp_path)
    return tmp_path


def ask(checker: str, folder: Path, *options: str) -> str:
    """Return what a type checker prints about the programs in the folder; on a laptop it may be missing, in CI not."""
    program = Path(sys.executable).with_name(checker)
    if not program.exists() and os.environ.get("CI") != "true":
        pytest.skip(f"{checker} is not installed; `python3 dev.py sync` does it")
    done = subprocess.run([str(program), *options], cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@pytest.mark.types
@pytest.mark.timeout(120)
def test_pyright_knows_the_types_of_a_program_and_flags_each_mistake(elsewhere: Path) -> None:
    """SPEC 2, full typing: ``add(fn)(...)`` is checked against fn; a mistake that goes unflagged is an error here."""
    (elsewhere / "pyrightconfig.json").write_text(json.dumps(PYRIGHT))
    found = json.loads(ask("pyright", elsewhere, "--outputjson", "--pythonpath", sys.executable))
    shown = [
        f"{Path(one['file']).name}:{one['range']['start']['line'] + 1}: {one['message']} ({one.get('rule')})"
        for one in found["generalDiagnostics"]
    ]
    assert shown == []
    assert found["summary"]["filesAnalyzed"] == 2


@pytest.mark.types
@pytest.mark.timeout(120)
def test_mypy_knows_the_types_of_a_program_and_flags_each_mistake(elsewhere: Path) -> None:
    """SPEC 2, full typing: as above, in strict mode, where an unused ``type: ignore`` is an error."""
    (elsewhere / "mypy.ini").write_text(MYPY)
    programs = [CORRECT.name, MISTAKES.name]
    found = ask("mypy", elsewhere, "--python-executable", sys.executable, "--cache-dir", "cache", *programs)
    assert found == "Success: no issues found in 2 source files\n"


def test_each_mistake_is_one_for_both_checkers() -> None:
    """A user has one of them, not both."""
    lines = MISTAKES.read_text().splitlines()
    flagged = [line for line in lines if re.search(r"# type: ignore\[|# pyright: ignore\[", line)]
    assert len(flagged) > 40
    assert [line for line in flagged if not re.search(r"# type: ignore\[.+\]  # pyright: ignore\[.+\]$", line)] == []


def test_the_public_names_are_these() -> None:
    """Whoever adds one or takes one away does so here, knowingly; each is there, and named once."""
    assert set(shadows.__all__) == PUBLIC
    assert len(shadows.__all__) == len(PUBLIC)
    assert [name for name in shadows.__all__ if not hasattr(shadows, name)] == []


@pytest.mark.parametrize("name", sorted(PUBLIC - {"__version__"}))
def test_every_public_name_and_its_public_members_have_a_docstring(name: str) -> None:
    """``help()`` answers; nothing is inherited from somewhere else."""
    found: Any = getattr(shadows, name)
    assert found.__doc__ if inspect.isroutine(found) else vars(found).get("__doc__")
    told = [member for member, value in vars(found).items() if inspect.isroutine(value) or isinstance(value, property)]
    silent = [member for member in told if not member.startswith("_") and not inspect.getdoc(getattr(found, member))]
    assert silent == []


def test_the_package_says_that_it_is_typed() -> None:
    """PEP 561: without the marker file, no checker would look into it."""
    assert (Path(shadows.__file__).parent / "py.typed").is_file()
