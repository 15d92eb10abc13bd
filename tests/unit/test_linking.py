from __future__ import annotations

import re

import pytest

from shadows.adapters.redis.scripts import sources, written
from shadows.adapters.redis.scripts.linking import linked

BEGINNING = """-- Shared.
local base = KEYS[1]
local one, two = 1, 2
local unused = 3

local function shared() return base .. one end
"""
PART = """
-- needs('spared'), says a comment
local later
local function needs(text)
  return shared() .. 'spared' .. later(text)
end
local function spared() return two end
function later() return 1 end
"""


def names(text: str) -> list[str]:
    return re.findall(r"^(?:local )?(?:function )?(\w+).*", text, re.MULTILINE)


def test_a_script_has_what_its_verb_needs_and_nothing_else() -> None:
    """Each definition costs something whenever the script is called."""
    text = linked(BEGINNING, [PART], "needs", "return needs(5)\n")
    assert "local one, two = 1, 2\n" in text
    assert "unused" not in text
    assert "function spared" not in text
    assert text.index("shared()") < text.index("return (function()") < text.index("function needs")


def test_a_name_that_is_declared_before_it_is_defined_is_kept_twice() -> None:
    """So that a part can call what a later one defines."""
    text = linked(BEGINNING, [PART], "needs", "return needs(5)\n")
    assert text.index("local later\n") < text.index("function needs") < text.index("function later()")
    assert text.endswith("return needs(5)\nend)()\n")


@pytest.mark.parametrize("verb", sources())
def test_nothing_is_added_to_what_was_written(verb: str) -> None:
    """Line by line, but for the function around what follows the beginning."""
    lines = set(written()[verb].splitlines())
    assert set(sources()[verb].splitlines()) - lines == {"return (function()", "end)()"}
