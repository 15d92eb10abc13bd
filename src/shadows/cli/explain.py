"""``shadows explain``."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Annotated, Any

import attrs
from cyclopts import Parameter

from shadows import explain as reasons
from shadows.cli.complaints import CommandError, Complaint
from shadows.cli.exits import Code
from shadows.cli.options import AsJson, ShadowName, Tasks, Url, load, option, shadow_of
from shadows.cli.printing import console, plain, print_json
from shadows.core import settings

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

    It ends with 3 if nothing is known of the key.  Strikes by an argument can be told only if --tasks names its task.
    """
    shadow = shadow_of(shadows, url)
    load(shadow, settings.process_options({"tasks": tasks}, os.environ, called=option).tasks)
    found = asyncio.run(_explain(shadow, key))
    if found.execution is None:
        what = f"the shadow {shadow.name} has no call {key!r}"
        cause = "no call had this key, or what became of it is not kept any more; --shadows and --url say where to look"
        raise CommandError(Complaint(Code.NOT_FOUND, what, cause=cause, remedy=found.remedy))
    if as_json:
        print_json({"shadow": shadow.name, **_data(found, found.execution)})
    else:
        _show(found, found.execution)
    return Code.OK


async def _explain(shadow: Shadow, key: str) -> Explanation:
    async with shadow:
        return await reasons.explain(shadow, key)


def _show(found: Explanation, execution: Execution[Any]) -> None:
    out = console()
    out.print(f"{plain(found.key)}: {execution.state} ({plain(execution.call_repr())})", soft_wrap=True)
    lines = [("why", found.says), *(("note", note) for note in found.notes), ("type", found.remedy)]
    for name, text in lines:
        if text:
            out.print(f"  {name + ':':<6}{plain(text)}", soft_wrap=True)


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
