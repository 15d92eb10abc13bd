"""From runs to medians and ratios."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from benchmarks.suite.measures import Values


@attrs.frozen
class Run:
    """One entrant in one scenario, once."""

    repetition: int
    scenario: str
    entrant: str
    values: Values


@attrs.frozen
class Results:
    """Everything that a run of the suite has found, as it lies in the JSON."""

    medians: Mapping[str, Mapping[str, float]]
    """by entrant, then by value"""
    runs: tuple[Run, ...] = ()
    growth: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    workers: tuple[Mapping[str, float], ...] = ()
    imports: Mapping[str, float] = attrs.field(factory=dict[str, float])
    about: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    failures: tuple[str, ...] = ()

    def value(self, entrant: str, key: str) -> float | None:
        """Give the median of a value; None if it was not measured."""
        return self.medians.get(entrant, {}).get(key)

    def ratio(self, ours: str, theirs: str, key: str) -> float | None:
        """Give the median of the ratios of the repetitions in which both were measured; None if there is none."""
        values = {(run.entrant, run.repetition): run.values[key] for run in self.runs if key in run.values}
        found = [
            value / values[theirs, repetition]
            for (entrant, repetition), value in values.items()
            if entrant == ours and values.get((theirs, repetition))
        ]
        return statistics.median(found) if found else None

    def data(self) -> dict[str, Any]:
        """Give what goes into the JSON."""
        return attrs.asdict(self)

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Results:
        """Give what was in the JSON."""
        runs = tuple(Run(**run) for run in data["runs"])
        rest = {name: data[name] for name in ("medians", "growth", "imports", "about")}
        return cls(runs=runs, workers=tuple(data["workers"]), failures=tuple(data["failures"]), **rest)


def medians(runs: Iterable[Run]) -> dict[str, dict[str, float]]:
    """Give the median of each value of each entrant."""
    found: dict[str, dict[str, list[float]]] = {}
    for run in runs:
        for key, value in run.values.items():
            found.setdefault(run.entrant, {}).setdefault(key, []).append(value)
    return {
        entrant: {key: statistics.median(values) for key, values in by_key.items()} for entrant, by_key in found.items()
    }
