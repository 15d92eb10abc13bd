"""What is measured. Each scenario takes a peer and an empty server, and gives values by name."""

import statistics
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.peers import Peer
from benchmarks.process import Child
from benchmarks.server import Meter

WARM_UP = 1_000_000
"""The first number of the calls that come before those that count."""
PATIENCE = 15.0
"""Seconds that calls may take to start after their time before we give them up."""

type Values = dict[str, float]


class IncompleteError(Exception):
    """Not every call ran."""


@dataclass(frozen=True)
class Sizes:
    """How much is measured in one run of a scenario."""

    backlog: int = 20_000
    paced: int = 300
    pace: float = 0.02
    due: int = 50
    due_every: float = 0.1
    lead: float = 1.5
    idle: float = 5.0
    settle: float = 1.0


SMOKE = Sizes(backlog=300, paced=20, pace=0.01, due=5, due_every=0.05, lead=0.3, idle=0.5, settle=0.1)


@dataclass(frozen=True)
class Column:
    """One value of a scenario, as the table shows it."""

    key: str
    title: str
    digits: int = 1


@dataclass(frozen=True)
class Scenario:
    """One table."""

    about: str
    run: Callable[[Peer, str, Meter, Sizes], Values]
    columns: tuple[Column, ...]
    """the first one is compared"""
    more_is_better: bool = False


def finished(peer: Peer, url: str, meter: Meter, sizes: Sizes) -> Values:
    """Drain a backlog of calls that do nothing."""
    with Child("producer", peer, url) as producer:
        adding = producer.ask("backlog", count=sizes.backlog)["seconds"]
    with Child("worker", peer, url) as worker:
        server = meter.cpu()
        told = worker.ask("finish", count=sizes.backlog)
        server = meter.cpu() - server
    _all_ran(told["ran"], sizes.backlog)
    each = 1_000_000 / sizes.backlog
    return {
        "rate": (sizes.backlog - 1) / told["span"],
        "whole": told["whole"],
        "client": told["cpu"] * each,
        "server": server * each,
        "again": told["again"],
        "megabytes": told["megabytes"],
        "added": sizes.backlog / adding,
    }


def latency(peer: Peer, url: str, _meter: Meter, sizes: Sizes) -> Values:
    """Add one call at a time while the worker idles: from before the add until its body starts."""
    with _idle_worker(peer, url, sizes) as (producer, worker):
        added = producer.times("paced", count=sizes.paced, gap=sizes.pace)
        return _delays(added, _starts(worker, added))


def punctuality(peer: Peer, url: str, _meter: Meter, sizes: Sizes) -> Values:
    """Schedule calls while the worker idles: from when each is due until its body starts."""
    with _idle_worker(peer, url, sizes, scheduling=True) as (producer, worker):
        due = producer.times("scheduled", count=sizes.due, gap=sizes.due_every, lead=sizes.lead)
        return _delays(due, _starts(worker, due))


def idle(peer: Peer, url: str, meter: Meter, sizes: Sizes) -> Values:
    """Count the commands of a worker that has nothing to do."""
    with _idle_worker(peer, url, sizes):
        sent, executed = meter.commands(sizes.idle)
    totals = {"sent": sent.total() / sizes.idle, "executed": executed.total() / sizes.idle}
    return totals | {f"sent {name}": count / sizes.idle for name, count in sorted(sent.items())}


SCENARIOS: Mapping[str, Scenario] = {
    "finished": Scenario(
        "a backlog of calls that do nothing, one worker with 100 slots",
        finished,
        (
            Column("rate", "calls/s, first to last start", 0),
            Column("whole", "s until the worker says it is finished", 2),
            Column("client", "worker's CPU, µs a call"),
            Column("server", "server's CPU, µs a call"),
            Column("megabytes", "worker's memory, MB", 0),
        ),
        more_is_better=True,
    ),
    "latency": Scenario(
        "ms from adding to starting, the worker idle",
        latency,
        (Column("p50", "p50", 2), Column("p99", "p99", 2), Column("most", "most", 2)),
    ),
    "punctuality": Scenario(
        "ms from being due to starting, the worker idle",
        punctuality,
        (
            Column("p50", "p50", 2),
            Column("p99", "p99", 2),
            Column("most", "most", 2),
            Column("early", "early", 0),
        ),
    ),
    "idle": Scenario(
        "commands a second of an idle worker",
        idle,
        (Column("sent", "sent"), Column("executed", "executed, with those in scripts")),
    ),
}


@contextmanager
def _idle_worker(peer: Peer, url: str, sizes: Sizes, **settings: object) -> Generator[tuple[Child, Child]]:
    """Give a producer and a worker that has run a few calls and then had nothing to do."""
    producer, worker = Child("producer", peer, url), Child("worker", peer, url, **settings)
    with producer, worker:
        worker.ask("work")
        _starts(worker, producer.times("paced", count=10, gap=0.01, first=WARM_UP))
        time.sleep(sizes.settle)
        yield producer, worker


def _starts(worker: Child, wanted: Mapping[int, float]) -> Mapping[int, float]:
    """Wait until all of these have started, and give when; also those that started early."""
    end = max(time.monotonic(), *wanted.values()) + PATIENCE
    while True:
        starts = worker.times("starts")
        if starts.keys() >= wanted.keys():
            return starts
        if time.monotonic() > end:
            _all_ran(len(wanted.keys() & starts.keys()), len(wanted))
        time.sleep(0.1)


def _all_ran(ran: int, count: int) -> None:
    if ran != count:
        raise IncompleteError(f"{ran} of {count} calls ran")


def _delays(begins: Mapping[int, float], starts: Mapping[int, float]) -> Values:
    delays = sorted((starts[number] - begin) * 1000 for number, begin in begins.items())
    return {
        "p50": statistics.median(delays),
        "p99": delays[min(len(delays) - 1, int(len(delays) * 0.99))],
        "most": delays[-1],
        "early": sum(delay < 0 for delay in delays),
    }
