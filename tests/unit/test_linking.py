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
SELDOM = """
local own = base .. 'own'
local function rarer(text) return text end
local function rare(text)
  return own .. text .. other.rare(text) .. rarer(text)
end
local function verb()
  return shared() .. rare('rare(')
end
"""
MAKING = """local seldom
local made
function seldom()
if made then return made end
made = {}
return made
end
""".splitlines()


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


def test_what_is_seldom_needed_is_made_when_it_is_asked_for() -> None:
    """With what only that needs; whoever calls it asks for it."""
    text = linked(BEGINNING, [PART, SELDOM], "verb", "return verb(5)\n", frozenset({"verb", "shared"}))
    hot, cold = text.split("function seldom()\n")
    assert names(hot) == ["seldom", "base", "one", "shared", "return", "verb", "end", "made"]
    assert "local own" in cold
    assert "\nfunction made.rare(text)\n  return own .. text .. other.rare(text) .. seldom().rarer(text)\nend\n" in cold
    assert "return shared() .. seldom().rare('rare(')\n" in hot


@pytest.mark.parametrize("verb", sources())
def test_nothing_is_added_to_what_was_written(verb: str) -> None:
    """Line by line, but for the functions around what follows the beginning, and around what is seldom needed."""
    lines, added = set(written()[verb].splitlines()), {"return (function()", "end)()", *MAKING}
    text = re.sub(r"function made\.", "local function ", sources()[verb]).replace("seldom().", "")
    assert set(text.splitlines()) - lines <= added
