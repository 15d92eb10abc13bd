"""docs/performance.md shows the committed results, and the suite judges them as it should."""

from __future__ import annotations

import json
import re

import attrs
import pytest

from benchmarks.peers import ROOT
from benchmarks.suite import measures, page
from benchmarks.suite.entrants import ENTRANTS
from benchmarks.suite.plots import FILES
from benchmarks.suite.results import Results, Run, medians
from benchmarks.suite.tables import SPEED, entrants, everything, targets
from benchmarks.suite.targets import TARGETS, judge, verdict


def found(*runs: tuple[int, str, dict[str, float]]) -> Results:
    """Give the results of a few runs."""
    made = tuple(Run(repetition, "x", entrant, values) for repetition, entrant, values in runs)
    return Results(medians=medians(made), runs=made)


def judged(results: Results, row: str, peer: str = "") -> tuple[float | None, bool | None]:
    """Give what was found for a target, and whether it is met."""
    [one] = [each for each in judge(results) if (each.target.row, each.target.peer) == (row, peer)]
    return one.found, one.met


def test_the_page_shows_the_committed_results() -> None:
    """They are copied and written by one command: python3 dev.py bench --publish."""
    text = page.PAGE.read_text()
    assert page.shown(text) == everything(page.committed())
    for name in FILES:
        assert f"(images/{name})" in text
        assert (page.PICTURES / name).read_text().count("<svg") == 1


def test_the_command_lines_on_the_page_are_those_that_there_are() -> None:
    """Whoever follows it measures the same."""
    told = re.findall(r"python3 dev.py bench (--\S+)", page.PAGE.read_text())
    assert {"--targets", "--publish"} <= set(told)
    source = (ROOT / "benchmarks" / "suite" / "run.py").read_text()
    assert all(f'"{option}"' in source for option in told)


def test_results_survive_being_written() -> None:
    """What is shown is what was in the file."""
    before = page.committed()
    assert Results.read(json.loads(json.dumps(before.data()))) == before


def test_every_target_is_of_something_that_is_measured_of_somebody_who_is() -> None:
    """A misspelt key would be a target that is never missed."""
    measured = page.committed()
    for target in TARGETS:
        assert {target.entrant, target.peer or "shadows"} <= set(ENTRANTS)
        assert ENTRANTS[target.entrant].in_targets
        assert measured.value(target.entrant, target.key) is not None, target
        if target.above:
            assert measured.value("bare client", target.above) is not None


def test_a_ratio_is_that_of_one_repetition() -> None:
    """A busy minute hits both of them; the median of the ratios is compared, not the ratio of the medians."""
    results = found(
        *((number, "shadows", {"add each": rate}) for number, rate in enumerate((200.0, 20.0, 190.0))),
        *((number, "docket", {"add each": rate}) for number, rate in enumerate((100.0, 10.0, 100.0))),
    )
    assert judged(results, "add, one at a time", "docket") == (2.0, True)
    assert results.ratio("shadows", "streaq", "add each") is None


@pytest.mark.parametrize(
    ("key", "row", "value", "met", "by"),
    [
        ("io", "10 ms of I/O, 100 slots", 7_000, True, 0),
        ("io", "10 ms of I/O, 100 slots", 5_000, False, 0.4),
        ("memory now", "bytes on the server, waiting now", 285, True, 0),
        ("memory now", "bytes on the server, waiting now", 570, False, 1),
    ],
)
def test_a_target_is_met_or_missed_by_so_much(key: str, row: str, value: float, met: bool, by: float) -> None:  # noqa: FBT001 - pytest passes it
    """Some are the least that it may be, some the most."""
    [one] = [each for each in judge(found((1, "shadows", {key: value}))) if each.target.row == row]
    assert (one.met, round(one.missed_by, 6)) == (met, by)


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    """And the cell of a library that cannot do it is empty."""
    results = found((1, "shadows", {"add each": 100.0, "io": 1.0}), (1, "docket", {"io": 2.0}))
    assert judged(results, "add, one at a time", "docket") == (None, None)
    assert "| add, one at a time | 100 | docket |  | ≥ 1.70 times | not measured |" in targets(results)
    assert "| docket |  |  |  |  | 2 |" in entrants(results, SPEED)
    assert "not measured" in verdict(judge(results))


def test_a_script_is_compared_with_an_empty_one() -> None:
    """What an empty one costs depends on the machine."""
    row = "server CPU, add alone, µs"
    ours = (1, "shadows", {"add each server": 60.0})
    assert judged(found(ours), row) == (60, None)
    assert judged(found(ours, (1, "bare client", {"empty script": 40.0})), row) == (60, True)
    assert judged(found(ours, (1, "bare client", {"empty script": 30.0})), row) == (60, False)


def test_growth_is_judged_too() -> None:
    """The rate, the commands and the longest script of each kind of backlog."""
    kind = {"ratio": 0.8, "large": 80.0, "small": 100.0, "commands": {"large": 3.0, "small": 3.0}}
    kind |= {"longest": 6.0, "script": 4.0}
    results = attrs.evolve(found(), growth={"ready": kind})
    assert judged(results, "a million ready calls: rate against 10,000") == (0.8, False)
    assert judged(results, "a million ready calls: commands a call against 10,000") == (1, True)
    assert judged(results, "a million ready calls: longest script, ms of the processor") == (4, True)


def test_each_entrant_is_measured_in_scenarios_that_there_are() -> None:
    """One that has a drain of its own is one that adds nothing else."""
    for entrant in ENTRANTS.values():
        assert set(entrant.scenarios) <= {"add", "drain", "io", "wait"}
        assert len(measures.scenarios(entrant)) >= 1
        assert (ROOT / "benchmarks" / "libraries" / f"{entrant.library}.py").exists()
        assert all("==" in package for package in entrant.packages)
