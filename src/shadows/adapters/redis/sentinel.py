"""A server that Sentinels watch over: they are asked where it is each time that a connection is opened."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import parse_qsl, urlsplit

import attrs
from redis.asyncio.client import Redis
from redis.asyncio.connection import Connection as PlainConnection
from redis.asyncio.connection import SSLConnection
from redis.asyncio.sentinel import Sentinel
from redis.exceptions import RedisError, ResponseError

from shadows.adapters.redis.places import Address, Connection, Node, abandon, address_without_host, made_of
from shadows.adapters.redis.replies import translated
from shadows.errors import BrokerUnavailable, ConfigurationError, NotAllowed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shadows.core.urls import Url

PATIENCE: Final = 2.5
"""Seconds for one Sentinel to answer, and for a server to let us in that is said to be down."""
_LOST: Final = (RedisError, OSError)
_THEIRS: Final = "sentinel_"


@attrs.frozen(order=True)
class Sighting:
    """What one Sentinel says of the server; the greatest is to be believed."""

    epoch: int
    """goes up with each failover"""
    up: bool
    """not so for a while after a failover, too"""
    node: Node

    @classmethod
    def of(cls, answer: list[bytes]) -> Self:
        """Read the answer to SENTINEL MASTER."""
        told = dict(zip(answer[::2], answer[1::2], strict=True))
        up = not {b"s_down", b"o_down"} & set(told[b"flags"].split(b","))
        return cls(int(told[b"config-epoch"]), up, (told[b"ip"].decode(), int(told[b"port"])))


class _Client(Redis):
    """redis-py's client leaves its connections to the Sentinels open when it is closed."""

    async def aclose(self, close_connection_pool: bool | None = None) -> None:  # noqa: FBT001 - as redis-py has it
        await super().aclose(close_connection_pool)
        pool: Any = self.connection_pool
        for one in pool.sentinel_manager.sentinels:
            await one.aclose()


@attrs.define
class Watched:
    """See :class:`shadows.adapters.redis.places.Place`."""

    text: str
    service: str
    """the server's name with the Sentinels"""
    server: Address
    """the server, wherever it is"""
    sentinels: Sequence[Address]
    moves: int = attrs.field(init=False, default=0)

    async def enter(self) -> None:
        """It is up to others that there is a server."""

    def leave(self) -> None:
        """Nobody minds."""

    async def connect(self) -> Connection:
        seen = await self._find()
        async with asyncio.timeout(None if seen.up else PATIENCE):
            connection = await self.server.at(seen.node).connect()
            try:
                await connection.send_command("INFO", "replication", check_health=False)
                self._check_role(await connection.read_response(disable_decoding=True))
            except ResponseError:  # we may not ask; the first write will tell
                return connection
            except BaseException:
                abandon(connection)
                raise
            return connection

    def connect_blocking(self) -> Connection:
        connection = self.server.at(self._find_blocking().node).connect_blocking()
        try:
            connection.send_command("INFO", "replication", check_health=False)
            self._check_role(connection.read_response(disable_decoding=True))
        except ResponseError:
            return connection
        except BaseException:
            connection.disconnect()
            raise
        return connection

    def elsewhere(self, node: Node | None = None) -> None:  # noqa: ARG002 - only the Sentinels know
        self.moves += 1

    def client(self) -> Any:
        nodes = [(one.options["host"], one.options["port"]) for one in self.sentinels]
        theirs, ours = _without_host(self.sentinels[0]), _without_host(self.server)
        manager: Any = Sentinel(nodes, sentinel_kwargs=theirs, **ours)
        return manager.master_for(self.service, redis_class=_Client)

    async def _find(self) -> Sighting:
        """Ask all of them at once, and go by the newest answer as soon as most of them have answered."""
        asked = [asyncio.ensure_future(_ask(one, self.service)) for one in self.sentinels]
        heard: list[Sighting] = []
        lost: list[Exception] = []
        try:
            for answer in asyncio.as_completed(asked):
                try:
                    heard.append(await answer)
                except _LOST as error:
                    lost.append(error)
                if self._enough(heard):
                    break
        finally:
            for one in asked:
                one.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
        return self._newest(heard, lost)

    def _find_blocking(self) -> Sighting:
        heard: list[Sighting] = []
        lost: list[Exception] = []
        for one in self.sentinels:
            try:
                heard.append(_ask_blocking(one, self.service))
            except _LOST as error:
                lost.append(error)
            if self._enough(heard):
                break
        return self._newest(heard, lost)

    def _enough(self, heard: Sequence[Sighting]) -> bool:
        return len(heard) > len(self.sentinels) // 2

    def _newest(self, heard: Sequence[Sighting], lost: Sequence[Exception]) -> Sighting:
        if not heard:
            reasons = [translated(error, f"{self.text}: a Sentinel") or error for error in lost]
            refused = next((reason for reason in reasons if isinstance(reason, NotAllowed)), None)
            if refused is not None:
                raise refused
            msg = f"{self.text}: no Sentinel tells where {self.service} is: {str(lost[-1]) or type(lost[-1]).__name__}"
            raise BrokerUnavailable(msg, sent=False)
        return max(heard)

    def _check_role(self, info: bytes) -> None:
        """Refuse a replica: the Sentinels that we asked have not heard of the failover yet."""
        if b"role:slave" in info:
            raise BrokerUnavailable(f"{self.text}: the Sentinels name a server that is a replica", sent=False)


async def _ask(sentinel: Address, service: str) -> Sighting:
    async with asyncio.timeout(PATIENCE):
        connection = await sentinel.connect()
        try:
            await connection.send_command("SENTINEL", "MASTER", service, check_health=False)
            return Sighting.of(await connection.read_response(disable_decoding=True))
        finally:
            abandon(connection)


def _ask_blocking(sentinel: Address, service: str) -> Sighting:
    connection = sentinel.connect_blocking(patience=PATIENCE)
    try:
        connection.send_command("SENTINEL", "MASTER", service, check_health=False)
        return Sighting.of(connection.read_response(disable_decoding=True))
    finally:
        connection.disconnect()


def _without_host(address: Address) -> dict[str, Any]:
    """Return the options as redis-py's clients take them."""
    options = {name: value for name, value in address.options.items() if name not in {"host", "port"}}
    return {**options, "ssl": True} if issubclass(address.kind, SSLConnection) else options


def at_sentinels(url: Url, credentials: object) -> Watched:
    """Return the server that the Sentinels of a URL know.

    Parameters that begin with ``sentinel_`` are for the connections to them; those of TLS are for both.

    Raises:
        ConfigurationError: it has parameters that redis-py does not take.
    """
    pairs = parse_qsl(urlsplit(url.address).query, keep_blank_values=True)
    for_sentinels = {name.removeprefix(_THEIRS): value for name, value in pairs if name.startswith(_THEIRS)}
    for_server = {name: value for name, value in pairs if not name.startswith(_THEIRS)}
    tls = {name: value for name, value in pairs if name.startswith("ssl_")}
    database = "/".join(url.path.split("/")[2:3])
    server = address_without_host(url, for_server, database=database, credential_provider=credentials)
    sentinel = address_without_host(url, {**tls, **for_sentinels}, anonymous=True)
    return Watched(url.redacted, url.service, server, [sentinel.at(node) for node in url.hosts])


def watched_for_pool(pool: Any) -> Watched:
    """Return the server that a redis-py Sentinel pool was made for.

    Raises:
        ConfigurationError: it is one for replicas, which take no writes.
    """
    if not pool.is_master:
        msg = f"connection_pool={pool!r} leads to replicas; shadows writes, so make it with master_for()"
        raise ConfigurationError(msg)
    service = str(pool.service_name)
    kind = SSLConnection if issubclass(pool.connection_class, SSLConnection) else PlainConnection
    server = made_of(pool.connection_kwargs, kind, text=service)
    pools = [one.connection_pool for one in pool.sentinel_manager.sentinels]
    sentinels = [made_of(one.connection_kwargs, one.connection_class, text=service) for one in pools]
    return Watched(f"(connection_pool of {service})", service, server, sentinels)
