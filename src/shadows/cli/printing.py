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


def table(*columns: str, right: Iterable[str] = ()) -> Table:
    """Return a table without rows; the columns named in ``right`` are aligned to the right."""
    from rich.table import Table  # noqa: PLC0415 - rich is slow to import

    made, right = Table(box=None, padding=(0, 2, 0, 0), header_style="bold"), frozenset(right)
    for column in columns:
        made.add_column(column, overflow="fold", justify="right" if column in right else "left")
    return made


def print_json(data: Any) -> None:
    """Print one document."""
    print(json.dumps(data, indent=2))


def print_json_line(data: Any) -> None:
    """Print one line of a stream of documents (NDJSON), at once."""
    print(json.dumps(data), flush=True)
