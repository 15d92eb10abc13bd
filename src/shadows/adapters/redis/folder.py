"""The folder of an embedded server: what lies in it, and who holds which of its locks.

Everything that users of the folder and its keeper tell each other is here, so that those of different versions
understand each other: three locks and a link.

- ``users.lock``: shared by everybody who uses the server; the keeper has it to itself when it stops the server
- ``keeper.lock``: of the keeper; whoever starts one takes it first and lets it be inherited
- ``server.lock``: of the server itself, which inherits it: it is held for as long as a server writes here
- ``socket``: a link to the server's socket, there while the server is ready

A lock is gone with the last process that holds it, however that ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, Self
from weakref import WeakSet

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST: Final = 100
"""Bytes of the path of a socket: Linux takes 107, macOS 103."""
LOG: Final = 1_000_000
"""Bytes from which on a log is put aside when a server starts."""


@attrs.frozen
class Folder:
    """A folder that a server keeps its data in."""

    path: Path
    """without links, so that it is the same for everybody"""

    @classmethod
    def at(cls, path: str) -> Self:
        """Return the folder that this path leads to, which need not be there yet."""
        return cls(Path(path).resolve())

    @property
    def users(self) -> Path:
        """The lock of those who use the server."""
        return self.path / "users.lock"

    @property
    def keeper(self) -> Path:
        """The lock of the keeper."""
        return self.path / "keeper.lock"

    @property
    def server(self) -> Path:
        """The lock of the server."""
        return self.path / "server.lock"

    @property
    def log(self) -> Path:
        """What the server and its keeper have to tell."""
        return self.path / "server.log"

    @property
    def link(self) -> Path:
        """What leads to the socket."""
        return self.path / "socket"

    def socket(self) -> Path | None:
        """Return where the server listens; None while none is ready."""
        try:
            return self.link.readlink()
        except FileNotFoundError:
            return None

    def publish(self, socket: Path) -> None:
        """Let everybody know that the server is ready."""
        beside = self.path / "socket.new"
        beside.unlink(missing_ok=True)
        beside.symlink_to(socket)
        beside.replace(self.link)

    def log_ends(self) -> str:
        """Return the last words of the log."""
        with contextlib.suppress(OSError):
            return " / ".join(self.log.read_text(errors="replace").splitlines()[-4:])[-600:]
        return ""

    def put_log_aside(self) -> None:
        """Begin a new log where the old one is long."""
        with contextlib.suppress(FileNotFoundError):
            if self.log.stat().st_size > LOG:
                self.log.replace(self.path / "server.log.old")

    def place_for_socket(self) -> Path:
        """Return where the server shall listen: somewhere short that is ours alone.

        Raises:
            OSError: there is no such place.
        """
        name = sha256(os.fsencode(self.path)).hexdigest()[:16]
        lost: OSError | None = None
        for runtime in _runtime_folders():
            socket = runtime / f"shadows-{os.geteuid()}" / f"{name}.sock"
            if len(os.fsencode(socket)) > LONGEST:
                continue
            try:
                _make_ours(socket.parent)
            except OSError as error:
                lost = error
            else:
                return socket
        raise lost or OSError(f"each runtime folder has too long a path for a socket, even {tempfile.gettempdir()}")


def _runtime_folders() -> Iterator[Path]:
    if given := os.environ.get("XDG_RUNTIME_DIR"):
        yield Path(given)
    yield Path(tempfile.gettempdir())
    yield Path("/tmp")  # noqa: S108 - nothing is trusted that others may have put there


def _make_ours(folder: Path) -> None:
    """Make a folder for ourselves, or see that the one that is there is: in a place for all, anybody may come first."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_mode & 0o077 or found.st_uid != os.geteuid():
        raise PermissionError(f"{folder} is not a folder of this user alone; remove it")


_kept_from_children: WeakSet[Lock] = WeakSet()


@attrs.define(eq=False)
class Lock:
    """A lock on a file, by which processes and threads exclude each other; nobody waits for it."""

    path: Path
    _file: BinaryIO

    @classmethod
    def on(cls, path: Path) -> Self:
        """Return the lock on this file, which is made where it is missing; it is not taken yet."""
        return cls(path, path.open("a+b", buffering=0))

    @classmethod
    def inherited(cls, path: Path, descriptor: int) -> Self:
        """Return the lock that another process has taken for this one."""
        return cls(path, os.fdopen(descriptor, "a+b", buffering=0))

    @property
    def descriptor(self) -> int:
        """What a process inherits."""
        return self._file.fileno()

    def keep_from_children(self) -> Self:
        """Let no process inherit it that this one forks: it must not keep a server running for us."""
        _kept_from_children.add(self)
        return self

    def share(self) -> bool:
        """Take it together with others; tell whether nobody has it alone."""
        return self._take(fcntl.LOCK_SH)

    def own(self) -> bool:
        """Take it alone; tell whether nobody else has it."""
        return self._take(fcntl.LOCK_EX)

    def _take(self, how: int) -> bool:
        try:
            fcntl.flock(self._file, how | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def stands(self) -> bool:
        """Tell whether its file is still the one that others find under this path."""
        try:
            return os.path.samestat(self.path.stat(), os.fstat(self.descriptor))
        except OSError:
            return False

    def touch(self) -> None:
        """Leave word that somebody was here, who may be gone before anybody has looked."""
        with contextlib.suppress(OSError):
            os.utime(self.descriptor)

    def touched(self) -> int:
        """Return when somebody was here last, to be compared only with other such numbers."""
        return os.fstat(self.descriptor).st_mtime_ns

    def let_go(self) -> None:
        """Leave it to others, and keep the file open; also for processes that inherited it."""
        fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the file; processes that inherited it keep the lock."""
        self._file.close()


def _close_in_child() -> None:
    for lock in list(_kept_from_children):
        lock.close()


os.register_at_fork(after_in_child=_close_in_child)
