"""``shadows config``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import attrs

from shadows.cli.complaints import CommandError, Complaint
from shadows.cli.exits import Code
from shadows.cli.options import AsJson, ShadowName, Tasks, Url, option, shadow_option
from shadows.cli.printing import console, print_json, table
from shadows.cli.worker_options import NOTHING_SAID, WorkerWords, default_name
from shadows.core.settings import PROCESS, SHADOW, WORKER, Effective, effective, misspelt
from shadows.core.travel import HIDDEN
from shadows.core.urls import redacted

if TYPE_CHECKING:
    from collections.abc import Mapping


def config(
    *,
    tasks: Tasks = None,
    shadows: ShadowName = None,
    url: Url = None,
    said: WorkerWords = NOTHING_SAID,
    as_json: AsJson = False,
) -> int:
    """Show every setting that is in force, and where it comes from: an option, a variable, or nobody.

    It takes the options of `shadows worker`, so that a whole command line can be tried.  Passwords are not shown.
    """
    parts = {
        "shadow": effective(SHADOW, {"name": shadows, "url": url}, os.environ, called=shadow_option),
        "worker": [_named(each) for each in effective(WORKER, said.of_worker(), os.environ, called=option)],
        "process": effective(PROCESS, said.of_process(tasks), os.environ, called=option),
    }
    unread = misspelt(os.environ)
    if as_json:
        print_json(_data(parts, unread))
    else:
        _show(parts)
    if unread:
        raise CommandError(_complaint(unread))
    return Code.OK


def _named(each: Effective) -> Effective:
    """A worker has a name even if nobody gives it one."""
    return attrs.evolve(each, value=default_name()) if each.setting.name == "name" and not each.source else each


def _from(each: Effective) -> str:
    if not each.source:
        return "default"
    return "option" if each.source.startswith("--") else "variable"


def _data(parts: Mapping[str, list[Effective]], unread: Mapping[str, str]) -> dict[str, Any]:
    return {
        "settings": [
            {
                "part": part,
                "name": each.setting.name,
                "variable": each.setting.variable,
                "value": each.shown or None,
                "from": _from(each),
            }
            for part, found in parts.items()
            for each in found
        ],
        "misspelt": [{"variable": variable, "meant": meant} for variable, meant in unread.items()],
    }


def _show(parts: Mapping[str, list[Effective]]) -> None:
    shown = table("setting", "value", "from")
    shown.columns[0].no_wrap = True
    for each in [each for found in parts.values() for each in found]:
        shown.add_row(each.setting.variable, each.shown or "-", _from(each))
    console().print(shown)


def _complaint(unread: Mapping[str, str]) -> Complaint:
    variable, meant = next(iter(unread.items()))
    value = HIDDEN if meant == SHADOW["secret"].variable else redacted(os.environ[variable])
    return Complaint(
        Code.CONFIGURATION,
        f"nothing reads the variable {', '.join(unread)}",
        cause=f"{variable} is nearly {meant}",
        remedy=f"unset {variable}; export {meant}={value}",
    )
