from __future__ import annotations

import asyncio
import logging
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from glide import ConnectionError, GlideClient, RequestError, TimeoutError  # noqa: A004 - its names

from shadows.adapters.redis import clients, glide_driver
from shadows.adapters.redis.broker import checked
from shadows.adapters.redis.driver import Elsewhere, NoScript
from shadows.adapters.redis.glide_driver import GlideDriver
from shadows.adapters.redis.glide_replies import answered, is_refusal, plain
from shadows.adapters.redis.glide_ways import Way, way
from shadows.adapters.redis.keys import clustered, standalone
from shadows.adapters.redis.places import address
from shadows.adapters.redis.redis_py import RedisPyDriver
from shadows.core.urls import parse
from shadows.errors import (
    BrokenKey,
    BrokerError,
    BrokerFull,
    BrokerUnavailable,
    ConfigurationError,
    NotAllowed,
    UnsupportedServer,
)
from tests.front.acts import comes_true, heard
from tests.unit.peer import OK, Peer, server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

KEYS = standalone("s")
SERVER_SAYS = "An error was signalled by the server: - "


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    async with Peer(server) as made:
        yield made


def driver(peer: Peer, *, user: str = "") -> GlideDriver:
    url = parse(peer.url.replace("//", f"//{user}"))
    return GlideDriver(address(url.address, text="the server"), way(url, KEYS))


# Trips


async def test_each_command_has_its_answer(peer: Peer) -> None:
    """The mini-port: a refusal is an answer too, and nothing is asked where there is nothing to ask."""
    made = driver(peer)
    pong, odd = await made.ask(("PING",), ("ODD", 1, b"b", 2.5))
    assert pong == b"PONG"
    assert "ODD 1 b 2.5" in peer.commands
    assert type(odd) is BrokerError
    assert await made.ask() == []
    await made.close()


async def test_renewals_and_the_user_s_own_commands_go_through_redis_py(peer: Peer) -> None:
    """SEMANTICS, three connections, and Around: the client for the user is redis-py's under either driver."""
    peer.answer = lambda words: server(words) if words == "PING" else OK
    made = driver(peer)
    assert await asyncio.to_thread(made.ask_blocking, ("PING",)) == [b"PONG"]
    client = made.client()
    assert await client.ping()
    await client.aclose()
    await made.close()


async def test_whoever_is_not_there_heard_nothing() -> None:
    """INV 33: so the request may be made again without a doubt; valkey-glide would only say that time is up."""
    async with Peer(server) as peer:
        made = driver(peer)
    with pytest.raises(BrokerUnavailable, match=r"the server: .*Connect call failed") as away:
        await made.ask(("PING",))
    assert not away.value.sent
    await made.close()


async def test_wrong_credentials_are_told_as_such(peer: Peer) -> None:
    """FAULT 68: waiting does not help, so it is no absence."""
    peer.answer = lambda words: b"-WRONGPASS invalid username-password pair\r\n" if words.startswith("AUTH") else OK
    with pytest.raises(NotAllowed, match="the server refuses us") as refused:
        await driver(peer, user="me:hush@").ask(("PING",))
    assert "hush" not in str(refused.value)


async def test_a_way_that_breaks_before_the_answer_is_opened_anew(peer: Peer) -> None:
    """INV 33: nobody knows what became of the request; the next one finds the server again."""
    peer.answer = lambda words: None if words == "BREAK" else server(words)
    made = driver(peer)
    with pytest.raises(BrokerUnavailable) as broken:
        await made.ask(("BREAK",))
    assert broken.value.sent
    assert await made.ask(("PING",)) == [b"PONG"]
    await made.close()


async def test_a_server_that_lets_only_redis_py_in_is_an_absence(peer: Peer) -> None:
    """INV 33: nothing was sent yet."""
    peer.answer = lambda words: None if words == "PING" else server(words)
    made = driver(peer)
    with pytest.raises(BrokerUnavailable) as away:
        await made.ask(("GET", "a"))
    assert not away.value.sent
    await made.close()


async def test_a_silent_server_is_unavailable_when_time_is_up(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    """FAULT 58: and the place is asked anew where the server is."""
    peer.answer = lambda words: b"" if words == "SLOW" else server(words)
    made = driver(peer)
    assert await made.ask(("PING",)) == [b"PONG"]
    monkeypatch.setattr(glide_driver, "TIMEOUT", 0.05)
    with pytest.raises(BrokerUnavailable, match=r"no answer within 0\.05 s") as late:
        await made.ask(("SLOW",))
    assert late.value.sent
    monkeypatch.undo()
    assert await made.ask(("PING",)) == [b"PONG"]
    await made.close()


async def test_a_server_that_is_silent_from_the_start_heard_nothing(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """INV 33: the request never left."""
    peer.answer = lambda _: b""
    monkeypatch.setattr(glide_driver, "TIMEOUT", 0.05)
    with pytest.raises(BrokerUnavailable, match="no answer within") as late:
        await driver(peer).ask(("PING",))
    assert not late.value.sent


async def test_one_answer_that_broke_breaks_the_trip(peer: Peer) -> None:
    """In a cluster, valkey-glide puts it among the others."""
    lane = driver(peer)._commands
    assert lane._answer(("PING",), b"PONG") == b"PONG"
    with pytest.raises(RequestError, match="BrokenPipe"):
        lane._answer(("PING",), RequestError("BrokenPipe: Cluster: Failed to receive"))


async def test_a_server_that_went_away_is_noticed_before_time_is_up(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """INV 33, FAULT 54: valkey-glide would try to reach it until the end; one that is only slow is waited for."""
    monkeypatch.setattr(glide_driver, "_SOON", 0.02)
    asked = asyncio.Event()

    def answer(words: str) -> bytes:
        if words == "SLOW":
            asked.set()
            return b""
        return server(words)

    peer.answer = answer
    made = driver(peer)
    slow, other = asyncio.create_task(made.ask(("SLOW",))), asyncio.create_task(made.ask(("SLOW",)))
    await heard(asked)
    lane = made._commands
    await comes_true(lambda: isinstance(doubts := lane._doubts, asyncio.Task) and doubts.done())
    assert not slow.done()
    peer.answer = lambda _: None
    lane._doubt(lane._client)  # type: ignore[arg-type]
    for each in (slow, other):
        with pytest.raises(BrokerUnavailable):
            await each
    await made.close()


async def test_a_wait_that_is_given_up_is_taken_back_from_the_server(peer: Peer) -> None:
    """INV 17: what was to follow it is carried out for nobody."""
    asked = asyncio.Event()

    def answer(words: str) -> bytes:
        if words.startswith("BLPOP"):
            asked.set()
            return b""
        return server(words)

    peer.answer = answer
    made = driver(peer)
    waiting = asyncio.create_task(made.wait(("BLPOP", "bell", 30), ("PING",), patience=30))
    await heard(asked)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert made._waits._client is None
    assert await made.wait(("PING",), patience=1) == [b"PONG"]
    await made.close()


async def test_a_close_gives_up_what_is_still_doubted(peer: Peer) -> None:
    """INV 17: no task is left behind, and one look at a time is enough."""
    asked = asyncio.Event()

    def answer(words: str) -> bytes:
        if words == "SLOW":
            peer.answer = lambda _: b""
            asked.set()
            return b""
        return server(words)

    peer.answer = answer
    made = driver(peer)
    slow = asyncio.create_task(made.ask(("SLOW",)))
    await heard(asked)
    lane: Any = made._commands
    lane._doubt(lane._client)
    doubts = lane._doubts
    lane._doubt(lane._client)
    assert lane._doubts is doubts
    await made.close()
    with pytest.raises(BrokerUnavailable):
        await slow
    await comes_true(doubts.done)


# Event loops


async def test_a_second_event_loop_is_told_that_it_cannot_be_served(peer: Peer) -> None:
    """Its answers would come to the first one."""
    made = driver(peer)
    await made.ask(("PING",))
    told: list[BaseException] = []

    def elsewhere() -> None:
        try:
            asyncio.run(driver(peer).ask(("PING",)))
        except ConfigurationError as refused:
            told.append(refused)

    other = threading.Thread(target=elsewhere)
    other.start()
    await asyncio.to_thread(other.join)
    assert "serves one event loop of a process" in str(told[0])
    assert "client=redis-py" in str(told[0])
    await made.close()


def test_a_later_event_loop_has_a_client_of_its_own() -> None:
    """Whoever calls ``asyncio.run`` twice is served twice."""
    made: list[GlideDriver] = []

    async def use() -> None:
        async with Peer(server) as peer:
            url = parse(peer.url)
            if not made:
                made.append(GlideDriver(address(url.address, text="the server"), way(url, KEYS)))
            one = made[0]
            one.place, one.way = address(url.address, text="the server"), way(url, KEYS)
            one._commands.place, one._commands.way = one.place, one.way
            assert await one.ask(("PING",)) == [b"PONG"]

    asyncio.run(use())
    asyncio.run(use())
    asyncio.run(made[0].close())


# Answers


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (SERVER_SAYS + "NoScriptError: No matching script.", NoScript),
        (SERVER_SAYS + "ResponseError: unknown command 'X'", BrokerError),
        (SERVER_SAYS + "PermissionDenied: User u has no permissions", NotAllowed),
        (SERVER_SAYS + "BusyLoadingError: loading the dataset", BrokerUnavailable),
        (SERVER_SAYS + "ReadOnly: You can't write", Elsewhere),
        (SERVER_SAYS + "ClusterDown: The cluster is down", Elsewhere),
        (SERVER_SAYS + "CrossSlot: Keys in request", UnsupportedServer),
        (SERVER_SAYS + "SomethingNew: happened", BrokerError),
        ("OOM: command not allowed", BrokerFull),
        ("MISCONF: Redis is configured", BrokerFull),
        ("WRONGTYPE: Operation against a key", BrokenKey),
        ("NOAUTH: Authentication required.", NotAllowed),
    ],
)
def test_a_refusal_is_told_as_redis_py_would_have_it(text: str, kind: type[Exception]) -> None:
    """The texts are rewritten on the way; what they mean is not."""
    error = RequestError(text)
    assert is_refusal(error)
    assert type(answered(error, "here")) is kind


@pytest.mark.parametrize(
    "error",
    [
        TimeoutError("timed out"),
        ConnectionError("Received connection error"),
        RequestError("BrokenPipe: Cluster: Failed to receive command response"),
        RequestError("Standalone connect failed - IoError: timed out"),
    ],
)
def test_what_is_no_answer_of_the_server_s_is_no_refusal(error: RequestError) -> None:
    """INV 33: such a trip broke."""
    assert not is_refusal(error)


def test_maps_are_lists_again() -> None:
    """The protocol that all scripts and parsers know has no others."""
    assert plain(("HGETALL", "h"), {b"a": b"1", b"b": b"2"}) == [b"a", b"1", b"b", b"2"]
    entries = {b"1-1": [[b"f", b"1"], [b"f", b"2"]]}
    assert plain(("XRANGE", "s", "-", "+"), entries) == [[b"1-1", [b"f", b"1", b"f", b"2"]]]
    assert plain(("XREVRANGE", "s", "+", "-"), {}) == []
    assert plain(("SET", "a", "b"), "OK") == b"OK"
    assert plain(("EVALSHA",), [1, b"a", None]) == [1, b"a", None]


def test_a_script_that_is_forgotten_again_at_once_is_an_absence() -> None:
    """FAULT 70: it was learnt by one node, and the keys had moved to another; the request may succeed later."""
    with pytest.raises(BrokerUnavailable, match="the keys moved to another"):
        checked(NoScript("No matching script."))


# From a URL


def parts(url: str) -> Way:
    return way(parse(url), clustered("s"))


def test_a_url_tells_host_user_and_database() -> None:
    """Percent-encoded as everywhere; a password is shown nowhere."""
    found = parts("valkey://me:p%23w@example.org:6380/2")
    assert [(one.host, one.port) for one in found.addresses] == [("example.org", 6380)]
    assert found.credentials is not None
    assert (found.credentials.username, found.credentials.password) == ("me", "p#w")
    assert (found.database, found.encrypted, found.slot_of) == (2, False, None)
    assert "p#w" not in repr(found)
    assert parts("valkey://:pw@h?db=3").database == 3


def test_a_socket_is_a_way_too() -> None:
    """With its database among the parameters."""
    found = parts("unix:///run/valkey%20here.sock?db=1&client=glide")
    assert [one.unix_socket_path for one in found.addresses] == ["/run/valkey here.sock"]
    assert found.database == 1


def test_certificates_are_those_of_redis_py_s_parameters(tmp_path: Path) -> None:
    """So that a URL means the same under both."""
    authorities = tmp_path / "ca.pem"
    authorities.write_bytes(b"certificate")
    tls = parts(f"valkeys://h?ssl_ca_certs={authorities}&ssl_certfile=a.pem&ssl_keyfile=a.key")._tls()
    assert tls is not None
    assert (tls.root_pem_cacerts, tls.use_insecure_tls) == (b"certificate", False)
    assert (tls.client_cert_path, tls.client_key_path) == ("a.pem", "a.key")
    careless = parts("valkeys://h?ssl_cert_reqs=none")._tls()
    assert careless is not None
    assert (careless.use_insecure_tls, careless.root_pem_cacerts) == (True, None)


def test_parameters_that_it_does_not_know_are_named() -> None:
    """What we decide ourselves is not among them."""
    with pytest.raises(ConfigurationError, match=r"does not know: health_check_interval; .*client=redis-py"):
        parts("valkey://h?health_check_interval=3&socket_timeout=1")


async def test_a_cluster_is_sent_to_where_the_keys_are() -> None:
    """SEMANTICS, Keys: all of a shadow is in one slot."""
    found = parts("valkey+cluster://h1:1,h2:2")
    assert found.slot_of == "{s}:stream"
    assert [(one.host, one.port) for one in found.addresses] == [("h1", 1), ("h2", 2)]


# Which client


def test_without_the_extra_redis_py_serves_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """SPEC, URLs: ``valkey://`` works all the same."""
    monkeypatch.setitem(sys.modules, "glide", None)
    monkeypatch.setattr(clients, "_told", set())
    caplog.set_level(logging.INFO, "shadows.process")
    for _ in range(2):
        assert clients.driver_of(parse("valkey://:hush@h"), KEYS) is RedisPyDriver
    assert caplog.messages == ["valkey://:***@h is served by redis-py: valkey-glide is not installed"]


def test_a_client_that_is_asked_for_by_name_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """No other does what was asked for."""
    monkeypatch.setitem(sys.modules, "glide", None)
    with pytest.raises(ConfigurationError, match=r"is not installed; pip install .shadow-task\[glide\]."):
        clients.driver_of(parse("redis://h?client=glide"), KEYS)


def test_a_credential_provider_is_asked_by_redis_py() -> None:
    """FAULT 68: valkey-glide keeps the password that it has."""
    assert clients.driver_of(parse("valkey://h"), KEYS, credentials=object()) is RedisPyDriver
    with pytest.raises(ConfigurationError, match="asks no credential_provider; write client=redis-py"):
        clients.driver_of(parse("valkey://h?client=glide"), KEYS, credentials=object())


def test_replicas_are_waited_for_by_redis_py() -> None:
    """FAULT 73: as with a credential provider, unless the URL insists."""
    assert clients.driver_of(parse("valkey+cluster://h"), KEYS, wait_replicas=1) is RedisPyDriver
    with pytest.raises(ConfigurationError, match="waits for no replicas; write client=redis-py or leave wait_replicas"):
        clients.driver_of(parse("valkey://h?client=glide"), KEYS, wait_replicas=1)


async def test_the_client_is_what_the_url_says(peer: Peer) -> None:
    """Nothing is connected yet."""
    found = clients.driver_of(parse(peer.url + "?client=glide"), KEYS)(address(peer.url, text="the server"))
    assert isinstance(found, GlideDriver)
    client = await found.way.client()
    assert isinstance(client, GlideClient)
    await client.close()
    assert peer.connections == 0
