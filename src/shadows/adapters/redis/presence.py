"""The presence port on Redis or Valkey."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from shadows.ports.presence import Attendance

if TYPE_CHECKING:
    from collections.abc import Collection

    from shadows.adapters.redis.broker import Scripts
    from shadows.core.holder import Holder

_MOST: Final = 10_000


@attrs.frozen
class RedisPresence:
    """See :class:`shadows.ports.presence.Presence`."""

    scripts: Scripts

    async def check_in(self, holder: Holder, tasks: Collection[str], *, horizon: int) -> None:
        await self.scripts.run("check_in", holder.id, horizon, *tasks)

    async def check_out(self, holder: Holder) -> None:
        await self.scripts.run("check_out", holder.id)

    async def roster(self, *, horizon: int) -> list[Attendance]:
        rows = iter(await self.scripts.run("roster", horizon, _MOST))
        here = [
            Attendance(holder.decode(), int(float(seen)), frozenset(task.decode() for task in tasks))
            for holder, seen, tasks in zip(rows, rows, rows, strict=True)
        ]
        return sorted(here, key=lambda one: one.holder)
