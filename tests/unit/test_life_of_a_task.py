"""The page that leads a newcomer through the code tells the truth."""

import re
from pathlib import Path

import pytest

from shadows.core.lifecycle import TRANSITIONS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "life-of-a-task.md").read_text("utf-8")


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the table under the first line that holds ``heading``."""
    lines = PAGE[PAGE.index(heading) :].splitlines()
    table = [line for line in lines if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[2:]]


def test_the_table_of_states_is_the_one_that_the_code_has() -> None:
    """Every state and verb is listed with what may follow, and nothing else."""
    told = {(state, verb): set(after.split(", ")) for state, verb, after in rows("<!-- states")}
    assert told == {
        (state.value if state else "(no record)", verb): {one.value for one in after}
        for (state, verb), after in TRANSITIONS.items()
    }


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:engine|tests)/[\w/]+\.py|\w+\.lua)`", PAGE))))
def test_every_file_that_the_page_names_exists(path: str) -> None:
    """A renamed file is renamed here too."""
    places = {"engine": ROOT / "src/shadows", "tests": ROOT}
    folder = places.get(path.partition("/")[0], ROOT / "src/shadows/adapters/redis/scripts")
    assert (folder / path).is_file()
