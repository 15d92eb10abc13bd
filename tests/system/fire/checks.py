"""What must hold, whatever was broken: functions of a story, each of which returns what is wrong, one line each."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from tests.system.fire.story import ENDED
from tests.system.fire.tasks import AT_ONCE, ATTEMPTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.system.fire.story import Body, Call, Story

CLOCKS: Final = 0.02
"""Seconds by which the wall clock, by which calls come due, and the monotonic one may disagree."""


def lost(story: Story) -> list[str]:
    """Every acknowledged call ran or has a recorded end."""
    return [what for what, call in _unaccounted(story) if not _was_deleted(story, call)]


def deleted(story: Story) -> list[str]:
    """Return the acknowledged calls that did not run because somebody deleted all that was there."""
    return [what for what, call in _unaccounted(story) if _was_deleted(story, call)]


def _was_deleted(story: Story, call: Call) -> bool:
    """Return whether somebody emptied the server between the asking and the look that found nothing.

    Whoever counts looks at what is in flight every few seconds: what is lost before that is found missing before it.
    """
    return any(one.deleted and call.asked <= one.until and one.since <= call.looked for one in story.excuses)


def _unaccounted(story: Story) -> Iterator[tuple[str, Call]]:
    returned = {body.name for body in story.bodies if body.how == "returned"}
    ran = {body.key for body in story.bodies if body.how is not None}
    for call in story.calls.values():
        if call.acked is not None and (why := _missing(call, ran, returned)):
            yield f"{call.key}: {why}", call


def _missing(call: Call, ran: set[str], returned: set[str]) -> str | None:
    if call.repeats:
        return None if call.key in ran or call.cancel is not None else "never ran"
    match call.state:
        case "completed" if call.result in returned:
            return None
        case "completed":
            return f"completed with the result of {call.result}, which never returned"
        case "failed" if call.fails:
            return None
        case "cancelled" if call.cancel is not None:
            return None
        case state if state in ENDED:
            return f"{state} for no reason"
        case state:
            return f"acknowledged, and is {state or 'unknown'} now"


def uninvited(story: Story) -> list[str]:
    """Nothing ran that was not added."""
    return [f"{body.name} ran {body.key}" for body in story.bodies if body.key not in story.calls]


def overlapping(story: Story) -> list[str]:
    """Two living workers that nobody paused never run one key at once."""
    by_key: defaultdict[str, list[Body]] = defaultdict(list)
    for body in sorted(story.bodies, key=lambda body: body.begin):
        by_key[body.key].append(body)
    found: list[str] = []
    for key, bodies in by_key.items():
        running: list[Body] = []
        for body in bodies:
            running = [one for one in running if min(one.end, story.was_away(one)) > body.begin]
            found += [f"{key}: {one.name} and {body.name}" for one in running if not _forgiven(story, one, body)]
            running.append(body)
    return found


def _forgiven(story: Story, first: Body, second: Body) -> bool:
    return story.excused(first.begin, second.begin) or story.was_away(second) <= second.begin


def stale(story: Story) -> list[str]:
    """A lost lease can no longer settle, store, retry or reschedule.

    What counts is the work of the highest fence: its result is kept, and the next attempt comes of its failure.
    """
    found: list[str] = []
    for bodies in story.by_run().values():
        for one, following in pairwise(bodies):
            if following.attempt not in (one.attempt, one.attempt + 1):
                found.append(f"{one.key}: after {one.name}, attempt {one.attempt}, came attempt {following.attempt}")
            elif following.attempt > one.attempt and not (one.how == "raised" and one.end <= following.begin):
                found.append(f"{one.key}: {following.name} is a retry of {one.name}, which has not failed")
        last, call = bodies[-1], story.calls.get(bodies[-1].key)
        if call is None or call.state != "completed" or call.result == last.name:
            continue
        if call.result in {body.name for body in bodies} and not story.excused(last.begin, last.begin):
            found.append(f"{call.key}: has the result of {call.result}, and {last.name} had a later lease")
    return found


def repeated(story: Story) -> list[str]:
    """An attempt is run twice only where a fault excuses it: a lost reply does not."""
    return [
        f"{one.key}: {again.name} repeats {one.name}"
        for bodies in story.by_run().values()
        for one, again in pairwise(bodies)
        if one.attempt == again.attempt
        and not story.lost_its_lease(one, again.begin)
        and not story.excused(one.begin, again.begin)
    ]


def early(story: Story) -> list[str]:
    """Nothing begins before its time."""
    return [
        f"{body.key}: {story.calls[body.key].due - body.begin:.3f} s"
        for body in story.bodies
        if body.key in story.calls and body.begin < story.calls[body.key].due - CLOCKS
    ]


def beyond_caps(story: Story, deliveries: int = 5) -> list[str]:
    """No run is tried, and no attempt delivered, more often than it may be."""
    times = Counter((body.key, body.attempt) for bodies in story.by_run().values() for body in bodies)
    found = [
        f"{key}: attempt {attempt} was delivered {n} times" for (key, attempt), n in times.items() if n > deliveries
    ]
    return found + [f"{body.key}: attempt {body.attempt}" for body in story.bodies if body.attempt > ATTEMPTS]


def crowded(story: Story) -> list[str]:
    """No more calls of one customer run at a time than its limit says."""
    steps: list[tuple[float, int, Body]] = []
    for body in story.bodies:
        end = min(body.end, story.was_away(body))
        if body.customer is not None and end > body.begin:
            steps += [(body.begin, 1, body), (end, -1, body)]
    running: Counter[int | None] = Counter()
    found: list[str] = []
    for at, change, body in sorted(steps, key=lambda step: step[:2]):
        running[body.customer] += change
        if change > 0 and running[body.customer] > AT_ONCE and not story.excused(at - 5, at):
            found.append(f"customer {body.customer}: {running[body.customer]} at once, the last is {body.name}")
    return found


def exits(story: Story) -> list[str]:
    """No worker ends but by a signal, and by one that it may heed it ends well."""
    return [f"worker {one.pid} ended with {one.code}" for one in story.ends if not one.asked or one.code not in (0, -9)]


CHECKS: Final[Mapping[str, Callable[[Story], list[str]]]] = {
    "lost": lost,
    "uninvited": uninvited,
    "overlaps": overlapping,
    "stale settles": stale,
    "repeated": repeated,
    "early": early,
    "beyond caps": beyond_caps,
    "crowded": crowded,
    "worker exits": exits,
}


def wrong(story: Story, *, deliveries: int = 5) -> dict[str, list[str]]:
    """Return what is wrong with a story, by the name of the check; nothing, if all is well."""
    checks: dict[str, Callable[[Story], list[str]]] = {**CHECKS}
    checks["beyond caps"] = lambda told: beyond_caps(told, deliveries)
    return {name: found for name, check in checks.items() if (found := check(story))}
