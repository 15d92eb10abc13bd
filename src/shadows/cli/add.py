"""``shadows add``."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from cyclopts import Parameter

from shadows.cli.complaints import UsageError
from shadows.cli.options import AsJson, ShadowName, Tasks, Url, load, shadow_of, tasks_of
from shadows.cli.placing import AS_TOLD, How, place
from shadows.cli.values import argument


def add(
    task: Annotated[str, Parameter(metavar="TASK", help="the task's name")],
    /,
    *,
    arg: Annotated[
        list[str] | None,
        Parameter(metavar="NAME=VALUE", negative=(), help="an argument: JSON, text, or type:value; repeat it"),
    ] = None,
    how: How = AS_TOLD,
    tasks: Tasks = None,
    shadows: ShadowName = None,
    url: Url = None,
    as_json: AsJson = False,
) -> int:
    """Place a call by the name of its task.

    With --tasks its arguments are checked before it is placed.
    It ends with 3 if no worker knows the task, and with 4 if the key is taken
    or a strike forbids the call.
    """
    kwargs = _arguments(arg or ())
    shadow = shadow_of(shadows, url, allow_unknown=True)
    load(shadow, tasks_of(tasks))
    return asyncio.run(place(shadow, task, (), kwargs, how, as_json=as_json))


def _arguments(written: list[str] | tuple[()]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in map(argument, written):
        if name in found:
            raise UsageError(f"--arg {name} is given twice")
        found[name] = value
    return found
