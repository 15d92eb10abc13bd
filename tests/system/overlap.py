"""How many bodies ran at once, judged by a history alone."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@attrs.frozen
class Body:
    """One body: from its beginning to its end, or to the moment from which its worker was no longer alive."""

    number: int
    pid: int
    begin: float
    end: float
    groups: tuple[str, ...]
    """the limits that it runs under"""


def bodies(history: Iterable[Mapping[str, object]], gone: Mapping[int, list[tuple[float, float]]]) -> list[Body]:
    """Return the bodies of a history.

    ``gone`` tells for each process when it was killed (from, for ever) or frozen for longer than its leases (from,
    to).  What a process did not bring to an end before it was gone, it does not hold a limit with any longer: its
    leases are others' by then, and after a thaw the end that it writes counts for nothing.  What it began in the
    moment after its thaw has run, but holds no limit either: it may be a call that others have by now.
    """
    open_ones: dict[tuple[int, int], Mapping[str, object]] = {}
    found: list[Body] = []

    def close(line: Mapping[str, object], end: float) -> None:
        begin, pid = float(str(line["at"])), int(str(line["pid"]))
        for since, until in gone.get(pid, ()):
            if begin <= since < end:
                end = since
            elif since < begin < until:  # of a lease from before, or of a new one: nobody can tell
                end = begin
        groups = (f"customer {line['customer']}", f"region {line['region']}", "all")
        found.append(Body(int(str(line["number"])), pid, begin, end, groups))

    last = 0.0
    for line in history:
        name = (int(str(line["pid"])), int(str(line["number"])))
        last = float(str(line["at"]))
        match line["what"]:
            case "begin":
                if name in open_ones:  # the first lease was lost, and its body cancelled, before this one came
                    close(open_ones.pop(name), last)
                open_ones[name] = line
            case _:
                close(open_ones.pop(name), last)
    for line in open_ones.values():
        close(line, last)
    return found


def most_at_once(ran: Iterable[Body]) -> dict[str, int]:
    """Return for each limit how many bodies ran under it at the same moment, at the worst."""
    steps = sorted(
        [(body.begin, 1, body) for body in ran] + [(body.end, -1, body) for body in ran],
        key=lambda step: (step[0], step[1]),
    )
    running: defaultdict[str, int] = defaultdict(int)
    most: defaultdict[str, int] = defaultdict(int)
    for _, change, body in steps:
        for group in body.groups:
            running[group] += change
            most[group] = max(most[group], running[group])
    return dict(most)
