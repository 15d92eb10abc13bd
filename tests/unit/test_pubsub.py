from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from shadows.adapters.redis import event_bus, pubsub
from shadows.adapters.redis.event_bus import RedisEventBus
from shadows.adapters.redis.keys import standalone
from shadows.adapters.redis.places import address
from shadows.adapters.redis.pubsub import Listener
from shadows.adapters.redis.redis_py import RedisPyDriver
from shadows.dependencies.context import current_execution
from shadows.ports.event_bus import Hint
from tests.front.acts import comes_true
from tests.unit.peer import OK, Peer
from tests.unit.workplace import running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

type Heard = tuple[bytes | None, bytes]


def publish(channel: str, message: bytes) -> bytes:
    parts = (b"message", channel.encode(), message)
    return b"*3\r\n" + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


def confirm(words: str) -> bytes:
    """Answer as a server does: one confirmation for each channel."""
    kind, *channels = words.split()
    if kind not in {"SUBSCRIBE", "UNSUBSCRIBE"}:
        return OK
    word = kind.lower().encode()
    return b"".join(
        b"*3\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n:1\r\n" % (len(word), word, len(channel), channel.encode())
        for channel in channels
    )


def silent(_: str) -> None:
    """Hang up."""


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    async with Peer(confirm) as made:
        yield made


def listener(peer: Peer, heard: list[Heard]) -> Listener:
    def hear(channel: bytes | None, message: bytes) -> None:
        heard.append((channel, message))

    return Listener(address(peer.url, text="the server").connect, hear)


async def test_what_listens_for_all_is_nobody_s_own(peer: Peer) -> None:
    """FAULT 37: a body that is the first to wait for a result does not leave it behind when it ends."""
    current_execution.of_run.set(running())
    async with listener(peer, []) as subscription:
        assert current_execution.of_run not in subscription._reader.get_context()


async def test_what_is_published_is_heard_once_it_is_confirmed(peer: Peer) -> None:
    """Whoever listens reads for itself then: there is nothing before that it could have missed."""
    heard: list[Heard] = []
    async with listener(peer, heard) as subscription:
        await subscription.add("a")
        await subscription.add("a")  # it is confirmed already
        peer.say(publish("a", b"one"))
        await comes_true(lambda: len(heard) == 1)
        await subscription.remove("a")
        await subscription.remove("a")  # nobody hears it any more
        await comes_true(lambda: "UNSUBSCRIBE a" in peer.commands)
    assert heard == [(b"a", b"one")]
    assert peer.commands.count("SUBSCRIBE a") == 1


async def test_a_broken_connection_comes_back_with_all_its_channels(peer: Peer) -> None:
    """INV 39: and says that something may have been missed; what is added meanwhile is added then."""
    heard: list[Heard] = []
    async with listener(peer, heard) as subscription:
        await subscription.add("a")
        peer.answer = silent
        peer.hang_up()
        await comes_true(lambda: subscription._connection is None)
        await subscription.add("b")  # returns as soon as it is sure that there is no way
        await subscription.remove("nobody's")
        peer.answer = confirm
        await comes_true(lambda: heard == [(None, b"")])
        await subscription.add("b")
        peer.say(publish("a", b"after"))
        await comes_true(lambda: (b"a", b"after") in heard)
    assert "SUBSCRIBE a b" in peer.commands


async def test_that_something_may_be_missing_is_said_once_nothing_more_can_be(peer: Peer) -> None:
    """INV 39: whoever read before the server knows our channels would not be told of what happens in between."""
    heard: list[Heard] = []
    async with listener(peer, heard) as subscription:
        for channel in "ab":
            await subscription.add(channel)
        peer.answer = lambda words: b"" if words.startswith("SUBSCRIBE") else confirm(words)
        peer.hang_up()
        await comes_true(lambda: "SUBSCRIBE a b" in peer.commands)
        peer.say(confirm("SUBSCRIBE a"))
        peer.say(publish("a", b"meanwhile"))
        await comes_true(lambda: bool(heard))
        peer.say(confirm("SUBSCRIBE b"))
        await comes_true(lambda: len(heard) == 2)
    assert heard == [(b"a", b"meanwhile"), (None, b"")]


async def test_whoever_is_cancelled_while_it_leaves_is_cancelled(peer: Peer) -> None:
    """INV 17: the cancel is not taken for that of the task which reads."""

    async def leave() -> None:
        async with listener(peer, []):
            pass

    leaving = asyncio.create_task(leave())
    await asyncio.sleep(0)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving


async def test_a_server_that_is_silent_from_the_start_is_asked_anew(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FAULT 58: it lets us in and says nothing; the next try may lead to another one."""
    monkeypatch.setattr(pubsub, "TIMEOUT", 0.05)
    heard: list[Heard] = []
    tries: list[int] = []
    place = address(peer.url, text="the server")

    async def connect() -> Any:
        tries.append(1)
        if len(tries) == 1:
            monkeypatch.undo()  # the next one has time enough
            await asyncio.Event().wait()
        return await place.connect()

    async with Listener(connect, lambda *words: heard.append(words)) as subscription:
        subscription.doubt()  # there is none yet
        for _ in range(2):
            await asyncio.wait_for(subscription.add("a"), 5)
        peer.say(publish("a", b"heard"))
        await comes_true(lambda: (b"a", b"heard") in heard)


async def test_a_server_that_does_not_let_us_listen_is_asked_less_and_less(peer: Peer) -> None:
    """An ACL without channels: nobody waits for a confirmation, and the server is not stormed with connections."""
    peer.answer = lambda words: b"-NOPERM no channels for you\r\n" if words.startswith("SUBSCRIBE") else OK
    heard: list[Heard] = []
    began = asyncio.get_running_loop().time()
    async with listener(peer, heard) as subscription:
        for _ in range(4):
            await asyncio.wait_for(subscription.add("a"), 5)
    assert asyncio.get_running_loop().time() - began > 0.3  # 50, 100 and 200 ms


async def test_a_connection_without_channels_hears_nothing_and_stays(peer: Peer) -> None:
    """It is asked for nothing when it is opened, and later for what is added."""
    heard: list[Heard] = []
    async with listener(peer, heard) as subscription:
        await comes_true(lambda: subscription._connection is not None)
        assert peer.commands == []
        await subscription.add("a")
        assert peer.commands == ["SUBSCRIBE a"]
        assert heard == []


async def test_a_connection_that_breaks_while_it_is_told_something_is_repaired(peer: Peer) -> None:
    """The one that sends need not know; the one that reads notices, and subscribes again."""
    heard: list[Heard] = []
    async with listener(peer, heard) as subscription:
        await subscription.add("a")
        subscription._connection._writer.transport.abort()
        for _ in range(2):  # there is no way; and then it is confirmed
            await asyncio.wait_for(subscription.add("b"), 5)
        peer.say(publish("b", b"heard"))
        await comes_true(lambda: (b"b", b"heard") in heard)


async def test_a_channel_that_was_given_up_before_it_was_confirmed_is_forgotten(peer: Peer) -> None:
    """A late confirmation finds nobody."""
    heard: list[Heard] = []
    peer.answer = lambda words: b"" if words == "SUBSCRIBE slow" else confirm(words)
    async with listener(peer, heard) as subscription:
        await subscription.add("a")
        adding = asyncio.create_task(subscription.add("slow"))
        await comes_true(lambda: "SUBSCRIBE slow" in peer.commands)
        adding.cancel()
        await subscription.remove("slow")
        peer.say(confirm("SUBSCRIBE slow"))
        peer.say(publish("a", b"after"))
        await comes_true(lambda: (b"a", b"after") in heard)


# The event bus above it


def bus(peer: Peer) -> RedisEventBus:
    return RedisEventBus(RedisPyDriver(address(peer.url, text="the server")), standalone("s"))


async def test_one_connection_serves_all_who_listen(peer: Peer) -> None:
    """SEMANTICS, three connections: it is opened for the first and closed after the last; a key has one channel."""
    made = bus(peer)
    async with made.listen("a") as first, made.listen("a") as second:
        async with made.listen("b") as third:
            peer.say(publish("s:!events:a", b"running 7 1000"))
            peer.say(publish("s:!events:b", b"progress 8 1001 7:current,1:5,"))
            for hints in (first, second):
                while (hint := await anext(hints)) is None:
                    pass
                assert hint == Hint("running", 7, 1000)
            while (hint := await anext(third)) is None:
                pass
            assert hint == Hint("progress", 8, 1001, (("current", "5"),))
        await comes_true(lambda: "UNSUBSCRIBE s:!events:b" in peer.commands)
    assert peer.connections == 1
    assert peer.commands.count("SUBSCRIBE s:!events:a") == 1


@pytest.mark.parametrize("message", [b"", b"rubbish", b"a b c", b"p 1 2 5:x", b"p 1 2 -9:x,", b"\xff 1 2"])
async def test_what_a_stranger_publishes_is_a_reason_to_look_and_no_more(peer: Peer, message: bytes) -> None:
    """INV 15: the connection lives on, and so does everybody who listens."""
    async with bus(peer).listen("a") as hints:
        peer.say(publish("s:!events:a", message))
        peer.say(publish("s:!events:a", b"completed 7 1000"))
        heard = [await asyncio.wait_for(anext(hints), 5)]
        while heard[-1] != Hint("completed", 7, 1000):
            heard.append(await asyncio.wait_for(anext(hints), 5))
    assert set(heard[:-1]) == {None}


async def test_a_wait_for_the_next_hint_can_be_given_up_and_begun_again(peer: Peer) -> None:
    """A waiter looks by itself now and then, and goes on listening: no hint is lost by that, and none ends it."""
    async with bus(peer).listen("a") as hints:
        for _ in range(2):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(hints), 0.01)
        peer.say(publish("s:!events:a", b"queued  1000"))
        assert await asyncio.wait_for(anext(hints), 5) == Hint("queued", None, 1000)
        assert hints.__aiter__() is hints


async def test_a_server_that_confirms_nothing_is_not_waited_for(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    """INV 39: the listener is told to read for itself."""
    monkeypatch.setattr(event_bus, "_CONFIRMED_WITHIN", 0.02)
    peer.answer = lambda words: b"" if words.startswith("SUBSCRIBE") else OK
    async with bus(peer).listen("a") as hints:
        assert await asyncio.wait_for(anext(hints), 5) is None


async def test_a_connection_that_confirms_nothing_is_given_up_for_another(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FAULT 58: a frozen server breaks no connection, and each who joins would wait for it anew."""
    monkeypatch.setattr(event_bus, "_CONFIRMED_WITHIN", 0.05)
    made = bus(peer)
    async with made.listen("a"):
        peer.answer = lambda words: b"" if words.startswith("SUBSCRIBE") else OK
        async with made.listen("b") as hints:
            peer.answer = confirm
            await comes_true(lambda: "SUBSCRIBE s:!events:a s:!events:b" in peer.commands)
            peer.say(publish("s:!events:b", b"completed 7 1000"))
            while (hint := await asyncio.wait_for(anext(hints), 5)) is None:
                pass
            assert hint == Hint("completed", 7, 1000)
    assert peer.connections == 2


async def test_whoever_is_cancelled_while_it_joins_leaves_nothing_behind(peer: Peer) -> None:
    """INV 17: neither a channel nor a connection."""
    made = bus(peer)
    peer.answer = lambda words: b"" if words.startswith("SUBSCRIBE") else OK

    async def listen() -> None:
        async with made.listen("a"):
            pass

    joining = asyncio.create_task(listen())
    await comes_true(lambda: bool(peer.commands))
    joining.cancel()
    with pytest.raises(asyncio.CancelledError):
        await joining
    assert made._listeners == {}
    assert made._subscription is None
