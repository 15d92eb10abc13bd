"""`wait_replicas`: what was acknowledged outlives the primary, also one that lives on behind a split of the network."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from datetime import timedelta
from typing import TYPE_CHECKING

import attrs
import pytest

from shadows import BrokerUnavailable, Disposition, NotAllowed, OutcomeUnknown, Shadow
from shadows.adapters.redis import scripts
from tests.front.acts import HOUR, comes_true, working
from tests.listening import Listening
from tests.servers import Server, wanted
from tests.topologies import Cluster, Sentinels, ask, eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

LATE = timedelta(seconds=30)
SHORT = timedelta(seconds=1.5)
SOON = timedelta(seconds=1)

ran: list[str] = []


async def note(word: str) -> str:
    """Run, and let everybody see how often."""
    ran.append(word)
    return word


@attrs.define(eq=False)
class Strait:
    """The way between a primary and its replica, on which all can be held up without either being told."""

    port: int
    _open: asyncio.Event = attrs.field(factory=asyncio.Event)
    _listening: Listening = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._listening = Listening(self._link)
        self._open.set()
        self._listening.open()

    @property
    def near(self) -> int:
        """The port at which the replica takes it."""
        return self._listening.port

    def split(self) -> None:
        """Let nothing through any more."""
        self._open.clear()

    async def close(self) -> None:
        """End it."""
        await self._listening.close()

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, away = await asyncio.open_connection("127.0.0.1", self.port)
        ways = [asyncio.create_task(self._pass(reader, away)), asyncio.create_task(self._pass(there, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            away.transport.abort()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _pass(self, there: asyncio.StreamReader, here: asyncio.StreamWriter) -> None:
        while chunk := await there.read(65536):
            await self._open.wait()
            here.write(chunk)


@attrs.define(eq=False)
class Pair:
    """A primary and a replica."""

    primary: Server
    replica: Server
    strait: Strait

    def shadow(self, *, wait_replicas: int = 0, add_deadline: timedelta = LATE) -> Shadow:
        """Return a client on the primary's side."""
        made = Shadow("shop", self.primary.url, add_deadline=add_deadline, wait_replicas=wait_replicas)
        made.register(note)
        return made

    async def fail_over(self) -> None:
        """Let the replica be the primary, and then the primary its replica, as Sentinels do when they meet again."""

        def work() -> None:
            ask(self.replica, "REPLICAOF", "NO", "ONE")
            ask(self.primary, "REPLICAOF", "127.0.0.1", self.replica.port)
            eventually(lambda: b"master_link_status:up" in ask(self.primary, "INFO", "replication"))

        await asyncio.to_thread(work)

    async def placed(self) -> set[str]:
        """Return the keys of the calls that the new primary knows."""
        rows = await asyncio.to_thread(ask, self.replica, "KEYS", "shop:runs:*")
        return {row.decode().rpartition(":")[2] for row in rows}


@pytest.fixture
async def pair(own_server: Callable[..., Server]) -> AsyncIterator[Pair]:
    """Give a primary and a replica."""
    if not wanted():
        pytest.skip("this run wants no servers")
    ran.clear()
    options = ("--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1")
    primary = own_server(wanted()[-1], *options)
    strait = Strait(primary.port)
    replica = own_server(wanted()[-1], "--replicaof", "127.0.0.1", str(strait.near), *options)
    await asyncio.to_thread(eventually, lambda: b"state=online" in ask(primary, "INFO", "replication"))
    yield Pair(primary, replica, strait)
    await strait.close()


async def place_until_refused(shadows: Shadow, prefix: str) -> list[str]:
    """Place calls one after the other until one is not acknowledged; return the keys of those that were."""
    acknowledged: list[str] = []
    with contextlib.suppress(BrokerUnavailable, OutcomeUnknown):
        for number in range(50):
            await shadows.add(note, key=f"{prefix}{number}", when=HOUR)("word")
            acknowledged.append(f"{prefix}{number}")
    return acknowledged


async def test_a_split_loses_nothing_that_replicas_had_to_confirm(pair: Pair) -> None:
    """FAULT 73: adds are acknowledged before the split, and not behind it; without waiting they are, and are lost."""
    async with pair.shadow(wait_replicas=1, add_deadline=SHORT) as careful, pair.shadow() as careless:
        assert [await place_until_refused(careful, "before")] == [[f"before{number}" for number in range(50)]]
        pair.strait.split()
        kept = await place_until_refused(careful, "careful")
        lost = await place_until_refused(careless, "careless")
        await pair.fail_over()
        assert kept == []
        assert len(lost) == 50
        assert await pair.placed() == {f"before{number}" for number in range(50)}


async def test_a_primary_without_replicas_refuses_writes_if_it_was_told_to(pair: Pair) -> None:
    """FAULT 73, `min-replicas-to-write`: soon after the split, and what was acknowledged until then is lost."""
    for name, value in (("min-replicas-to-write", 1), ("min-replicas-max-lag", 1)):
        await asyncio.to_thread(ask, pair.primary, "CONFIG", "SET", name, value)
    async with pair.shadow(add_deadline=timedelta(milliseconds=300)) as shadows:
        pair.strait.split()
        acknowledged: list[str] = []

        async def place_more() -> None:
            async with asyncio.timeout(LATE.total_seconds()):
                while True:
                    await shadows.add(note, key=f"k{len(acknowledged)}", when=HOUR)("word")
                    acknowledged.append("word")

        with pytest.raises(BrokerUnavailable, match="NOREPLICAS"):
            await place_more()
        await pair.fail_over()
        assert acknowledged
        assert await pair.placed() == set()


async def test_an_add_waits_for_a_replica_that_comes_back(pair: Pair) -> None:
    """FAULT 73: it is repeated under its request id, and the caller sees success."""
    async with pair.shadow(wait_replicas=1) as shadows:
        pair.replica.kill(signal.SIGSTOP)
        adding = asyncio.create_task(_add(shadows))
        await asyncio.sleep(SHORT.total_seconds())
        assert not adding.done()
        pair.replica.kill(signal.SIGCONT)
        assert await adding is Disposition.SCHEDULED
        assert await pair.placed() == {"k"}


async def _add(shadows: Shadow) -> Disposition | None:
    return (await shadows.add(note, key="k", when=HOUR)("word")).disposition


async def test_nobody_is_told_that_a_call_is_there_before_replicas_know(pair: Pair) -> None:
    """FAULT 73: somebody else placed it, and nothing is written for the second one; it has to wait all the same."""
    pair.replica.kill(signal.SIGSTOP)
    async with pair.shadow() as careless, pair.shadow(wait_replicas=1, add_deadline=SHORT) as careful:
        await careless.add(note, key="k", when=HOUR)("word")
        with pytest.raises(OutcomeUnknown, match=r"0 of 1 replicas had it within 1 s \(wait_replicas\).*'k'"):
            await careful.add(note, key="k", when=HOUR)("word")
        pair.replica.kill(signal.SIGCONT)
        assert await _add(careful) is Disposition.ALREADY_SCHEDULED


async def test_an_end_that_replicas_had_not_confirmed_is_settled_again(pair: Pair) -> None:
    """FAULT 73: the worker keeps it until it is, and then goes on."""
    async with pair.shadow(wait_replicas=1) as shadows:
        first = await shadows.add(note)("first")
        pair.replica.kill(signal.SIGSTOP)
        async with working(shadows, reconnection_delay=SOON) as worker:
            await comes_true(lambda: ran == ["first"])
            await comes_true(lambda: not worker.health().ready)
            pair.replica.kill(signal.SIGCONT)
            assert await first.get_result(timeout=LATE) == "first"
            assert await (await shadows.add(note)("second")).get_result(timeout=LATE) == "second"
    assert ran == ["first", "second"]


async def test_scripts_that_were_forgotten_are_waited_for_as_well(pair: Pair) -> None:
    """INV 35: what is repeated has to be confirmed, not what was refused."""
    async with pair.shadow(wait_replicas=1) as shadows:
        await _add(shadows)
        await asyncio.to_thread(ask, pair.primary, "SCRIPT", "FLUSH")
        assert await _add(shadows) is Disposition.ALREADY_SCHEDULED


async def test_the_right_to_wait_is_named_where_it_lacks(pair: Pair) -> None:
    """FAULT 68: `shadows acl` prints it; who has an older line is told."""
    rules = ("on", "nopass", "~*", "&*", "+@all", "-wait")
    await asyncio.to_thread(ask, pair.primary, "ACL", "SETUSER", "old", *rules)
    url = pair.primary.url.replace("redis://", "redis://old:x@")
    async with Shadow("shop", url, wait_replicas=1) as shadows:
        with pytest.raises(NotAllowed, match="wait"):
            await shadows.add(note)("word")


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_a_killed_primary_takes_nothing_with_it_that_was_acknowledged() -> None:
    """FAULTS 72 and 73: under load, and the replica that takes over has all of it; so it has of what had ended."""
    if not wanted():
        pytest.skip("this run wants no servers")
    ran.clear()
    with Sentinels() as trio:
        made = Shadow("shop", trio.url, add_deadline=2 * LATE, wait_replicas=1)
        made.register(note)
        async with made as shadows, working(shadows, reconnection_delay=SOON):
            words, stop = list[str](), asyncio.Event()
            placing = [asyncio.create_task(_place(shadows, words, stop, f"{number}")) for number in range(5)]
            await comes_true(lambda: len(ran) > 50)
            old = trio.primary
            old.kill()
            await asyncio.to_thread(eventually, lambda: trio.says(trio.sentinels[0])["port"] != str(old.port))
            await asyncio.to_thread(old.restart)  # and becomes the replica
            count = len(words)
            await asyncio.wait_for(_grown(words, count + 50), 2 * LATE.total_seconds())
            stop.set()
            await asyncio.gather(*placing)
            await comes_true(lambda: set(words) <= set(ran))
    assert set(ran) == set(words)


async def _grown(words: list[str], size: int) -> None:
    while len(words) < size:  # noqa: ASYNC110 - several tasks add to them
        await asyncio.sleep(0.01)


async def _place(shadows: Shadow, words: list[str], stop: asyncio.Event, prefix: str) -> None:
    while not stop.is_set():
        word = f"{prefix}-{len(words)}"
        await shadows.add(note, when=timedelta(milliseconds=len(words) % 50))(word)
        words.append(word)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """Give three nodes with a replica each."""
    if not wanted():
        pytest.skip("this run wants no servers")
    with Cluster(replicas=True) as servers:
        yield servers


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_in_a_cluster_the_node_that_placed_the_call_is_asked(cluster: Cluster) -> None:
    """FAULTS 70 and 73: the slot has moved, and the old node would confirm whatever it is asked, at once."""
    for text in scripts.sources().values():
        for node in cluster.servers[:3]:
            await asyncio.to_thread(ask, node, "SCRIPT", "LOAD", text)
    async with Shadow("shop", cluster.url, wait_replicas=1, add_deadline=SHORT) as shadows:
        assert await _add(shadows) is Disposition.SCHEDULED
        await asyncio.to_thread(cluster.migrate, "shop")
        cluster.replica("shop").kill(signal.SIGSTOP)
        with pytest.raises(OutcomeUnknown, match="0 of 1 replicas"):
            await shadows.add(note, key="other", when=HOUR)("word")
