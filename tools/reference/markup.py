"""From docstrings to Markdown."""

import ast
import inspect
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import pairwise
from typing import Final

_SECTION: Final = re.compile(r"(Args|Raises|Returns|Yields):")
_TITLES: Final = {"Args": "Arguments", "Raises": "Errors", "Returns": "Returns", "Yields": "Yields"}
_ENTRY: Final = re.compile(r"([\w*][\w*., |]*?):\s+(.*)")
_ROLE: Final = re.compile(r":(?:class|func|mod|meth|attr):`~?([^`]+)`")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; a bar in a cell stays a bar."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', r'\|') for cell in line)} |" for line in lines) + "\n"


def code(text: str) -> str:
    """Return it as code; nothing if there is none."""
    return f"`{text}`" if text else ""


def inline(text: str) -> str:
    """Return the words of a docstring, on one line or several, as Markdown."""
    parts = re.split(r"(``.+?``|`[^`]+`)", _ROLE.sub(r"``\1``", text), flags=re.DOTALL)
    return "".join(f"`{part.strip('`')}`" if part.startswith("`") else part.replace("<", "&lt;") for part in parts)


def sentence(text: str) -> str:
    """Return it on one line."""
    return inline(" ".join(text.split()))


def first(text: str) -> str:
    """Return the first paragraph, on one line."""
    return sentence(inspect.cleandoc(text).partition("\n\n")[0])


def body(text: str) -> str:
    """Return a whole docstring as Markdown: paragraphs, what is indented behind `::`, and the sections."""
    parts = "\n".join(_parts(inspect.cleandoc(text).splitlines())).strip()
    return re.sub(r"\n{3,}", "\n\n", parts) + "\n"


def _parts(lines: list[str]) -> Iterator[str]:
    at = 0
    while at < len(lines):
        line = lines[at]
        if section := _SECTION.fullmatch(line):
            end = _end_of_block(lines, at + 1)
            yield from _section(section[1], textwrap.dedent("\n".join(lines[at + 1 : end])))
        elif line.endswith("::"):
            end = _end_of_block(lines, at + 1)
            if line != "::":
                yield inline(line.removesuffix(":"))
            shown = textwrap.dedent("\n".join(lines[at + 1 : end])).strip("\n")
            yield _fenced(_ROLE.sub(r"\1", shown))
        else:
            end = at + 1
            yield inline(line)
        at = end


def _fenced(shown: str) -> str:
    """Return what is shown as a block: a part of a program, or a drawing."""
    try:
        ast.parse(shown)
    except SyntaxError:
        return f"\n```text\n{shown}\n```\n"
    return f"\n<!-- excerpt -->\n```python\n{shown}\n```\n"


def _end_of_block(lines: list[str], start: int) -> int:
    for at in range(start, len(lines)):
        if lines[at] and not lines[at].startswith(" "):
            return at
    return len(lines)


def _section(kind: str, text: str) -> Iterator[str]:
    """Return a list of what is named, or a paragraph where nothing is."""
    entries: list[list[str]] = []
    for line in text.strip().splitlines():
        found = None if line.startswith(" ") else _ENTRY.fullmatch(line)
        if found:
            entries.append([found[1], found[2]])
        elif entries:
            entries[-1][1] += f" {line.strip()}"
    yield f"\n{_TITLES[kind]}:\n"
    if not entries:
        yield sentence(text)
    for name, says in entries:
        yield f"- {', '.join(code(each) for each in name.split(', '))}: {inline(says)}"
    yield ""


@cache
def told(module: str, owner: str | None = None) -> dict[str, str]:
    """Return what stands below the assignments of a module, or of a class in it, by the names that are assigned."""
    scope: Sequence[ast.stmt] = ast.parse(inspect.getsource(sys.modules[module])).body
    if owner is not None:
        scope = next(node.body for node in scope if isinstance(node, ast.ClassDef) and node.name == owner)
    found: dict[str, str] = {}
    for node, after in pairwise(scope):
        match node, after:
            case (
                ast.Assign(targets=[ast.Name(id=name)])
                | ast.AnnAssign(target=ast.Name(id=name))
                | ast.TypeAlias(name=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                found[name] = text
            case _:
                pass
    return found
