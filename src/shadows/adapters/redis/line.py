"""What travels on a connection that redis-py has opened, without its streams: they cost more than what they carry."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import attrs
import hiredis
from redis.exceptions import ConnectionError as BrokenConnection
from redis.exceptions import InvalidResponse

from shadows.adapters.redis.places import abandon

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shadows.adapters.redis.driver import Command
    from shadows.adapters.redis.places import Connection

pack = cast("Callable[[Command], bytes]", hiredis.pack_command)  # pyright: ignore[reportUnknownMemberType]
"""Written in C: redis-py's own takes a third of a busy worker's time."""


@attrs.define(eq=False)
class Line(asyncio.Protocol):
    """Takes over an open connection, on which nothing is under way.  One trip at a time."""

    connection: Connection
    _transport: asyncio.Transport = attrs.field(init=False)
    _before: asyncio.BaseProtocol = attrs.field(init=False)
    """redis-py's end of it, which wants to hear when it is closed"""
    _reader: Any = attrs.field(init=False)
    _aio: asyncio.AbstractEventLoop = attrs.field(init=False, factory=asyncio.get_running_loop)
    _answers: list[Any] = attrs.field(init=False, factory=list[Any])
    _wanted: int = attrs.field(init=False, default=0)
    _trip: asyncio.Future[list[Any]] = attrs.field(init=False)
    _deadline: float = attrs.field(init=False, default=0.0)
    _timer: asyncio.TimerHandle | None = attrs.field(init=False, default=None)
    """kept over many trips, for nearly all of them end long before"""

    def __attrs_post_init__(self) -> None:
        parser, writer = self.connection._parser, self.connection._writer  # noqa: SLF001 - redis-py tells it nowhere else
        self._reader = hiredis.Reader(protocolError=InvalidResponse, replyError=parser.parse_error)
        self._transport = writer.transport
        self._before = self._transport.get_protocol()
        self._transport.set_protocol(self)
        self._trip = self._aio.create_future()
        self._trip.cancel()

    def is_open(self) -> bool:
        """Whether it can be written to."""
        return not self._transport.is_closing()

    def has_data(self) -> bool:
        """Whether something has come that answers nothing."""
        found: bool = self._reader.has_data()
        return found

    async def ask(self, commands: Sequence[Command], patience: float) -> list[Any]:
        """Return an answer to each command; a refusal is one too.

        Raises:
            TimeoutError: not all have come within ``patience`` seconds.
            RedisError, OSError: the connection broke.
        """
        if not commands:  # somebody only wants to know whether the server is there
            return []
        self._answers, self._wanted = [], len(commands)
        self._trip = self._aio.create_future()
        self._watch(self._aio.time() + patience)
        self._transport.write(b"".join(map(pack, commands)))
        return await self._trip

    def drop(self) -> None:
        """Close at once and without a word."""
        self._rest()
        abandon(self.connection)

    async def close(self) -> None:
        """Close in an orderly way."""
        self._rest()
        await self.connection.disconnect()

    # The time

    def _watch(self, deadline: float) -> None:
        self._deadline = deadline
        if self._timer is not None and self._timer.when() > deadline:
            self._rest()
        if self._timer is None:
            self._timer = self._aio.call_at(deadline, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._trip.done():
            return
        if self._aio.time() < self._deadline:
            self._watch(self._deadline)
        else:
            self._trip.set_exception(TimeoutError())

    def _rest(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # What asyncio tells

    def data_received(self, data: bytes) -> None:
        """Read what has come; what nobody asked for would pass for the next answer."""
        if self._trip.done():
            self._transport.abort()
            return
        self._reader.feed(data)
        try:
            while len(self._answers) < self._wanted and (answer := self._reader.gets()) is not False:
                self._answers.append(answer)
        except InvalidResponse as foreign:
            self._trip.set_exception(foreign)
            return
        if len(self._answers) == self._wanted:
            self._trip.set_result(self._answers)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing comes any more."""
        if not self._trip.done():
            self._trip.set_exception(exc or BrokenConnection("Connection closed by server."))
        self._before.connection_lost(exc)
