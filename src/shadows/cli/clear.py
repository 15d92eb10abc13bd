"""``shadows clear``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from shadows.cli.exits import Code
from shadows.cli.options import AsJson, ShadowName, Url, shadow_of
from shadows.cli.printing import print_json

if TYPE_CHECKING:
    from shadows.shadow import Shadow


def clear(*, shadows: ShadowName = None, url: Url = None, as_json: AsJson = False) -> int:
    """Cancel every waiting call of a shadow, those of a later time too.  Running ones go on."""
    shadow = shadow_of(shadows, url)
    count = asyncio.run(_clear(shadow))
    if as_json:
        print_json({"shadow": shadow.name, "cancelled": count})
        return Code.OK
    print(f"cancelled {count} waiting {'call' if count == 1 else 'calls'} of the shadow {shadow.name}")
    return Code.OK


async def _clear(shadow: Shadow) -> int:
    async with shadow:
        return await shadow.clear()
