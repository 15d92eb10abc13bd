from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, cast

import pytest

from shadows.adapters.redis.broker import Scripts
from shadows.adapters.redis.keys import standalone
from shadows.adapters.redis.scripts import OWN, sources, written
from shadows.adapters.redis.scripts.linking import linked
from shadows.ports.backend import Terms

if TYPE_CHECKING:
    from shadows.adapters.redis.driver import Driver

SHARED = """-- Shared.
local base = KEYS[1]
local one, name = 1, base .. 'name'  -- constants
local unused = 3
local seen, told = false, 0
local KINDS = { a = true, b = true }

local function shared() return name .. one end
"""
PART = """
-- needs('spared'), says a comment
local later
local function needs(text)
  seen = true
  return shared() .. 'spared one' .. other.shared() .. later(text, one)
end
local function spared() return KINDS end
function later(...) return KINDS[...], told end
local function more(first, second, ...) return call(first, ...), second end
local function verb(place)
  local function inner(...) return needs( ) end
  return more(place, inner, spared(place))
end
"""


def script(verb: str, *own: str) -> str:
    return linked([SHARED, PART], verb, 5, frozenset(own))


def body(text: str, name: str) -> list[str]:
    """Return what a branch does."""
    found = re.search(rf"^-- {name}\n((?:.*\n)*?)(?:else|end)$", text, re.MULTILINE)
    assert found is not None
    return [line.strip() for line in found[1].splitlines() if line]


def test_what_goes_straight_comes_before_all_that_is_made() -> None:
    """Constants are known to it, and written out; what is done there needs nothing else."""
    text = linked([SHARED, PART], "needs", 5, straight="if call(name, 'name') then return one end\n")
    assert text.startswith("if call(base .. 'name', 'name') then return 1 end\nlocal branch\n")


def test_a_script_has_what_its_verb_needs_and_nothing_else() -> None:
    """Each definition costs something whenever the script is called."""
    text = script("needs")
    assert "-- later" in text
    assert "-- shared" in text
    assert not {"unused", "spared()", "-- spared", "-- more", "-- verb"} & set(
        re.findall(r"-- \w+|\w+\(\)|unused", text)
    )


def test_all_functions_are_branches_of_one() -> None:
    """One function is made whenever the script is called, and it begins with what is asked of it."""
    text = script("needs")
    assert len(re.findall("function", text)) == 1
    assert body(text, "shared") == ["return base .. 'name' .. 1"]
    assert body(text, "needs") == [
        "local text = ...",
        "seen = true",
        "return branch(1) .. 'spared one' .. other.shared() .. branch(3, text, 1)",
    ]
    assert text.endswith("return branch(2, 5)\n")


def test_each_branch_is_found_under_its_number() -> None:
    """Whatever their number."""
    for count in range(1, 9):
        functions = "".join(
            f"local function f{i}() return {'f' + str(i + 1) + '()' if i < count else i} end\n"
            for i in range(1, count + 1)
        )
        text = linked([functions], "f1", 5)
        for number in range(1, count + 1):
            assert chosen(text, number) == f"f{number}"


def chosen(text: str, number: int) -> str:
    """Return the name of the branch that a number leads to."""
    lines = iter(text.splitlines())
    depth_skipped = 0
    for line in lines:
        if depth_skipped:
            depth_skipped += line.startswith("if ") - (line == "end")
            if depth_skipped == 1 and line == "else":
                depth_skipped = 0
        elif (comparison := re.fullmatch(r"if which < (\d+) then", line)) is not None:
            depth_skipped = 0 if number < int(comparison[1]) else 1
        elif line.startswith("-- "):
            return line.removeprefix("-- ")
    raise AssertionError(text)


def test_variables_stay_and_constants_are_written_where_they_are_used() -> None:
    """What some function assigns is no constant, nor is what is not the same each time."""
    text = script("verb")
    variables = text[: text.index("function branch")].splitlines()
    assert variables == ["local branch", "local base = KEYS[1]", "local seen, told = false, 0"]
    assert body(text, "spared") == ["return ({ a = true, b = true })"]
    assert body(text, "later") == ["return ({ a = true, b = true })[...], told"]


def test_what_is_taken_beside_named_arguments_comes_after_them() -> None:
    """A branch is given all arguments of the function that it was."""
    assert body(script("verb"), "more") == ["local first, second = ...", "return call(first, select(3, ...)), second"]


def test_a_function_may_stay_one() -> None:
    """With the arguments that it had; the others are still branches."""
    text = script("verb", "more", "later", "needs")
    assert text.startswith("local branch, needs, later, more\n")
    assert "\nfunction more(first, second, ...) return call(first, ...), second end\n" in text
    assert "\nfunction later(...) return ({ a = true, b = true })[...], told end\n" in text
    assert "return branch(1) .. 'spared one' .. other.shared() .. later(text, 1)" in text
    assert "return more(place, inner, branch(2, place))" in text


@pytest.mark.parametrize("verb", sources())
def test_what_is_called_is_there(verb: str) -> None:
    """Each number leads to a branch, and what is to be a function of its own is one; nothing is left of what became
    a branch.
    """
    text = sources()[verb]
    functions = set(re.findall(r"^local function (\w+)", written()[verb], re.MULTILINE))
    kept = OWN.get(verb, frozenset())
    assert kept <= set(re.findall(r"^function (\w+)", text, re.MULTILINE))
    branches = len(re.findall(r"^-- \w+$", text, re.MULTILINE))
    assert {int(number) for number in re.findall(r"branch\((\d+)[,)]", text)} <= set(range(1, branches + 1))
    plain = re.sub(r"--.*|'(?:[^'\\]|\\.)*'", "", text)
    assert not set(re.findall(r"(?<![.:\w])(\w+)\(", plain)) & functions - kept


def test_a_script_is_linked_when_it_is_first_asked_for() -> None:
    """It takes some milliseconds, and who only places calls needs one of them."""
    terms = Terms(execution_ttl=1, dead_letter_ttl=2, unknown_task_ttl=3)
    made = Scripts.of(cast("Driver", None), standalone("shop"), terms, None)
    assert made.heads == {}
    digest = hashlib.sha1(sources()["renew"].encode()).hexdigest()  # noqa: S324 - as the server names it
    assert made.command("renew", "me")[:5] == ("EVALSHA", digest, 2, "shop:stream", "shop:-")
    assert set(made.heads) == {"renew"}
