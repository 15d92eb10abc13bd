"""The strike log on Redis or Valkey: a stream, whose ids are the positions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from shadows.adapters.redis import answers
from shadows.errors import ConfigurationError
from shadows.ports.strike_log import TOO_MANY, Instruction, News, Noted

if TYPE_CHECKING:
    from shadows.adapters.redis.broker import Scripts
    from shadows.adapters.redis.driver import Value
    from shadows.core.scheduling import Due


@attrs.frozen
class RedisStrikeLog:
    """See :class:`shadows.ports.strike_log.StrikeLog`."""

    scripts: Scripts

    async def append(self, instruction: Instruction, *, position: str = "", pace: int = 0) -> Noted:
        ends = _written(instruction.until)
        found, news = await self.scripts.run(
            "append", position, instruction.name, ends, int(instruction.hold), instruction.strike, pace
        )
        if found == b"full":
            raise ConfigurationError(TOO_MANY)
        return Noted(bool(found), answers.news(news, since=position))

    async def since(self, position: str = "") -> News | None:
        return answers.news(await self.scripts.run("since", position), since=position)


def _written(until: Due | None) -> Value:
    if until is None:
        return ""
    return f"+{until.after}" if until.at is None else until.at
