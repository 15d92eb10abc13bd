"""The strike log on Redis or Valkey: a stream, whose ids are the positions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from shadows.adapters.redis.driver import Driver, ask_about

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shadows.adapters.redis.keys import Keys


@attrs.frozen
class RedisStrikeLog:
    """See :class:`shadows.ports.strike_log.StrikeLog`."""

    driver: Driver
    keys: Keys

    async def append(self, instruction: bytes) -> str:
        position: bytes = await ask_about(
            self.driver, self.keys.strikes, "XADD", self.keys.strikes, "*", "instruction", instruction
        )
        return position.decode()

    async def since(self, position: str = "", *, limit: int = 200) -> Sequence[tuple[str, bytes]]:
        begin = f"({position}" if position else "-"
        entries = await ask_about(
            self.driver, self.keys.strikes, "XRANGE", self.keys.strikes, begin, "+", "COUNT", limit
        )
        return [(token.decode(), fields[1]) for token, fields in entries]
