"""``shadows watch``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from shadows.cli.complaints import CommandError
from shadows.cli.known import no_call
from shadows.cli.options import AsJson, ShadowName, Url, shadow_of
from shadows.cli.watching import follow, ndjson, view
from shadows.core.durations import duration

if TYPE_CHECKING:
    from datetime import timedelta

    from shadows.shadow import Shadow


def watch(
    key: Annotated[str, Parameter(metavar="KEY", help="the call's key")],
    /,
    *,
    timeout: Annotated[
        str | None, Parameter(metavar="TIME", help="wait no longer than this, and end with 75 (default: for ever)")
    ] = None,
    shadows: ShadowName = None,
    url: Url = None,
    as_json: AsJson = False,
) -> int:
    """Follow one call to its end: its states, its progress and its result.

    It ends with 0 if the call has completed, with 1 if it has failed or was
    cancelled, and with 3 if there is no such call.
    With --json each event is a line.
    """
    limit = None if timeout is None else duration(timeout, option="--timeout")
    shadow = shadow_of(shadows, url)
    return asyncio.run(_watch(shadow, key, limit, as_json=as_json))


async def _watch(shadow: Shadow, key: str, limit: timedelta | None, *, as_json: bool) -> int:
    async with shadow:
        execution = await shadow.get_execution(key)
        if execution is None:
            raise CommandError(no_call(key, shadow))
        if as_json:
            return await follow(execution, ndjson(execution), within=limit)
        with view(execution, shadow.clock) as tell:
            return await follow(execution, tell, within=limit)
