"""The driver on redis-py: three raw connections, because a pool costs more than the work itself."""

from __future__ import annotations

import asyncio
import math
import warnings
from contextlib import asynccontextmanager
from typing import Any, cast
from urllib.parse import urlsplit

import attrs
import hiredis
from redis import asyncio as aioredis
from redis import connection as blocking_connections
from redis.asyncio import connection as async_connections
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError
from redis.retry import Retry as BlockingRetry

from shadows.adapters.redis.pubsub import Listener, is_open
from shadows.adapters.redis.replies import translated
from shadows.errors import BrokerUnavailable, ConfigurationError, UnsupportedServer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from shadows.adapters.redis.driver import Command, Subscription

type _Connection = Any
"""One of redis-py's raw connections, asyncio or blocking; its own types say too little to be of use."""

_pack = cast("Callable[[Command], bytes]", hiredis.pack_command)  # pyright: ignore[reportUnknownMemberType]
"""Written in C: redis-py's own takes a third of a busy worker's time."""

OLDEST = (6, 2)
TIMEOUT = 5.0
"""Seconds for a connection to open, and for an answer to come beyond the time that its command may block."""

_OURS = {"protocol": 2, "socket_timeout": None, "socket_connect_timeout": TIMEOUT, "decode_responses": False}
_NOT_TAKEN = {
    "retry",
    "retry_on_timeout",
    "retry_on_error",
    "connection_class",
    "max_connections",
    "timeout",
    *_OURS,
}


@attrs.frozen
class Address:
    """How to reach one server; ``text`` names it in messages and shows no password."""

    text: str
    options: dict[str, Any] = attrs.field(repr=False)
    kind: type = async_connections.Connection
    """the class of its asyncio connections; redis-py has blocking ones under the same names"""

    def connection(self) -> _Connection:
        """Return an asyncio connection, not open yet, that retries nothing by itself."""
        return self.kind(**{**self.options, **_OURS, "retry": Retry(NoBackoff(), 0)})

    def blocking_connection(self) -> _Connection:
        """Return a blocking connection, open, that retries nothing by itself.

        Raises:
            _NotRebuildableError: a given pool has more to it than a blocking connection can take over.
            RedisError: the server cannot be reached.
        """
        make = getattr(blocking_connections, self.kind.__name__, None)
        if make is None or self.kind.__module__ != async_connections.__name__:
            raise _NotRebuildableError(f"redis-py has no blocking {self.kind.__name__}")
        retry = BlockingRetry(NoBackoff(), 0)
        try:
            connection = make(**{**self.options, **_OURS, "socket_timeout": TIMEOUT, "retry": retry})
            connection.connect()
        except (TypeError, AttributeError, NotImplementedError) as unfit:
            raise _NotRebuildableError(f"a blocking connection cannot be made of its pool: {unfit!r}") from unfit
        return connection

    def client(self) -> aioredis.Redis:
        """Return redis-py's own asyncio client of this server."""
        return aioredis.Redis.from_pool(aioredis.ConnectionPool(connection_class=self.kind, **self.options))


class _NotRebuildableError(Exception):
    """What an asyncio pool was given cannot serve a blocking connection."""


def address(url: str, *, text: str, **more: object) -> Address:
    """Return the address in a URL; ``valkey`` schemes are Redis ones under another name."""
    scheme = urlsplit(url).scheme
    plain = {"valkey": "redis", "valkeys": "rediss"}.get(scheme, scheme)
    try:
        options: dict[str, Any] = dict(async_connections.parse_url(plain + url[len(scheme) :]))
    except ValueError as broken:
        msg = f"url={text!r} cannot be read: {broken}"
        raise ConfigurationError(msg) from broken
    options.pop("client", None)
    return _address(text, options, options.pop("connection_class", async_connections.Connection), more)


def address_of_pool(pool: aioredis.ConnectionPool) -> Address:
    """Return the address that a redis-py pool was made with; its retries are not taken over."""
    options = dict(pool.connection_kwargs)
    text = f"{options.get('host', options.get('path', 'localhost'))}:{options.get('port', 6379)}"
    return _address(text, options, pool.connection_class, {})


def _address(text: str, options: dict[str, Any], made_by: type, more: dict[str, object]) -> Address:
    kept = {name: value for name, value in {**options, **more}.items() if name not in _NOT_TAKEN and value is not None}
    made = Address(text, kept, made_by)
    try:
        made.connection()
    except TypeError as unfit:
        msg = f"{text} has parameters that redis-py's {made_by.__name__} does not take: {unfit}"
        raise ConfigurationError(msg) from unfit
    return made


@attrs.define
class RedisPyDriver:
    """See :class:`shadows.adapters.redis.driver.Driver`."""

    address: Address
    _commands: _Lane = attrs.field(init=False)
    _waits: _Lane = attrs.field(init=False)
    _renewals: _Connection = attrs.field(init=False, default=None)
    _on_loop: _Lane | None = attrs.field(init=False, default=None)
    """where the renewals go that no thread can make by itself"""
    _loop: asyncio.AbstractEventLoop | None = attrs.field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        self._commands = _Lane(self.address)
        self._waits = _Lane(self.address)

    async def ask(self, *commands: Command) -> list[Any]:
        self._loop = asyncio.get_running_loop()
        return await self._commands.ask(commands, TIMEOUT)

    async def wait(self, *commands: Command, patience: float) -> list[Any]:
        return await self._waits.ask(commands, patience + TIMEOUT)

    def ask_blocking(self, *commands: Command) -> list[Any]:
        if self._on_loop is None:
            try:
                return self._ask_in_thread(commands)
            except _NotRebuildableError as unfit:
                msg = f"{self.address.text}: a body that blocks the event loop may lose its lease here; {unfit}"
                warnings.warn(msg, RuntimeWarning, stacklevel=2)
                self._on_loop = _Lane(self.address)
        if self._loop is None:
            msg = f"{self.address.text}: renewals have to go through an event loop, and none is running yet"
            raise BrokerUnavailable(msg, sent=False)
        asked = asyncio.run_coroutine_threadsafe(self._on_loop.ask(commands, TIMEOUT), self._loop)
        try:
            return asked.result(2 * TIMEOUT)
        except TimeoutError as late:
            asked.cancel()
            msg = f"{self.address.text}: the event loop is too busy to renew leases"
            raise BrokerUnavailable(msg) from late

    def _ask_in_thread(self, commands: tuple[Command, ...]) -> list[Any]:
        try:
            connection = self._renewals = self._renewals or self.address.blocking_connection()
            packed = [_pack(command) for command in commands]
            connection.send_packed_command(packed, check_health=False)
            return [_answer(connection.read_response, self.address.text) for _ in commands]
        except BaseException as broken:
            connection, self._renewals = self._renewals, None
            if connection is not None:
                connection.disconnect()
            _reraise(broken, self.address.text)
            raise

    @asynccontextmanager
    async def subscription(self, hear: Callable[[bytes | None, bytes], None]) -> AsyncGenerator[Subscription]:
        listener = Listener(self.address.connection, hear)
        async with listener:
            yield listener

    async def close(self) -> None:
        await self._commands.close()
        await self._waits.close()
        if self._on_loop is not None:
            await self._on_loop.close()
        if self._renewals is not None:
            self._renewals.disconnect()

    def client(self) -> aioredis.Redis:
        return self.address.client()


def _answer(read: Callable[[], Any], where: str) -> Any:
    try:
        return read()
    except ResponseError as refused:
        return translated(refused, where) or refused


def _reraise(broken: BaseException, where: str, *, sent: bool = True) -> None:
    ours = translated(broken, where)
    if isinstance(ours, UnsupportedServer) and sent:
        ours = BrokerUnavailable(str(ours))  # it did speak our language when the connection was opened
    if isinstance(ours, BrokerUnavailable):
        ours.sent = sent
    if ours is not None:
        raise ours from broken


@attrs.define
class _Lane:
    """One connection.  Callers take turns; the commands of one call travel together."""

    address: Address
    _connection: _Connection = None
    _turn: asyncio.Lock = attrs.field(factory=asyncio.Lock)

    async def ask(self, commands: tuple[Command, ...], patience: float) -> list[Any]:
        async with self._turn:
            sent = False
            try:
                async with asyncio.timeout(patience):
                    connection = self._connection if self._is_open() else await self._open()
                    packed = [_pack(command) for command in commands]
                    sent = True
                    await connection.send_packed_command(packed, check_health=False)
                    return [await self._read(connection) for _ in commands]
            except TimeoutError as late:
                self._drop()
                msg = f"{self.address.text}: no answer within {patience:g} s"
                raise BrokerUnavailable(msg, sent=sent) from late
            except BaseException as broken:
                self._drop()  # answers may lie unread in it
                _reraise(broken, self.address.text, sent=sent)
                raise

    def _is_open(self) -> bool:
        """Whether there is a connection, and the server has not closed it while nobody used it."""
        return self._connection is not None and is_open(self._connection)

    async def _open(self) -> _Connection:
        self._drop()
        connection = self._connection = self.address.connection()
        await connection.connect()
        await self._check_version(connection)
        return connection

    async def _check_version(self, connection: _Connection) -> None:
        """Refuse a server that is too old; one that does not tell its version is given the benefit of the
        doubt.
        """
        await connection.send_command("INFO", "server", check_health=False)
        try:
            info: bytes = await connection.read_response(disable_decoding=True, timeout=math.inf)
        except ResponseError:
            return
        for line in info.decode(errors="replace").splitlines():
            if line.startswith("redis_version:"):
                version = line.removeprefix("redis_version:")
                numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
                if numbers < OLDEST:
                    msg = f"{self.address.text} runs Redis {version}; shadows needs Redis 6.2 or newer, or Valkey"
                    raise UnsupportedServer(msg)

    async def _read(self, connection: _Connection) -> Any:
        try:
            return await connection.read_response(disable_decoding=True, timeout=math.inf)
        except ResponseError as refused:
            return translated(refused, self.address.text) or refused

    def _drop(self) -> None:
        """Close at once and without a word, also in another process than the one that opened it."""
        connection, self._connection = self._connection, None
        writer = getattr(connection, "_writer", None)
        if writer is not None:
            writer.transport.abort()
            connection._reader = connection._writer = None  # noqa: SLF001 - else it complains that nobody closed it

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect()
