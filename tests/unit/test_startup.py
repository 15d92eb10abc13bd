"""What is imported when: nobody waits for what they do not use.  Times are measured by `dev.py bench --startup`."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import shadows
from shadows.cli.commands import COMMANDS

SCRIPT = """
import json, sys
before = set(sys.modules)
{what}
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def imported_by(what: str) -> set[str]:
    """Give the modules that these lines import in a fresh interpreter."""
    unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    command = [sys.executable, "-c", SCRIPT.format(what=what)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=unmeasured)
    return set(json.loads(done.stdout.splitlines()[-1]))


def tops(modules: set[str]) -> set[str]:
    """Give the packages that these modules lie in."""
    return {name.partition(".")[0] for name in modules}


def test_importing_the_package_imports_nothing_else() -> None:
    """A name is imported when it is asked for; a program that asks for an error pays for errors."""
    assert imported_by("import shadows") <= {"__future__", "shadows"}
    modules = imported_by("from shadows import ConfigurationError")
    assert tops(modules) <= {"__future__", "importlib", "shadows", *tops(imported_by("import importlib"))}
    assert {name for name in modules if name.startswith("shadows.")} == {"shadows.errors"}


def test_a_producer_pays_for_no_worker() -> None:
    """Nor for a server's client before it is there, nor for telemetry or a terminal."""
    modules = imported_by("from shadows import Shadow")
    assert not modules & {"shadows.worker", "shadows.engine.loop", "concurrent.futures.process", "multiprocessing"}
    heavy = {"cloudpickle", "cyclopts", "glide", "opentelemetry", "prometheus_client", "redis", "rich", "structlog"}
    assert not tops(modules) & heavy


@pytest.mark.parametrize("words", [[], ["--help"]])
def test_the_overview_needs_neither_a_parser_nor_what_the_commands_need(words: list[str]) -> None:
    """`shadows --help` is there before one has looked up."""
    modules = imported_by(f"from shadows.cli import main; main({words!r})")
    assert not tops(modules) & {"attr", "asyncio", "cyclopts", "inspect", "rich", "redis", "structlog"}
    assert "shadows.shadow" not in modules


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_needs_no_client_and_no_logs(command: str) -> None:
    """Only a command that speaks to a server imports what speaks to it."""
    modules = imported_by(f"from shadows.cli import main; main({[*command.split(), '--help']!r})")
    assert not tops(modules) & {"cloudpickle", "glide", "opentelemetry", "redis", "structlog"}


def test_each_name_comes_from_where_type_checkers_see_it() -> None:
    """What they read and what is imported at run time are two lists, which must say the same."""
    tree = ast.parse(Path(shadows.__file__).read_text())
    [block] = [node for node in tree.body if isinstance(node, ast.If) and isinstance(node.test, ast.Name)]
    seen = {
        name.asname or name.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }
    assert set(seen) == set(shadows.__all__)
    homes = {name: f"shadows.{home}" for name, home in shadows._HOMES.items()}  # type: ignore[attr-defined,unused-ignore]
    assert {**homes, "tasks": "shadows", "testing": "shadows"} == seen
    for name in seen:
        assert getattr(shadows, name) is vars(shadows)["__getattr__"](name) is vars(shadows)[name]


def test_a_name_that_does_not_exist_is_refused_with_a_near_one() -> None:
    """Laziness must not make a typo worse."""
    command = [sys.executable, "-c", "import shadows; shadows.Shado"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "module 'shadows' has no attribute 'Shado'. Did you mean: 'Shadow'?" in done.stderr
    assert {"Shadow", "Retry", "tasks", "__version__"} <= set(dir(shadows))


def test_what_tests_need_needs_no_pytest() -> None:
    """The assertions and the clock serve other test runners too."""
    assert "pytest" not in tops(imported_by("import shadows.testing; shadows.testing.inline"))
