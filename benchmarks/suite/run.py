"""The command: python3 dev.py bench --targets."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

from benchmarks.peers import ROOT
from benchmarks.suite import growth as growing
from benchmarks.suite import measures, page, tables, together
from benchmarks.suite.entrants import ENTRANTS, Entrant, named
from benchmarks.suite.gauge import Gauge
from benchmarks.suite.imports import imports
from benchmarks.suite.results import Results, Run, medians
from benchmarks.suite.targets import TARGETS, judge
from tests.servers import Server
from tools import cache

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

PARTS: Final = ("growth", "workers", "imports", "entrants")
SHOWN: Final = ("add each", "drain", "io", "latency p50")
"""What is shown of a measurement as soon as it is there: the first of these that it has."""
COMPARED: Final = {each.peer or each.entrant for each in TARGETS if each.key.startswith("latency")}
"""Whose latencies are held against each other."""


def main(arguments: Sequence[str], server_name: Callable[[str | None], str], commit: str) -> int:
    """Measure, print, write; return 1 if a target that binds is missed, or something could not be measured."""
    options = _options(arguments)
    try:
        wanted = named(options.entrants)
    except KeyError as unknown:
        print(f"there is no entrant {unknown}; there are {', '.join(ENTRANTS)}", file=sys.stderr)
        return 2
    if options.publish:
        page.publish(options.publish)
        return 0
    ready, failures = _prepared(wanted)
    name = server_name(options.server)
    if options.prepare:
        page.PLOTS.python()
        return 1 if failures else 0
    begun = time.monotonic()
    results = _measured(options, ready, failures, name)
    results = attrs.evolve(results, about={**results.about, "commit": commit, "seconds": time.monotonic() - begun})
    _write(results, options.json)
    print(f"\n{tables.everything(results)}\n\nIt took {results.about['seconds'] / 60:.1f} minutes.")
    for failure in results.failures:
        print(f"FAILED {failure}", file=sys.stderr)
    missed = any(each.met is False for each in judge(results) if each.target.binds)
    return 1 if results.failures or (missed and not options.smoke) else 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python3 dev.py bench --targets", description=__doc__)
    parser.add_argument("--targets", action="store_true", help="what this is")
    parser.add_argument("--smoke", action="store_true", help="only see that everything runs, with shadows alone")
    parser.add_argument("--prepare", action="store_true", help="only make the environments of all entrants")
    parser.add_argument("--publish", type=Path, metavar="JSON", help="show these results in docs/performance.md")
    smoke = "--smoke" in arguments
    parser.add_argument(
        "--entrants",
        default="shadows,shadows-10" if smoke else ",".join(ENTRANTS),
        help="who is measured (%(default)s)",
    )
    parser.add_argument("--parts", default=",".join(PARTS), help="what is measured (%(default)s)")
    parser.add_argument("--reps", type=int, default=1 if smoke else 3, help="repetitions for targets (%(default)s)")
    parser.add_argument("--other-reps", type=int, default=1, help="repetitions of other entrants (%(default)s)")
    parser.add_argument(
        "--minutes", type=float, default=60.0, help="after so many, no further repetition begins (%(default)s)"
    )
    parser.add_argument("--pairs", type=int, default=1 if smoke else 5, help="pairs of growth (%(default)s)")
    parser.add_argument("--million", type=int, default=20_000 if smoke else 1_000_000, help="the large backlog")
    parser.add_argument("--server", help="the server's name (redis-7.0 if it is here)")
    parser.add_argument(
        "--json", type=Path, default=ROOT / ".cache" / "targets.json", help="where to write (%(default)s)"
    )
    return parser.parse_args(arguments)


def _prepared(wanted: list[Entrant]) -> tuple[list[Entrant], list[str]]:
    """Make the environments, and give those that have one."""
    ready: list[Entrant] = []
    failures: list[str] = []
    for entrant in wanted:
        try:
            entrant.peer.python()
            ready.append(entrant)
        except cache.NotHereError as why:
            failures.append(f"{entrant.name} cannot be installed: {why}")
            print(f"FAILED {failures[-1]}", file=sys.stderr, flush=True)
    return ready, failures


def _measured(options: argparse.Namespace, entrants: list[Entrant], failures: list[str], name: str) -> Results:
    """Measure the parts that are wanted; Ctrl-C ends the one that runs, and what is there is written."""
    found = Results(medians={})
    about = {
        "at": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "python": platform.python_version(),
        "system": platform.platform(),
        "cpus": os.cpu_count(),
        "load": os.getloadavg()[0],
        "server": name,
        "repetitions": options.reps,
    }
    with Server(name) as server, Server(name) as large:
        ways: dict[str, Callable[[], dict[str, Any]]] = {
            "growth": lambda: {"growth": _growth(options, server, large)},
            "workers": lambda: {"workers": _workers(options, server)},
            "imports": lambda: {"imports": imports(entrants, rounds=1 if options.smoke else 5)},
            "entrants": lambda: _entrants(entrants, server, options, failures),
        }
        for part in [part for part in ways if part in options.parts.split(",")]:
            try:
                found = attrs.evolve(found, **ways[part]())
            except (*together.BROKEN, KeyboardInterrupt) as broken:
                failures.append(f"{part}: {type(broken).__name__}: {broken}")
                print(f"FAILED {failures[-1]}", file=sys.stderr, flush=True)
    return attrs.evolve(found, about=about, failures=tuple(failures))


def _growth(options: argparse.Namespace, server: Server, large: Server) -> dict[str, Any]:
    sizes = (1_000,) if options.smoke else (1_000, 10_000, 100_000)
    slices = 1 if options.smoke else 4
    return growing.growth(server, large, million=options.million, pairs=options.pairs, slices=slices, sizes=sizes)


def _workers(options: argparse.Namespace, server: Server) -> tuple[dict[str, float], ...]:
    calls, most = (2_000, 2) if options.smoke else (60_000, 4)
    return tuple(growing.workers(server, calls=calls, most=most))


def _entrants(
    entrants: list[Entrant], server: Server, options: argparse.Namespace, failures: list[str]
) -> dict[str, Any]:
    runs: list[Run] = []
    try:
        for run in _turns(entrants, server, options, failures):
            runs.append(run)  # noqa: PERF402 - what is there when it is interrupted
    except KeyboardInterrupt:
        failures.append("interrupted")
    return {"runs": tuple(runs), "medians": medians(runs)}


def _turns(entrants: list[Entrant], server: Server, options: argparse.Namespace, failures: list[str]) -> Iterator[Run]:
    """Let the entrants take turns."""
    sizes = measures.SMOKE if options.smoke else measures.Sizes()
    end = time.monotonic() + options.minutes * 60
    for repetition in range(1, max(options.reps, options.other_reps) + 1):
        if time.monotonic() > end:
            print(f"{options.minutes:g} minutes are over; {repetition - 1} repetitions have been made", file=sys.stderr)
            return
        now = [each for each in entrants if repetition <= (options.reps if each.in_targets else options.other_reps)]
        for scenario, found in _scenarios(now, server, sizes, failures):
            for entrant, values in found:
                yield Run(repetition, scenario, entrant.name, values)
                shown = next((f"{key} {values[key]:,.1f}" for key in SHOWN if key in values), "")
                print(f"{scenario} {repetition}/{options.reps}, {entrant.name}: {shown}", file=sys.stderr, flush=True)


def _scenarios(
    entrants: list[Entrant], server: Server, sizes: measures.Sizes, failures: list[str]
) -> Iterator[tuple[str, together.Found]]:
    """Measure each scenario once, of those together that are held against each other and feel each moment."""

    def failed(scenario: str, entrant: Entrant, broken: Exception) -> None:
        failures.append(f"{scenario}, {entrant.name}: {type(broken).__name__}: {broken}")
        print(f"FAILED {failures[-1]}", file=sys.stderr, flush=True)

    adding = [each for each in entrants if "add" in each.scenarios]
    yield "add", together.one_by_one(adding, server.name, sizes, partial(failed, "add"))
    gauge = Gauge(server.url)
    for scenario in ("add", "drain", "io"):
        for entrant in entrants:
            measure = measures.scenarios(entrant).get(scenario)
            if measure is not None:
                gauge.clear()
                try:
                    yield scenario, [(entrant, measure(entrant, server.url, gauge, sizes))]
                except together.BROKEN as broken:
                    failed(scenario, entrant, broken)
    waiting = [each for each in entrants if "wait" in each.scenarios]
    compared = [each for each in waiting if each.name in COMPARED]
    for group in [compared, *([each] for each in waiting if each not in compared)]:
        yield "wait", together.wait(group, server.name, sizes, partial(failed, "wait"))


def _write(results: Results, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results.data(), indent=1) + "\n")
    print(f"\nEverything is in {path}", file=sys.stderr)
