"""The documentation names what the command line has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from shadows.cli.commands import COMMANDS
from shadows.cli.values import value_of

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "command-line.md").read_text()


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_is_shown_somewhere(command: str) -> None:
    """A command that nobody finds is none."""
    pages = "\n".join(page.read_text() for page in DOCS.glob("*.md"))
    assert re.search(rf"shadows {command}\b", pages)


@pytest.mark.parametrize("written", ["int:3", "float:0.5", "bool:true", "Decimal:1.10", "bytes:ab", "json:[1, 2]"])
def test_the_types_that_are_shown_are_types(written: str) -> None:
    """They make something else than text."""
    assert f"`{written}`" in PAGE
    assert not isinstance(value_of(written), str)
