"""The exam of other backends is our own suite: what an installed package asks, and what it must not need."""

from __future__ import annotations

import ast
import inspect
import tomllib
from pathlib import Path

import pytest

from shadows.testing import exam

ROOT = Path(__file__).parents[2]
FILES = {name: ROOT / "tests" / "contract" / f"test_{name}.py" for name in exam.QUESTIONS}


def questions_in(path: Path) -> list[str]:
    """Return the tests of a file that take a harness."""
    functions = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.AsyncFunctionDef)]
    return [
        node.name
        for node in functions
        if node.name.startswith("test_") and "harness" in [each.arg for each in node.args.args]
    ]


def test_every_question_is_asked() -> None:
    """Those of all files, none under the name of another one; and nothing that only our own servers could answer."""
    wanted = [name for path in FILES.values() for name in questions_in(path)]
    assert len(wanted) > 250
    assert len(set(wanted)) == len(wanted)
    assert exam.__all__ == ["Harness", "MemoryHarness", *wanted]
    for name in wanted:
        assert "real" not in inspect.signature(getattr(exam, name)).parameters


@pytest.mark.parametrize("name", exam.QUESTIONS)
def test_a_question_needs_nothing_that_is_not_installed(name: str) -> None:
    """Neither our own tests nor a client's library, except for what a type checker reads."""
    imported = [
        node.module or "" if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in ast.parse(FILES[name].read_text()).body
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert [
        module for module in imported if module.partition(".")[0] in {"tests", "redis", "glide", "hypothesis"}
    ] == []


def test_every_question_comes_with_the_wheel() -> None:
    """Beside the module that asks them."""
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert build["force-include"] == {
        f"tests/contract/test_{name}.py": f"shadows/testing/exam/questions/test_{name}.py" for name in exam.QUESTIONS
    }
