"""The page of promises shows what a real trial measured, and such a one that it proves something."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.system.fire import acts, report
from tests.system.fire.checks import CHECKS
from tests.system.fire.meter import LEAKS

PAGE = Path(__file__).parents[2] / "docs" / "guarantees.md"


def test_the_page_shows_the_recorded_trial() -> None:
    """Nobody has written the numbers by hand."""
    assert report.shown(PAGE) == report.table(report.recorded())


def test_the_trial_was_long_and_hard_enough_and_broke_no_promise() -> None:
    """200,000 calls, and 2,000 faults that somebody felt, at least 20 of each kind."""
    runs = report.recorded()
    for run in runs:
        assert not run.is_wrong
        assert run.growth.keys() == LEAKS.keys()
    assert sum(run.acknowledged for run in runs) >= 200_000
    for run in runs:
        assert run.wrong.keys() == CHECKS.keys()
        assert run.faults.keys() == acts.ACTS.keys()
    felt = {kind: sum(run.faults[kind][1] for run in runs) for kind in acts.ACTS}
    assert sum(felt.values()) >= 2000
    assert min(felt.values()) >= 20, felt


def test_every_row_of_the_table_is_a_row(tmp_path: Path) -> None:
    """Each table has as many columns in every line as in its head; it is put where the old one was."""
    rows = [line for line in report.shown(PAGE).splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {3, 4}
    page = tmp_path / "page.md"
    page.write_text("nothing")
    with pytest.raises(ValueError, match="no place"):
        report.shown(page)
