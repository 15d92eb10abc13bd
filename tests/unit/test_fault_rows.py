"""Every fault and bad input that must be survived has a test, which says so."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import attrs
import pytest

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "tests" / "fault-rows.txt"
GAPS = {2, 5, 18, 19, 22, 28, 40, 46, 49, 57, 65, 75, 78, 82}
"""Numbers that stand for nothing."""


@attrs.frozen
class Row:
    """A number, what is meant by it, and the test that tries it."""

    number: int
    what: str
    test: str


def rows() -> list[Row]:
    """Read the table."""
    found = [
        re.fullmatch(r"(\d+) \| (.+) \| (tests/.+::test_\w+)", line) for line in TABLE.read_text().splitlines()[3:]
    ]
    return [Row(int(one[1]), one[2], one[3]) for one in found if one is not None]


def numbers(text: str) -> set[int]:
    """Return the rows that a docstring names, such as FAULTS 27, 29-33 and 35."""
    found: set[int] = set()
    for named in re.findall(r"FAULTS? (\d+(?:(?:, | and |-)\d+)*)", text):
        for first, last in re.findall(r"(\d+)(?:-(\d+))?", named):
            found |= {*range(int(first), int(last or first) + 1)}
    return found


def test_no_row_is_left_out() -> None:
    """They are numbered from 1 to 84, with gaps; the table has a line for each, and no other line."""
    assert [row.number for row in rows()] == [number for number in range(1, 85) if number not in GAPS]
    assert len(rows()) == len(TABLE.read_text().splitlines()) - 3


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row.number} {row.what}")
def test_a_row_has_a_test_that_names_it(row: Row) -> None:
    """A renamed test is renamed there too."""
    path, _, name = row.test.partition("::")
    tests = [
        node for node in ast.walk(ast.parse((ROOT / path).read_text("utf-8"))) if getattr(node, "name", "") == name
    ]
    assert tests, f"{row.test} does not exist; write its new name into {TABLE.name}"
    said = [ast.get_docstring(node) for node in tests if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert row.number in numbers(said[0] or "")
