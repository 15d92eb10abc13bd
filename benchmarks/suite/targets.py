"""What was promised, and whether it is so.

Where a target is a ratio to a peer of the same run, the ratio binds: absolute figures vary with the machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from benchmarks.suite.results import Results


@attrs.frozen
class Target:
    """One promise."""

    row: str
    key: str
    bound: float
    """of the value, or of the ratio if there is a peer"""
    peer: str = ""
    least: bool = False
    """whether the bound is the least that it may be, and not the most"""
    entrant: str = "shadows"
    binds: bool = True
    """false of an absolute figure beside a ratio"""
    above: str = ""
    """a value of the bare client that the bound comes on top of"""


@attrs.frozen
class Judgement:
    """A promise, and what was measured."""

    target: Target
    measured: float | None
    """the value of ours"""
    found: float | None
    """what is held against the bound: the value or the ratio"""
    bound: float | None

    @property
    def met(self) -> bool | None:
        """Whether it is kept; None if it was not measured."""
        if self.found is None or self.bound is None:
            return None
        return self.found >= self.bound if self.target.least else self.found <= self.bound

    @property
    def missed_by(self) -> float:
        """How far it is missed, as a fraction of the bound; 0 if it is met."""
        if self.met is not False or self.found is None or not self.bound:
            return 0.0
        return self.bound / self.found - 1 if self.target.least else self.found / self.bound - 1


def _least(row: str, key: str, bound: float, peer: str = "", **more: object) -> Target:
    return Target(row, key, bound, peer, least=True, **more)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


TARGETS: Final = (
    _least("add, one at a time", "add each", 1.7, "docket"),
    _least("add, 100 coroutines at once", "add at_once", 8, "docket"),
    _least("add_many", "add many", 45_000, binds=False),
    _least("add_many", "add many", 4, "streaq"),
    _least("drain, no-op, 100 slots", "drain", 18_000, binds=False),
    _least("drain, no-op, 100 slots", "drain", 8, "docket-best"),
    _least("drain, no-op, 100 slots", "drain", 5, "dramatiq"),
    _least("drain, no-op, 10 slots", "drain", 12_000, entrant="shadows-10"),
    _least("10 ms of I/O, 100 slots", "io", 7_000),
    Target("idle latency, p50, ms", "latency p50", 1.0, binds=False),
    Target("idle latency, p50, ms", "latency p50", 0.5, "docket"),
    Target("idle latency, p50, ms", "latency p50", 0.7, "taskiq-stream"),
    Target("idle latency, p99, ms", "latency p99", 1.5, binds=False),
    Target("idle latency, p99, ms", "latency p99", 0.5, "docket"),
    Target("idle latency, p99, ms", "latency p99", 0.7, "taskiq-stream"),
    Target("lateness, 400 due/s, p50, ms", "late p50", 2.0),
    Target("lateness, 400 due/s, p99, ms", "late p99", 5.0),
    Target("server CPU, add alone, µs", "add each server", 25, above="empty script"),
    Target("server CPU, add batched, µs", "add many server", 8),
    Target("server CPU, run, µs", "drain server", 22),
    Target("client CPU, add alone, µs", "add each client", 140),
    Target("client CPU, add batched, µs", "add many client", 20),
    Target("client CPU, run, µs", "drain client", 50),
    Target("bytes on the server, waiting now", "memory now", 285),
    Target("bytes on the server, waiting for later", "memory later", 360),
    Target("commands a second, idle", "idle commands", 2),
    Target("connections of a busy worker", "io connections", 3),
    Target("connections of an idle worker", "idle connections", 3),
)


def judge(results: Results) -> list[Judgement]:
    """Hold each promise against what was measured, and those on growth too."""
    found = [_judge(target, results) for target in TARGETS]
    for kind in ("ready", "scheduled"):
        if told := results.growth.get(kind):
            about = f"a million {kind} calls"
            rate = _least(f"{about}: rate against 10,000", "", 0.9)
            commands = Target(f"{about}: commands a call against 10,000", "", 1.02)
            script = Target(f"{about}: longest script, ms of the processor", "", 5)
            ratio = told["commands"]["large"] / told["commands"]["small"]
            found.append(Judgement(rate, told["large"], told["ratio"], 0.9))
            found.append(Judgement(commands, told["commands"]["large"], ratio, commands.bound))
            found.append(Judgement(script, told.get("script"), told.get("script"), script.bound))
    return found


def _judge(target: Target, results: Results) -> Judgement:
    measured = results.value(target.entrant, target.key)
    found = results.ratio(target.entrant, target.peer, target.key) if target.peer else measured
    bound: float | None = target.bound
    if target.above:
        floor = results.value("bare client", target.above)
        bound = None if floor is None else floor + target.bound
    return Judgement(target, measured, found, bound)


def verdict(judgements: list[Judgement]) -> str:
    """Say in a line how many binding promises are kept."""
    binding = [each for each in judgements if each.target.binds]
    missed = [each for each in binding if each.met is False]
    unknown = sum(each.met is None for each in binding)
    met = len(binding) - len(missed) - unknown
    worst = max((each.missed_by for each in missed), default=0)
    text = f"{met} of {len(binding)} targets that bind are met"
    if missed:
        text += f"; {len(missed)} missed, at most by {worst:.0%}"
    return f"{text}; {unknown} not measured" if unknown else text
