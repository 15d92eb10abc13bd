"""``shadows doctor``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from shadows.cli.exits import Code
from shadows.cli.options import AsJson, ShadowName, Url, shadow_of
from shadows.cli.printing import console, print_json, printable, table
from shadows.diagnosis import Finding, Health, diagnose

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shadows.shadow import Shadow

STYLES = {Health.WELL: "green", Health.NOTE: "yellow", Health.WRONG: "bold red", Health.UNSEEN: "magenta"}


def doctor(*, shadows: ShadowName = None, url: Url = None, as_json: AsJson = False) -> int:
    """Look for what is wrong with a shadow and its server, and say what to do about each.

    It ends with 1 if something is wrong; a note may be meant to be so.
    """
    shadow = shadow_of(shadows, url)
    findings = asyncio.run(_diagnose(shadow))
    wrong = sum(one.health is Health.WRONG for one in findings)
    if as_json:
        print_json(
            {
                "shadow": shadow.name,
                "healthy": not wrong,
                "findings": [
                    {
                        "about": one.about,
                        "health": one.health.value,
                        "says": one.says,
                        "remedy": one.remedy or None,
                    }
                    for one in findings
                ],
            }
        )
    else:
        _show(shadow, findings, wrong)
    return Code.FAILED if wrong else Code.OK


async def _diagnose(shadow: Shadow) -> list[Finding]:
    async with shadow:
        return await diagnose(shadow)


def _show(shadow: Shadow, findings: Sequence[Finding], wrong: int) -> None:
    from rich.text import Text  # noqa: PLC0415 - rich is slow to import

    listed = table("health", "about", "what was found, and what to do")
    for one in findings:
        says = Text(printable(one.says))
        if one.remedy:
            says.append(f"\n-> {printable(one.remedy)}")
        listed.add_row(Text(one.health.value, STYLES[one.health]), one.about, says)
    console().print(listed)
    print(f"{shadow!r}: {f'{wrong} wrong' if wrong else 'nothing is wrong'}")
