"""``shadows tasks trace``, ``fail`` and ``sleep``: calls of the tasks that every worker knows."""

from __future__ import annotations

import asyncio
from typing import Annotated

from cyclopts import Parameter

from shadows.cli.options import AsJson, ShadowName, Url, shadow_of
from shadows.cli.placing import AS_TOLD, How, place
from shadows.core.durations import duration


def trace(
    message: Annotated[str, Parameter(metavar="MESSAGE", help="what it writes")] = "hello from shadows",
    /,
    *,
    how: How = AS_TOLD,
    shadows: ShadowName = None,
    url: Url = None,
    as_json: AsJson = False,
) -> int:
    """Place a call that writes a message to the log of the worker that runs it."""
    return asyncio.run(place(shadow_of(shadows, url), "trace", (message,), {}, how, as_json=as_json))


def fail(
    message: Annotated[str, Parameter(metavar="MESSAGE", help="what it fails with")] = "failed on purpose",
    /,
    *,
    how: How = AS_TOLD,
    shadows: ShadowName = None,
    url: Url = None,
    as_json: AsJson = False,
) -> int:
    """Place a call that fails, to see where that shows."""
    return asyncio.run(place(shadow_of(shadows, url), "fail", (message,), {}, how, as_json=as_json))


def sleep(
    span: Annotated[str, Parameter(metavar="SPAN", help="how long it takes, such as 500ms or 2m")] = "1s",
    /,
    *,
    how: How = AS_TOLD,
    shadows: ShadowName = None,
    url: Url = None,
    as_json: AsJson = False,
) -> int:
    """Place a call that takes a while and does nothing."""
    seconds = duration(span, option="SPAN", zero=True).total_seconds()
    return asyncio.run(place(shadow_of(shadows, url), "sleep", (seconds,), {}, how, as_json=as_json))
