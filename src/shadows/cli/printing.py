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


def console() -> Console:
    """Return where tables and lines go; it prints what it is given as it is."""
    from rich.console import Console  # noqa: PLC0415 - rich is slow to import

    return Console(markup=False, highlight=False, emoji=False)


def table(*columns: str, right: Iterable[str] = ()) -> Table:
    """Return a table without rows; the columns named in ``right`` are aligned to the right."""
    from rich.table import Table  # noqa: PLC0415 - rich is slow to import

    made, right = Table(box=None, padding=(0, 2, 0, 0), header_style="bold"), frozenset(right)
    for column in columns:
        made.add_column(column, overflow="fold", justify="right" if column in right else "left")
    return made


def rough(span: timedelta) -> str:
    """Return a span as people say it: whole seconds, but tenths below ten."""
    seconds = max(span.total_seconds(), 0)
    return f"{seconds:.1f}s" if seconds < 10 else text(timedelta(seconds=round(seconds)))  # noqa: PLR2004


def print_json(data: Any) -> None:
    """Print one document."""
    print(json.dumps(data, indent=2))


def print_json_line(data: Any) -> None:
    """Print one line of a stream of documents (NDJSON), at once."""
    print(json.dumps(data), flush=True)
