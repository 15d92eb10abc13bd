"""The tables of a run of the suite, in markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks.suite.entrants import ENTRANTS
from benchmarks.suite.targets import judge, verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.suite.results import Results
    from benchmarks.suite.targets import Judgement

SPEED: Final = {
    "add each": ("add, one at a time", 0),
    "add at_once": ("add, 100 at once", 0),
    "add many": ("add, in batches", 0),
    "drain": ("run", 0),
    "io": ("run 10 ms of I/O", 0),
}
TIMES: Final = {
    "latency p50": ("latency p50, ms", 2),
    "latency p99": ("p99", 2),
    "late p50": ("lateness p50, ms", 1),
    "late p99": ("p99", 1),
    "idle commands": ("idle: commands/s", 1),
    "idle executed": ("with those in scripts", 1),
    "idle client": ("idle: CPU, %", 1),
    "idle connections": ("connections, idle", 0),
    "io connections": ("busy", 0),
}
COSTS: Final = {
    "add each server": ("server: add, µs", 0),
    "add many server": ("batched, µs", 0),
    "drain server": ("run, µs", 0),
    "add each client": ("client: add, µs", 0),
    "add many client": ("batched, µs", 0),
    "drain client": ("run, µs", 0),
    "add each bytes": ("wire: add, bytes", 0),
    "drain bytes": ("run, bytes", 0),
    "add each commands": ("commands: add", 1),
    "drain commands": ("run", 1),
    "memory now": ("waiting: bytes", 0),
    "memory later": ("for later", 0),
}


def everything(results: Results) -> str:
    """Give all tables, with what each one shows."""
    parts = [
        _about(results),
        "### Calls a second\n\n" + entrants(results, SPEED),
        "### How soon, and what waiting costs\n\n" + entrants(results, TIMES),
        "### What a call costs\n\n" + entrants(results, COSTS),
    ]
    if results.growth:
        parts.append("### As it grows\n\n" + _growth(results))
    if results.workers:
        parts.append("### More workers\n\n" + _workers(results))
    if results.imports:
        parts.append("### Time to import\n\n" + _imports(results))
    parts.append("### Targets\n\n" + targets(results))
    return "\n\n".join(parts)


def entrants(results: Results, columns: dict[str, tuple[str, int]]) -> str:
    """Give a row for each entrant that has any of these values; what it cannot do is an empty cell."""
    rows = [
        [name, *(_number(results.value(name, key), digits) for key, (_, digits) in columns.items())]
        for name in ENTRANTS
        if any(results.value(name, key) is not None for key in columns)
    ]
    return _table(["", *(title for title, _ in columns.values())], rows)


def targets(results: Results) -> str:
    """Give each promise, what was measured, and whether it is kept."""
    judgements = judge(results)
    rows = [[*_row(each), _said(each)] for each in judgements]
    return f"{verdict(judgements)}.\n\n" + _table(["", "measured", "held against", "found", "target", ""], rows)


def _about(results: Results) -> str:
    about = results.about
    failed = f" {len(results.failures)} measurements failed." if results.failures else ""
    return (
        f"Measured on {about['at'][:10]} at {about['commit']}: {about['cpus']} processors, Python {about['python']}, "
        f"{about['server']} on loopback without persistence, one worker; medians of up to {about['repetitions']} "
        f"repetitions in which all took turns. The load average was {about['load']:.1f} when it began.{failed}"
    )


def _row(each: Judgement) -> list[str]:
    target = each.target
    against = target.peer or ("an empty script + 25" if target.above else "")
    sign = "≥" if target.least else "≤"
    digits = 2 if each.bound is not None and each.bound < 10 else 0  # noqa: PLR2004 - few digits say enough
    unit = " times" if target.peer else ""
    return [
        target.row,
        _number(each.measured, 2 if (each.measured or 0) < 10 else 0),  # noqa: PLR2004 - likewise
        against,
        f"{_number(each.found, digits)}{unit}" if each.found is not None else "",
        f"{sign} {_number(each.bound, digits)}{unit}",
    ]


def _said(each: Judgement) -> str:
    if each.met is None:
        return "not measured"
    words = "met" if each.met else f"**missed** by {each.missed_by:.0%}"
    return words if each.target.binds else f"{words} (does not bind)"


def _growth(results: Results) -> str:
    growth = results.growth
    rows = [
        [
            kind,
            *(f"{growth[kind][which]:,.0f}/s" for which in ("small", "large")),
            f"{growth[kind]['ratio']:.2f}",
            _number(growth[kind].get("ratio of as many"), 2),
            *(f"{growth[kind]['commands'][which]:.2f}" for which in ("small", "large")),
            _number(growth[kind].get("script"), 1),
            f"{growth[kind]['longest']:.1f}",
        ]
        for kind in ("ready", "scheduled")
    ]
    million = f"of {growth['million']:,}"
    heads = [
        "",
        "of 10,000",
        million,
        "ratio",
        "of as many calls",
        "commands a call, of 10,000",
        million,
        "longest script, ms of the processor",
        "by the clock",
    ]
    return _table(heads, rows)


def _workers(results: Results) -> str:
    rows = [[f"{each['workers']:.0f}", f"{each['rate']:,.0f}"] for each in results.workers]
    return _table(["worker processes", "calls/s"], rows)


def _imports(results: Results) -> str:
    return _table(["", "ms"], [[name, f"{value:.0f}"] for name, value in results.imports.items()])


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    rule = ["---", *["---:"] * (len(heads) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, rule, *rows))
