"""``shadows dead ls``, ``show``, ``replay`` and ``discard``."""

from __future__ import annotations

import asyncio
import base64
import reprlib
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from shadows.cli.complaints import CommandError, Complaint
from shadows.cli.exits import Code
from shadows.cli.letters import Outcome, Wanted, discard_all, page, replay_all
from shadows.cli.options import AsJson, ShadowName, Tasks, Url, load, shadow_of, tasks_of
from shadows.cli.printing import add_row, console, print_fields, print_json, printable, say, table
from shadows.core.durations import rough

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shadows.letters import DeadLetter
    from shadows.shadow import Shadow

Which = Annotated[str, Parameter(metavar="WHICH", help="the id of a dead letter, or the key of a call")]
Some = Annotated[str, Parameter(metavar="WHICH", negative=(), help="ids of dead letters, or keys of calls that failed")]
All = Annotated[bool, Parameter(name="--all", negative=(), show_default=False, help="every dead letter")]
Task = Annotated[str | None, Parameter(name="--task", metavar="TASK", help="only those of this task")]
Reason = Annotated[
    str | None,
    Parameter(name="--reason", metavar="REASON", help="only those with this reason: worker-lost, unknown-task, ..."),
]
REASONS = {
    "worker-lost": "each worker that took it was lost: it may kill its process, or use up the memory",
    "unknown-task": "no worker knew its task for a day",
    "undecodable": "it could not be read",
}
LONGEST_VALUE = 200


def ls(
    *,
    shadows: ShadowName = None,
    url: Url = None,
    task: Task = None,
    reason: Reason = None,
    limit: Annotated[int, Parameter(metavar="N", help="list at most so many (default: 100)", show_default=False)] = 100,
    before: Annotated[str | None, Parameter(metavar="ID", help="only those that died before this one")] = None,
    as_json: AsJson = False,
) -> int:
    """List the calls that could not be run, the newest first."""
    shadow = shadow_of(shadows, url)
    found, after = asyncio.run(_list(shadow, Wanted(task, reason), limit, before or ""))
    if as_json:
        print_json({"shadow": shadow.name, "dead": [_data(letter) for letter in found], "before": after})
    elif found:
        _show_list(shadow, found, after)
    else:
        print(f"no dead letters in the shadow {shadow.name}")
    return Code.OK


def show(
    which: Which,
    /,
    *,
    shadows: ShadowName = None,
    url: Url = None,
    tasks: Tasks = None,
    as_json: AsJson = False,
) -> int:
    """Show a dead letter, with its arguments.

    They may need modules that lie in the working directory, or are named by --tasks.
    """
    shadow = shadow_of(shadows, url)
    load(shadow, tasks_of(tasks))
    letter = asyncio.run(_find(shadow, which))
    if letter is None:
        raise CommandError(_nothing(shadow, which))
    if as_json:
        print_json({"shadow": shadow.name, **_data(letter), **_contents(letter)})
    else:
        _show(shadow, letter)
    return Code.OK


def replay(
    *which: Some,
    shadows: ShadowName = None,
    url: Url = None,
    tasks: Tasks = None,
    everything: All = False,
    task: Task = None,
    reason: Reason = None,
    as_json: AsJson = False,
) -> int:
    """Run calls once more that failed: dead letters by their ids or keys, or ordinary failed runs by their keys.

    It ends with 3 if there is nothing to run; and with 4 if a key is taken, or a
    strike forbids it: then the dead letter stays.
    """
    shadow, wanted = shadow_of(shadows, url), Wanted(task, reason, everything=everything)
    wanted.check("replay", which)
    load(shadow, tasks_of(tasks))
    return _report(shadow, "replayed", asyncio.run(replay_all(shadow, which, wanted)), as_json=as_json)


def discard(
    *which: Some,
    shadows: ShadowName = None,
    url: Url = None,
    everything: All = False,
    task: Task = None,
    reason: Reason = None,
    as_json: AsJson = False,
) -> int:
    """Throw dead letters away for good, with their arguments.  It ends with 3 if there is no such."""
    shadow, wanted = shadow_of(shadows, url), Wanted(task, reason, everything=everything)
    wanted.check("discard", which)
    return _report(shadow, "discarded", asyncio.run(discard_all(shadow, which, wanted)), as_json=as_json)


async def _list(shadow: Shadow, wanted: Wanted, limit: int, before: str) -> tuple[list[DeadLetter], str | None]:
    async with shadow:
        return await page(shadow, wanted, limit, before)


async def _find(shadow: Shadow, which: str) -> DeadLetter | None:
    async with shadow:
        return await shadow.opened().dead_letter(which)


def _report(shadow: Shadow, done: str, outcomes: Sequence[Outcome], *, as_json: bool) -> int:
    well = [one for one in outcomes if one.word == done]
    if as_json:
        told = [{"id": one.id, "key": one.key, "outcome": one.word} for one in outcomes]
        print_json({"shadow": shadow.name, done: len(well), "calls": told})
    else:
        for one in outcomes:
            if one.word != done:
                say(f"{one.key or one.id}: {WHY_NOT[one.word]}")
        print(f"{done} {len(well)} {'call' if len(well) == 1 else 'calls'} of the shadow {shadow.name}")
    words = {one.word for one in outcomes}
    if words & {"already", "struck", "unreadable"}:
        return Code.REFUSED
    return Code.NOT_FOUND if "missing" in words else Code.OK


WHY_NOT = {
    "already": "not replayed: another run of this key is live",
    "struck": "not replayed: a strike forbids it",
    "unreadable": "not replayed: it is a message that could not be read, no call",
    "missing": "there is no such dead letter or failed call",
}


def _nothing(shadow: Shadow, which: str) -> Complaint:
    what = f"the shadow {shadow.name} has no dead letter {which!r}"
    return Complaint(Code.NOT_FOUND, what, remedy="shadows dead ls")


def _data(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "key": letter.key,
        "task": letter.function_name or None,
        "reason": letter.reason,
        "died": letter.died.isoformat(),
        "attempt": letter.attempt,
        "deliveries": letter.deliveries,
        "size": len(letter.payload),
    }


def _contents(letter: DeadLetter) -> dict[str, Any]:
    """Return the arguments as far as they can be shown, and everything as it was sent."""
    return {
        "args": [_short(value) for value in letter.args],
        "kwargs": {name: _short(value) for name, value in letter.kwargs.items()},
        "unreadable": letter.unreadable or None,
        "payload": base64.b64encode(letter.payload).decode(),
    }


def _show_list(shadow: Shadow, letters: Sequence[DeadLetter], after: str | None) -> None:
    listed, now = table("id", "died", "reason", "task", "key", whole=["id"]), shadow.clock.now()
    for letter in letters:
        died = f"{rough(now - letter.died)} ago"
        add_row(listed, letter.id, died, letter.reason, letter.function_name, letter.key or "-")
    console().print(listed)
    if after is not None:
        print(f"... and perhaps more: shadows dead ls --before {after}")


def _show(shadow: Shadow, letter: DeadLetter) -> None:
    died = f"{letter.died.isoformat(timespec='seconds')} ({rough(shadow.clock.now() - letter.died)} ago)"
    lost = f", {letter.deliveries} lost leases" if letter.deliveries else ""
    rows = {
        "dead": letter.id,
        "key": letter.key or "-",
        "task": letter.function_name or "-",
        "reason": f"{letter.reason}: {REASONS.get(letter.reason, 'its worker gave it up')}",
        "died": died,
        "attempt": f"{letter.attempt}{lost}",
        "arguments": _arguments(letter),
        "type": f"shadows dead replay {quote(letter.id)}, or shadows dead discard {quote(letter.id)}",
    }
    if letter.key is None:
        rows["type"] = f"shadows dead discard {quote(letter.id)}"
    print_fields(rows.items())


def _arguments(letter: DeadLetter) -> str:
    if letter.unreadable:
        return f"{letter.unreadable}; {len(letter.payload)} bytes: {letter.payload[:LONGEST_VALUE]!r}"
    return (
        ", ".join([*map(_short, letter.args), *(f"{name}={_short(it)}" for name, it in letter.kwargs.items())]) or "-"
    )


def _short(value: object) -> str:
    """Return a value in so many characters, whatever its repr does."""
    short = reprlib.Repr()
    short.maxother = short.maxstring = LONGEST_VALUE
    return printable(short.repr(value))
