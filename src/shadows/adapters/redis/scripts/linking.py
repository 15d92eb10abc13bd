"""Linking: from the parts of a script to what the server runs.

A script's functions and variables are made anew each time it is called, which a call that comes alone feels.  So there
is one function: those that the verb needs are its branches, and a call of one of them says which.  Constants are
written where they are used.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_DEFINED: Final = re.compile(r"(?:local )?function (\w+)\((.*?)\)|local (\w+(?:, \w+)*)")
_FUNCTION: Final = re.compile(r"function \w+\((.*?)\)\s+((?s:.*))\bend\s*\Z")
"""What it takes, and what it does."""
_CONSTANT: Final = r"(?:base \.\. )?'(?:[^'\\]|\\.)*'|\d+(?: \* \d+)*|ARGV\[\d\]|\{ \w+ = true(?:, \w+ = true)* \}"
_CONSTANTS: Final = re.compile(rf"local \w+(?:, \w+)* = ((?:{_CONSTANT})(?:, (?:{_CONSTANT}))*)(?:  --.*)?\n")
_ASSIGNED: Final = re.compile(r"\b(\w+)(?:, \w+)* = ")
_TEXT: Final = r"--.*|'(?:[^'\\]|\\.)*'"
"""A comment or a string, in which names mean nothing."""
_WORD: Final = re.compile(rf"{_TEXT}|([A-Za-z_]\w*)")
"""Either, or else a name."""
_NAME: Final = re.compile(rf"{_TEXT}|(?<![.:\w])([A-Za-z_]\w*)(\((?: *\))?)?")
"""Either, or else a name that is no field's, and whether it is called, and with something."""


@attrs.frozen
class _Definition:
    """What a part defines in one place: it begins at the left margin."""

    text: str
    names: frozenset[str]
    uses: frozenset[str]
    assigns: frozenset[str]

    @property
    def is_function(self) -> bool:
        """Whether it is a function and nothing else."""
        return "function " in self.text.split("(", 1)[0]


def linked(parts: Sequence[str], verb: str, first: int, own: frozenset[str] = frozenset(), straight: str = "") -> str:
    """Return the whole text of a script, which calls the verb with the place of its first argument.

    What is called for each of many entries may be a function of its ``own``: to choose a branch costs a little as well.
    What goes ``straight`` comes before anything is made; only constants are known to it.
    """
    needed = _needed([each for part in parts for each in _definitions(part)], verb)
    functions = [each for each in needed if each.is_function]
    constants = _constants(needed, functions)
    alone = [each for each in functions if each.names <= own]
    branched = [each for each in functions if each not in alone]
    branches = {name: number for number, each in enumerate(branched, 1) for name in each.names}
    known = constants.keys() | {name for each in functions for name in each.names}
    variables = [each.text for each in needed if not (each.is_function or each.names <= known)]
    declared = ["branch", *(name for each in alone for name in each.names)]
    bodies = [f"-- {min(each.names)}\n{_body(each.text)}" for each in branched]
    text = "".join(
        [
            straight,
            *(f"local {', '.join(declared)}\n", *variables, "function branch(which, ...)\n", _choice(bodies), "end\n"),
            *(each.text.removeprefix("local ") for each in alone),
        ]
    )
    return _replaced(f"{text}return {verb}({first})\n", constants, branches)


def _body(function: str) -> str:
    """Return what a function does, with the arguments that it takes out of all that follow the number of its branch."""
    head, body = _FUNCTION.findall(function)[0]
    names = [each for each in head.split(", ") if each not in {"", "..."}]
    if not names:
        return f"{body}\n"
    rest = body.replace("...", f"select({len(names) + 1}, ...)") if head.endswith("...") else body
    return f"local {', '.join(names)} = ...\n{rest}\n"


def _choice(bodies: Sequence[str], first: int = 1) -> str:
    """Return the branches, of which half are put aside by each comparison."""
    if len(bodies) == 1:
        return bodies[0]
    half = len(bodies) // 2
    low, high = _choice(bodies[:half], first), _choice(bodies[half:], first + half)
    return f"if which < {first + half} then\n{low}else\n{high}end\n"


def _replaced(text: str, constants: Mapping[str, str], branches: Mapping[str, int]) -> str:
    """Return the text with each constant's value in its place, and with each function's number where it is called."""

    def replaced(found: re.Match[str]) -> str:
        name, called = found[1], found[2] or ""
        if called and name in branches:
            return f"branch({branches[name]})" if called.endswith(")") else f"branch({branches[name]}, "
        return constants.get(name, name) + called if name else found[0]

    return _NAME.sub(replaced, text)


def _constants(definitions: Sequence[_Definition], functions: Sequence[_Definition]) -> dict[str, str]:
    """Return the value of each name that has the same one whenever the script is called, or one that is soon made."""
    values: dict[str, str] = {}
    for each in definitions:
        found = _CONSTANTS.fullmatch(each.text.rstrip() + "\n")
        if found is not None:
            names = re.findall(r"\w+", each.text.split("=", 1)[0])[1:]
            values |= zip(names, re.findall(_CONSTANT, found[1]), strict=True)
    assigned = frozenset[str]().union(*(each.assigns for each in functions))
    return {name: _bracketed(value) for name, value in values.items() if name not in assigned}


def _bracketed(value: str) -> str:
    return f"({value})" if value.startswith("{") else value


@cache
def _definitions(part: str) -> tuple[_Definition, ...]:
    """Return what a part defines; most parts are in several scripts."""
    return tuple(_defined(part))


def _defined(part: str) -> Iterator[_Definition]:
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
    names = [] if found is None else re.split(", ", found[1] or found[3])
    uses = {each for each in _WORD.findall(text) if each}
    return _Definition(text, frozenset(names), frozenset(uses), frozenset(_ASSIGNED.findall(text)))


def _needed(definitions: Sequence[_Definition], verb: str) -> list[_Definition]:
    """Return what defines the names that something needs which itself is needed."""
    needed, wanted = set[str](), {verb}
    while wanted:
        needed |= wanted
        found = [each for each in definitions if not each.names.isdisjoint(wanted)]
        wanted = {name for each in found for name in (*each.names, *each.uses)} - needed
    return [each for each in definitions if each.names <= needed and each.names]
