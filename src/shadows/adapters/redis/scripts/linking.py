"""Linking: from the parts of a script to what the server runs.

A script's functions are made anew each time it is called, and each costs a walk over the variables that lie between it
and those that it uses.  Hence what the verb does not need is left out; what follows the shared beginning is a function
of its own, which has the beginning's variables at hand instead of walking to them; and what the verb seldom needs is
made when it is asked for.  Together that takes away three quarters of what a call of a script costs before it does
anything.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_DEFINED: Final = re.compile(r"local function (\w+)|local (\w+(?:, \w+)*)|function (\w+)")
_TEXT: Final = r"--.*|'(?:[^'\\]|\\.)*'"
"""A comment or a string, in which names mean nothing."""
_WORD: Final = re.compile(rf"{_TEXT}|([A-Za-z_]\w*)")
"""Either, or else a name."""


@attrs.frozen
class _Definition:
    """What a part defines in one place: it begins at the left margin."""

    text: str
    names: frozenset[str]
    uses: frozenset[str]

    @property
    def is_function(self) -> bool:
        """Whether it is a local function and nothing else."""
        return self.text.startswith("local function ")


def linked(beginning: str, parts: Sequence[str], verb: str, ending: str, often: frozenset[str] = frozenset()) -> str:
    """Return the whole text of a script: the definitions that the verb needs, in their order, and the ending.

    Where it is said which functions it needs ``often``, all others are made together when the first of them is called.
    """
    early, late = list(_definitions(beginning)), [each for part in parts for each in _definitions(part)]
    needed = _needed([*early, *late], verb)
    groups = [[each for each in group if each.names <= needed and each.names] for group in (early, late)]
    seldom = _seldom([each for group in groups for each in group], verb, often) if often else []
    before, after = ("".join(each.text for each in group if each not in seldom) for group in groups)
    if not seldom:
        return f"{before}return (function()\n{after}{ending}end)()\n"
    return _asking(seldom, f"local seldom\n{before}return (function()\n{after}{_made_at_once(seldom)}{ending}end)()\n")


def _seldom(definitions: Sequence[_Definition], verb: str, often: frozenset[str]) -> list[_Definition]:
    """Return the functions that are seldom needed, and what is there only for them."""
    others = [each for each in definitions if not each.is_function or each.names <= often]
    kept = _needed(others, verb)
    return [each for each in definitions if each not in others or each.names.isdisjoint(kept)]


def _made_at_once(definitions: Sequence[_Definition]) -> str:
    """Return a function that makes them when it is called for the first time, and returns those that are functions."""
    texts = "".join(each.text for each in definitions)
    return f"local made\nfunction seldom()\nif made then return made end\nmade = {{}}\n{texts}return made\nend\n"


def _asking(seldom: Sequence[_Definition], text: str) -> str:
    """Return the text with each call of these functions through the one that makes them."""
    names = "|".join(sorted(name for each in seldom if each.is_function for name in each.names))
    called = re.compile(rf"{_TEXT}|(?<![.:\w])(local function )?({names})\(")

    def asking(found: re.Match[str]) -> str:
        if found[2] is None:
            return found[0]
        return f"function made.{found[2]}(" if found[1] else f"seldom().{found[2]}("

    return called.sub(asking, text)


def _definitions(part: str) -> Iterator[_Definition]:
    text = ""
    for line in part.splitlines(keepends=True):
        if _DEFINED.match(line) and text:
            yield _definition(text)
            text = ""
        if not line.startswith("--"):
            text += line
    yield _definition(text)


def _definition(text: str) -> _Definition:
    found = _DEFINED.match(text)
    names = [] if found is None else re.split(", ", next(filter(None, found.groups())))
    uses = {each for each in _WORD.findall(text) if each}
    return _Definition(text, frozenset(names), frozenset(uses))


def _needed(definitions: Sequence[_Definition], verb: str) -> frozenset[str]:
    """Return the names that are defined where something needs one of them, which itself is needed."""
    needed, wanted = set[str](), {verb}
    while wanted:
        needed |= wanted
        found = [each for each in definitions if not each.names.isdisjoint(wanted)]
        wanted = {name for each in found for name in (*each.names, *each.uses)} - needed
    return frozenset(needed)
