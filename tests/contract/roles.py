"""A driver that sends each request as the user who may do the least of those that may do it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from shadows.adapters.redis import scripts
from shadows.adapters.redis.places import address
from shadows.adapters.redis.redis_py import RedisPyDriver
from shadows.adapters.redis.rights import Role

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from shadows.adapters.redis.driver import Command, Subscription
    from tests.topologies import Acl

WHO: Final = {
    Role.PRODUCER: {"schedule", "cancel"},
    Role.OBSERVER: {"read", "survey", "roster", "since", "HGETALL", "XRANGE", "XREVRANGE"},
    Role.ADMIN: {"append", "clear", "replay", "XDEL"},
}
"""Which verbs and plain commands need no more than these; all else takes a worker."""
WATCH: Final = 10
"""Where the argument of ``read`` stands that asks for hints."""


def _digest(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


class RolesDriver:
    """See :class:`shadows.adapters.redis.driver.Driver`."""

    def __init__(self, server: Acl, clock: str) -> None:
        places = {role: address(server.url_of(role), text=str(role)) for role in Role}
        self._as = {role: RedisPyDriver(place) for role, place in places.items()}
        self._verbs = {_digest(text): verb for verb, text in scripts.sources(clock).items()}

    async def ask(self, *commands: Command) -> list[Any]:
        return await self._as[self._role(commands)].ask(*commands)

    async def wait(self, *commands: Command, patience: float) -> list[Any]:
        return await self._as[Role.WORKER].wait(*commands, patience=patience)

    def ask_blocking(self, *commands: Command) -> list[Any]:
        return self._as[Role.WORKER].ask_blocking(*commands)

    def subscription(self, hear: Callable[[bytes | None, bytes], None]) -> AbstractAsyncContextManager[Subscription]:
        return self._as[Role.OBSERVER].subscription(hear)

    async def close(self) -> None:
        for driver in self._as.values():
            await driver.close()

    def client(self) -> Any:
        return self._as[Role.ADMIN].client()

    def _role(self, commands: tuple[Command, ...]) -> Role:
        """Return who sends this; what loads a script goes with the first that runs it."""
        if not commands:
            return Role.WORKER
        command = commands[min(len(commands) - 1, int(commands[0][0] == "SCRIPT"))]
        word = self._verbs.get(str(command[1]), "") if command[0] == "EVALSHA" else str(command[0])
        if word == "read" and command[WATCH]:
            return Role.PRODUCER  # who only looks leaves no mark, and so hears nothing
        return next((role for role, words in WHO.items() if word in words), Role.WORKER)
