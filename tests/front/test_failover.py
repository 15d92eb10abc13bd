"""Another server takes over: what producers and workers make of it.  Each test has servers of its own to spoil."""

from __future__ import annotations

import asyncio
import signal
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import redis
from redis.crc import key_slot
from redis.exceptions import TryAgainError

from shadows import BrokerUnavailable, Disposition, OutcomeUnknown, Shadow, UnsupportedServer
from tests.front.acts import DEADLINE, HOUR, comes_true, heard, working
from tests.servers import Server, wanted
from tests.topologies import Cluster, Sentinels, ask, eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shadows import Execution
    from tests.topologies import Topology

PATIENCE = timedelta(seconds=30)
"""How long a producer rides out a failover here: the machine may be busy."""
SOON = timedelta(seconds=1)

ran: list[str] = []


async def note(word: str) -> str:
    """Run, and let everybody see how often."""
    ran.append(word)
    return word


@pytest.fixture
def trio() -> Iterator[Sentinels]:
    """Give a primary, a replica and three Sentinels."""
    if not wanted():
        pytest.skip("this run wants no servers")
    ran.clear()
    with Sentinels() as servers:
        yield servers


def shadow(servers: Topology) -> Shadow:
    """Return a client that rides out a failover."""
    made = Shadow("shop", servers.url, add_deadline=PATIENCE)
    made.register(note)
    return made


async def result(execution: Execution[str]) -> str:
    """Return what a run ended with; a failover may come in between."""
    return await execution.get_result(timeout=PATIENCE)


def move(servers: Sentinels) -> None:
    """Let the servers change places while both are well."""
    servers.fail_over()


def kill(servers: Sentinels) -> None:
    """Let the primary end without a word."""
    servers.primary.kill()


def freeze(servers: Sentinels) -> None:
    """Let the primary keep its connections and say nothing any more."""
    servers.primary.kill(signal.SIGSTOP)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("strike", [move, kill, freeze])
async def test_a_worker_and_a_producer_follow_the_sentinels(
    trio: Sentinels, strike: Callable[[Sentinels], None]
) -> None:
    """FAULTS 58, 62 and 72: nobody need tell them, and what was placed before is run as well."""
    async with shadow(trio) as shadows:
        later = await shadows.add(note, key="later", when=timedelta(seconds=2))("later")
        async with working(shadows, reconnection_delay=SOON):
            assert await result(await shadows.add(note)("before")) == "before"
            before = trio.primary.port
            await asyncio.to_thread(strike, trio)
            after = await shadows.add(note)("after")
            assert await result(after) == "after"
            assert await result(later) == "later"
        client = shadows.redis()
        assert (await client.info("replication"))["role"] == "master"
        assert (await client.info("server"))["tcp_port"] != before
        await client.aclose()
    assert sorted(set(ran)) == ["after", "before", "later"]


@pytest.mark.timeout(120)
async def test_a_lease_outlives_its_server(trio: Sentinels) -> None:
    """INV 12, FAULT 72: the replica knows the lease; it is renewed there, and the run ends once."""
    begun, go = asyncio.Event(), asyncio.Event()

    async def slow() -> str:
        ran.append("slow")
        begun.set()
        await go.wait()
        return "done"

    lease = timedelta(seconds=30)
    async with shadow(trio) as shadows, working(shadows, redelivery_timeout=lease, reconnection_delay=SOON):
        execution = await shadows.add(slow)()
        await heard(begun)
        await asyncio.to_thread(kill, trio)
        assert await result(await shadows.add(note)("meanwhile")) == "meanwhile"
        go.set()
        assert await result(execution) == "done"
    assert sorted(ran) == ["meanwhile", "slow"]


async def test_work_goes_on_without_sentinels(trio: Sentinels) -> None:
    """FAULT 72: they are asked only when a connection is opened; then it is said that none of them answers."""
    async with shadow(trio) as shadows, working(shadows):
        assert await result(await shadows.add(note)("before")) == "before"
        for one in trio.sentinels:
            one.kill()
        assert await result(await shadows.add(note)("without")) == "without"
        async with Shadow("shop", trio.url, add_deadline=timedelta(seconds=1)) as late:
            with pytest.raises(BrokerUnavailable, match="no Sentinel tells where shop-db is"):
                await late.add(note)("never")
    assert ran == ["before", "without"]


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_sentinels_that_disagree_are_believed_by_what_they_have_seen(trio: Sentinels) -> None:
    """FAULT 72: one slept through the failover and names the old primary, which has come back and takes writes."""
    late, old = trio.sentinels[0], trio.primary
    late.kill(signal.SIGSTOP)
    old.kill(signal.SIGSTOP)
    await asyncio.to_thread(eventually, lambda: trio.says(trio.sentinels[1])["port"] != str(old.port))
    await asyncio.to_thread(eventually, lambda: trio.says(trio.sentinels[2])["port"] != str(old.port))
    old.kill(signal.SIGCONT)
    late.kill(signal.SIGCONT)
    async with shadow(trio) as shadows:
        await shadows.add(note, key="k", when=HOUR)("word")
    new = next(one for one in trio.servers if one is not old)
    assert ask(new, "EXISTS", "shop:runs:k") == 1


async def test_one_sentinel_is_enough(trio: Sentinels) -> None:
    """FAULT 72: whichever it is."""
    for one in trio.sentinels[:2]:
        one.kill()
    async with shadow(trio) as shadows:
        placed = await shadows.add(note, when=HOUR)("word")
        assert placed.disposition is Disposition.SCHEDULED
        async with asyncio.timeout(DEADLINE):
            assert await shadows.clear() == 1


# A cluster


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """Give three nodes with a replica each."""
    if not wanted():
        pytest.skip("this run wants no servers")
    ran.clear()
    with Cluster(replicas=True) as servers:
        yield servers


def kill_home(servers: Cluster) -> None:
    """Let the shadow's node end without a word."""
    servers.home("shop").kill()


def freeze_home(servers: Cluster) -> None:
    """Let the shadow's node keep its connections and say nothing any more."""
    servers.home("shop").kill(signal.SIGSTOP)


def move_home(servers: Cluster) -> None:
    """Let the node of a shadow and its replica change places while both are well."""
    replica = servers.replica("shop")
    ask(replica, "CLUSTER", "FAILOVER")
    eventually(lambda: servers.home("shop") is replica)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("strike", [move_home, kill_home, freeze_home])
async def test_a_worker_and_a_producer_follow_the_cluster(cluster: Cluster, strike: Callable[[Cluster], None]) -> None:
    """FAULTS 58 and 70: the replica has taken over, and what was placed before is run as well."""
    async with shadow(cluster) as shadows:
        later = await shadows.add(note, key="later", when=timedelta(seconds=2))("later")
        async with working(shadows, reconnection_delay=SOON):
            assert await result(await shadows.add(note)("before")) == "before"
            await asyncio.to_thread(strike, cluster)
            assert await result(await shadows.add(note)("after")) == "after"
            assert await result(later) == "later"
    assert sorted(set(ran)) == ["after", "before", "later"]


@pytest.mark.timeout(180)
async def test_a_slot_moves_under_load_and_nothing_is_lost(cluster: Cluster) -> None:
    """FAULT 71, SEMANTICS, Keys: while it moves, every script is refused before its first write."""
    async with shadow(cluster) as shadows, working(shadows, reconnection_delay=SOON):
        placing = asyncio.create_task(_place_until(shadows, moved := asyncio.Event()))
        await comes_true(lambda: len(ran) > 20)
        await asyncio.to_thread(cluster.migrate, "shop")
        moved.set()
        words = await placing
        await comes_true(lambda: set(ran) == set(words))
    assert sorted(ran) == sorted(words)


async def test_no_node_runs_our_scripts_while_a_slot_moves(cluster: Cluster) -> None:
    """FAULT 70, ASK: to follow it would gain nothing.  Each script names a key that never exists, for what it may touch
    besides cannot be named, and some of that may be here and some there; so the other node says TRYAGAIN.
    """
    async with shadow(cluster) as shadows:
        await shadows.add(note, when=HOUR)("word")
        source, slot = cluster.home("shop"), key_slot(b"shop")
        target = next(one for one in cluster.servers[:3] if one is not source)
        cluster.begin_to_migrate(slot, source, target)
        ask(source, "MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", "{shop}:queue")
        script = ("EVAL", "return redis.call('SET', KEYS[1], 1)", 2)
        with redis.Redis(port=source.port) as here, redis.Redis(port=target.port) as there:
            for keys, said in (("queue", "ASK|TRYAGAIN|%d"), ("stream", "TRYAGAIN|rehashing|%d")):
                with pytest.raises(redis.ResponseError, match=said % slot):
                    here.execute_command(*script, f"{{shop}}:{keys}", "{shop}:-")
            there.execute_command("ASKING")
            with pytest.raises(TryAgainError):
                there.execute_command(*script, "{shop}:queue", "{shop}:-")
        async with Shadow("shop", cluster.url, add_deadline=timedelta(seconds=1)) as hasty:
            with pytest.raises(BrokerUnavailable, match=r"slot is on its way to 127\.0\.0\.1|Multiple keys"):
                await hasty.add(note)("refused")
        adding = asyncio.create_task(_added(shadows, "late"))
        await asyncio.to_thread(cluster.finish_migration, "shop", slot, source, target)
        assert (await adding).disposition is Disposition.SCHEDULED
        assert cluster.home("shop") is target


async def _added(shadows: Shadow, word: str) -> Execution[str]:
    return await shadows.add(note, when=HOUR)(word)


@pytest.mark.slow
async def test_a_cluster_that_is_down_comes_back(own_cluster: Cluster) -> None:
    """FAULT 70, CLUSTERDOWN: a node that has nothing to do with us is gone, and for its slots all are refused."""
    home = own_cluster.home("shop")
    other = next(one for one in own_cluster.servers if one is not home)
    async with shadow(own_cluster) as shadows, working(shadows, reconnection_delay=SOON):
        assert await result(await shadows.add(note)("before")) == "before"
        other.kill()
        await asyncio.to_thread(eventually, lambda: b"cluster_state:fail" in ask(home, "CLUSTER", "INFO"))
        async with Shadow("shop", own_cluster.url, add_deadline=SOON) as hasty:
            with pytest.raises((OutcomeUnknown, BrokerUnavailable), match=r"cluster is down|CLUSTERDOWN"):
                await hasty.add(note)("refused")
        adding = asyncio.create_task(_added_now(shadows, "after"))
        await asyncio.to_thread(other.restart)
        assert await result(await adding) == "after"
    assert ran == ["before", "after"]


async def _added_now(shadows: Shadow, word: str) -> Execution[str]:
    return await shadows.add(note)(word)


@pytest.fixture
def own_cluster() -> Iterator[Cluster]:
    """Give three nodes without replicas."""
    if not wanted():
        pytest.skip("this run wants no servers")
    ran.clear()
    with Cluster() as servers:
        yield servers


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_a_slot_that_moves_as_a_whole_is_followed(cluster: Cluster) -> None:
    """FAULT 71: newer servers (Valkey 9) send a slot to another node and then change over at once."""
    source, slot = cluster.home("shop"), key_slot(b"shop")
    target = next(one for one in cluster.servers[:3] if one is not source)
    order = ("CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", slot, slot, "NODE", ask(target, "CLUSTER", "MYID").decode())
    if not cluster.program.startswith("valkey-9"):
        with pytest.raises(redis.ResponseError):  # this one has to be asked for that key by key
            ask(source, *order)
        return
    async with shadow(cluster) as shadows, working(shadows, reconnection_delay=SOON):
        placing = asyncio.create_task(_place_until(shadows, moved := asyncio.Event()))
        await comes_true(lambda: len(ran) > 20)
        ask(source, *order)
        await asyncio.to_thread(eventually, lambda: cluster.home("shop") is target)
        moved.set()
        words = await placing
        await comes_true(lambda: set(ran) == set(words))
    assert sorted(ran) == sorted(words)


async def _place_until(shadows: Shadow, moved: asyncio.Event) -> list[str]:
    words: list[str] = []
    while not moved.is_set() or len(words) % 20:
        words.append(str(len(words)))
        await shadows.add(note, when=timedelta(milliseconds=len(words) % 50))(words[-1])
    return words


async def test_a_url_that_takes_a_cluster_for_a_server_is_told_so(cluster: Cluster) -> None:
    """FAULT 70, CROSSSLOT: and a server for a cluster; the message says what to write."""
    async with Shadow("shop", cluster.home("shop").url) as shadows:
        with pytest.raises(UnsupportedServer, match=r"write redis\+cluster:// instead of redis://"):
            await shadows.add(note)("word")
    with Server(cluster.program) as alone:
        async with Shadow("shop", alone.url.replace("redis://", "redis+cluster://")) as shadows:
            with pytest.raises(UnsupportedServer, match=r"is no cluster; write redis:// instead"):
                await shadows.add(note)("word")


async def test_two_shadows_of_one_cluster_live_where_their_names_say(cluster: Cluster) -> None:
    """SEMANTICS, Keys: each on one node, and neither sees the other."""
    names = ("shop", "bank", "farm", "mill")
    homes = {name: cluster.home(name) for name in names}
    assert len(set(homes.values())) > 1
    for name in names:
        async with Shadow(name, cluster.url) as shadows:
            await shadows.add(note, when=HOUR, key="k")(name)
            assert (await shadows.snapshot()).total_tasks == 1
    for name, home in homes.items():
        keys = {key.decode().partition(":")[0] for key in ask(home, "KEYS", f"*{name}*")}
        assert keys == {f"{{{name}}}"}
