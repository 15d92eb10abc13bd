"""`embedded://`: a server that nobody has to start, whoever of its users, its keeper or itself is killed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import attrs
import pytest
import redis

from shadows import BrokerUnavailable, ConfigurationError, Shadow, Worker
from shadows.adapters.redis import embedded, keeper
from shadows.adapters.redis.folder import Folder, Lock
from shadows.core.urls import parse
from tests.system.programs import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.system.conftest import Said
    from tests.system.programs import Program

USER = """
import asyncio, sys
from datetime import timedelta
from shadows import Shadow
from shadows.adapters.redis import keeper

async def pack(number: int) -> None: ...

async def main():
    keeper.LINGER = {linger}
    async with Shadow("shop", {url!r}) as shadows:
        for line in sys.stdin:
            await shadows.add(pack, when=timedelta(hours=1), key=line.strip())(1)
            print(line.strip(), flush=True)

asyncio.run(main())
"""
"""Places a call for each line that it reads."""
FORK = """
import asyncio, os, signal, sys
from shadows import Shadow
from shadows.adapters.redis import keeper

async def main():
    keeper.LINGER = 0.5
    async with Shadow("shop", {url!r}):
        if not (child := os.fork()):
            signal.pause()
    print(child, flush=True)

asyncio.run(main())
"""
"""Leaves a child behind."""


async def pack(number: int) -> int:
    return 2 * number


@attrs.frozen
class Place:
    """The folder of an embedded server, seen from outside."""

    folder: Folder

    @property
    def url(self) -> str:
        return f"embedded://{self.folder.path}"

    def shadow(self, **options: Any) -> Shadow:
        return Shadow("shop", self.url, **options)

    def line(self) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self.folder.socket()), decode_responses=True)

    def config(self, name: str) -> str:
        with self.line() as line:
            found: dict[Any, Any] = line.config_get(name)
            return str(found[name])

    def keepers(self) -> list[int]:
        """Give the processes that keep it."""
        return _processes("shadows-keeper", str(self.folder.path))

    def servers(self) -> list[int]:
        """Give the children of its keepers, and servers that lost theirs."""
        socket = self.folder.place_for_socket()
        return _processes(f"unixsocket:{socket}")

    def user(self, linger: float = 0.5) -> User:
        return User(self, linger)


class User:
    """A process that uses it."""

    def __init__(self, place: Place, linger: float) -> None:
        program = USER.format(url=place.url, linger=linger)
        self.process = subprocess.Popen(
            [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def begin(self, key: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{key}\n")
        self.process.stdin.flush()

    def has_placed(self, key: str) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == f"{key}\n"

    def place(self, key: str) -> None:
        self.begin(key)
        self.has_placed(key)


def _processes(*words: str) -> list[int]:
    """Give the processes with these words in their command lines."""
    found: list[int] = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            said = place.read_bytes().replace(b"\0", b" ").decode(errors="replace").split()
            if set(words) <= set(said):
                found.append(int(place.parent.name))
    return found


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def until(happens: Callable[[], object]) -> None:
    """Look again and again until something is the case: other people's processes tell us nothing."""
    end = time.monotonic() + PATIENCE
    while not happens():
        assert time.monotonic() < end
        time.sleep(0.02)


async def soon(happens: Callable[[], object]) -> None:
    """Do the same in an event loop."""
    await asyncio.to_thread(until, happens)


async def keys(shadow: Shadow) -> set[str]:
    """Give the keys of the calls that wait."""
    return {one.key for one in (await shadow.snapshot()).future}


async def add(shadow: Shadow, key: str) -> None:
    await shadow.add(pack, when=timedelta(hours=1), key=key)(1)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Give a folder that is not there yet; afterwards nobody keeps anything there."""
    monkeypatch.setattr(keeper, "LINGER", 0.5)
    made = Place(Folder.at(str(tmp_path / "data")))
    yield made
    shutil.rmtree(made.folder.path, ignore_errors=True)
    until(lambda: not made.keepers() and not made.servers())


# The life of a server


async def test_calls_outlive_everybody(home: Place) -> None:
    """Nobody had to start anything, and when nobody is left the server is gone: its folder is not."""
    async with home.shadow() as shadow:
        await add(shadow, "a")
        assert (len(home.keepers()), len(home.servers())) == (1, 1)
    await soon(lambda: not home.keepers())
    assert (home.servers(), home.folder.socket()) == ([], None)
    async with home.shadow() as shadow:
        assert await keys(shadow) == {"a"}


async def test_work_is_done_on_it_as_elsewhere(home: Place) -> None:
    """Clients, workers and the renewal of leases have connections of their own."""
    async with home.shadow() as shadow:
        execution = await shadow.add(pack)(21)
        async with Worker(shadow) as worker:
            await worker.run_until_finished()
        assert await execution.get_result() == 42
        async with shadow.redis() as client:
            assert await client.ping()


@pytest.mark.slow
async def test_the_server_is_there_for_a_while_after_the_last_user(
    home: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that commands one after the other do not each start one; a short visit counts as well."""
    monkeypatch.setattr(keeper, "LINGER", 2.0)
    async with home.shadow():
        first = home.servers()
    for _ in range(8):
        await asyncio.sleep(0.4)
        async with home.shadow():
            assert home.servers() == first


async def test_it_is_open_to_nobody_else(home: Place) -> None:
    """No port, a socket for its owner alone, and nothing that a client could turn into files elsewhere."""
    async with home.shadow():
        socket = home.folder.socket()
        assert socket is not None
        assert (socket.stat().st_mode & 0o777, socket.parent.stat().st_mode & 0o777) == (0o700, 0o700)
        assert home.folder.path.stat().st_mode & 0o777 == 0o700
        assert [home.config(name) for name in ("port", "save", "maxmemory-policy")] == ["0", "", "noeviction"]
        with home.line() as line, pytest.raises(redis.ResponseError, match="protected config"):
            line.config_set("dir", "/")


async def test_the_loop_is_not_blocked_while_it_starts(home: Place) -> None:
    """Entering waits for another process, and lets others work meanwhile."""
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    ticking = asyncio.create_task(tick())
    async with home.shadow():
        ticking.cancel()
    assert ticks >= 5


# Several at once


@pytest.mark.slow
def test_those_who_come_together_find_one_server(home: Place) -> None:
    """One of them starts the keeper, whose lock is taken before it is born."""
    with contextlib.ExitStack() as stack:
        users = [stack.enter_context(home.user(linger=2)) for _ in range(5)]
        for number, user in enumerate(users):
            user.begin(f"key-{number}")
        for number, user in enumerate(users):
            user.has_placed(f"key-{number}")
        assert (len(home.keepers()), len(home.servers())) == (1, 1)

    async def look() -> set[str]:
        async with home.shadow() as shadow:
            return await keys(shadow)

    assert asyncio.run(look()) == {f"key-{number}" for number in range(5)}


async def test_whoever_comes_while_it_is_stopped_gets_a_new_one(home: Place) -> None:
    """The keeper has the folder to itself until its server is gone; who comes meanwhile waits, and is then served."""
    async with home.shadow() as shadow:
        await add(shadow, "a")
        (server,), (kept,) = home.servers(), home.keepers()
        os.kill(server, signal.SIGSTOP)
    lock = Lock.on(home.folder.users)
    with contextlib.closing(lock):

        def stopping() -> bool:
            shared = lock.share()
            lock.let_go()
            return not shared and home.folder.socket() is None

        await soon(stopping)
    coming = asyncio.create_task(home.shadow().__aenter__())
    await asyncio.sleep(0.3)
    assert not coming.done()
    os.kill(server, signal.SIGCONT)
    shadow = await coming
    assert await keys(shadow) == {"a"}
    assert home.servers() != [server]
    assert home.keepers() != [kept]
    await shadow.__aexit__(None, None, None)


@pytest.mark.slow
async def test_nobody_ever_meets_an_error_when_a_server_ends(home: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Visits at every moment around the one at which the keeper decides."""
    monkeypatch.setattr(keeper, "LINGER", 0.25)
    for number in range(25):
        async with home.shadow() as shadow:
            await add(shadow, f"key-{number}")
            assert len(await keys(shadow)) == number + 1
            assert len(home.servers()) == 1
        await asyncio.sleep(0.2 + number * 0.02)


# Who is killed


async def test_a_user_that_is_killed_keeps_nothing_running(home: Place) -> None:
    """Its share of the lock goes with it."""
    with home.user() as user:
        user.place("a")
        await asyncio.sleep(1.5)
        assert home.servers()
    await soon(lambda: not home.keepers())
    assert not home.servers()


async def test_a_server_that_is_killed_is_an_ordinary_outage(home: Place) -> None:
    """Clients and workers go on with the next one, which has read what the last one wrote."""
    async with home.shadow(add_deadline=timedelta(seconds=20)) as shadow:
        await add(shadow, "a")
        async with Worker(shadow, name="w") as worker:
            working = asyncio.create_task(worker.run_forever())
            assert await (await shadow.add(pack)(1)).get_result(timeout=PATIENCE) == 2
            (server,) = home.servers()
            os.kill(server, signal.SIGKILL)
            assert await (await shadow.add(pack)(2)).get_result(timeout=PATIENCE) == 4
            assert server not in home.servers()
            assert len(home.servers()) == 1
            assert await keys(shadow) == {"a"}
            worker.stop()
            await working


async def test_a_keeper_that_is_killed_leaves_no_server_behind(home: Place) -> None:
    """The server ends with it; whoever needs one starts another keeper, and there are never two."""
    async with home.shadow(add_deadline=timedelta(seconds=20)) as shadow:
        await add(shadow, "a")
        (server,), (kept,) = home.servers(), home.keepers()
        os.kill(kept, signal.SIGKILL)
        await soon(lambda: not home.servers())
        await add(shadow, "b")
        assert await keys(shadow) == {"a", "b"}
        assert (len(home.servers()), len(home.keepers())) == (1, 1)
        assert home.servers() != [server]


async def test_calls_outlive_the_end_of_everything_at_once(home: Place) -> None:
    """What was acknowledged lies with the kernel at least."""
    with home.user() as user:
        for number in range(20):
            user.place(f"key-{number}")
        for pid in (user.process.pid, *home.keepers(), *home.servers()):
            os.kill(pid, signal.SIGKILL)
    async with home.shadow() as shadow:
        assert len(await keys(shadow)) == 20


async def test_a_server_without_a_keeper_is_ended_before_the_next_one_starts(home: Place) -> None:
    """Where no kernel ends it with its keeper, it holds a lock for as long as it writes here."""
    async with home.shadow() as shadow:
        await add(shadow, "a")
    await soon(lambda: not home.keepers())
    socket, lock = home.folder.place_for_socket(), Lock.on(home.folder.server)
    assert lock.own()
    command = [str(keeper.program()), *keeper.options(home.folder, socket)]
    with contextlib.closing(lock):
        orphan = subprocess.Popen(command, pass_fds=[lock.descriptor])  # noqa: ASYNC220 - nobody else is here
    await soon(lambda: keeper.ask(socket, b"PING") == b"+PONG")
    async with home.shadow() as shadow:
        assert orphan.wait(PATIENCE) == 0
        assert await keys(shadow) == {"a"}


async def test_the_keeper_belongs_to_no_terminal_and_ends_when_it_is_told_to(home: Place) -> None:
    """Ctrl-C is for the users; SIGTERM, as when the machine goes down, lets the server write what it has."""
    async with home.shadow(add_deadline=timedelta(seconds=20)) as shadow:
        await add(shadow, "a")
        (kept,) = home.keepers()
        assert os.getsid(kept) != os.getsid(0)
        assert _parent(kept) != os.getpid()
        os.kill(kept, signal.SIGINT)
        await add(shadow, "b")
        assert home.keepers() == [kept]
        os.kill(kept, signal.SIGTERM)
        await soon(lambda: not home.servers())
        assert "ready to exit" in home.folder.log.read_text()
        assert await keys(shadow) == {"a", "b"}


def test_a_forked_child_keeps_nothing_running(home: Place) -> None:
    """It inherits what is open, but uses nothing of it."""
    command = [sys.executable, "-W", "ignore", "-c", FORK.format(url=home.url)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert parent.wait(PATIENCE) == 0
        try:
            until(lambda: not home.keepers())
        finally:
            os.kill(child, signal.SIGKILL)


# What lies on the disk


async def test_a_folder_that_is_removed_takes_its_server_along(home: Place) -> None:
    """A lock on a file that nobody finds any more is worth nothing; whoever is left begins anew."""
    async with home.shadow(add_deadline=timedelta(seconds=20)) as shadow:
        await add(shadow, "a")
        (server,) = home.servers()
        shutil.rmtree(home.folder.path)
        await soon(lambda: server not in home.servers())
        await add(shadow, "b")
        assert await keys(shadow) == {"b"}


async def test_a_socket_that_is_tidied_away_is_made_again(home: Place) -> None:
    """In a place for temporary things, somebody may remove it; nobody could reach the server then."""
    async with home.shadow(add_deadline=timedelta(seconds=20)) as shadow:
        await add(shadow, "a")
        (server,), socket = home.servers(), home.folder.socket()
        assert socket is not None
        socket.unlink()
        await soon(lambda: server not in home.servers())
        async with home.shadow() as other:
            assert await keys(other) == await keys(shadow) == {"a"}


async def test_a_long_path_is_no_hindrance(home: Place) -> None:
    """A socket's own path may have some 100 bytes, so it lies elsewhere."""
    there = Place(Folder(home.folder.path / ("long " * 20) / ("é" * 60)))
    async with Shadow("shop", f"embedded://{str(there.folder.path).replace(' ', '%20')}") as shadow:
        await add(shadow, "a")
        socket = there.folder.socket()
        assert socket is not None
        assert len(str(socket)) < 100


async def test_every_change_may_be_on_the_disk_before_it_is_answered(home: Place) -> None:
    """Whoever asks for it gets it, also from a server that runs already, and nobody takes it back."""
    async with home.shadow():
        assert home.config("appendfsync") == "everysec"
        async with Shadow("shop", f"{home.url}?fsync=always"), home.shadow() as other:
            await add(other, "a")
            assert home.config("appendfsync") == "always"
            (server,) = home.servers()
            os.kill(server, signal.SIGKILL)
            strict = embedded.in_folder(parse(f"{home.url}?fsync=always"), None)
            await asyncio.to_thread(lambda: strict.connect_blocking().disconnect())
            assert home.config("appendfsync") == "always"
            strict.leave()


# What cannot work


@pytest.mark.parametrize("path", ["file", "file/deeper", "x" * 300, "/proc/1/nothing"])
async def test_a_folder_that_cannot_be_is_refused_with_a_remedy(tmp_path: Path, path: str) -> None:
    """At once, and by name."""
    (tmp_path / "file").touch()
    url = f"embedded://{tmp_path / path}"
    with pytest.raises(ConfigurationError) as caught:
        await Shadow("shop", url).__aenter__()
    assert url in str(caught.value)
    assert "a folder on a local disk that you may write to" in caught.value.remedy


async def test_a_server_that_does_not_start_says_why(home: Place) -> None:
    """Its log's last words are in the error, and where the rest is."""
    async with home.shadow() as shadow:
        await add(shadow, "a")
    await soon(lambda: not home.keepers())
    (home.folder.path / "appendonlydir" / "appendonly.aof.manifest").write_text("nonsense\n")
    with pytest.raises(BrokerUnavailable, match=r"no server can be started: it ended with 1: .*server\.log"):
        await home.shadow().__aenter__()
    await soon(lambda: not home.keepers())


async def test_a_keeper_that_is_killed_at_once_is_told(home: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """It could not say why itself."""
    monkeypatch.setattr(keeper, "_PROGRAM", "raise SystemExit")
    with pytest.raises(BrokerUnavailable, match="no server can be started: its keeper was killed"):
        await home.shadow().__aenter__()


# From the command line


@pytest.mark.slow
def test_commands_work_on_it(home: Place, shadows: Callable[..., Said], program: Callable[..., Program]) -> None:
    """A worker in one process, and looks from others."""
    words = ("--url", home.url, "--shadows", "shop")
    worker = program("worker", *words, "--name", "w")
    until(lambda: json.loads(shadows("workers", "ls", *words, "--json").out)["workers"])
    assert shadows("tasks", "trace", "hello", *words).code == 0
    worker.until("hello")
    assert json.loads(shadows("snapshot", *words, "--json").out)
    said = shadows("doctor", *words)
    assert (said.code, "Valkey" in said.out) == (0, True), said.out
    assert home.url in shadows("config", *words, "--json").out
    worker.signal(signal.SIGTERM)
    assert worker.end() == 0
