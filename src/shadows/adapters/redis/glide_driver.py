"""The driver on valkey-glide, whose clients are shared by all who ask.

What it does not do as we need it goes through redis-py: renewals, which come from another thread; published hints,
of which it does not say that some were missed; and the first look at a server, for what keeps us out it takes for
an absence and tries again.
"""

from __future__ import annotations

import asyncio
import os
import weakref
from contextvars import Context
from typing import TYPE_CHECKING, Any

import attrs
from glide import GlideError, Logger, LogLevel

from shadows.adapters.redis.glide_replies import answered, is_refusal, plain
from shadows.adapters.redis.places import TIMEOUT
from shadows.adapters.redis.redis_py import RedisPyDriver
from shadows.errors import BrokerError, BrokerUnavailable, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractAsyncContextManager

    from shadows.adapters.redis.driver import Command, Subscription
    from shadows.adapters.redis.glide_ways import Client, Way
    from shadows.adapters.redis.places import Place

_home: tuple[int, weakref.ref[asyncio.AbstractEventLoop]] | None = None
"""the event loop to which valkey-glide gives all its answers, and the process"""

_SOON = 0.5
"""seconds without an answer after which we look whether the server is there: valkey-glide would go on trying"""


@attrs.define
class GlideDriver:
    """See :class:`shadows.adapters.redis.driver.Driver`."""

    place: Place
    way: Way
    _commands: _Lane = attrs.field(init=False)
    _waits: _Lane = attrs.field(init=False)
    _waiting: asyncio.Lock = attrs.field(init=False, factory=asyncio.Lock)
    _aside: RedisPyDriver = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._commands = _Lane(self.place, self.way)
        self._waits = _Lane(self.place, self.way)
        self._aside = RedisPyDriver(self.place)

    async def ask(self, *commands: Command) -> list[Any]:
        return await self._commands.ask(commands, TIMEOUT, doubt=_SOON)

    async def wait(self, *commands: Command, patience: float) -> list[Any]:
        async with self._waiting:
            try:
                return await self._waits.ask(commands, patience + TIMEOUT)
            except asyncio.CancelledError:
                # The server would wait on for nobody, and then carry out the rest; this it notices at once.
                await self._waits.close()
                raise

    def ask_blocking(self, *commands: Command) -> list[Any]:
        return self._aside.ask_blocking(*commands)

    def subscription(self, hear: Callable[[bytes | None, bytes], None]) -> AbstractAsyncContextManager[Subscription]:
        return self._aside.subscription(hear)

    async def close(self) -> None:
        await self._commands.close()
        await self._waits.close()
        await self._aside.close()

    def client(self) -> Any:
        return self._aside.client()


@attrs.define
class _Lane:
    """One client, which many may use at once; it is left as soon as it fails, so that the next one looks anew."""

    place: Place
    way: Way
    _client: Client | None = None
    _loop: asyncio.AbstractEventLoop | None = None
    _opening: asyncio.Lock = attrs.field(factory=asyncio.Lock)
    _doubts: asyncio.Task[None] | None = None

    async def ask(self, commands: Sequence[Command], patience: float, *, doubt: float | None = None) -> list[Any]:
        """Send and answer within ``patience`` seconds; after ``doubt`` seconds look whether the server is there."""
        client = timer = None
        try:
            async with asyncio.timeout(patience):
                client = await self._open()
                if doubt is not None:
                    timer = asyncio.get_running_loop().call_later(doubt, self._doubt, client)
                replies = await self.way.send(client, commands, patience + TIMEOUT)
                return [self._answer(*each) for each in zip(commands, replies, strict=True)]
        except TimeoutError as late:
            await self._leave(client)
            if client is not None:
                self.place.elsewhere()
            msg = f"{self.place.text}: no answer within {patience:g} s"
            raise BrokerUnavailable(msg, sent=client is not None) from late
        except GlideError as broken:
            await self._leave(client)
            raise BrokerUnavailable(f"{self.place.text}: {broken}", sent=client is not None) from broken
        finally:
            if timer is not None:
                timer.cancel()

    def _doubt(self, client: Client) -> None:
        if self._doubts is None or self._doubts.done():
            self._doubts = asyncio.create_task(self._check(client), context=Context())

    async def _check(self, client: Client) -> None:
        """Let nobody wait for a server that is not there."""
        try:
            await self._look()
        except BrokerError:
            await self._leave(client)

    def _answer(self, command: Command, reply: Any) -> Any:
        if not isinstance(reply, GlideError):
            return plain(command, reply)
        if not is_refusal(reply):
            raise reply
        return answered(reply, self.place.text)

    async def _open(self) -> Client:
        """Return the client; what is sent through it may have reached the server."""
        async with self._opening:
            loop = asyncio.get_running_loop()
            if self._client is not None and self._loop is not loop:
                await self.close()
            if self._client is None:
                _settle(loop, self.place.text)
                await self._look()
                self._client, self._loop = await self._greeted(), loop
            return self._client

    async def _look(self) -> None:
        """Hear from redis-py what keeps us out, if anything does."""
        first = RedisPyDriver(self.place)
        try:
            await first.ask()
        finally:
            await first.close()

    async def _greeted(self) -> Client:
        client = await self.way.client()
        try:
            await self.way.send(client, [("PING",)], TIMEOUT)
        except BaseException:
            await client.close()
            raise
        return client

    async def _leave(self, client: Client | None) -> None:
        if client is not None and client is self._client:
            await self.close()

    async def close(self) -> None:
        if self._doubts is not None and self._doubts is not asyncio.current_task():
            self._doubts.cancel()
        client, self._client = self._client, None
        if client is not None:
            await client.close()


def _settle(loop: asyncio.AbstractEventLoop, where: str) -> None:
    """Take this event loop for the one that valkey-glide gives its answers to.

    Raises:
        ConfigurationError: there is another one already, which may not be running.
    """
    global _home  # noqa: PLW0603 - it has one for the whole process
    process, home = (0, None) if _home is None else _home
    before = home() if home is not None and process == os.getpid() else None
    if before is not None and before is not loop and not before.is_closed():
        msg = (
            f"{where}: valkey-glide serves one event loop of a process, and another one was first; "
            "write ?client=redis-py for the shadows of this one"
        )
        raise ConfigurationError(msg)
    if _home is None:
        Logger.init(LogLevel.OFF)  # it would write to the terminal; whoever has chosen a level keeps it
    _home = (os.getpid(), weakref.ref(loop))
