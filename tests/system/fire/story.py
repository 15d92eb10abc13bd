"""A history as checks see it: the calls that were placed, the bodies that ran, and who was away when."""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property
from math import inf
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tests.system.fire.history import Line

ENDED = frozenset({"completed", "failed", "cancelled"})


@attrs.frozen
class Call:
    """What a producer asked for under one key, and what it was told."""

    key: str
    asked: float
    due: float
    """when it may begin"""
    acked: float | None = None
    """when the broker had said yes; None if nobody knows"""
    cancel: float | None = None
    """when somebody wanted it cancelled"""
    fails: bool = False
    """it is to fail, however often it is tried"""
    repeats: bool = False
    """it comes again until it is cancelled"""
    state: str | None = None
    """what became of it, as the broker keeps it"""
    result: str | None = None
    """the body whose result the broker keeps"""
    looked: float = inf
    """when that was read"""


@attrs.frozen
class Body:
    """One body: ``end`` is infinite and ``how`` None where nobody wrote its end."""

    name: str
    pid: int
    key: str
    attempt: int
    fence: int
    begin: float
    end: float = inf
    how: str | None = None
    task: str = "work"
    customer: int | None = None


@attrs.frozen
class Absence:
    """A process was killed, frozen or cut off, for longer than its leases last."""

    pid: int
    since: float
    until: float = inf


@attrs.frozen
class Excuse:
    """For a time the broker lost what it knew, or nobody could reach it for longer than leases last.

    ``deleted`` are acknowledged calls that need not run, ``forgotten`` leases that may be given twice.
    """

    since: float
    until: float
    deleted: bool = False


@attrs.frozen
class End:
    """A worker ended with this code."""

    pid: int
    code: int
    asked: bool
    """somebody had sent it a signal"""


@attrs.frozen
class Fault:
    """What the nemesis did; ``bit`` if somebody felt it while so many calls were in flight."""

    kind: str
    since: float
    until: float
    felt: bool
    flight: int


@attrs.frozen
class Story:
    """All of it, in the order of time."""

    calls: Mapping[str, Call]
    bodies: Sequence[Body] = ()
    absences: Sequence[Absence] = ()
    excuses: Sequence[Excuse] = ()
    ends: Sequence[End] = ()
    faults: Sequence[Fault] = ()

    def by_run(self) -> Mapping[str, list[Body]]:
        """Return the bodies of each call that runs once, in the order of their fences."""
        found: defaultdict[str, list[Body]] = defaultdict(list)
        for body in sorted(self.bodies, key=lambda body: body.fence):
            if body.key in self.calls and not self.calls[body.key].repeats:
                found[body.key].append(body)
        return found

    def was_away(self, body: Body) -> float:
        """Return when the process of a body was first away while it ran, infinite for never."""
        return min((max(one.since, body.begin) for one in self._away(body.pid, body.begin, body.end)), default=inf)

    def lost_its_lease(self, body: Body, by: float) -> bool:
        """Return whether a body may have lost its lease by then: its process was away when it had that."""
        return any(self._away(body.pid, min(body.begin, by), by))

    def _away(self, pid: int, since: float, until: float) -> Iterator[Absence]:
        return (one for one in self._absences.get(pid, ()) if one.since <= until and one.until >= since)

    @cached_property
    def _absences(self) -> Mapping[int, list[Absence]]:
        found: defaultdict[int, list[Absence]] = defaultdict(list)
        for one in self.absences:
            found[one.pid].append(one)
        return found

    def excused(self, since: float, until: float) -> bool:
        """Return whether the broker may have forgotten leases in this time."""
        return any(one.since <= until and one.until >= since for one in self.excuses)


def tell(lines: Iterable[Line]) -> Story:
    """Make a story of a history's lines, which are in the order of time; what only people read is left out."""
    teller = _Teller()
    for line in lines:
        if (take := getattr(teller, f"on_{line['what']}", None)) is not None:
            take(line)
    bodies = list(teller.bodies.values())
    return Story(teller.calls, bodies, teller.absences, teller.excuses, teller.ends, teller.faults)


@attrs.define
class _Teller:
    calls: dict[str, Call] = attrs.field(factory=dict[str, Call])
    bodies: dict[str, Body] = attrs.field(factory=dict[str, Body])
    absences: list[Absence] = attrs.field(factory=list[Absence])
    excuses: list[Excuse] = attrs.field(factory=list[Excuse])
    ends: list[End] = attrs.field(factory=list[End])
    faults: list[Fault] = attrs.field(factory=list[Fault])

    def on_ask(self, line: Line) -> None:
        """Keep the first asking of a key, and the earliest moment that any of them allows."""
        key, due = line["key"], line["at"] + line["delay"]
        known = self.calls.get(key)
        if known is not None:
            self.calls[key] = attrs.evolve(known, due=min(known.due, due))
        else:
            self.calls[key] = Call(key, line["at"], due, fails=line["fails"], repeats=line["repeats"])

    def on_ack(self, line: Line) -> None:
        self.calls[line["key"]] = attrs.evolve(self.calls[line["key"]], acked=line["at"])

    def on_cancel(self, line: Line) -> None:
        self.calls[line["key"]] = attrs.evolve(self.calls[line["key"]], cancel=line["at"])

    def on_settled(self, line: Line) -> None:
        found = {"state": line["state"], "result": line["result"], "looked": line["at"]}
        self.calls[line["key"]] = attrs.evolve(self.calls[line["key"]], **found)

    def on_begin(self, line: Line) -> None:
        same = {name: line[name] for name in ("key", "attempt", "fence", "pid", "task")}
        self.bodies[line["body"]] = Body(line["body"], begin=line["at"], customer=line.get("customer"), **same)

    def on_end(self, line: Line) -> None:
        self.bodies[line["body"]] = attrs.evolve(self.bodies[line["body"]], end=line["at"], how=line["how"])

    def on_gone(self, line: Line) -> None:
        self.absences.append(Absence(line["whom"], line["since"], line["until"] or inf))

    def on_excuse(self, line: Line) -> None:
        self.excuses.append(Excuse(line["since"], line["until"], line["deleted"]))

    def on_ended(self, line: Line) -> None:
        self.ends.append(End(line["whom"], line["code"], line["asked"]))

    def on_fault(self, line: Line) -> None:
        self.faults.append(Fault(line["kind"], line["since"], line["at"], line["felt"], line["flight"]))
