"""What entrants do in short turns, each with a server of its own.

A trip that waits for its answer costs what it costs to wake a process, and on a shared machine that is another figure
from one minute to the next.  Who is measured in one minute cannot be held against who is measured in another; in turns
of less than a second all see the same of it.
"""

from __future__ import annotations

import statistics
import time
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

import attrs
import redis

from benchmarks.process import ChildDiedError
from benchmarks.server import Meter
from benchmarks.suite.gauge import Gauge
from benchmarks.suite.measures import START, IncompleteError, Sizes, Values
from benchmarks.suite.process import Child, producer, wait_for
from benchmarks.suite.record import Record
from tests.servers import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmarks.suite.entrants import Entrant

BROKEN: Final = (ChildDiedError, IncompleteError, redis.RedisError, OSError, ArithmeticError, LookupError)
"""What becomes of a measurement that fails: it is reported, and the others go on."""
FIRST: Final = 10
"""Calls that an idle worker runs before anything is measured."""
OTHERS: Final = 1
"""Connections that are not the worker's while it idles: the producer's, if it has one at all."""

type Failed = Callable[[Entrant, Exception], None]
type Found = list[tuple[Entrant, Values]]


@attrs.define
class Lane:
    """One entrant, what it does, and what that has cost so far."""

    entrant: Entrant
    server: Server
    gauge: Gauge
    record: Record
    do: str = "each"
    adds: Child = attrs.field(init=False)
    worker: Child = attrs.field(init=False)
    done: int = 0
    seconds: float = 0.0
    client: float = 0.0
    """seconds of the producer's processor"""
    spent: float = 0.0
    """seconds of the server's processor"""
    delays: list[float] = attrs.field(factory=list[float])
    """ms, of those that have started"""
    values: Values = attrs.field(factory=dict[str, float])


def one_by_one(entrants: Sequence[Entrant], name: str, sizes: Sizes, failed: Failed) -> Found:
    """Let each add one call at a time; beside the bare client, somebody runs scripts that do nothing."""
    doing = [(each, "each") for each in entrants] + [(each, "empty") for each in entrants if each.library == "bare"]
    with ExitStack() as stack, _lanes(doing, name, sizes.rounds * sizes.each) as lanes:

        def begin(lane: Lane) -> None:
            lane.adds = stack.enter_context(producer(lane.entrant, lane.server.url, lane.record))

        _each(lanes, begin, failed)
        before = {id(lane): lane.gauge.read() for lane in lanes}
        for _ in range(sizes.rounds):
            _each(lanes, partial(_add, sizes=sizes), failed)
        for lane in lanes:
            server = lane.spent / lane.done * 1_000_000
            if lane.do == "empty":
                lane.values = {"empty script": server}
                continue
            cost = lane.gauge.read().since(before[id(lane)], lane.done) | {"server": server}
            lane.values = {
                "add each": lane.done / lane.seconds,
                "add each client": lane.client / lane.done * 1_000_000,
                **{f"add each {key}": value for key, value in cost.items()},
            }
        return [(lane.entrant, lane.values) for lane in lanes]


def _add(lane: Lane, *, sizes: Sizes) -> None:
    before = lane.gauge.processor()
    numbers = {} if lane.do == "empty" else {"first": lane.done, "cap": sizes.add_cap}
    told = lane.adds.ask(lane.do, count=sizes.each, **numbers)
    lane.spent += lane.gauge.processor() - before
    lane.done += told["done"]
    lane.seconds += told["seconds"]
    lane.client += told["cpu"]


def wait(entrants: Sequence[Entrant], name: str, sizes: Sizes, failed: Failed) -> Found:
    """Have their workers idle, then give them a call now and then, then many that are due at their times."""
    size = FIRST + sizes.rounds * sizes.latency + sizes.due
    with ExitStack() as stack, _lanes([(each, "wait") for each in entrants], name, size) as lanes:

        def begin(lane: Lane) -> None:
            url = lane.server.url
            lane.worker = stack.enter_context(Child("worker", lane.entrant, url, lane.record, scheduling=True))
            lane.adds = stack.enter_context(producer(lane.entrant, url, lane.record))
            lane.adds.ask("paced", first=0, count=FIRST, gap=0.01)
            lane.done = FIRST
            if wait_for(lane.worker, lane.record, FIRST, within=START) < FIRST:
                raise IncompleteError("it does not begin")

        _each(lanes, begin, failed)
        time.sleep(sizes.settle)
        _each(lanes, partial(_idle, sizes=sizes), failed)
        for _ in range(sizes.rounds):
            _each(lanes, partial(_latency, sizes=sizes), failed)
        for lane in lanes:
            lane.values |= quantiles("latency", lane.delays, sizes.rounds * sizes.latency)
        _each(lanes, partial(_late, sizes=sizes), failed)
        return [(lane.entrant, lane.values) for lane in lanes]


def _idle(lane: Lane, *, sizes: Sizes) -> None:
    spent = lane.worker.cpu()
    sent, executed = Meter(lane.server.url).commands(sizes.idle)
    spent = lane.worker.cpu() - spent
    lane.values = {
        "idle commands": sent.total() / sizes.idle,
        "idle executed": executed.total() / sizes.idle,
        "idle client": spent / sizes.idle * 100,
        "idle connections": lane.gauge.clients() - OTHERS,
    }


def _latency(lane: Lane, *, sizes: Sizes) -> None:
    added: list[float] = lane.adds.ask("paced", first=lane.done, count=sizes.latency, gap=sizes.latency_gap)["times"]
    lane.delays += _delays(lane, added, within=sizes.due_cap)


def _late(lane: Lane, *, sizes: Sizes) -> None:
    asked = {"first": lane.done, "count": sizes.due, "gap": sizes.due_gap, "lead": sizes.lead}
    due: list[float] = lane.adds.ask("scheduled", **asked)["times"]
    delays = _delays(lane, due, within=due[-1] - time.monotonic() + sizes.due_cap)
    lane.values |= quantiles("late", delays, len(due))


def _delays(lane: Lane, begins: list[float], *, within: float) -> list[float]:
    """Wait until they have started, and give by how many ms each was late, of those that have."""
    first = lane.done
    lane.done += len(begins)
    wait_for(lane.worker, lane.record, len(begins), first=first, within=within)
    starts = lane.record.starts(first, lane.done)
    return [(start - begin) * 1000 for begin, start in zip(begins, starts, strict=True) if start]


def quantiles(name: str, delays: list[float], wanted: int) -> Values:
    """Give the quantiles of the delays; only how many there are if more than a twentieth is missing."""
    if len(delays) < wanted * 0.95:
        return {f"{name} ran": len(delays) / wanted}
    ordered = sorted(delays)
    return {
        f"{name} p50": statistics.median(ordered),
        f"{name} p99": ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))],
        f"{name} early": sum(delay < -1 for delay in ordered),
    }


@contextmanager
def _lanes(doing: Sequence[tuple[Entrant, str]], name: str, size: int) -> Iterator[list[Lane]]:
    """Give one for each, with a server and a record of so many calls."""
    with ExitStack() as stack:
        lanes: list[Lane] = []
        for entrant, do in doing:
            record = Record.make(size)
            stack.callback(record.remove)
            server = stack.enter_context(Server(name))
            lanes.append(Lane(entrant, server, Gauge(server.url), record, do))
        yield lanes


def _each(lanes: list[Lane], act: Callable[[Lane], None], failed: Failed) -> None:
    """Let each act in turn; those that fail are out."""
    for lane in [*lanes]:
        try:
            act(lane)
        except BROKEN as broken:
            lanes.remove(lane)
            failed(lane.entrant, broken)
