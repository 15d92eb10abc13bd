"""How a worker's process ends, and what it does while its server is away.  Each one is a process of its own."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from shadows import ExecutionState, Shadow

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from shadows import Execution
    from tests.servers import Server, Servers
    from tests.system.conftest import Said
    from tests.system.programs import Program

    type Start = Callable[..., Program]

pytestmark = pytest.mark.slow

TASKS = """
import asyncio, time
from pathlib import Path

async def until_told(path):
    while not Path(path).exists():
        await asyncio.sleep(0.01)
    return "told"

def stuck():
    time.sleep(600)

async def stubborn():
    while True:
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            pass

async def careless():
    async def leave():
        raise SystemExit(3)
    child = asyncio.create_task(leave())
    await asyncio.sleep(600)

tasks = [until_told, stuck, stubborn, careless]
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Path:
    """Give a folder that holds a module of tasks."""
    (tmp_path / "jobs.py").write_text(TASKS)
    return tmp_path


def add(url: str, shadow: str, task: str, *args: object) -> None:
    """Place a call under the key of its task."""

    async def run() -> None:
        async with Shadow(shadow, url, allow_unknown=True) as client:
            await client.add(task, key=task)(*args)

    asyncio.run(run())


def look(url: str, shadow: str, key: str) -> Execution[Any]:
    """Read what has become of it."""

    async def run() -> Execution[Any] | None:
        async with Shadow(shadow, url) as client:
            return await client.get_execution(key)

    found = asyncio.run(run())
    assert found is not None
    return found


def worker(program: Start, url: str, shadow: str, *more: str) -> Program:
    """Start a worker that knows the tasks."""
    words = ("--url", url, "--shadows", shadow, "--tasks", "jobs:tasks", "--logging-format", "plain")
    return program("worker", *words, *more)


# Signals


def test_the_first_signal_lets_running_calls_end_and_exits_0(
    program: Start, shadows: Callable[..., Said], one_place: str, shadow_name: str, folder: Path
) -> None:
    """While it drains, the worker claims nothing new; meanwhile a snapshot shows what runs, and where."""
    add(one_place, shadow_name, "until_told", str(folder / "told"))
    draining = worker(program, one_place, shadow_name, "--name", "drainer")
    draining.until("until_told started")
    said = shadows("snapshot", "--url", one_place, "--shadows", shadow_name)
    assert re.search(r"running +until_told +until_told +for \d+\.\ds on drainer", said.out), said.out
    assert re.search(r"drainer +\d\.\ds ago +careless, fail, sleep, stubborn, stuck, trace, until_told", said.out), (
        said.out
    )
    seen = json.loads(shadows("snapshot", "--url", one_place, "--shadows", shadow_name, "--json").out)
    assert (seen["running"], seen["calls"][0]["worker"], seen["workers"][0]["name"]) == (1, "drainer", "drainer")
    draining.signal(signal.SIGTERM)
    draining.until("SIGTERM: waiting up to 30s for running calls")
    add(one_place, shadow_name, "stubborn")
    (folder / "told").touch()
    assert draining.end() == 0
    assert look(one_place, shadow_name, "until_told").state is ExecutionState.COMPLETED
    assert look(one_place, shadow_name, "stubborn").state is ExecutionState.QUEUED


def test_a_second_sigterm_hands_back_and_exits_143(program: Start, one_place: str, shadow_name: str) -> None:
    """The call is there for another worker at once, and has used up neither an attempt nor a delivery."""
    add(one_place, shadow_name, "until_told", "/nowhere/at/all")
    forced = worker(program, one_place, shadow_name)
    forced.until("until_told started")
    forced.signal(signal.SIGTERM)
    forced.until("SIGTERM: waiting")
    forced.signal(signal.SIGTERM)
    assert forced.end() == 143
    assert "handing back" in forced.text
    left = look(one_place, shadow_name, "until_told")
    assert (left.state, left.attempt, left.redelivered) == (ExecutionState.QUEUED, 1, False)


def test_a_thread_that_never_returns_does_not_hold_up_a_forced_end(
    program: Start, one_place: str, shadow_name: str
) -> None:
    """Python waits for threads; the command line does not."""
    add(one_place, shadow_name, "stuck")
    forced = worker(program, one_place, shadow_name)
    forced.until("stuck started")
    forced.signal(signal.SIGINT)
    forced.until("SIGINT: waiting")
    began = time.monotonic()
    forced.signal(signal.SIGINT)
    assert forced.end() == 130
    assert time.monotonic() - began < 5
    assert look(one_place, shadow_name, "stuck").state is ExecutionState.QUEUED


def test_what_has_not_ended_at_the_drain_limit_is_handed_back(program: Start, one_place: str, shadow_name: str) -> None:
    """Neither a thread nor a body that swallows its cancellation keeps the process; it ends well."""
    add(one_place, shadow_name, "stuck")
    add(one_place, shadow_name, "stubborn")
    draining = worker(program, one_place, shadow_name, "--drain-timeout", "200ms")
    draining.until("stuck started")
    draining.until("stubborn started")
    draining.signal(signal.SIGTERM)
    assert draining.end() == 0
    assert look(one_place, shadow_name, "stuck").state is ExecutionState.QUEUED
    assert look(one_place, shadow_name, "stubborn").state is ExecutionState.QUEUED


def test_something_that_ends_the_event_loop_hands_back_and_exits_70(
    program: Start, one_place: str, shadow_name: str
) -> None:
    """SystemExit in an asyncio task that a body has started and forgotten: the message says who and where."""
    add(one_place, shadow_name, "until_told", "/nowhere/at/all")
    add(one_place, shadow_name, "careless")
    ended = worker(program, one_place, shadow_name)
    assert ended.end() == 70
    assert "error: SystemExit(3) ended the worker; its running calls were handed back" in ended.text
    assert "jobs.py, line" in ended.text
    assert look(one_place, shadow_name, "until_told").state is ExecutionState.QUEUED


# Servers that are away, or refuse


@pytest.fixture
def lonely(own_server: Callable[..., Server], one_name: str) -> Server:
    """Give a server of this test's own."""
    return own_server(one_name)


def test_a_worker_goes_on_trying_until_its_server_is_there(
    program: Start, lonely: Server, shadow_name: str, folder: Path
) -> None:
    """One line with the URL, without its password, and the reason; then one for each try."""
    add(lonely.url, shadow_name, "until_told", str(folder / "jobs.py"))
    lonely.kill()
    url = lonely.url.replace("127.0.0.1", "default:hunter2@127.0.0.1")
    waiting = worker(program, url, shadow_name, "--reconnection-delay", "300ms")
    waiting.until(r"the broker is away \(redis://default:\*\*\*@127\.0\.0\.1:\d+/0: .*\); try 2 in")
    waiting.until("try 3 in")
    lonely.restart()
    lonely.command("ACL", "SETUSER", "default", ">hunter2", "on")
    waiting.until("the broker is back")
    assert "hunter2" not in waiting.text
    waiting.signal(signal.SIGTERM)
    assert waiting.end() == 0


def test_a_signal_ends_a_worker_whose_server_is_away(program: Start, shadow_name: str) -> None:
    """It has nothing to drain, and does not wait for the server."""
    waiting = worker(program, "redis://127.0.0.1:1/0", shadow_name)
    waiting.until("try 2 in")
    waiting.signal(signal.SIGINT)
    assert waiting.end() == 0


def test_a_server_that_wants_a_password_ends_with_77(
    program: Start,
    shadows: Callable[..., Said],
    own_server: Callable[..., Server],
    one_name: str,
    shadow_name: str,
) -> None:
    """For the worker too: waiting would not help."""
    guarded = own_server(one_name, "--requirepass", "hunter2")
    for url in (guarded.url, guarded.url.replace("127.0.0.1", ":wrong@127.0.0.1")):
        said = shadows("snapshot", "--url", url)
        assert said.code == 77
        assert "SHADOW_URL" in said.err
        assert "wrong" not in said.err.replace("WRONGPASS", "")
        refused = worker(program, url, shadow_name)
        assert refused.end() == 77
        assert "redis://USER:PASSWORD@HOST:PORT/0" in refused.text


@contextmanager
def a_web_server() -> Generator[int]:
    """Give the port of something that speaks another protocol."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    link, _ = listening.accept()
                except OSError:
                    return
                with link:
                    link.recv(1000)
                    link.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1]


def test_a_port_of_something_else_is_told_in_a_few_lines(shadows: Callable[..., Said]) -> None:
    """A web server on the port is no reason for a traceback."""
    with a_web_server() as port:
        said = shadows("snapshot", "--url", f"redis://127.0.0.1:{port}/0")
    assert said.code in {69, 78}
    assert str(port) in said.err
    assert len(said.err.splitlines()) <= 8


def test_a_host_that_does_not_exist_ends_with_69(shadows: Callable[..., Said]) -> None:
    """The name is in the message."""
    said = shadows("clear", "--url", "redis://no-such-host.invalid:6379/0")
    assert said.code == 69
    assert "no-such-host.invalid" in said.err


def test_a_key_that_somebody_else_has_taken_is_named(
    shadows: Callable[..., Said], servers: Servers, one_name: str, shadow_name: str
) -> None:
    """WRONGTYPE becomes the name of the key and what to do about it."""
    server = servers.get(one_name)
    server.command("SET", f"{shadow_name}:stream", "mine")
    said = shadows("snapshot", "--url", server.url, "--shadows", shadow_name)
    server.command("DEL", f"{shadow_name}:stream")
    assert said.code == 1
    assert f"{shadow_name}:stream" in said.err
    assert "redis-cli TYPE" in said.err
