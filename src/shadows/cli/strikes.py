"""``shadows strike``, ``shadows restore`` and ``shadows strikes ls``."""

from __future__ import annotations

import asyncio
import difflib
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, cast

from cyclopts import Parameter

from shadows.cli.complaints import CommandError, Complaint, UsageError
from shadows.cli.exits import Code
from shadows.cli.known import doubt, note
from shadows.cli.options import AsJson, ShadowName, Url, load, shadow_of, tasks_of
from shadows.cli.printing import add_row, console, print_json, say, table
from shadows.cli.values import compared, condition, instant_or_span, spelled
from shadows.core.durations import duration, rough
from shadows.core.strikes import Operator, Strike
from shadows.core.strikes import strike as strike_of

if TYPE_CHECKING:
    from datetime import datetime

    from shadows.core.strikes import Comparison, Condition, Conditions
    from shadows.shadow import Shadow

Task = Annotated[str | None, Parameter(metavar="TASK", help="the task's name; '' stands for any task")]
Argument = Annotated[str | None, Parameter(metavar="PARAMETER", help="whose argument is compared")]
Comparing = Annotated[
    str | None, Parameter(metavar="OPERATOR", help="'==', '!=', '<', '<=', '>', '>=' or between; quote it")
]
Value = Annotated[
    str | None,
    Parameter(metavar="VALUE", help="what with: text, or type:value, as in int:1000 or uuid.UUID:...; LOW..HIGH"),
]
Where = Annotated[
    list[str] | None,
    Parameter(metavar="CONDITION", negative=(), help="another condition, as in 'amount > int:1000'; all must hold"),
]


def strike(
    task: Task = None,
    parameter: Argument = None,
    operator: Comparing = None,
    value: Value = None,
    /,
    *,
    where: Where = None,
    until: Annotated[
        str | None, Parameter(metavar="TIME", help="when it ends by itself: 30m, or 2026-11-27T12:00:00Z")
    ] = None,
    reason: Annotated[str | None, Parameter(metavar="TEXT", help="for people, in lists and logs")] = None,
    hold: Annotated[
        bool,
        Parameter(negative=(), show_default=False, help="keep waiting calls until the restore, instead of dropping"),
    ] = False,
    tasks: Annotated[
        list[str] | None,
        Parameter(metavar="PATH", negative=(), help="check the words against these tasks, module:attribute"),
    ] = None,
    shadows: ShadowName = None,
    url: Url = None,
    as_json: AsJson = False,
) -> int:
    """Stop calls without a deploy: those of a task, those with an argument, or both.

    New calls are not placed.
    Waiting ones end cancelled when they come due, or are held.
    """
    asked = _asked(task, parameter, operator, value, where, reason=reason, hold=hold)
    end = None if until is None else instant_or_span(until, option="--until")
    shadow = shadow_of(shadows, url)
    load(
        shadow, tasks_of(tasks) if tasks else ()
    )  # in an emergency, what is in the environment must not stand in the way
    struck, words = asyncio.run(_strike(shadow, asked, end))
    if as_json:
        print_json({"shadow": shadow.name, "strike": _data(struck)})
    else:
        say(f"struck: {_words(asked)}{'; waiting ones are held' if hold else ''}")
    note(words)
    return Code.OK


def restore(
    task: Task = None,
    parameter: Argument = None,
    operator: Comparing = None,
    value: Value = None,
    /,
    *,
    where: Where = None,
    pace: Annotated[
        str | None, Parameter(metavar="TIME", help="let what was held go so far apart (default: at once)")
    ] = None,
    shadows: ShadowName = None,
    url: Url = None,
    as_json: AsJson = False,
) -> int:
    """Lift the strike that was made with the same words; what it held is let go, in order."""
    asked = _asked(task, parameter, operator, value, where)
    apart = None if pace is None else duration(pace, option="--pace", zero=True)
    shadow = shadow_of(shadows, url)
    others = asyncio.run(_restore(shadow, asked, apart))
    if others is not None:
        raise CommandError(_not_in_force(asked, others))
    if as_json:
        print_json({"shadow": shadow.name, "restored": _named(asked)})
    else:
        say(f"restored: {_words(asked)}")
    return Code.OK


def ls(*, shadows: ShadowName = None, url: Url = None, as_json: AsJson = False) -> int:
    """List the strikes in force, oldest first, in the words that restore takes."""
    shadow = shadow_of(shadows, url)
    found = asyncio.run(_list(shadow))
    if as_json:
        print_json({"shadow": shadow.name, "strikes": [_data(one) for one in found]})
        return Code.OK
    listed = table("task", "condition", "waiting", "ends", "reason")
    now = shadow.clock.now()
    for one in found:
        ends = "" if one.until is None else f"in {rough(one.until - now)}"
        fate = "held" if one.hold else "dropped"
        add_row(listed, one.function or "any task", _conditions(one) or "every call", fate, ends, one.reason or "")
    console().print(listed if found else "no strike is in force")
    return Code.OK


async def _strike(shadow: Shadow, asked: Strike, end: datetime | timedelta | None) -> tuple[Strike, str]:
    """Put it in force; return it as the server has it now, and what there is to say of its task's name."""
    async with shadow:
        where = _where(asked)
        await shadow.strike(asked.function, where=where, until=end, reason=asked.reason, hold=asked.hold)
        struck = next((one for one in await shadow.strikes() if one.same_as(asked)), asked)
        return struck, "" if asked.function is None else doubt(asked.function, await shadow.workers())


async def _restore(shadow: Shadow, asked: Strike, pace: timedelta | None) -> list[Strike] | None:
    """Lift it; if it is not in force, return those that are."""
    async with shadow:
        if await shadow.restore(asked.function, where=_where(asked), pace=pace):
            return None
        return await shadow.strikes()


async def _list(shadow: Shadow) -> list[Strike]:
    async with shadow:
        return await shadow.strikes()


def _asked(
    task: str | None,
    parameter: str | None,
    operator: str | None,
    value: str | None,
    where: list[str] | None,
    *,
    reason: str | None = None,
    hold: bool = False,
) -> Strike:
    """Return the strike that the words name.

    Raises:
        UsageError: words are missing, which a shell may have taken for its own.
        ConfigurationError: a word cannot work.
    """
    conditions: list[tuple[str, str, Any]] = []
    if parameter is not None:
        if operator is None:
            raise UsageError(f"{parameter!r} is compared with nothing; quote the operator for the shell, as in '>'")
        if value is None:
            raise UsageError(f"{parameter} {operator} lacks the value to compare with, such as int:1000")
        conditions.append((parameter, operator, compared(operator, value)))
    conditions += [condition(each) for each in where or ()]
    function = task or None
    if function is None and not conditions:
        raise UsageError("this names no call; give a task, a condition or both")
    pairs: Conditions = {name: (cast("Comparison", sign), bound) for name, sign, bound in conditions}
    if len(pairs) < len(conditions):
        twice = next(name for name, *_ in conditions if [each[0] for each in conditions].count(name) > 1)
        raise UsageError(f"{twice} is compared twice; for a range write {twice} between int:1..int:9")
    return strike_of(function, where=pairs or None, reason=reason, hold=hold)


def _where(asked: Strike) -> Conditions | None:
    return {one.parameter: (one.operator.value, one.value) for one in asked.conditions} or None


def _not_in_force(asked: Strike, others: list[Strike]) -> Complaint:
    wanted = _words(asked)
    near = difflib.get_close_matches(wanted, [_words(one) for one in others], n=1, cutoff=0.5)
    cause = f"in force is: {near[0]}" if near else "it was restored before, or made with other words"
    what = f"no such strike is in force: {wanted}"
    return Complaint(Code.NOT_FOUND, what, cause=cause, remedy="shadows strikes ls, and restore with the words there")


def _words(one: Strike) -> str:
    task = one.function or "any task"
    return f"{task} where {_conditions(one)}" if one.conditions else f"{task}, every call"


def _conditions(one: Strike) -> str:
    return " and ".join(f"{each.parameter} {each.operator} {_value(each)}" for each in one.conditions)


def _value(one: Condition) -> str:
    if one.operator is Operator.BETWEEN:
        return "..".join(spelled(bound) for bound in one.value)
    return spelled(one.value)


def _named(one: Strike) -> dict[str, Any]:
    conditions = [
        {"parameter": each.parameter, "operator": each.operator.value, "value": _value(each)} for each in one.conditions
    ]
    return {"task": one.function, "conditions": conditions}


def _data(one: Strike) -> dict[str, Any]:
    until = None if one.until is None else one.until.isoformat()
    return {**_named(one), "hold": one.hold, "until": until, "reason": one.reason}
