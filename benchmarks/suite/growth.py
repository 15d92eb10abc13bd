"""What becomes of a shadow as it grows, and as it gets more workers."""

from __future__ import annotations

import statistics
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from benchmarks.suite import turns
from benchmarks.suite.entrants import ENTRANTS
from benchmarks.suite.gauge import Gauge
from benchmarks.suite.process import Child, producer, wait_for
from benchmarks.suite.record import Record

if TYPE_CHECKING:
    from tests.servers import Server

SHADOWS: Final = ENTRANTS["shadows"]
DRAINED: Final = 10_000
"""The small backlog."""
SPARE: Final = 0.1
"""The part of each slice of the large backlog that nobody waits for: a worker goes on until it is asked to end."""
LIMIT: Final = 150.0
"""Seconds that a part may take."""
BATCH: Final = 1_000
AHEAD: Final = 3.0
"""Seconds between the last add and the time at which scheduled calls are due."""


def growth(
    small: Server, large: Server, *, million: int, pairs: int, slices: int, sizes: tuple[int, ...]
) -> dict[str, Any]:
    """Compare a backlog of 10,000 with one of a million, in turns, and look at sizes between.

    In a pair each is drained so many times, for a small backlog lasts for half a second, which may be any.
    """
    found: dict[str, Any] = {"million": million, "drained": DRAINED}
    for kind in ("ready", "scheduled"):
        points: list[dict[str, float]] = []
        for size in sizes:
            gauge = Gauge(small.url)
            gauge.clear()
            record = _fill(small, size, scheduled=kind == "scheduled")
            points.append({"backlog": size, **_look(small, record, size)})
            record.remove()
            print(f"growth, {kind}, {size:,}: {points[-1]['rate']:,.0f}/s", file=sys.stderr, flush=True)
        found[kind] = _pairs(small, large, kind, million, pairs, slices) | {"points": points}
    return found


def _pairs(small: Server, large: Server, kind: str, million: int, pairs: int, slices: int) -> dict[str, Any]:
    """Drain the million in so many parts, and each part in slices, with a small backlog before each slice.

    Commands are counted over the whole: calls that come due are promoted ahead of the first part.
    """
    Gauge(large.url).clear()
    much = _fill(large, million, scheduled=kind == "scheduled")
    script = turns.longest(large.url)
    calls = million - turns.TAKEN
    part = int(calls / (pairs * slices) * (1 - SPARE))
    looks: dict[str, list[dict[str, float]]] = {"small": [], "large": []}
    for pair in range(pairs):
        drains: dict[str, list[dict[str, float]]] = {"small": [], "large": []}
        for _ in range(slices):
            Gauge(small.url).clear()
            little = _fill(small, DRAINED, scheduled=kind == "scheduled")
            drains["small"].append(_look(small, little, DRAINED))
            little.remove()
            drains["large"].append(_look(large, much, min(part, calls - much.count(0, million))))
        for name, each in drains.items():
            looks[name].append(_together(each))
        last = looks["large"][-1]["rate"], looks["small"][-1]["rate"]
        print(f"growth, {kind}, {pair + 1}/{pairs}: {last[0]:,.0f} and {last[1]:,.0f}", file=sys.stderr, flush=True)
    much.remove()
    Gauge(large.url).clear()
    both = list(zip(looks["large"], looks["small"], strict=True))
    ratios = [ours["rate"] / theirs["rate"] for ours, theirs in both]
    return {
        "ratio": statistics.median(ratios),
        "ratio of as many": statistics.median(ours["first"] / theirs["first"] for ours, theirs in both),
        "ratios": ratios,
        "commands": {
            name: sum(look["commands"] for look in of) / sum(look["ran"] for look in of) for name, of in looks.items()
        },
        "longest": max(look["longest"] for look in looks["large"]),
        "script": script,
        **{name: statistics.median(look["rate"] for look in of) for name, of in looks.items()},
    }


def _together(slices: list[dict[str, float]]) -> dict[str, float]:
    """Give what several drains amount to: rates are of all that ran in all the time that it took."""
    ran = sum(each["ran"] for each in slices)
    return {
        "rate": ran / sum(each["ran"] / each["rate"] for each in slices),
        "first": statistics.harmonic_mean([each["first"] for each in slices]),
        "ran": ran,
        "commands": sum(each["commands"] for each in slices),
        "longest": max(each["longest"] for each in slices),
    }


def _fill(server: Server, size: int, *, scheduled: bool) -> Record:
    """Add so many calls; scheduled ones are all due when this returns."""
    record = Record.make(size)
    with producer(SHADOWS, server.url, record) as adds:
        if scheduled:
            when = time.time() + AHEAD + size / 20_000  # a machine that is slower than that finds some of them ready
            adds.ask("many_later", first=0, count=size, together=BATCH, when=when)
            time.sleep(max(0, when - time.time()))
        else:
            adds.ask("many", first=0, count=size, cap=1e9, together=BATCH)
    return record


def _look(server: Server, record: Record, calls: int) -> dict[str, float]:
    """Drain so many more calls, end the worker, and give the rate, what ran, its commands and the longest script."""
    gauge = Gauge(server.url)
    gauge.watch_slow()
    already, before, begun = record.count(0, record.size), gauge.read(), time.monotonic()
    with Child("worker", SHADOWS, server.url, record) as worker:
        end = begun + LIMIT
        while (left := already + calls - record.about(0, record.size)) > 0 and time.monotonic() < end:
            worker.check()
            time.sleep(min(0.5, max(0.05, left / 100_000)))  # seldom: who looks takes a processor from whom it looks at
        worker.end()  # killed, it would leave leases that are in the way of the next one
    after, ran = gauge.read(), record.count(0, record.size) - already
    starts = sorted(start for start in record.starts(0, record.size) if start > begun)
    return {
        "rate": _rate(starts),
        "first": _rate(starts[:DRAINED]),
        "ran": ran,
        "commands": after.since(before, 1)["commands"],
        "longest": gauge.slowest()[0],
    }


def _rate(starts: list[float]) -> float:
    return (len(starts) - 1) / (starts[-1] - starts[0])


def workers(server: Server, *, calls: int, most: int) -> list[dict[str, float]]:
    """Drain the same backlog with one worker, two, and so on."""
    found: list[dict[str, float]] = []
    for count in range(1, most + 1):
        Gauge(server.url).clear()
        record = _fill(server, calls, scheduled=False)
        children = [Child("worker", SHADOWS, server.url, record) for _ in range(count)]
        try:
            wait_for(children[0], record, calls, within=60)
        finally:
            for child in children:
                child.__exit__(None, None, None)
        starts = sorted(filter(None, record.starts(0, calls)))
        middle = starts[len(starts) // 10 :]  # all of them are there by then
        found.append({"workers": count, "rate": (len(middle) - 1) / (middle[-1] - middle[0])})
        record.remove()
        print(f"{count} workers: {found[-1]['rate']:,.0f}/s", file=sys.stderr, flush=True)
    return found
