"""What travels on a connection that redis-py has opened, without its streams: they cost more than what they carry."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import attrs
import hiredis
from redis.exceptions import ConnectionError as BrokenConnection
from redis.exceptions import InvalidResponse

from shadows.adapters.redis.places import abandon
from shadows.errors import BrokerUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shadows.adapters.redis.driver import Command
    from shadows.adapters.redis.places import Connection

pack = cast("Callable[[Command], bytes]", hiredis.pack_command)  # pyright: ignore[reportUnknownMemberType]
"""Written in C: redis-py's own takes a third of a busy worker's time."""


def too_many(where: str) -> BrokerUnavailable:
    """Return why no answers are taken of a connection that gives more of them than it was asked for.

    Whatever spoke there, one of those read may be the answer to something else, and so would be all that follow.
    """
    return BrokerUnavailable(f"{where} answered more than it was asked")


@attrs.define(eq=False)
class Line(asyncio.Protocol):
    """Takes over an open connection, on which nothing is under way.  One trip at a time."""

    connection: Connection
    where: str
    """the server's name in messages"""
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
    _rings: float = attrs.field(init=False, default=math.inf)
    """when it does"""
    is_closing: Callable[[], bool] = attrs.field(init=False)
    """Whether it cannot be written to any more."""

    def __attrs_post_init__(self) -> None:
        parser, writer = self.connection._parser, self.connection._writer  # noqa: SLF001 - redis-py tells it nowhere else
        self._reader = hiredis.Reader(protocolError=InvalidResponse, replyError=parser.parse_error)
        self._transport = writer.transport
        self._before = self._transport.get_protocol()
        self._transport.set_protocol(self)
        self.is_closing = self._transport.is_closing
        self._trip = self._aio.create_future()
        self._trip.cancel()

    def ask(self, commands: Sequence[Command], patience: float) -> asyncio.Future[list[Any]]:
        """Send, and return what will be an answer to each command; a refusal is one too.

        It will be TimeoutError if not all have come within ``patience`` seconds, RedisError or OSError if the
        connection breaks, and BrokerUnavailable if more comes than was asked for.
        """
        self._trip = trip = self._aio.create_future()
        if not commands:  # somebody only wants to know whether the server is there
            trip.set_result([])
            return trip
        self._answers, self._wanted = [], len(commands)
        self._deadline = deadline = self._aio.time() + patience
        if deadline < self._rings:
            self._watch(deadline)
        self._transport.write(pack(commands[0]) if len(commands) == 1 else b"".join(map(pack, commands)))
        return trip

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
        self._rest()
        self._timer, self._rings = self._aio.call_at(deadline, self._look), deadline

    def _look(self) -> None:
        self._rest()
        if self._trip.done():
            return
        if self._aio.time() < self._deadline:
            self._watch(self._deadline)
        else:
            self._trip.set_exception(TimeoutError())

    def _rest(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer, self._rings = None, math.inf

    # What asyncio tells

    def data_received(self, data: bytes) -> None:
        """Read what has come; what nobody asked for would pass for the next answer."""
        trip, reader = self._trip, self._reader
        if trip.done():
            self._transport.abort()
            return
        reader.feed(data)
        answers, wanted = self._answers, self._wanted
        try:
            while len(answers) < wanted and (answer := reader.gets()) is not False:
                answers.append(answer)
        except InvalidResponse as foreign:
            trip.set_exception(foreign)
            return
        if len(answers) < wanted:
            return
        if reader.has_data():
            trip.set_exception(too_many(self.where))
        else:
            trip.set_result(answers)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing comes any more."""
        if not self._trip.done():
            self._trip.set_exception(exc or BrokenConnection("Connection closed by server."))
        self._before.connection_lost(exc)
