"""Where the server of a shadow is to be found, and how a connection to it is opened."""

from __future__ import annotations

import threading
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol
from urllib.parse import urlencode, urlsplit

import attrs
from redis import asyncio as aioredis
from redis import connection as blocking_connections
from redis.asyncio import connection as async_connections
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError
from redis.retry import Retry as BlockingRetry

from shadows.errors import BrokerUnavailable, ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from shadows.core.urls import Url

type Connection = Any
"""One of redis-py's raw connections, asyncio or blocking; its own types say too little to be of use."""
type Node = tuple[str, int]
"""Host and port."""

TIMEOUT = 5.0
"""Seconds for a connection to open, and for an answer to come beyond the time that its command may block."""

_OURS = {"protocol": 2, "socket_timeout": None, "socket_connect_timeout": TIMEOUT, "decode_responses": False}
_WHO = "redis.driver_info"
"""Where a redis-py that asks for it with each connection says which one it is."""
NOT_TAKEN = {
    "retry",
    "retry_on_timeout",
    "retry_on_error",
    "connection_class",
    "connection_pool",
    "max_connections",
    "timeout",
    *_OURS,
}


class Place(Protocol):
    """Leads to the one server that a shadow is kept on, which may be another one later."""

    @property
    def text(self) -> str:
        """Its name in messages; shows no password."""
        ...

    @property
    def moves(self) -> int:
        """How often the server was elsewhere so far: a connection from before the last time is of no use."""
        ...

    async def enter(self) -> None:
        """Make sure that there is a server, if that is up to us; whoever enters leaves as well.

        Raises:
            ConfigurationError: there cannot be one.
            BrokerError: there is none now.
        """
        ...

    def leave(self) -> None:
        """Need the server no longer."""
        ...

    async def connect(self) -> Connection:
        """Return an open asyncio connection that retries nothing by itself.

        Raises:
            RedisError, OSError, BrokerError: there is no way to the server now.
        """
        ...

    def connect_blocking(self) -> Connection:
        """Return an open blocking connection; called from another thread.

        Raises:
            NotRebuildableError: a given pool has more to it than a blocking connection can take over.
            RedisError, OSError, BrokerError: there is no way to the server now.
        """
        ...

    def elsewhere(self, node: Node | None = None) -> None:
        """Hear that the server last connected to is not (any more) the right one, and maybe which one is."""
        ...

    def client(self) -> Any:
        """Return redis-py's own asyncio client for the user's commands."""
        ...


class NotRebuildableError(Exception):
    """What an asyncio pool was given cannot serve a blocking connection."""


@attrs.frozen
class Address:
    """One server that stays where it is."""

    text: str
    options: dict[str, Any] = attrs.field(repr=False)
    kind: type = async_connections.Connection
    """the class of its asyncio connections; redis-py has blocking ones under the same names"""
    let_in: threading.Event = attrs.field(factory=threading.Event, repr=False, eq=False)
    """set when somebody was, there or at another node of the same place"""
    moves: int = attrs.field(init=False, default=0, repr=False)

    def at(self, node: Node) -> Address:
        """Return the same at another host and port."""
        host, port = node
        return attrs.evolve(self, options={**self.options, "host": host, "port": port})

    def connection(self) -> Connection:
        """Return an asyncio connection, not open yet, that retries nothing by itself."""
        return self.kind(**{**self._tells(), **self.options, **_OURS, "retry": Retry(NoBackoff(), 0)})

    async def enter(self) -> None:
        """See :meth:`Place.enter`: it is up to others."""

    def leave(self) -> None:
        """See :meth:`Place.leave`."""

    async def connect(self) -> Connection:
        """See :meth:`Place.connect`."""
        connection = self.connection()
        try:
            await connection.connect()
        except BaseException as broken:
            abandon(connection)
            self._put_up_with(broken)
            raise
        self.let_in.set()
        return connection

    def connect_blocking(self, *, patience: float = TIMEOUT) -> Connection:
        """See :meth:`Place.connect_blocking`; an answer is waited for no longer than ``patience`` seconds."""
        make = getattr(blocking_connections, self.kind.__name__, None)
        if make is None or self.kind.__module__ != async_connections.__name__:
            raise NotRebuildableError(f"redis-py has no blocking {self.kind.__name__}")
        ours = {**_OURS, "socket_timeout": patience, "socket_connect_timeout": patience}
        try:
            connection = make(**{**self._tells(), **self.options, **ours, "retry": BlockingRetry(NoBackoff(), 0)})
            connection.connect()
        except (TypeError, AttributeError, NotImplementedError) as unfit:
            raise NotRebuildableError(f"a blocking connection cannot be made of its pool: {unfit!r}") from unfit
        except AuthenticationError as broken:
            self._put_up_with(broken)
            raise
        return connection

    def _tells(self) -> Mapping[str, Any]:
        """Return what connections tell of themselves, unless somebody has given them other words."""
        given = self.options.keys() & {"lib_name", "lib_version"}
        return {} if given or self.kind.__module__ != async_connections.__name__ else _who()

    def _put_up_with(self, broken: BaseException) -> None:
        """While credentials are changed, server and provider may disagree for a moment; it is asked again each time."""
        changing = self.let_in.is_set() and "credential_provider" in self.options
        if changing and isinstance(broken, AuthenticationError):
            msg = f"{self.text} does not take the credential_provider's credentials any more, or not yet: {broken}"
            raise BrokerUnavailable(msg, sent=False) from broken

    def elsewhere(self, node: Node | None = None) -> None:
        """See :meth:`Place.elsewhere`: nobody would know where."""

    def client(self) -> aioredis.Redis:
        """See :meth:`Place.client`."""
        return aioredis.Redis.from_pool(aioredis.ConnectionPool(connection_class=self.kind, **self.options))


@cache
def _who() -> Mapping[str, Any]:
    """Return which library this is, as connections tell the server.

    To find that out takes redis-py milliseconds, in which the event loop stands still, with each connection.
    """
    return {"driver_info": import_module(_WHO).resolve_driver_info()} if find_spec(_WHO) else {}


def abandon(connection: Connection) -> None:
    """Close at once and without a word, also in another process than the one that opened it."""
    writer = getattr(connection, "_writer", None)
    if writer is not None:
        writer.transport.abort()
        connection._reader = connection._writer = None  # noqa: SLF001 - else it complains that nobody closed it


def address(url: str, *, text: str, **more: object) -> Address:
    """Return the address in a URL of one server; ``valkey`` schemes are Redis ones under another name.

    Raises:
        ConfigurationError: it has parameters that redis-py does not take.
    """
    scheme = urlsplit(url).scheme
    plain = {"valkey": "redis", "valkeys": "rediss"}.get(scheme, scheme)
    try:
        options: dict[str, Any] = dict(async_connections.parse_url(plain + url[len(scheme) :]))
    except ValueError as broken:
        msg = f"url={text!r} cannot be read: {broken}"
        raise ConfigurationError(msg) from broken
    options.pop("client", None)
    return made_of(options, options.pop("connection_class", async_connections.Connection), text=text, more=more)


def address_without_host(
    url: Url, parameters: Mapping[str, str], *, database: str = "", anonymous: bool = False, **more: object
) -> Address:
    """Return what all the hosts of a URL have in common: TLS or not, the user unless ``anonymous``, parameters.

    Raises:
        ConfigurationError: there are parameters that redis-py does not take.
    """
    user, at, _ = ("", "", "") if anonymous else urlsplit(url.address).netloc.rpartition("@")
    plain = "rediss" if url.encrypted else "redis"
    return address(f"{plain}://{user}{at}/{database}?{urlencode(parameters)}", text=url.redacted, **more)


def address_of_pool(pool: aioredis.ConnectionPool) -> Address:
    """Return the address that a redis-py pool was made with; its retries are not taken over."""
    options = dict(pool.connection_kwargs)
    text = f"{options.get('host', options.get('path', 'localhost'))}:{options.get('port', 6379)}"
    return made_of(options, pool.connection_class, text=text)


def made_of(options: dict[str, Any], kind: type, *, text: str, more: dict[str, object] | None = None) -> Address:
    """Return the address of connections of this kind with these options, of which those that are ours are left out.

    Raises:
        ConfigurationError: such connections do not take these options.
    """
    given = {**options, **(more or {})}
    kept = {name: value for name, value in given.items() if name not in NOT_TAKEN and value is not None}
    made = Address(text, kept, kind)
    try:
        made.connection()
    except TypeError as unfit:
        msg = f"{text} has parameters that redis-py's {kind.__name__} does not take: {unfit}"
        raise ConfigurationError(msg) from unfit
    return made
