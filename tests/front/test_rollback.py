"""The server loses what it did last, or all that its disk did not have: what becomes of calls, leases and fences."""

from __future__ import annotations

import asyncio
import shutil
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from shadows import Shadow
from shadows.core import verdict
from shadows.ports.broker import Settlement
from tests.contract.acts import take, take_one, worker
from tests.front.acts import HOUR, comes_true, heard, working
from tests.servers import wanted

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from tests.servers import Server

LATE = timedelta(seconds=45)
SOON = timedelta(seconds=1)

type Starts = Callable[..., Server]

ran: list[str] = []


async def note(word: str) -> str:
    """Run, and let everybody see how often."""
    ran.append(word)
    return word


@pytest.fixture(params=["always", "everysec"])
def lasting(request: pytest.FixtureRequest, own_server: Starts) -> Server:
    """Give a server that writes down what it does: each thing at once, or all of it each second."""
    return lasting_server(own_server, request.param)


def lasting_server(start: Starts, fsync: str) -> Server:
    """Start such a server."""
    if not wanted():
        pytest.skip("this run wants no servers")
    ran.clear()
    return start(wanted()[-1], "--appendfsync", fsync, aof=True)


def shadow(server: Server) -> AbstractAsyncContextManager[Shadow]:
    """Return a client that waits for the server to come back."""
    made = Shadow("shop", server.url, add_deadline=LATE)
    made.register(note)
    return made


def log_of(server: Server) -> Path:
    """Return the file at whose end a server writes what it does."""
    files = [*server.folder.glob("appendonlydir/*.incr.aof"), *server.folder.glob("appendonly.aof")]
    return max(files)


async def kill_and_restart(server: Server, between: Callable[[], object] = lambda: None) -> None:
    """End a server without a word, do something to its files, and start it again."""

    def work() -> None:
        server.kill()
        between()
        server.restart()

    await asyncio.to_thread(work)


async def test_a_killed_server_loses_nothing_that_was_acknowledged(lasting: Server) -> None:
    """FAULT 74: calls that wait, run and have ended are there again, once they are written; a lease is still good."""
    begun, go = asyncio.Event(), asyncio.Event()

    async def slow() -> str:
        ran.append("slow")
        begun.set()
        await go.wait()
        return "done"

    async with shadow(lasting) as shadows, working(shadows, redelivery_timeout=LATE, reconnection_delay=SOON):
        ended = await shadows.add(note)("ended")
        assert await ended.get_result(timeout=LATE) == "ended"
        running = await shadows.add(slow)()
        await heard(begun)
        later = [await shadows.add(note, when=timedelta(seconds=1))(f"later {number}") for number in range(50)]
        await comes_true(lasting.has_written)
        await kill_and_restart(lasting)
        go.set()
        assert await running.get_result(timeout=LATE) == "done"
        assert [await one.get_result(timeout=LATE) for one in later] == [f"later {number}" for number in range(50)]
        assert await ended.get_result(timeout=LATE) == "ended"
    assert sorted(ran) == sorted(["ended", "slow", *(f"later {number}" for number in range(50))])


async def test_a_cut_tail_loses_the_cut_and_nothing_else(own_server: Starts) -> None:
    """FAULT 74, power loss: the file ends in the middle of a word; the server mends that, and we need do nothing."""
    server = lasting_server(own_server, "always")
    async with shadow(server) as shadows:
        for number in range(100):
            await shadows.add(note, key=str(number))(str(number))
        size = log_of(server).stat().st_size
        for number in range(100, 105):
            await shadows.add(note, key=str(number))(str(number))

        def cut() -> None:
            with log_of(server).open("r+b") as file:
                file.truncate(size + 10)

        await kill_and_restart(server, cut)
        async with working(shadows, reconnection_delay=SOON):
            await comes_true(lambda: len(ran) >= 100)
            assert await (await shadows.add(note)("after")).get_result(timeout=LATE) == "after"
    assert sorted(ran, key=lambda word: (len(word), word)) == [*map(str, range(100)), "after"]


async def test_an_older_copy_takes_no_settle_of_a_lease_that_it_never_gave(own_server: Starts) -> None:
    """FAULT 74, INV 4: A and B got the same message from the same counter; only B's settle counts."""
    server = lasting_server(own_server, "always")
    copy = server.folder.with_name(f"{server.folder.name}-copy")
    try:
        async with shadow(server) as shadows, shadow(server) as others:
            await shadows.add(note, key="a")("a")
            await asyncio.to_thread(shutil.copytree, server.folder, copy, ignore=shutil.ignore_patterns("*.sock"))
            one, other = worker("a"), worker("b")
            old = await take_one(shadows.backend().broker, one)
            await kill_and_restart(server, lambda: go_back(server, copy))
            new = await take_one(others.backend().broker, other)
            assert (new.key, new.token) == (old.key, old.token)
            broker = shadows.backend().broker
            assert await broker.settle(one, [(old, verdict.completed("t"))]) == [Settlement.SUPERSEDED]
            assert await asyncio.to_thread(broker.renew, one, [old.token]) == {old.token}
            assert await broker.settle(other, [(new, verdict.completed("t"))]) == [Settlement.SETTLED]
            assert await take(broker, one) == ()
    finally:
        shutil.rmtree(copy, ignore_errors=True)


async def test_a_worker_lives_through_an_older_copy_without_anybodys_help(own_server: Starts) -> None:
    """FAULT 74: what the copy knows runs (again, if it had run), what it does not know is gone, and no body meets its
    double.
    """
    server = lasting_server(own_server, "always")
    copy = server.folder.with_name(f"{server.folder.name}-copy")
    begun, inside, most = asyncio.Event(), 0, 0

    async def slow() -> str:
        nonlocal inside, most
        inside, most = inside + 1, max(most, inside + 1)
        ran.append("slow")
        begun.set()
        try:
            await asyncio.sleep(LATE.total_seconds() if ran.count("slow") == 1 else 0)
        finally:
            inside -= 1
        return "done"

    try:
        async with shadow(server) as shadows:
            known = await shadows.add(slow, key="known")()
            kept = await shadows.add(note, key="kept", when=timedelta(seconds=1))("kept")
            await asyncio.to_thread(shutil.copytree, server.folder, copy, ignore=shutil.ignore_patterns("*.sock"))
            await shadows.add(note, key="lost", when=HOUR)("lost")
            async with working(shadows, reconnection_delay=SOON):
                await heard(begun)
                await kill_and_restart(server, lambda: go_back(server, copy))
                assert await known.get_result(timeout=LATE) == "done"
                assert await kept.get_result(timeout=LATE) == "kept"
                assert await shadows.get_execution("lost") is None
                assert await (await shadows.add(note, key="lost")("again")).get_result(timeout=LATE) == "again"
        assert most == 1
        assert ran.count("slow") == 2
    finally:
        shutil.rmtree(copy, ignore_errors=True)


def go_back(server: Server, copy: Path) -> None:
    """Put an older copy of a server's files in the place of those that it has."""
    for old in (server.folder / "appendonlydir", server.folder / "appendonly.aof"):
        if old.is_dir():
            shutil.rmtree(old)
        old.unlink(missing_ok=True)
    shutil.copytree(copy, server.folder, dirs_exist_ok=True)
