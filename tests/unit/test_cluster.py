"""Which node of a cluster a shadow lives on, and how it is found again when it moves."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest
from redis.asyncio.cluster import RedisCluster
from redis.crc import key_slot

from shadows.adapters.open import Connection, open_backend
from shadows.adapters.redis.backend import RedisBackend
from shadows.adapters.redis.cluster import Cluster, in_cluster
from shadows.adapters.redis.keys import clustered
from shadows.adapters.redis.redis_py import RedisPyDriver
from shadows.core.urls import parse
from shadows.errors import BrokerUnavailable, ConfigurationError, NotAllowed, UnsupportedServer
from shadows.ports.backend import Terms
from tests.unit.peer import OK, Peer, server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

type Ask = Callable[[RedisPyDriver, str], Awaitable[list[Any]]]
SLOT = key_slot(b"{shop}:stream")


async def on_loop(driver: RedisPyDriver, *words: str) -> list[Any]:
    """Ask on the lane for commands."""
    return await driver.ask(*((word,) for word in words))


async def in_thread(driver: RedisPyDriver, *words: str) -> list[Any]:
    """Ask on the lane for renewals."""
    return await asyncio.to_thread(driver.ask_blocking, *((word,) for word in words))


BOTH = pytest.mark.parametrize("ask", [on_loop, in_thread])


class World:
    """Some nodes, of which one serves our slot."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self.stack = stack
        self.nodes: list[Peer] = []
        self.home = 0
        """the number of the node that the others say serves our slot"""
        self.slots = f"{0}-{SLOT - 1} {SLOT}-{SLOT}"

    async def start(self, count: int) -> None:
        """Start so many nodes."""
        for number in range(count):
            self.nodes.append(await self.stack.enter_async_context(Peer(self._answer_of(number))))

    def place(self, *seeds: int) -> Cluster:
        """Return the cluster, as somebody sees it who knows these nodes of it."""
        hosts = ",".join(f"127.0.0.1:{self.nodes[seed].port}" for seed in seeds)
        return in_cluster(parse(f"redis+cluster://{hosts}"), clustered("shop"), None)

    def told(self) -> bytes:
        """Return the answer to CLUSTER SLOTS: two ranges, the nodes of the second without a host."""
        others = [one.port for number, one in enumerate(self.nodes) if number != self.home]
        first = f"*{2 + len(others)}\r\n:0\r\n:{SLOT - 1}\r\n" + "".join(_node("127.0.0.1", port) for port in others)
        serving = [("", self.nodes[self.home].port), *(("127.0.0.1", port) for port in others)]  # and its replicas
        second = f"*{2 + len(serving)}\r\n:{SLOT}\r\n:16383\r\n" + "".join(_node(*one) for one in serving)
        return f"*2\r\n{first}{second}".encode()

    def _answer_of(self, number: int) -> Callable[[str], bytes | None]:
        def answer(words: str) -> bytes | None:
            if words == "CLUSTER SLOTS":
                return self.told()
            if number != self.home and words != "INFO server":
                return f"-MOVED {SLOT} 127.0.0.1:{self.nodes[self.home].port}\r\n".encode()
            return server(words)

        return answer


def _only(answer: bytes) -> Callable[[str], bytes]:
    return lambda words: server(words) if words == "INFO server" else answer


def _node(host: str, port: int) -> str:
    return f"*3\r\n${len(host)}\r\n{host}\r\n:{port}\r\n$2\r\nid\r\n"


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        yield World(stack)


@pytest.fixture
async def three(world: World) -> World:
    await world.start(3)
    return world


@BOTH
async def test_the_node_that_serves_the_slot_is_asked(three: World, ask: Ask) -> None:
    """DESIGN: all keys of a shadow lie in one slot, so that no other node is needed."""
    three.home = 2
    driver = RedisPyDriver(three.place(0))
    assert await ask(driver, "PING") == [b"PONG"]
    assert three.nodes[0].commands == ["CLUSTER SLOTS"]
    assert three.nodes[1].connections == 0
    await driver.close()


@BOTH
async def test_a_slot_that_moved_is_followed_within_the_request(three: World, ask: Ask) -> None:
    """FAULT 70: what the old node refused is asked of the new one, and nothing else is asked twice."""
    driver = RedisPyDriver(three.place(0))
    await ask(driver, "PING")
    three.home = 1
    answers = {"GET": b"$1\r\na\r\n"}
    before = three.nodes[0].answer
    three.nodes[0].answer = lambda words: answers.get(words) or before(words)
    assert await driver.ask(("GET",), ("PING",), ("PING",)) == [b"a", b"PONG", b"PONG"]
    assert await in_thread(driver, "PING") == [b"PONG"]
    assert "GET" not in three.nodes[1].commands
    assert [one.commands.count("CLUSTER SLOTS") for one in three.nodes] == [1, 0, 0]
    await driver.close()


@pytest.mark.parametrize(("first", "sent"), [("GET", True), ("PING", False)])
async def test_what_was_carried_out_before_a_slot_moved_is_not_forgotten(
    three: World, first: str, *, sent: bool
) -> None:
    """FAULT 70: the old node may have answered a command before it sent us on, to where nobody lets us in."""
    driver = RedisPyDriver(three.place(0))
    await driver.ask(("PING",))
    three.home = 1
    before = three.nodes[0].answer
    three.nodes[0].answer = lambda words: b"$1\r\na\r\n" if words == "GET" else before(words)
    three.nodes[1].answer = lambda _: None
    with pytest.raises(BrokerUnavailable) as away:
        await driver.ask((first,), ("PING",))
    assert away.value.sent is sent
    await driver.close()


@pytest.mark.parametrize("answer", [None, b"+PONG\r\n+PONG\r\n"], ids=["nothing", "too much"])
async def test_where_we_were_sent_a_command_may_be_carried_out_before_the_connection_breaks(
    three: World, answer: bytes | None
) -> None:
    """FAULTS 56 and 70: the second node took the command, and its answer is of no use."""
    driver = RedisPyDriver(three.place(0))
    await driver.ask(("PING",))
    three.home = 1
    three.nodes[1].answer = lambda words: server(words) if words == "INFO server" else answer
    with pytest.raises(BrokerUnavailable) as away:
        await driver.ask(("PING",))
    assert away.value.sent
    three.nodes[1].answer = server
    assert await driver.ask(("PING",)) == [b"PONG"]
    await driver.close()


@BOTH
async def test_nodes_that_send_us_in_a_circle_are_an_absence(three: World, ask: Ask) -> None:
    """FAULT 70: they have not agreed yet; the request is tried again later."""
    driver = RedisPyDriver(three.place(0))
    await ask(driver, "PING")
    for one, other in ((0, 1), (1, 0)):
        moved = f"-MOVED {SLOT} :{three.nodes[other].port}\r\n".encode()
        three.nodes[one].answer = _only(moved)
    (answer,) = await ask(driver, "PING")
    assert isinstance(answer, BrokerUnavailable)
    await driver.close()


@BOTH
async def test_a_node_that_is_gone_is_not_the_only_one_to_be_asked(three: World, ask: Ask) -> None:
    """FAULT 70: those that a node has told of are asked as well; each request that fails asks another one."""
    three.home = 1
    driver = RedisPyDriver(three.place(0))
    await ask(driver, "PING")
    three.home = 2
    for gone in (0, 1):
        three.nodes[gone].answer = lambda _: None
        three.nodes[gone].hang_up()
    for _ in range(4):
        try:
            answers = await ask(driver, "PING")
        except BrokerUnavailable:
            continue
        assert answers == [b"PONG"]
        break
    else:
        pytest.fail("the third node was never asked")
    await driver.close()


async def test_a_node_that_went_silent_is_asked_last(three: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """FAULT 58: it would not tell us either who has taken over."""
    driver = RedisPyDriver(three.place(0, 1))
    await driver.ask(("PING",))
    three.nodes[0].answer = lambda _: b""
    three.home = 2
    monkeypatch.setattr("shadows.adapters.redis.redis_py.TIMEOUT", 0.1)
    with pytest.raises(BrokerUnavailable, match="no answer"):
        await driver.ask(("PING",))
    monkeypatch.undo()
    assert await driver.ask(("PING",)) == [b"PONG"]
    await driver.close()


@BOTH
@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        (b"-ERR This instance has cluster support disabled\r\n", UnsupportedServer, "write redis:// instead of"),
        (b"-NOPERM no permissions to run the 'cluster|slots' command\r\n", NotAllowed, r"cluster\|slots"),
        (b"*0\r\n", BrokerUnavailable, f"no node serves the slot {SLOT}"),
    ],
)
async def test_a_node_that_knows_no_way_says_why(
    world: World, ask: Ask, answer: bytes, error: type[Exception], text: str
) -> None:
    """FAULTS 68 and 70: nothing was sent yet."""
    await world.start(1)
    world.nodes[0].answer = lambda words: answer if words == "CLUSTER SLOTS" else OK
    with pytest.raises(error, match=text) as refused:
        await ask(RedisPyDriver(world.place(0)), "PING")
    assert not getattr(refused.value, "sent", False)


def test_a_shadow_in_a_cluster_has_its_name_in_braces() -> None:
    """SEMANTICS, Keys: so all of them are in one slot."""
    for scheme in ("redis", "rediss", "valkey", "valkeys"):
        found = open_backend(Connection(f"{scheme}+cluster://me:pw@h1:7000,h2", "shop"), Terms())
        assert isinstance(found, RedisBackend)
        assert found.keys.base == "{shop}:"
        assert isinstance(found.place, Cluster)
        assert found.place.seeds == (("h1", 7000), ("h2", 6379))
        assert found.place.node.options["username"] == "me"
        assert found.place.slot == SLOT
        assert ":pw" not in repr(found.place)
    with pytest.raises(ConfigurationError, match="does not take"):
        open_backend(Connection("redis+cluster://h?nonsense=1", "shop"), Terms())


async def test_a_client_of_the_user_s_own_knows_the_whole_cluster() -> None:
    """SEMANTICS, Around: from the same URL."""
    client = in_cluster(parse("rediss+cluster://me:pw@h1,h2:2"), clustered("shop"), None).client()
    assert isinstance(client, RedisCluster)
    assert {node.name for node in client.nodes_manager.startup_nodes.values()} == {"h1:6379", "h2:2"}
    assert client.connection_kwargs["username"] == "me"
    await client.aclose()
