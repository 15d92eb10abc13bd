"""Where Sentinels say that the server is, and whom of them to believe."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest
from redis.asyncio.connection import SSLConnection
from redis.asyncio.sentinel import Sentinel
from redis.credentials import UsernamePasswordCredentialProvider

from shadows.adapters.open import Connection, open_backend
from shadows.adapters.redis import sentinel
from shadows.adapters.redis.backend import RedisBackend, open_pool
from shadows.adapters.redis.redis_py import RedisPyDriver
from shadows.adapters.redis.sentinel import Watched, at_sentinels
from shadows.core.urls import parse
from shadows.errors import BrokerUnavailable, ConfigurationError, NotAllowed
from shadows.ports.backend import Terms
from tests.unit.peer import OK, Peer, server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable


def role(word: bytes) -> bytes:
    text = b"# Replication\r\nrole:%s\r\n" % word
    return b"$%d\r\n%s\r\n" % (len(text), text)


def primary(words: str) -> bytes:
    """Answer like a primary."""
    return role(b"master") if words == "INFO replication" else OK if words.startswith("AUTH") else server(words)


def replica(words: str) -> bytes:
    """Answer like one that has been demoted."""
    return role(b"slave") if words == "INFO replication" else server(words)


def demoted(_: str) -> bytes:
    """Refuse a write."""
    return b"-READONLY You can't write against a read only replica.\r\n"


def secretive(words: str) -> bytes:
    """Answer like one that does not let us ask."""
    return b"-NOPERM no INFO for you\r\n" if words == "INFO replication" else server(words)


def sighting(port: int, *, epoch: int = 0, flags: str = "master") -> Callable[[str], bytes]:
    """Answer like a Sentinel that knows where the server is."""
    fields = ["name", "db", "ip", "127.0.0.1", "port", str(port), "flags", flags, "config-epoch", str(epoch)]
    told = "".join(f"${len(field)}\r\n{field}\r\n" for field in fields)
    answer = f"*{len(fields)}\r\n{told}".encode()
    return lambda words: answer if words == "SENTINEL MASTER db" else OK


def silent(_: str) -> bytes:
    """Answer nothing."""
    return b""


def refusing(words: str) -> bytes:
    """Answer like a Sentinel with a password."""
    return b"-NOAUTH Authentication required.\r\n" if words.startswith("SENTINEL") else OK


def ignorant(words: str) -> bytes:
    """Answer like a Sentinel that was never told of the service."""
    return b"-ERR No such master with that name\r\n" if words.startswith("SENTINEL") else OK


class World:
    """Servers and Sentinels, as a test makes them up."""

    def __init__(self, open_peers: AsyncExitStack) -> None:
        self._open = open_peers
        self.sentinels: list[Peer] = []

    async def server(self, answer: Callable[[str], bytes | None]) -> Peer:
        """Start one."""
        return await self._open.enter_async_context(Peer(answer))

    async def says(self, answer: Callable[[str], bytes | None]) -> None:
        """Start one more Sentinel."""
        self.sentinels.append(await self.server(answer))

    def place(self, url: str = "redis+sentinel://{hosts}/db") -> Watched:
        """Return what they watch."""
        hosts = ",".join(f"127.0.0.1:{one.port}" for one in self.sentinels)
        return at_sentinels(parse(url.format(hosts=hosts)), None)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        yield World(stack)


async def on_loop(driver: RedisPyDriver) -> list[Any]:
    """Ask on the lane for commands."""
    return await driver.ask(("PING",))


async def in_thread(driver: RedisPyDriver) -> list[Any]:
    """Ask on the lane for renewals."""
    return await asyncio.to_thread(driver.ask_blocking, ("PING",))


BOTH = pytest.mark.parametrize("ask", [on_loop, in_thread])
type Ask = Callable[[RedisPyDriver], Awaitable[list[Any]]]


async def asked(place: Watched, ask: Ask) -> Any:
    """Ask once, with a driver of its own."""
    driver = RedisPyDriver(place)
    try:
        return (await ask(driver))[0]
    finally:
        await driver.close()


@BOTH
async def test_the_server_is_where_the_sentinels_say(world: World, ask: Ask) -> None:
    """As the user and in the database of the URL, neither of which is told to the Sentinels."""
    there = await world.server(primary)
    for _ in range(3):
        await world.says(sighting(there.port))
    place = world.place("redis+sentinel://me:hush@{hosts}/db/0")
    assert await asked(place, ask) == b"PONG"
    assert "AUTH me hush" in there.commands
    assert not [words for one in world.sentinels for words in one.commands if "hush" in words]
    assert "hush" not in repr(place)


@BOTH
async def test_of_sentinels_that_contradict_each_other_the_newest_is_believed(world: World, ask: Ask) -> None:
    """FAULT 72: one that was cut off still tells of the server from before the failover."""
    before, after = await world.server(replica), await world.server(primary)
    await world.says(sighting(before.port, epoch=3))
    await world.says(sighting(after.port, epoch=4))
    assert await asked(world.place(), ask) == b"PONG"
    assert after.commands


@BOTH
async def test_sentinels_that_are_gone_or_silent_do_not_matter(
    world: World, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FAULT 72: as long as one answers."""
    monkeypatch.setattr(sentinel, "PATIENCE", 0.1)
    there = await world.server(primary)
    for answer in (silent, refusing, sighting(there.port)):
        await world.says(answer)
    assert await asked(world.place(), ask) == b"PONG"


@BOTH
@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        (refusing, NotAllowed, "a Sentinel refuses us"),
        (ignorant, BrokerUnavailable, "no Sentinel tells where db is: .*No such master"),
        (sighting(1, flags="master,s_down,o_down"), BrokerUnavailable, "127.0.0.1:1"),
        (sighting(1), BrokerUnavailable, "127.0.0.1:1"),
    ],
)
async def test_what_sentinels_do_not_know_is_told(
    world: World, ask: Ask, answer: Callable[[str], bytes], error: type[Exception], text: str
) -> None:
    """FAULT 72: nothing was sent, so that a request may be repeated; the next one asks them again."""
    await world.says(answer)
    with pytest.raises(error, match=text) as away:
        await asked(world.place(), ask)
    assert not getattr(away.value, "sent", False)


@BOTH
async def test_a_replica_is_not_taken_for_the_server(world: World, ask: Ask) -> None:
    """FAULT 62: Sentinels may be behind; what it would answer to a read may be old."""
    there = await world.server(replica)
    await world.says(sighting(there.port))
    with pytest.raises(BrokerUnavailable, match="name a server that is a replica"):
        await asked(world.place(), ask)
    assert "PING" not in there.commands


@BOTH
async def test_a_server_that_hides_its_role_is_given_the_benefit_of_the_doubt(world: World, ask: Ask) -> None:
    """A narrow ACL forbids INFO; a replica refuses the first write."""
    there = await world.server(secretive)
    await world.says(sighting(there.port))
    assert await asked(world.place(), ask) == b"PONG"


@BOTH
async def test_a_server_that_was_demoted_is_left(world: World, ask: Ask) -> None:
    """FAULT 62: the request that it refuses is the last one that it hears, on every lane."""
    old, new = await world.server(primary), await world.server(primary)
    await world.says(sighting(old.port))
    driver = RedisPyDriver(world.place())
    await on_loop(driver)
    await in_thread(driver)
    old.answer = demoted
    world.sentinels[0].answer = sighting(new.port, epoch=1)
    (refused,) = await ask(driver)
    assert isinstance(refused, BrokerUnavailable)
    assert await on_loop(driver) == [b"PONG"]
    assert await in_thread(driver) == [b"PONG"]
    assert new.commands.count("PING") == 2
    await driver.close()


async def test_a_server_that_went_silent_is_left_on_every_lane(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """FAULT 58: the other lanes need not find out for themselves."""
    old, new = await world.server(primary), await world.server(primary)
    await world.says(sighting(old.port))
    driver = RedisPyDriver(world.place())
    await driver.ask(("PING",))
    await driver.wait(("PING",), patience=0)
    old.answer = silent
    world.sentinels[0].answer = sighting(new.port, epoch=1)
    monkeypatch.setattr("shadows.adapters.redis.redis_py.TIMEOUT", 0.05)
    with pytest.raises(BrokerUnavailable, match="no answer"):
        await driver.wait(("PING",), patience=0)
    monkeypatch.undo()
    assert await driver.ask(("PING",)) == [b"PONG"]
    assert await driver.wait(("PING",), patience=0) == [b"PONG"]
    await driver.close()


async def test_a_server_that_is_said_to_be_down_gets_little_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """FAULT 72: Sentinels may be mistaken, but if they are not, the next one shall be found soon."""
    there = await world.server(silent)
    await world.says(sighting(there.port, flags="master,s_down"))
    monkeypatch.setattr(sentinel, "PATIENCE", 0.1)
    async with asyncio.timeout(4):  # one that is said to be up has five seconds
        with pytest.raises(BrokerUnavailable, match="no answer") as away:
            await asked(world.place(), on_loop)
    assert not away.value.sent
    there.answer = primary
    monkeypatch.undo()
    assert await asked(world.place(), on_loop) == b"PONG"


# From a URL, from a pool


def test_parameters_of_a_url_go_where_they_belong() -> None:
    """SPEC, URLs: ``sentinel_...`` to the Sentinels, TLS to both, all else to the server."""
    url = (
        "rediss+sentinel://me:hush@s1,s2:5/db/3?sentinel_username=you&sentinel_password=psst"
        "&ssl_ca_certs=/ca&sentinel_ssl_ca_certs=/other&socket_keepalive=yes"
    )
    place = at_sentinels(parse(url), None)
    assert place.service == "db"
    options = place.server.options
    assert (options["username"], options["password"], options["db"]) == ("me", "hush", 3)
    assert (options["ssl_ca_certs"], options["socket_keepalive"]) == ("/ca", True)
    nodes = [(one.options["host"], one.options["port"]) for one in place.sentinels]
    assert nodes == [("s1", 26379), ("s2", 5)]
    theirs = place.sentinels[0].options
    assert (theirs["username"], theirs["password"], theirs["ssl_ca_certs"]) == ("you", "psst", "/other")
    assert {place.server.kind, place.sentinels[0].kind} == {SSLConnection}
    assert place.text == parse(url).redacted
    with pytest.raises(ConfigurationError, match="does not take"):
        at_sentinels(parse("redis+sentinel://s1/db?sentinel_nonsense=1"), None)


def test_a_credential_provider_is_for_the_server() -> None:
    """FAULT 68: the Sentinels have users of their own."""
    provider: Any = UsernamePasswordCredentialProvider("me", "pw")
    place = at_sentinels(parse("redis+sentinel://s1/db"), provider)
    assert place.server.options["credential_provider"] is provider
    assert "credential_provider" not in place.sentinels[0].options


@pytest.mark.parametrize("tls", [False, True])
def test_a_sentinel_pool_is_used_instead_of_a_url(*, tls: bool) -> None:
    """SEMANTICS, three connections: who watches, and how to get in."""
    manager = Sentinel([("s1", 1), ("s2", 2)], sentinel_kwargs={"password": "psst"})
    pool = manager.master_for("db", username="me", ssl=tls).connection_pool
    place = open_pool(pool, "shop", Terms()).place
    assert isinstance(place, Watched)
    assert (place.service, place.server.options["username"]) == ("db", "me")
    assert issubclass(place.server.kind, SSLConnection) == tls
    sentinels = [one.options for one in place.sentinels]
    assert [(one["host"], one["port"], one["password"]) for one in sentinels] == [("s1", 1, "psst"), ("s2", 2, "psst")]
    assert place.text == "(connection_pool of db)"
    assert "psst" not in repr(place)


def test_a_pool_of_replicas_is_refused() -> None:
    """It would read what is old and write nothing."""
    pool = Sentinel([("s1", 1)]).slave_for("db").connection_pool
    with pytest.raises(ConfigurationError, match="leads to replicas"):
        open_pool(pool, "shop", Terms())


async def test_a_client_of_the_user_s_own_follows_the_sentinels_too(world: World) -> None:
    """SEMANTICS, Around: with the same user and the same Sentinels."""
    there = await world.server(primary)
    await world.says(sighting(there.port))
    place = world.place("redis+sentinel://me:hush@{hosts}/db/0?protocol=2")
    client = place.client()
    manager = client.connection_pool.sentinel_manager
    assert client.connection_pool.service_name == "db"
    assert client.connection_pool.connection_kwargs["username"] == "me"
    assert [one.connection_pool.connection_kwargs["port"] for one in manager.sentinels] == [world.sentinels[0].port]
    await client.aclose()
    tls = at_sentinels(parse("rediss+sentinel://s1/db"), None).client()
    assert issubclass(tls.connection_pool.connection_class, SSLConnection)
    await tls.aclose()


def test_a_shadow_is_told_of_its_place() -> None:
    """The keys are those of a server of its own."""
    found = open_backend(Connection("redis+sentinel://s1/db", "shop"), Terms())
    assert isinstance(found, RedisBackend)
    assert found.keys.base == "shop:"
