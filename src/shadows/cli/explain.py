"""``shadows explain``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import attrs
from cyclopts import Parameter

from shadows import explain as reasons
from shadows.cli.complaints import CommandError
from shadows.cli.exits import Code
from shadows.cli.known import no_call
from shadows.cli.options import AsJson, ShadowName, Tasks, Url, load, shadow_of, tasks_of
from shadows.cli.printing import print_fields, print_json, say

if TYPE_CHECKING:
    from datetime import datetime

    from shadows.execution import Execution
    from shadows.explain import Explanation
    from shadows.shadow import Shadow


def explain(
    key: Annotated[str, Parameter(metavar="KEY", help="the call's key")],
    /,
    *,
    shadows: ShadowName = None,
    url: Url = None,
    tasks: Tasks = None,
    as_json: AsJson = False,
) -> int:
    """Say why a call does not run, or what became of it, and what to do about it.

    It ends with 3 if nothing is known of the key.  Strikes by an argument that is
    passed by position can be told only if --tasks names the task.
    """
    shadow = shadow_of(shadows, url)
    load(shadow, tasks_of(tasks))
    found = asyncio.run(_explain(shadow, key))
    if found.execution is None:
        raise CommandError(no_call(key, shadow))
    if as_json:
        print_json({"shadow": shadow.name, **_data(found, found.execution)})
    else:
        _show(found, found.execution)
    return Code.OK


async def _explain(shadow: Shadow, key: str) -> Explanation:
    async with shadow:
        return await reasons.explain(shadow, key)


def _show(found: Explanation, execution: Execution[Any]) -> None:
    say(f"{found.key}: {execution.state} ({execution.call_repr()})")
    print_fields(
        [
            ("why", found.says),
            *(("note", note) for note in found.notes),
            *([("type", found.remedy)] if found.remedy else []),
        ],
        indent="  ",
    )


def _data(found: Explanation, execution: Execution[Any]) -> dict[str, Any]:
    standing = found.standing
    gate = (
        None if standing.gate is None else {"kind": type(standing.gate).__name__.lower(), **attrs.asdict(standing.gate)}
    )
    strike = None if found.strike is None else {"task": found.strike.function, "reason": found.strike.reason}
    return {
        "key": found.key,
        "task": execution.function_name or None,
        "state": execution.state,
        "why": found.why.value,
        "says": found.says,
        "notes": list(found.notes),
        "remedy": found.remedy or None,
        "attempt": execution.attempt,
        "when": _iso(execution.when),
        "worker": execution.worker,
        "started": _iso(execution.started_at),
        "ended": _iso(execution.completed_at),
        "error": execution.error,
        "gate": gate,
        "before": standing.before,
        "holders": list(standing.holders),
        "strike": strike,
        "workers": [one.name for one in found.workers],
    }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
