"""How commands print: tables for people, which fit their terminal, and JSON for programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console
    from rich.table import Table


def console() -> Console:
    """Return where tables and lines go; it prints what it is given as it is."""
    from rich.console import Console  # noqa: PLC0415 - rich is slow to import

    return Console(markup=False, highlight=False, emoji=False)


def table(*columns: str, right: Iterable[str] = (), whole: Iterable[str] = ()) -> Table:
    """Return a table without rows.  The columns named in ``right`` are aligned to the right; those in ``whole`` give no
    room to the others, so that one can copy what stands there.
    """
    from rich.table import Table  # noqa: PLC0415 - rich is slow to import

    made, right, whole = Table(box=None, padding=(0, 2, 0, 0), header_style="bold"), frozenset(right), frozenset(whole)
    for name in columns:
        made.add_column(name, overflow="fold", justify="right" if name in right else "left", no_wrap=name in whole)
    return made


def add_row(table: Table, *cells: str) -> None:
    """Add a row; what the cells hold cannot steer the terminal."""
    table.add_row(*map(printable, cells))


def say(line: str) -> None:
    """Print a line for people; what it holds cannot steer the terminal."""
    print(printable(line))


def printable(text: str) -> str:
    """Return the text with escapes for what does not print: keys, names and messages come from anybody."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def print_fields(fields: Iterable[tuple[str, str]], indent: str = "") -> None:
    """Print a line for each name and its text, which wraps beside the name on a terminal, and not at all elsewhere."""
    from rich.table import Table  # noqa: PLC0415 - rich is slow to import

    named = [(f"{indent}{name}:", printable(text)) for name, text in fields]
    width, out = max(len(name) for name, _ in named) + 1, console()
    if not out.is_terminal:
        print(*(f"{name:<{width}}{text}" for name, text in named), sep="\n")
        return
    made = Table.grid(padding=(0, 1, 0, 0))
    made.add_column(no_wrap=True)
    made.add_column(overflow="fold")
    for name, text in named:
        made.add_row(name, text)
    out.print(made)


def print_json(data: Any) -> None:
    """Print one document."""
    print(json.dumps(data, indent=2))


def print_json_line(data: Any) -> None:
    """Print one line of a stream of documents (NDJSON), at once."""
    print(json.dumps(data), flush=True)
