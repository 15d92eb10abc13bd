"""One pub/sub connection, shared by all who listen, that comes back by itself."""

from __future__ import annotations

import asyncio
import contextlib
import math
from contextvars import Context
from typing import TYPE_CHECKING, Any

import attrs
from redis.exceptions import RedisError

from shadows.adapters.redis.places import TIMEOUT
from shadows.errors import BrokerError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType
    from typing import Self


_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0


def is_open(connection: Any) -> bool:
    """Whether an asyncio connection can be written to.

    One that broke and was not read since must not be: asyncio would wait for a descriptor that somebody else has
    by then.
    """
    reader, writer = connection._reader, connection._writer  # noqa: SLF001 - redis-py tells it nowhere else
    return not (reader is None or reader.at_eof() or writer is None or writer.transport.is_closing())


@attrs.define
class Listener:
    """A subscription: reads for as long as it is entered, and subscribes again after a broken connection."""

    _connect: Callable[[], Awaitable[Any]]
    """opens a connection"""
    _hear: Callable[[bytes | None, bytes], None]
    _channels: dict[str, asyncio.Event] = attrs.field(init=False, factory=dict[str, asyncio.Event])
    _connection: Any = attrs.field(init=False, default=None)
    _reader: asyncio.Task[None] = attrs.field(init=False)

    async def __aenter__(self) -> Self:
        # It reads for all who listen, so it must not pass for a task that a body has left behind.
        self._reader = asyncio.create_task(self._read_forever(), name="shadows-events", context=Context())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reader.cancel()
        await asyncio.wait([self._reader])  # not the reader itself: a cancel of ours would pass for the reader's

    async def add(self, channel: str) -> None:
        """Hear this channel; returns when the server confirmed it, or does not let us."""
        confirmed = self._channels.setdefault(channel, asyncio.Event())
        if self._connection is not None and not confirmed.is_set():
            await self._send("SUBSCRIBE", channel)
        await confirmed.wait()

    async def remove(self, channel: str) -> None:
        """Hear this channel no more."""
        if self._channels.pop(channel, None) is not None and self._connection is not None:
            await self._send("UNSUBSCRIBE", channel)

    def doubt(self) -> None:
        """Give up a connection on which nothing is confirmed: a server that fell silent never breaks it."""
        if self._connection is not None and is_open(self._connection):
            self._connection._writer.transport.abort()  # noqa: SLF001 - the reader notices and repairs

    async def _send(self, *command: str) -> None:
        """Send if it can be done; whatever breaks, the reader notices and repairs."""
        if self._connection is not None and is_open(self._connection):
            with contextlib.suppress(RedisError, OSError):
                await self._connection.send_command(*command, check_health=False)

    async def _read_forever(self) -> None:
        pause, missed = _FIRST_PAUSE, False
        while True:
            connection = None
            try:
                async with asyncio.timeout(TIMEOUT):
                    connection = await self._connect()
                self._connection = connection
                awaited = {channel.encode() for channel in self._channels}
                if awaited:
                    await connection.send_command("SUBSCRIBE", *self._channels, check_health=False)
                while True:
                    # Not before all is subscribed to: whoever reads then must be told of all that happens after it.
                    if missed and not awaited:
                        missed = False
                        self._hear(None, b"")
                    message = await connection.read_response(disable_decoding=True, timeout=math.inf, push_request=True)
                    awaited.discard(self._taken(message))
                    pause = _FIRST_PAUSE
            except (RedisError, OSError, BrokerError):
                missed = True
                self._let_go()
            finally:
                self._connection = None
                if connection is not None:
                    await connection.disconnect(nowait=True)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _let_go(self) -> None:
        """Let nobody wait for a confirmation that does not come; the next connection asks for all of them again."""
        for confirmed in self._channels.values():
            confirmed.set()
            confirmed.clear()

    def _taken(self, message: Any) -> bytes:
        """Pass on what was published; return the channel of what was confirmed."""
        kind, channel, body = message
        if kind == b"message":
            self._hear(channel, body)
        elif kind == b"subscribe":
            confirmed = self._channels.get(channel.decode())
            if confirmed is not None:
                confirmed.set()
            return bytes(channel)
        return b""
