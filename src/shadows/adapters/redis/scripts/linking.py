"""Linking: from the parts of a script to what the server runs.

A script's functions are made anew each time it is called, and each costs a walk over the variables that lie between it
and those that it uses.  Hence what the verb does not need is left out, and what follows the shared beginning is a
function of its own, which has the beginning's variables at hand instead of walking to them: together that halves what
a call of a script costs before it does anything.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_DEFINED: Final = re.compile(r"local function (\w+)|local (\w+(?:, \w+)*)|function (\w+)")
_WORD: Final = re.compile(r"--.*|'(?:[^'\\]|\\.)*'|([A-Za-z_]\w*)")
"""A comment or a string, in which names mean nothing; or else a name."""


@attrs.frozen
class _Definition:
    """What a part defines in one place: it begins at the left margin."""

    text: str
    names: frozenset[str]
    uses: frozenset[str]


def linked(beginning: str, parts: Sequence[str], verb: str, ending: str) -> str:
    """Return the whole text of a script: the definitions that the verb needs, in their order, and the ending."""
    early, late = list(_definitions(beginning)), [each for part in parts for each in _definitions(part)]
    needed = _needed([*early, *late], verb)
    before, after = (
        "".join(each.text for each in group if each.names <= needed and each.names) for group in (early, late)
    )
    return f"{before}return (function()\n{after}{ending}end)()\n"


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
