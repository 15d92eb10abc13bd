"""Every example prints what it says that it prints, on memory and on real servers."""

from __future__ import annotations

import re
import runpy
from typing import TYPE_CHECKING

import pytest

from tests.system.conftest import empty_database
from tests.system.programs import ROOT

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = ROOT / "examples"
ELSEWHERE = {"fastapi_service.py", "index_stdlib.py"}
"""They have tests of their own."""
PROGRAMS = sorted(path for path in FOLDER.glob("*.py") if path.name not in ELSEWHERE)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_an_example_prints_what_it_says(
    program: Path, place: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The indented lines of its docstring are its output."""
    monkeypatch.setenv("SHADOW_URL", empty_database(place))
    runpy.run_path(str(program), run_name="__main__")
    told = re.findall(r"^    (.+)$", program.read_text().split('"""')[1], re.MULTILINE)
    assert told
    assert capsys.readouterr().out.splitlines() == told


def test_every_example_is_listed() -> None:
    """In the page about them, which names nothing else."""
    listed = re.findall(r"\]\((\w+\.py)\)", (FOLDER / "README.md").read_text())
    assert sorted(listed) == sorted(path.name for path in FOLDER.glob("*.py"))
