"""A real server that is there and does not want to: what producers and workers make of each thing that it can say."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import signal
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import redis
from redis.credentials import CredentialProvider

from shadows import BrokerFull, BrokerUnavailable, NotAllowed, OutcomeUnknown, Shadow, Worker
from tests.front.acts import DEADLINE, HOUR, comes_true, heard, working
from tests.servers import Server, wanted
from tests.topologies import ask

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

LATE = timedelta(seconds=30)
SOON = timedelta(seconds=0.5)

ran: list[str] = []


async def note(word: str) -> str:
    """Run, and let everybody see how often."""
    ran.append(word)
    return word


@pytest.fixture
def server(own_server: Callable[..., Server]) -> Server:
    """Give a server to spoil."""
    return a_server(own_server)


def a_server(start: Callable[..., Server], *options: str, aof: bool = False) -> Server:
    """Start one."""
    if not wanted():
        pytest.skip("this run wants no servers")
    ran.clear()
    return start(wanted()[-1], *options, aof=aof)


def shadow(server: Server, *, add_deadline: timedelta = LATE, **options: Any) -> Shadow:
    """Return a client of a shadow there."""
    made = Shadow("shop", server.url, add_deadline=add_deadline, **options)
    made.register(note)
    return made


def said(server: Server, word: str) -> int:
    """Return how often the server has said an error that begins with this word."""
    with redis.Redis(port=server.port, protocol=2) as line:
        found: Any = line.info("errorstats")
        return int(found.get(f"errorstat_{word}", {}).get("count", 0))


class Held:
    """A body that is running until it is let go."""

    def __init__(self) -> None:
        self.begun, self.go = asyncio.Event(), asyncio.Event()

    async def body(self) -> str:
        ran.append("held")
        self.begun.set()
        await self.go.wait()
        return "done"


async def goes_through(server: Server, trouble: Callable[[], object]) -> None:
    """Let a worker, a body and producers live through trouble: nothing is lost, and nothing runs twice."""
    held = Held()
    async with shadow(server) as shadows, working(shadows, reconnection_delay=SOON):
        running = await shadows.add(held.body)()
        await heard(held.begun)
        in_trouble = asyncio.create_task(asyncio.to_thread(trouble))
        await asyncio.sleep(0.1)
        placed = [await shadows.add(note)(f"{number}") for number in range(5)]
        held.go.set()
        await in_trouble
        assert await running.get_result(timeout=LATE) == "done"
        assert [await one.get_result(timeout=LATE) for one in placed] == ["0", "1", "2", "3", "4"]
    assert sorted(ran) == ["0", "1", "2", "3", "4", "held"]


async def test_a_server_that_loads_its_file_is_waited_for(own_server: Callable[..., Server]) -> None:
    """FAULT 61: it answers LOADING for a while after its start."""
    server = a_server(own_server, "--key-load-delay", "5000", "--rdbcompression", "no")
    for number in range(300):
        ask(server, "SET", f"other:{number}", "x" * 40_000)  # it looks up from its work after each 2 MiB

    async with shadow(server) as shadows, working(shadows, reconnection_delay=SOON):
        assert await (await shadows.add(note)("before")).get_result(timeout=LATE) == "before"
        await asyncio.to_thread(ask, server, "SAVE")
        await asyncio.to_thread(server.kill)
        restarting = asyncio.create_task(asyncio.to_thread(server.restart))
        assert await (await shadows.add(note)("after")).get_result(timeout=LATE) == "after"
        await restarting
        assert said(server, "LOADING") > 0
    assert ran == ["before", "after"]


async def test_a_primary_that_becomes_a_replica_and_a_primary_again(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """FAULT 62: READONLY is ridden out, also where nobody tells of another primary."""

    def demote() -> None:
        ask(server, "REPLICAOF", "127.0.0.1", 1)
        time.sleep(1)
        ask(server, "REPLICAOF", "NO", "ONE")

    await goes_through(server, demote)
    assert "read only replica" in caplog.text


async def test_a_script_that_keeps_the_server_busy(server: Server) -> None:
    """FAULT 67: BUSY, and then all goes on."""
    script = (
        "local t = redis.call('TIME') local e = t[1] + 1.5 repeat t = redis.call('TIME') until t[1] + t[2] / 1e6 > e"
    )

    def keep_busy() -> None:
        ask(server, "CONFIG", "SET", "lua-time-limit", 50)
        ask(server, "EVAL", script, 0)

    await goes_through(server, keep_busy)
    assert said(server, "BUSY") > 0


REFUSALS = {
    "READONLY": (("REPLICAOF", "127.0.0.1", 1), ("REPLICAOF", "NO", "ONE")),
    "NOREPLICAS": (("CONFIG", "SET", "min-replicas-to-write", 1), ("CONFIG", "SET", "min-replicas-to-write", 0)),
}


@pytest.mark.parametrize("word", REFUSALS)
async def test_an_add_that_was_refused_until_its_deadline_has_placed_nothing(server: Server, word: str) -> None:
    """FAULT 62, `add_deadline`: nobody is left in doubt by a server that answered each time that it does nothing."""
    spoil, mend = REFUSALS[word]
    async with shadow(server, add_deadline=SOON) as shadows:
        await shadows.add(note, key="before", when=HOUR)("word")
        ask(server, *spoil)
        with pytest.raises(BrokerUnavailable, match=r"(?i)read only|replicas") as away:
            await shadows.add(note, key="refused", when=HOUR)("word")
        assert not away.value.sent
        ask(server, *mend)
        assert await shadows.get_execution("refused") is None


async def test_an_add_that_met_a_loading_server_until_its_deadline_has_placed_nothing(
    own_server: Callable[..., Server],
) -> None:
    """FAULT 61, `add_deadline`: the same while it loads its file."""
    server = a_server(own_server, "--key-load-delay", "5000", "--rdbcompression", "no")
    ask(server, "DEBUG", "POPULATE", 600, "other", 40_000)
    ask(server, "SAVE")
    server.kill()
    restarting = asyncio.create_task(asyncio.to_thread(server.restart))
    await comes_true(lambda: says_loading(server))
    async with shadow(server, add_deadline=SOON) as shadows:
        with pytest.raises(BrokerUnavailable, match=r"(?i)loading") as away:
            await shadows.add(note, key="refused", when=HOUR)("word")
        assert not away.value.sent
        await restarting
        assert await shadows.get_execution("refused") is None


def says_loading(server: Server) -> bool:
    """Return whether the server is up, and loads its file."""
    try:
        return server.command("PING").startswith("-LOADING")
    except OSError:
        return False


async def test_a_silent_server_is_not_waited_for_beyond_the_deadline(server: Server) -> None:
    """FAULT 58, `add_deadline`: a trip has 5 s to be answered, a producer less, and it says that nobody can know."""
    async with shadow(server, add_deadline=SOON) as shadows:
        await shadows.add(note, key="k", when=HOUR)("word")
        server.kill(signal.SIGSTOP)
        began = time.monotonic()
        with pytest.raises(OutcomeUnknown, match=r"add_deadline\).*'other'"):
            await shadows.add(note, key="other", when=HOUR)("word")
        assert time.monotonic() - began < 4
        server.kill(signal.SIGCONT)


async def test_a_name_that_nobody_knows_is_said_with_its_url() -> None:
    """FAULT 54: the password is not in it."""
    async with Shadow("shop", "redis://me:hush@nowhere.invalid/0", add_deadline=SOON) as shadows:
        with pytest.raises(BrokerUnavailable, match=r"redis://me:\*\*\*@nowhere\.invalid/0: .+") as away:
            await shadows.add(note)("word")
    assert "hush" not in str(away.value)


async def test_a_slow_server_costs_no_lease(server: Server) -> None:
    """FAULT 67: it sleeps for three quarters of a lease, and the body is not run again."""
    held, lease = Held(), timedelta(seconds=4)
    options = {"redelivery_timeout": lease, "reconnection_delay": SOON}
    async with shadow(server) as shadows, working(shadows, **options), working(shadows, **options):
        running = await shadows.add(held.body)()
        await heard(held.begun)
        await asyncio.to_thread(ask, server, "DEBUG", "SLEEP", 0.75 * lease.total_seconds())
        await asyncio.sleep(lease.total_seconds() / 2)
        held.go.set()
        assert await running.get_result(timeout=LATE) == "done"
    assert ran == ["held"]


def out_of_memory(server: Server, *, full: bool) -> None:
    """Let the server have no memory left, or again as much as there is."""
    ask(server, "CONFIG", "SET", "maxmemory", int(full))


def unsaved(server: Server, *, full: bool) -> None:
    """Let the server fail to write its snapshot, for a folder stands in the way, or succeed again."""
    ask(server, "CONFIG", "SET", "save", "3600 100000")
    obstacle = server.folder / "dump.rdb"
    if full:
        obstacle.mkdir()
        (obstacle / "x").touch()
    else:
        (obstacle / "x").unlink()
        obstacle.rmdir()
    wanted_status = b"err" if full else b"ok"
    end = time.monotonic() + DEADLINE
    while b"rdb_last_bgsave_status:" + wanted_status not in ask(server, "INFO", "persistence"):
        assert time.monotonic() < end
        with contextlib.suppress(redis.ResponseError):  # one is under way
            ask(server, "BGSAVE")
        time.sleep(0.05)


def unwritten(server: Server, *, full: bool) -> None:
    """Let the server's files not grow any more, so that it fails to append to one, or let them grow again."""
    _, hard = resource.prlimit(server.pid or 0, resource.RLIMIT_FSIZE)
    resource.prlimit(server.pid or 0, resource.RLIMIT_FSIZE, (1 if full else hard, hard))
    if full:
        with contextlib.suppress(redis.ResponseError):  # what the worker wrote may have been the last that it took
            ask(server, "SET", "other", "the last that it takes")
        while b"aof_last_write_status:err" not in ask(server, "INFO", "persistence"):
            time.sleep(0.05)


EACH_SECOND = ("--appendonly", "yes", "--appendfsync", "everysec")
FULL = [
    pytest.param("used memory", out_of_memory, (), id="memory"),
    pytest.param("MISCONF .*RDB", unsaved, (), id="snapshot"),
    pytest.param("MISCONF .*AOF", unwritten, EACH_SECOND, id="append-only file"),
]


@pytest.mark.parametrize(("word", "fill", "options"), FULL)
async def test_a_full_server_says_so_and_no_task_runs_twice_for_it(
    own_server: Callable[..., Server], word: str, fill: Callable[..., None], options: tuple[str, ...]
) -> None:
    """FAULTS 64 and 66: `add` raises BrokerFull at once, the worker is not ready and keeps what ended until it can
    settle it.  Nobody has to do anything but to make room.
    """
    server, held = a_server(own_server, *options), Held()
    async with shadow(server) as shadows, working(shadows, reconnection_delay=SOON) as worker:
        running = await shadows.add(held.body)()
        await heard(held.begun)
        await asyncio.to_thread(fill, server, full=True)
        began = time.monotonic()
        with pytest.raises(BrokerFull, match=word):
            await shadows.add(note)("refused")
        assert time.monotonic() - began < LATE.total_seconds() / 3
        held.go.set()
        await comes_true(lambda: not worker.health().ready)
        await asyncio.to_thread(fill, server, full=False)
        assert await running.get_result(timeout=LATE) == "done"
        assert await (await shadows.add(note)("after")).get_result(timeout=LATE) == "after"
        await comes_true(lambda: worker.health().ready)
    assert ran == ["held", "after"]


class Rotating(CredentialProvider):
    """Tells the password of the day."""

    def __init__(self, password: str) -> None:
        self.password = password

    def get_credentials(self) -> tuple[str]:
        return (self.password,)


def rotate(server: Server, *passwords: str) -> None:
    """Let the server take another password, and break the connections that were opened with the old one."""
    old, new = passwords
    with redis.Redis(port=server.port, password=old, protocol=2) as line:
        line.execute_command("CONFIG", "SET", "requirepass", new)
        line.execute_command("CLIENT", "KILL", "TYPE", "normal")


async def test_a_password_is_rotated_while_all_goes_on(
    own_server: Callable[..., Server], caplog: pytest.LogCaptureFixture
) -> None:
    """FAULT 68: the provider is asked again for each connection, for that of the renewals as well, and nobody minds if
    it knows the new password before the server does.
    """
    server, held, new = a_server(own_server, "--requirepass", "old"), Held(), "new"
    provider = Rotating("old")
    options = {"redelivery_timeout": timedelta(seconds=2), "reconnection_delay": SOON}
    async with shadow(server, credential_provider=provider) as shadows, working(shadows, **options):
        running = await shadows.add(held.body)()
        await heard(held.begun)
        provider.password = new
        await asyncio.to_thread(rotate, server, "old", "old")
        adding = asyncio.create_task(_added(shadows))
        await asyncio.sleep(1)  # the lease is renewed each half second
        await asyncio.to_thread(rotate, server, "old", new)
        assert await (await adding).get_result(timeout=LATE) == "late"
        await asyncio.sleep(2)
        held.go.set()
        assert await running.get_result(timeout=LATE) == "done"
    assert ran == ["held", "late"]
    assert "credentials any more, or not yet" in caplog.text


async def test_a_password_that_is_not_good_any_more_is_said_at_once(own_server: Callable[..., Server]) -> None:
    """FAULT 68: nobody tries on and on with a wrong one, which locks people out elsewhere."""
    server = a_server(own_server, "--requirepass", "old")
    url = server.url.replace("//", "//:old@")
    async with Shadow("shop", url, add_deadline=LATE) as shadows:
        worker = Worker(shadows)

        async def work() -> None:
            async with worker:
                await worker.run_forever()

        run = asyncio.create_task(work())
        assert await (await shadows.add(note)("before")).get_result(timeout=LATE) == "before"
        await asyncio.to_thread(rotate, server, "old", "new")
        began = time.monotonic()
        for refused in (shadows.add(note)("after"), run):
            with pytest.raises(NotAllowed, match="refuses us"):
                await refused
        assert time.monotonic() - began < LATE.total_seconds() / 3


@pytest.fixture
async def crowd(server: Server) -> AsyncIterator[list[redis.Redis]]:
    """Give the connections of others, as many as the server takes."""
    lines: list[redis.Redis] = []
    yield lines
    for line in lines:
        line.close()


async def test_a_server_with_too_many_clients_is_waited_for(server: Server, crowd: list[redis.Redis]) -> None:
    """FAULT 69: when others have left, all goes on."""
    ask(server, "CONFIG", "SET", "maxclients", 20)
    with contextlib.suppress(redis.ConnectionError):
        while len(crowd) < 100:
            crowd.append(redis.Redis(port=server.port, single_connection_client=True))
    assert len(crowd) < 100
    async with shadow(server, add_deadline=SOON) as hasty:
        with pytest.raises(BrokerUnavailable):  # it hangs up so soon that its reason does not always arrive
            await hasty.add(note)("refused")
    async with shadow(server) as shadows, working(shadows, reconnection_delay=SOON):
        adding = asyncio.create_task(_added(shadows))
        await asyncio.sleep(SOON.total_seconds())
        for line in crowd:
            line.close()
        assert await (await adding).get_result(timeout=LATE) == "late"


async def _added(shadows: Shadow) -> Any:
    return await shadows.add(note)("late")


async def test_a_worker_has_four_connections_at_most(server: Server) -> None:
    """FAULT 69, SEMANTICS, three connections: a client has one and, while it waits, one more."""
    held = Held()
    lease = timedelta(seconds=1)
    async with shadow(server) as shadows, working(shadows, redelivery_timeout=lease, concurrency=50):
        running = await shadows.add(held.body)()
        await heard(held.begun)
        waiting = asyncio.create_task(running.get_result(timeout=LATE))
        placed = [await shadows.add(note)(f"{number}") for number in range(50)]
        await comes_true(lambda: len(ran) == 51)
        await shadows.add(note, when=HOUR)("later")
        await asyncio.sleep(lease.total_seconds())
        lines = ask(server, "CLIENT", "LIST", "TYPE", "normal").splitlines()
        listening = ask(server, "CLIENT", "LIST", "TYPE", "pubsub").splitlines()
        assert len(placed) == 50
        assert len(lines) - 1 <= 3 + 1  # one is that which asks
        assert len(listening) <= 1
        held.go.set()
        assert await waiting == "done"
