"""What a soak came to: a table for people, in the page that promises something."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

from tests.system.fire.meter import DESCRIPTORS, LEAKS, MORE_DESCRIPTORS, leaking

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

BEGIN: Final = "<!-- what the last soak measured: `python3 dev.py soak --table docs/guarantees.md` -->"
END: Final = "<!-- end of what it measured -->"
_PLACE: Final = re.compile(f"{re.escape(BEGIN)}\n\n(.*?)\n\n{re.escape(END)}", re.DOTALL)
MEMORY: Final = {"blocks": "blocks of memory", "kB": "memory, kB,"}
RECORD: Final = Path(__file__).with_name("record.json")
"""What the page shows, for whoever wants to compare."""


@attrs.frozen
class Run:
    """One soak on one server."""

    server: str
    seed: int
    began: str
    minutes: float
    calls: int
    acknowledged: int
    deleted: int
    """of those, the ones that a fault took away with everything else, and that need not have run"""
    runs: int
    faults: Mapping[str, tuple[int, int]]
    """by kind: how many were given, and how many of them bit"""
    wrong: Mapping[str, int]
    """by check: how often it found something"""
    leaked: Mapping[str, int]
    """by sort: what was left that should not be"""
    slopes: Mapping[str, tuple[float, float]]
    """by name: the last value, and what it grew by in a minute"""
    growth: Mapping[str, float] = attrs.field(factory=dict[str, float])
    """what the worker that lived longest used more of after each thousand calls"""

    @property
    def is_wrong(self) -> bool:
        """Whether a promise was broken."""
        return any(self.wrong.values()) or any(self.leaked.values()) or self.leaks

    @property
    def leaks(self) -> bool:
        """Whether a worker used more and more."""
        return bool(leaking(self.growth)) or self.slopes[DESCRIPTORS][1] > MORE_DESCRIPTORS


def table(runs: Iterable[Run]) -> str:
    """Return the tables of these runs."""
    return "\n\n".join(_table(run) for run in runs)


def _table(run: Run) -> str:
    given, bit = (sum(pair[i] for pair in run.faults.values()) for i in (0, 1))
    lines = [
        f"{run.server}, {run.began}, {run.minutes:g} minutes, seed {run.seed}",
        "",
        "| measured | number |",
        "| --- | ---: |",
        f"| calls asked for | {run.calls:,} |",
        f"| of them acknowledged | {run.acknowledged:,} |",
        f"| of those, deleted by a FLUSHALL before they ran | {run.deleted:,} |",
        f"| bodies that ran | {run.runs:,} |",
        f"| faults, of which somebody felt | {given:,}, {bit:,} |",
        *(f"| {name} | {count:,} |" for name, count in run.wrong.items()),
        f"| keys, entries and slots left over | {sum(run.leaked.values()):,} |",
        *(
            f"| {name}: at the end, growth in a minute | {last:,.0f}, {by:+,.1f} |"
            for name, (last, by) in run.slopes.items()
        ),
        *(
            f"| worker: growth of its {MEMORY[name]} in a thousand calls, at most {LEAKS[name]:g} | {by:+,.1f} |"
            for name, by in run.growth.items()
        ),
        "",
        "| fault | given | felt, with 100 calls in flight |",
        "| --- | ---: | ---: |",
        *(f"| {kind} | {one:,} | {other:,} |" for kind, (one, other) in run.faults.items()),
    ]
    return "\n".join(lines)


def shown(page: Path) -> str:
    """Return the tables that a page shows."""
    found = _PLACE.search(page.read_text())
    if found is None:
        msg = f"{page} has no place for the table"
        raise ValueError(msg)
    return found[1]


def put(page: Path, runs: Sequence[Run]) -> None:
    """Put the tables into a page, in the place of those that were there, and keep the record that they come from."""
    shown(page)
    page.write_text(_PLACE.sub(lambda _: f"{BEGIN}\n\n{table(runs)}\n\n{END}", page.read_text()))
    RECORD.write_text(json.dumps([attrs.asdict(run) for run in runs], indent=1) + "\n")


def recorded() -> list[Run]:
    """Return the runs of the record."""
    return [Run(**each) for each in json.loads(RECORD.read_text())]
