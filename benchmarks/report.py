"""From runs to tables."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.scenarios import SCENARIOS, Column, Scenario, Values


@dataclass(frozen=True)
class Run:
    """One peer in one scenario, once."""

    repetition: int
    scenario: str
    peer: str
    values: Values


def medians(runs: Iterable[Run]) -> dict[str, dict[str, Values]]:
    """Give the median of each value, by scenario and peer."""
    found: dict[str, dict[str, dict[str, list[float]]]] = {}
    for run in runs:
        for key, value in run.values.items():
            found.setdefault(run.scenario, {}).setdefault(run.peer, {}).setdefault(key, []).append(value)
    return {
        scenario: {
            peer: {key: statistics.median(values) for key, values in by_key.items()} for peer, by_key in by_peer.items()
        }
        for scenario, by_peer in found.items()
    }


def ratios(runs: Sequence[Run], scenario: str, reference: str) -> dict[str, float]:
    """Give how many times as good the reference is as each peer: the median of the repetitions' ratios."""
    key, more = SCENARIOS[scenario].columns[0].key, SCENARIOS[scenario].more_is_better
    values = {(run.peer, run.repetition): run.values[key] for run in runs if run.scenario == scenario}
    found: dict[str, list[float]] = {}
    for (peer, repetition), value in values.items():
        ours = values.get((reference, repetition))
        if ours and value:
            found.setdefault(peer, []).append(ours / value if more else value / ours)
    return {peer: statistics.median(each) for peer, each in found.items()}


def tables(runs: Sequence[Run], reference: str) -> str:
    """Give a markdown table for each scenario, with the median of each value and its least and most."""
    return "\n\n".join(
        _table(name, scenario, [run for run in runs if run.scenario == name], reference)
        for name, scenario in SCENARIOS.items()
        if any(run.scenario == name for run in runs)
    )


def _table(name: str, scenario: Scenario, runs: Sequence[Run], reference: str) -> str:
    compared = ratios(runs, name, reference)
    heads = [name, *(column.title for column in scenario.columns), f"{reference} is so many times as good"]
    rows = [heads, ["---"] * len(heads)]
    for peer in dict.fromkeys(run.peer for run in runs):
        of_peer = [run.values for run in runs if run.peer == peer]
        ratio = f"{compared[peer]:.2f}" if peer in compared else "-"
        rows.append([peer, *(_cell(column, of_peer) for column in scenario.columns), ratio])
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"**{name}**: {scenario.about}\n\n{table}{_commands(runs)}"


def _cell(column: Column, of_peer: Sequence[Values]) -> str:
    values = [each[column.key] for each in of_peer]
    middle, least, most = (
        f"{value:,.{column.digits}f}" for value in (statistics.median(values), min(values), max(values))
    )
    return middle if len(values) == 1 else f"{middle} ({least} to {most})"


def _commands(runs: Sequence[Run]) -> str:
    """Give what idle workers send, a line for each peer."""
    lines: list[str] = []
    for by_peer in medians(runs).values():
        for peer, values in by_peer.items():
            each = {key.removeprefix("sent "): value for key, value in values.items() if key.startswith("sent ")}
            if each:
                most_first = sorted(each.items(), key=lambda item: -item[1])
                lines.append(f"- {peer}: {', '.join(f'{name} {value:.1f}' for name, value in most_first)}")
    return "\n\n" + "\n".join(lines) if lines else ""
