"""How the demo shows what happens: a live table on a terminal, lines elsewhere."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import attrs

from shadows.cli.notes import STYLES

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from rich.table import Table


@attrs.frozen
class Happening:
    """One call has reached a state."""

    at: float
    """seconds since the demo began"""
    kind: str
    """what the call is to show"""
    task: str
    state: str
    note: str


@contextmanager
def view() -> Generator[Callable[[Happening], None]]:
    """Give the function that shows a happening."""
    if not sys.stdout.isatty():
        yield _line
        return
    from rich.live import Live  # noqa: PLC0415 - rich is slow to import

    latest: dict[str, list[Happening]] = {}
    with Live(_board(latest), auto_refresh=False) as live:

        def tell(happening: Happening) -> None:
            latest.setdefault(happening.kind, []).append(happening)
            live.update(_board(latest), refresh=True)

        yield tell


def _line(one: Happening) -> None:
    print(f"{one.at:6.2f} s  {one.kind:<11}  {one.task:<19}  {one.state:<9}  {one.note}", flush=True)


def _board(latest: dict[str, list[Happening]]) -> Table:
    """Draw each call with the way that it has gone so far."""
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    board = Table("call", "task", "so far", "now", title="shadows demo", title_justify="left")
    for kind, happenings in latest.items():
        way = Text(" > ").join(Text(one.state, STYLES.get(one.state, "")) for one in happenings)
        board.add_row(kind, happenings[-1].task, way, Text(happenings[-1].note))
    return board
