"""How commands print: tables for people, which fit their terminal, and JSON for programs."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shadows.core.durations import text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console
    from rich.table import Table

_UNITS = ((86_400, 3600), (3600, 60))
"""From how many seconds on they are rounded to which unit."""


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


def rough(span: timedelta) -> str:
    """Return a span as people say it: its two largest units, and tenths of a second below ten."""
    seconds = max(span.total_seconds(), 0)
    if seconds < 10:  # noqa: PLR2004
        return f"{seconds:.1f}s"
    coarse = next((unit for longest, unit in _UNITS if seconds >= longest), 1)
    return text(timedelta(seconds=round(seconds / coarse) * coarse))


def print_json(data: Any) -> None:
    """Print one document."""
    print(json.dumps(data, indent=2))


def print_json_line(data: Any) -> None:
    """Print one line of a stream of documents (NDJSON), at once."""
    print(json.dumps(data), flush=True)
