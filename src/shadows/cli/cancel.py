"""``shadows cancel``."""

from __future__ import annotations

import asyncio
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from shadows.cli.complaints import CommandError, Complaint
from shadows.cli.exits import Code
from shadows.cli.known import no_call
from shadows.cli.options import AsJson, ShadowName, Url, shadow_of
from shadows.cli.printing import print_json, say
from shadows.ports.broker import Cancellation

if TYPE_CHECKING:
    from shadows.execution import Execution
    from shadows.shadow import Shadow


def cancel(
    key: Annotated[str, Parameter(metavar="KEY", help="the call's key")],
    /,
    *,
    shadows: ShadowName = None,
    url: Url = None,
    as_json: AsJson = False,
) -> int:
    """Cancel one call, wherever it is; a running one is asked to stop.

    It ends with 3 if there is no such call, and with 4 if it has ended already.
    """
    shadow = shadow_of(shadows, url)
    outcome, ended = asyncio.run(_cancel(shadow, key))
    if outcome is Cancellation.NOT_LIVE:
        raise CommandError(no_call(key, shadow) if ended is None else _too_late(ended))
    if as_json:
        print_json({"shadow": shadow.name, "key": key, "outcome": outcome.value})
    elif outcome is Cancellation.CANCELLED:
        say(f"cancelled: {key} will not start")
    else:
        say(f"asked its worker to stop: {key} is running")
    return Code.OK


async def _cancel(shadow: Shadow, key: str) -> tuple[Cancellation, Execution[Any] | None]:
    """Cancel it; if there was nothing to cancel, return what is kept of it too."""
    async with shadow:
        outcome = await shadow.cancel(key)
        return outcome, await shadow.get_execution(key) if outcome is Cancellation.NOT_LIVE else None


def _too_late(execution: Execution[Any]) -> Complaint:
    what = f"the call {execution.key!r} has ended: {execution.state}"
    return Complaint(Code.REFUSED, what, remedy=f"shadows watch {quote(execution.key)}, to see how")
