"""The planted bugs: each still applies, says what it is, and none of what must always hold is without one."""

import ast
import os
import shutil
from pathlib import Path

import pytest

from tools import mutants
from tools.mutants import Mutant, Report

ROOT = Path(__file__).parents[2]
PATCHES = sorted(mutants.FOLDER.glob("*.patch"))
LINES = range(1, 48)
FAULTS = {
    "no_persistence",
    "acknowledged_early",
    "no_renewal",
    "no_fence",
    "two_step_move",
    "retry_before_ack",
    "local_clock",
    "noscript",
    "decode_error",
    "slot_kept",
    "new_key",
}
"""Those that the list of faults wants to be planted."""


def names_in(path: str) -> set[str]:
    """Return the names of the tests in a file."""
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def need_git() -> None:
    """Skip where there is no git; in CI there is."""
    if shutil.which("git") is None and os.environ.get("CI") != "true":
        pytest.skip("git is not on PATH")


def test_each_patch_still_applies() -> None:
    """What is changed in the code is changed in the patches too."""
    need_git()
    wrong = [mutants.applied(one, ROOT, "--check") for one in mutants.mutants()]
    assert [text for text in wrong if text] == []


@pytest.mark.parametrize("path", PATCHES, ids=lambda path: path.stem)
def test_each_patch_names_tests_that_exist_and_what_it_breaks(path: Path) -> None:
    """A renamed test is renamed here too; the header is complete, and the name tells the line."""
    mutant = Mutant.read(path)
    for test in mutant.kills:
        file, _, name = test.partition("::")
        assert name in names_in(file), f"{path.name} names {test}, which does not exist; write its new name"
    assert mutant.kills
    assert mutant.promise.endswith(".")
    assert mutant.bug.endswith(".")
    assert mutants.changed(mutant)
    if path.stem.startswith("inv_"):
        assert path.stem.startswith(f"inv_{mutant.line:02}_")


def test_each_line_of_what_must_hold_has_a_planted_bug() -> None:
    """A promise whose breach nobody notices is none."""
    planted = {int(path.stem.split("_")[1]) for path in PATCHES if path.stem.startswith("inv_")}
    assert planted == set(LINES)


def test_each_fault_of_the_list_is_planted() -> None:
    """These the suite must catch."""
    assert {path.stem.removeprefix("fault_") for path in PATCHES if path.stem.startswith("fault_")} == FAULTS


def test_the_page_lists_what_is_planted() -> None:
    """`python3 dev.py mutants --page` writes it anew."""
    assert mutants.PAGE.read_text("utf-8") == mutants.page(mutants.mutants())


MUTANT = Mutant("inv_01_x", 1, "It holds.", "it does not.", ("a.py::test_x", "a.py::test_y"), "none", "")


@pytest.mark.parametrize(
    ("outcomes", "broken", "escape"),
    [
        ({"a.py::test_x": ["assert 1 == 2"], "a.py::test_y[a]": [], "a.py::test_y[b]": ["Failed: late"]}, [], ""),
        ({"a.py::test_x": ["assert 1 == 2"], "a.py::test_y[a]": []}, [], "a.py::test_y passes all the same"),
        ({"a.py::test_x": ["assert 1 == 2"]}, [], "a.py::test_y was not run"),
        ({}, ["a.py: SyntaxError"], "could not be tested: a.py: SyntaxError"),
        (
            {"a.py::test_x": ["ImportError: no such name\nmore"], "a.py::test_y": ["assert 0"]},
            [],
            "a.py::test_x breaks instead of failing: ImportError: no such name",
        ),
        (
            {"a.py::test_x": ["shadows.errors.BrokerError: x answered: Error compiling script"], "a.py::test_y": ["1"]},
            [],
            "a.py::test_x breaks instead of failing: shadows.errors.BrokerError: x answered: Error compiling script",
        ),
    ],
)
def test_a_bug_is_caught_by_all_of_its_tests_and_not_by_accident(
    outcomes: dict[str, list[str]], broken: list[str], escape: str
) -> None:
    """What cannot be imported, does not compile or was not run has noticed nothing."""
    assert mutants.survives(MUTANT, Report("", outcomes, broken)) == escape


def test_a_patch_without_a_header_says_what_it_lacks(tmp_path: Path) -> None:
    """Whoever adds one is told."""
    path = tmp_path / "inv_01_x.patch"
    path.write_text("Invariant: 1\nPromise: It\n  holds.\nKills: a.py::test_x\nServers: none\n\ndiff --git a/x b/x\n")
    with pytest.raises(ValueError, match=r"inv_01_x\.patch has no line Bug: before its diff"):
        Mutant.read(path)


def test_a_bug_that_does_not_apply_says_what_to_do(tmp_path: Path) -> None:
    """Also in a folder that belongs to no repository, or to another one."""
    need_git()
    diff = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-one\n+two\n"
    mutant = MUTANT._replace(diff=diff)
    (tmp_path / "x").write_text("three\n")
    assert "plants the same bug in the code of today" in mutants.applied(mutant, tmp_path)
    (tmp_path / "x").write_text("one\n")
    assert mutants.applied(mutant, tmp_path) == ""
    assert (tmp_path / "x").read_text() == "two\n"
