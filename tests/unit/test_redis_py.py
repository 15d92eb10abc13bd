from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest
from redis import asyncio as aioredis
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff
from redis.credentials import CredentialProvider

from shadows.adapters.redis import redis_py
from shadows.adapters.redis.driver import NoScript
from shadows.adapters.redis.places import TIMEOUT, Address, address, address_of_pool
from shadows.adapters.redis.redis_py import RedisPyDriver
from shadows.errors import BrokerError, BrokerUnavailable, ConfigurationError, NotAllowed, UnsupportedServer
from tests.front.acts import comes_true, heard
from tests.unit.peer import INFO, OK, Peer, server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    async with Peer(server) as made:
        yield made


def driver(peer: Peer) -> RedisPyDriver:
    return RedisPyDriver(address(peer.url, text="the server"))


# Addresses


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("redis://h:1/0?nonsense=1", "does not take.*nonsense"),
        ("redis://h:1/0?db=many", "cannot be read.*db"),
    ],
)
def test_parameters_that_the_client_does_not_take_are_refused_at_once(url: str, text: str) -> None:
    """They would otherwise break each connection, as bugs."""
    with pytest.raises(ConfigurationError, match=text) as refused:
        address(url, text="redis://shown")
    assert "redis://shown" in str(refused.value)


def test_of_a_pool_the_parameters_are_taken_and_not_its_retries() -> None:
    """SEMANTICS, three connections; INV 37: the client library retries nothing."""
    retry = Retry(ConstantBackoff(1), 9)
    given: dict[str, Any] = {"host": "here", "port": 7, "db": 3, "username": "me", "password": "hush"}
    pool = aioredis.ConnectionPool(**given, retry=retry, protocol=3)
    made = address_of_pool(pool)
    assert made.text == "here:7"
    assert "hush" not in repr(made)
    connection = made.connection()
    assert (connection.host, connection.port, connection.db, connection.username) == ("here", 7, 3, "me")
    assert connection.retry._retries == 0
    assert connection.protocol == 2


def test_of_a_pool_of_another_kind_nothing_is_guessed() -> None:
    """A pool whose connections want more than its parameters cannot be rebuilt, and is refused at once."""
    pool = aioredis.ConnectionPool(connection_class=Demanding)
    with pytest.raises(ConfigurationError, match=r"localhost:6379.*Demanding does not take.*secret"):
        address_of_pool(pool)


class Demanding(aioredis.Connection):
    """Cannot be made of a pool's parameters."""

    def __init__(self, *, secret: str, **more: Any) -> None:
        super().__init__(**more)
        self.secret = secret


# The lane for commands


async def test_each_command_has_its_answer_and_a_refusal_is_one(peer: Peer) -> None:
    """Driver: commands travel together; what the server refuses disturbs none of the others."""
    answers = {"GET a": b"$1\r\na\r\n", "EVALSHA x 0": b"-NOSCRIPT No matching script.\r\n", "BAD": b"-ERR odd\r\n"}
    peer.answer = lambda words: answers.get(words) or server(words)
    made = driver(peer)
    a, missing, bad, pong = await made.ask(("GET", "a"), ("EVALSHA", "x", 0), ("BAD",), ("PING",))
    await made.close()
    assert (a, pong) == (b"a", b"PONG")
    assert isinstance(missing, NoScript)
    assert type(bad) is BrokerError


@pytest.mark.parametrize("version", ["6.0.16", "5.0.7", "2.8"])
async def test_a_server_that_is_too_old_is_refused(peer: Peer, version: str) -> None:
    """SEMANTICS, Around: below 6.2; the text says what is needed."""
    text = f"# Server\r\nredis_version:{version}\r\n".encode()
    peer.answer = lambda _: b"$%d\r\n%s\r\n" % (len(text), text)
    with pytest.raises(UnsupportedServer, match=rf"the server runs Redis {version}; shadows needs Redis 6\.2"):
        await driver(peer).ask(("PING",))
    await comes_true(lambda: not peer.commands)


async def test_a_server_that_hides_its_version_is_given_the_benefit_of_the_doubt(peer: Peer) -> None:
    """SEMANTICS, Around: managed servers without full INFO work."""
    peer.answer = lambda words: b"-NOPERM no INFO for you\r\n" if words == "INFO server" else b"+PONG\r\n"
    made = driver(peer)
    assert await made.ask(("PING",)) == [b"PONG"]
    await made.close()


async def test_a_connection_that_breaks_while_it_opens_has_sent_nothing(peer: Peer) -> None:
    """FAULT 55: so the request may be repeated without a doubt."""
    peer.answer = lambda _: None
    with pytest.raises(BrokerUnavailable) as away:
        await driver(peer).ask(("PING",))
    assert not away.value.sent


async def test_a_connection_that_breaks_under_a_request_may_have_carried_it(peer: Peer) -> None:
    """FAULT 56: the next request opens another one."""
    peer.answer = lambda words: None if words == "PING" else INFO
    made = driver(peer)
    with pytest.raises(BrokerUnavailable) as away:
        await made.ask(("PING",))
    assert away.value.sent
    peer.answer = server
    assert await made.ask(("PING",)) == [b"PONG"]
    await made.close()
    assert peer.connections == 2


@pytest.mark.parametrize(("second", "sent"), [("GET b", True), ("PING", False)])
async def test_a_server_that_loads_its_file_has_carried_out_nothing(peer: Peer, second: str, *, sent: bool) -> None:
    """FAULT 61: unless it was done with that before the last command of the trip."""
    answers = {"GET b": b"$1\r\nb\r\n", "PING": b"-LOADING Redis is loading\r\n", "INFO server": INFO}
    peer.answer = lambda words: answers[words]
    made = driver(peer)
    with pytest.raises(BrokerUnavailable) as away:
        await made.ask(("PING",), tuple(second.split()))
    assert away.value.sent is sent
    await made.close()


async def test_a_silent_server_is_not_waited_for_for_ever(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    """FAULT 58: a command may block for as long as it said, and a little longer."""
    made = driver(peer)
    await made.ask(("PING",))
    await made.wait(("PING",), patience=0)
    monkeypatch.setattr(redis_py, "TIMEOUT", 0.03)
    peer.answer = lambda _: b""
    for silence in (made.ask(("PING",)), made.wait(("BLPOP", "k", 0.01), patience=0.01)):
        with pytest.raises(BrokerUnavailable, match=r"the server: no answer within 0\.0") as away:
            await silence
        assert away.value.sent


@pytest.mark.parametrize("garbage", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0\1\2\3\r\n"])
async def test_whoever_speaks_another_language_is_no_server(peer: Peer, garbage: bytes) -> None:
    """FAULT 60: told at the start; from a server that did speak ours it is a broken connection, and tried again."""
    peer.answer = lambda _: garbage
    with pytest.raises(UnsupportedServer, match="the server does not speak Redis"):
        await driver(peer).ask(("PING",))
    peer.answer = server
    made = driver(peer)
    await made.ask(("PING",))
    peer.answer = lambda _: garbage
    with pytest.raises(BrokerUnavailable, match="does not speak Redis"):
        await made.ask(("PING",))
    peer.answer = server
    assert await made.ask(("PING",)) == [b"PONG"]
    await made.close()


@pytest.mark.parametrize("more", [b":1\r\n+PONG\r\n", b"+OK+PONG\r\n+P", b"$5\r\nab\r\n+PONG\r\n:"])
async def test_who_answers_more_than_was_asked_is_not_believed(peer: Peer, more: bytes) -> None:
    """FAULT 60: one answer too many, and all that follow would be answers to other questions."""
    made = driver(peer)
    await made.ask(("PING",))
    await asyncio.to_thread(made.ask_blocking, ("PING",))
    peer.answer = lambda _: more
    with pytest.raises(BrokerUnavailable, match="the server answered more than it was asked") as away:
        await made.ask(("PING",))
    assert away.value.sent
    with pytest.raises(BrokerUnavailable, match="the server answered more than it was asked"):
        await asyncio.to_thread(made.ask_blocking, ("PING",))
    peer.answer = server
    assert await made.ask(("PING",)) == [b"PONG"]
    assert await asyncio.to_thread(made.ask_blocking, ("PING",)) == [b"PONG"]
    await made.close()


async def test_what_nobody_asked_for_is_not_taken_for_the_next_answer(peer: Peer) -> None:
    """FAULT 60: the connection on which it came is left."""
    made = driver(peer)
    await made.ask(("PING",))
    line = made._commands._line
    assert line is not None
    peer.say(b"+NOISE\r\n")
    await comes_true(line.is_closing)
    assert await made.ask(("PING",)) == [b"PONG"]
    await made.close()
    assert peer.connections == 2


@pytest.mark.parametrize("when", ["before the next request", "after the next request"])
async def test_a_cancelled_request_leaves_no_answer_behind_for_the_next(peer: Peer, when: str) -> None:
    """INV 17: its connection is dropped, for the answer may still come."""
    asked = asyncio.Event()

    def answer(words: str) -> bytes:
        if words == "SLOW":
            asked.set()
            return b""
        return b"+late\r\n" if words == "PING" and peer.connections == 1 else server(words)

    peer.answer = answer
    made = driver(peer)
    slow = asyncio.create_task(made.ask(("SLOW",)))
    await heard(asked)
    slow.cancel()
    if when == "before the next request":
        peer.say(b"+late\r\n")
    with pytest.raises(asyncio.CancelledError):
        await slow
    assert await made.ask(("PING",)) == [b"PONG"]
    await made.close()


async def test_who_asks_while_another_one_does_waits_for_his_turn(peer: Peer) -> None:
    """Driver: the commands of one call travel together, and in the order in which the calls came."""
    made = driver(peer)
    answers = await asyncio.gather(*(made.ask((f"ODD{n}",), ("PING",)) for n in range(5)))
    assert [pong for _, pong in answers] == [b"PONG"] * 5
    assert peer.commands == [word for n in range(5) for word in (f"ODD{n}", "PING")]
    assert await made.ask(("PING",)) == [b"PONG"]
    await made.close()
    assert peer.connections == 1


@pytest.mark.parametrize("when", ["before his turn", "as it comes"])
async def test_who_gives_up_while_he_waits_for_his_turn_holds_up_nobody(peer: Peer, when: str) -> None:
    """INV 17: nor is the turn lost with him when it was his already."""
    asked = asyncio.Event()

    def answer(words: str) -> bytes:
        if words != "SLOW":
            return server(words)
        asked.set()
        return b""

    async def ask_slowly() -> list[bytes]:
        found = await made.ask(("SLOW",))
        if when == "as it comes":
            assert waits.cancel()
        return found

    peer.answer = answer
    made = driver(peer)
    slow = asyncio.create_task(ask_slowly())
    await heard(asked)
    waits, follows, last = (asyncio.create_task(made.ask(("PING",))) for _ in range(3))
    await asyncio.sleep(0)
    last.cancel()
    if when == "before his turn":
        waits.cancel()
    peer.say(b"+late\r\n")
    assert await slow == [b"late"]
    assert await follows == [b"PONG"]
    assert waits.cancelled()
    assert await made.ask(("PING",)) == [b"PONG"]
    await made.close()
    assert peer.connections == 1
    assert peer.commands == ["SLOW", "PING", "PING"]


async def test_an_idle_connection_that_was_closed_is_opened_anew(peer: Peer) -> None:
    """A server that restarted between two requests is no reason to fail the second one."""
    made = driver(peer)
    await made.ask(("PING",))
    reader = made._commands._connection._reader
    peer.hang_up()
    await comes_true(lambda: reader.at_eof() or reader.exception() is not None)
    assert await made.ask(("PING",)) == [b"PONG"]
    await made.close()
    assert peer.connections == 2


async def test_each_request_has_its_own_time(peer: Peer) -> None:
    """FAULT 58: the clock of one that was answered long ago ends none that came after it."""
    made = driver(peer)
    await made.wait(("PING",), patience=0)
    await made.wait(("PING",), patience=0.1 - TIMEOUT)
    line = made._waits._line
    assert line is not None
    peer.answer = lambda _: b""
    longer = asyncio.create_task(made.wait(("PING",), patience=0))
    begun = line._timer
    await comes_true(lambda: line._timer is not begun)
    peer.say(b"+late\r\n")
    assert await longer == [b"late"]
    peer.answer = server
    await made.wait(("PING",), patience=0.1 - TIMEOUT)
    await comes_true(lambda: line._timer is None)
    assert await made.wait(("PING",), patience=0) == [b"PONG"]
    await made.close()
    assert peer.connections == 1


async def test_wrong_credentials_are_told_as_such(peer: Peer) -> None:
    """FAULT 68: waiting does not help, so it is no absence."""
    peer.answer = lambda words: b"-WRONGPASS invalid username-password pair\r\n" if words.startswith("AUTH") else OK
    made = RedisPyDriver(address(peer.url.replace("//", "//me:hush@"), text="the server"))
    with pytest.raises(NotAllowed, match="the server refuses us") as refused:
        await made.ask(("PING",))
    assert "hush" not in str(refused.value)
    with pytest.raises(NotAllowed, match="the server refuses us"):
        await asyncio.to_thread(made.ask_blocking, ("PING",))


async def test_who_is_closed_while_a_connection_opens_leaves_none_behind(peer: Peer) -> None:
    """INV 17: the server has not even said which version it is."""
    asked = asyncio.Event()

    def hesitate(_: str) -> bytes:
        asked.set()
        return b""

    peer.answer = hesitate
    made = driver(peer)
    asking = asyncio.create_task(made.ask(("PING",)))
    await asked.wait()
    await made.close()
    with pytest.raises(BrokerUnavailable):
        await asking
    assert peer.connections == 1


# The lane for renewals


async def test_renewals_have_a_connection_of_their_own_in_another_thread(peer: Peer) -> None:
    """SEMANTICS, three connections: it answers while the lane for commands is busy, and repairs itself."""
    answers = {"XCLAIM": b"*1\r\n$1\r\nt\r\n", "ODD": b"-ERR odd\r\n"}
    peer.answer = lambda words: answers.get(words) or server(words)
    made = driver(peer)
    found, odd = await asyncio.to_thread(made.ask_blocking, ("XCLAIM",), ("ODD",))
    assert found == [b"t"]
    assert type(odd) is BrokerError
    peer.hang_up()
    with pytest.raises(BrokerUnavailable):
        await asyncio.to_thread(made.ask_blocking, ("XCLAIM",))
    assert await asyncio.to_thread(made.ask_blocking, ("XCLAIM",)) == [[b"t"]]
    await made.close()
    assert peer.connections == 2


async def test_a_server_that_moves_while_renewals_connect_is_left_at_the_next_trip(peer: Peer) -> None:
    """FAULT 72: another way to it has found out meanwhile; this connection may lead to where it was before."""
    made = driver(peer)
    opened: list[int] = []

    class Moving(Address):
        def connect_blocking(self, **options: Any) -> Any:
            opened.append(self.moves)
            connection = super().connect_blocking(**options)
            if len(opened) == 1:
                object.__setattr__(self, "moves", 1)
            return connection

    made.place = Moving(made.place.text, address(peer.url, text="the server").options)
    for _ in range(3):
        assert await asyncio.to_thread(made.ask_blocking, ("PING",)) == [b"PONG"]
    assert opened == [0, 1]
    await made.close()


async def test_renewals_find_nobody_there() -> None:
    """INV 33: an absence like any other."""
    async with Peer(server) as peer:
        made = driver(peer)
    with pytest.raises(BrokerUnavailable):
        await asyncio.to_thread(made.ask_blocking, ("PING",))
    await made.close()


class Fancy(aioredis.Connection):
    """One of the user's own, of which redis-py has no blocking counterpart."""


class OnlyAsync(CredentialProvider):
    """Knows no way to credentials outside of an event loop."""

    def get_credentials(self) -> Any:
        raise NotImplementedError

    async def get_credentials_async(self) -> Any:
        return ("me", "hush")


def _fancy(port: int) -> aioredis.ConnectionPool:
    return aioredis.ConnectionPool(connection_class=Fancy, host="127.0.0.1", port=port)


def _only_async(port: int) -> aioredis.ConnectionPool:
    return aioredis.ConnectionPool(host="127.0.0.1", port=port, credential_provider=OnlyAsync())


@pytest.mark.parametrize("make", [_fancy, _only_async])
async def test_what_cannot_be_rebuilt_for_the_thread_renews_on_the_loop(
    peer: Peer, make: Callable[[int], aioredis.ConnectionPool]
) -> None:
    """SEMANTICS, three connections: and says so once."""
    peer.answer = lambda words: OK if words.startswith("AUTH") else server(words)
    made = RedisPyDriver(address_of_pool(make(peer.port)))
    with (
        pytest.warns(RuntimeWarning, match="blocks the event loop may lose its lease here"),
        pytest.raises(BrokerUnavailable, match="none is running yet") as early,
    ):
        await asyncio.to_thread(made.ask_blocking, ("PING",))
    assert not early.value.sent
    await made.ask(("PING",))
    assert await asyncio.to_thread(made.ask_blocking, ("PING",)) == [b"PONG"]
    await made.close()


async def test_a_loop_that_is_too_busy_to_renew_is_an_absence(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    """INV 33: the renewal is tried again, as long as the lease lasts."""
    made = RedisPyDriver(address_of_pool(_fancy(peer.port)))
    await made.ask(("PING",))
    monkeypatch.setattr(redis_py, "TIMEOUT", 0.02)
    errors: list[BrokerUnavailable] = []

    def renew() -> None:
        try:
            made.ask_blocking(("PING",))
        except BrokerUnavailable as away:
            errors.append(away)

    def block() -> None:
        thread = threading.Thread(target=renew)
        thread.start()
        thread.join()

    with pytest.warns(RuntimeWarning, match="may lose its lease"):
        block()
    assert "too busy" in str(errors[0])
    await made.close()


async def test_a_client_of_the_user_s_own_goes_the_same_way(peer: Peer) -> None:
    """SEMANTICS, Around: with the pool's own kind of connections."""
    peer.answer = lambda words: b"+PONG\r\n" if words == "PING" else OK
    made = RedisPyDriver(address_of_pool(_fancy(peer.port)))
    client = made.client()
    assert await client.ping()
    assert client.connection_pool.connection_class is Fancy
    await client.aclose()
    await made.close()
