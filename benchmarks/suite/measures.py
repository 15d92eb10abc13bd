"""What the suite measures of each entrant. Each takes an entrant and an empty server, and gives values by name."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import attrs

from benchmarks.suite.child import AT_ONCE
from benchmarks.suite.process import Child, producer, wait_for
from benchmarks.suite.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benchmarks.suite.entrants import Entrant
    from benchmarks.suite.gauge import Gauge

START: Final = 20.0
"""Seconds that a worker may take to its first call."""
HOUR: Final = 3600.0

type Values = dict[str, float]


class IncompleteError(Exception):
    """Hardly anything ran."""


@attrs.frozen
class Sizes:
    """How much is measured; a cap, in seconds, cuts off whoever is slow, and the rate is of what was done."""

    rounds: int = 10
    """turns of those who take them in short ones"""
    each: int = 300
    """calls that are added one by one in a turn"""
    at_once: int = 10_000
    coroutines: int = 100
    many: int = 20_000
    batch: int = 500
    later: int = 2_000
    add_cap: float = 1.0
    drain_cap: float = 2.5
    naps: int = 3_000
    idle: float = 2.0
    latency: int = 30
    """calls for an idle worker in a turn"""
    latency_gap: float = 0.02
    due: int = 1_000
    due_gap: float = 0.0025
    lead: float = 1.5
    due_cap: float = 10.0
    settle: float = 0.5


SMOKE: Final = Sizes(
    rounds=2, each=25, at_once=200, many=500, later=50, naps=100, idle=0.3, latency=5, due=40, lead=0.5, settle=0.1
)


def add_and_drain(entrant: Entrant, url: str, gauge: Gauge, sizes: Sizes) -> Values:
    """Look what calls take on the server that wait, add in two ways, and drain it all with one worker."""
    record = Record.make(max(sizes.at_once + sizes.many, sizes.later))
    try:
        weights = {"memory now": _weigh(entrant, url, gauge, sizes, record, "at_once", together=AT_ONCE)}
        if entrant.library != "bare":
            weights["memory later"] = _weigh(entrant, url, gauge, sizes, record, "later", when=time.time() + HOUR)
        found, numbers = _add(entrant, url, gauge, sizes, record)
        return weights | found | _drain(entrant, url, gauge, sizes, record, numbers)
    finally:
        record.remove()


def drain_only(entrant: Entrant, url: str, gauge: Gauge, sizes: Sizes) -> Values:
    """Drain a backlog with one worker."""
    record = Record.make(sizes.many)
    try:
        with producer(entrant, url, record) as adds:
            done = adds.ask("many", first=0, count=sizes.many, cap=sizes.add_cap, together=sizes.batch)["done"]
        return _drain(entrant, url, gauge, sizes, record, done)
    finally:
        record.remove()


def _add(entrant: Entrant, url: str, gauge: Gauge, sizes: Sizes, record: Record) -> tuple[Values, int]:
    """Give what adding costs, and up to which number there are calls that are due, without a hole."""
    found: Values = {}
    with producer(entrant, url, record) as adds:
        added = 0
        ways = {
            "at_once": {"count": sizes.at_once, "together": sizes.coroutines},
            "many": {"count": sizes.many, "together": sizes.batch},
        }
        for way, arguments in ways.items():
            before = gauge.read()
            told = adds.ask(way, first=added, cap=sizes.add_cap, **arguments)
            after, done = gauge.read(), told["done"]
            found[f"add {way}"] = done / told["seconds"]
            found[f"add {way} client"] = told["cpu"] / done * 1_000_000
            found |= {f"add {way} {key}": value for key, value in after.since(before, done).items()}
            added += done
    return found, added


def _weigh(entrant: Entrant, url: str, gauge: Gauge, sizes: Sizes, record: Record, do: str, **how: float) -> float:
    """Give the bytes that a waiting call takes, beside one that brought what the first one brings.

    Among many others they would seem to take what the server's table of keys takes, if it happens to double under them.
    No producer is there meanwhile: a hundred connections take more than a thousand calls.
    """
    held: list[int] = []
    for count in (1, sizes.later):
        with producer(entrant, url, record) as adds:
            done: int = adds.ask(do, first=0, count=count, cap=sizes.add_cap, **how)["done"]
        held.append(_memory(gauge))
    gauge.clear()
    return (held[1] - held[0]) / done


def _memory(gauge: Gauge) -> int:
    """Give what the server holds when its last client has gone."""
    end = time.monotonic() + 1
    while gauge.clients() and time.monotonic() < end:
        time.sleep(0.01)
    return gauge.read().memory


def _drain(entrant: Entrant, url: str, gauge: Gauge, sizes: Sizes, record: Record, calls: int) -> Values:
    with Child("worker", entrant, url, record) as worker:
        _begun(worker, record)
        before, already, spent = gauge.read(), record.count(0, calls), worker.cpu()
        wait_for(worker, record, calls, within=sizes.drain_cap)
        time.sleep(0.05)  # until it has told the server of the last ones
        after, ran, spent = gauge.read(), record.count(0, calls), worker.cpu() - spent
        clients = gauge.clients()
    starts = sorted(filter(None, record.starts(0, calls)))
    found: Values = {
        "drain": (len(starts) - 1) / max(starts[-1] - starts[0], 1e-9),
        "drained": ran,
        "again": record.again,
        "connections": clients,
    }
    if ran - already >= calls / 20:  # else it was too quick to see what that cost
        found["drain client"] = spent / (ran - already) * 1_000_000
        found |= {f"drain {key}": value for key, value in after.since(before, ran - already).items()}
    return found


def io(entrant: Entrant, url: str, gauge: Gauge, sizes: Sizes) -> Values:
    """Drain calls that wait for 10 ms each."""
    record = Record.make(sizes.naps)
    try:
        with producer(entrant, url, record) as adds:
            request = {"first": 0, "count": sizes.naps, "cap": sizes.add_cap, "together": sizes.batch, "task": "nap"}
            calls = adds.ask("many", **request)["done"]
        with Child("worker", entrant, url, record) as worker:
            _begun(worker, record)
            wait_for(worker, record, calls, within=sizes.drain_cap / 2)
            clients = gauge.clients()
            wait_for(worker, record, calls, within=sizes.drain_cap / 2)
            time.sleep(0.05)
        starts, ends = (list(filter(None, of(0, calls))) for of in (record.starts, record.ends))
        if not ends:
            raise IncompleteError("no call has ended")
        return {"io": len(ends) / (max(ends) - min(starts)), "io connections": clients}
    finally:
        record.remove()


def _begun(worker: Child, record: Record) -> None:
    end = time.monotonic() + START
    while not record.count(0, record.size):
        worker.check()
        if time.monotonic() > end:
            raise IncompleteError("it does not begin")
        time.sleep(0.005)


def scenarios(entrant: Entrant) -> Mapping[str, Callable[[Entrant, str, Gauge, Sizes], Values]]:
    """Give what is measured of this one."""
    ways = {"add": add_and_drain, "drain": drain_only, "io": io}
    if "add" in entrant.scenarios:
        del ways["drain"]
    return {name: ways[name] for name in entrant.scenarios if name in ways}
