"""A port on which a test listens, opens and closes it at will, and loses no connection by that."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    type Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@attrs.define(eq=False)
class Listening:
    """Serves each connection with a task of its own.

    asyncio's own server forgets to close what it accepts at the moment when it is closed itself.
    """

    serve: Serve
    port: int = 0
    """0 until it was opened for the first time"""
    _talks: set[asyncio.Task[None]] = attrs.field(factory=set["asyncio.Task[None]"], init=False)
    _socket: socket.socket | None = attrs.field(default=None, init=False)

    @property
    def connections(self) -> int:
        """How many are open now."""
        return len(self._talks)

    def open(self) -> None:
        """Take connections, on the same port as before."""
        self._socket = socket.create_server(("127.0.0.1", self.port))
        self._socket.setblocking(False)  # noqa: FBT003 - its only argument
        self.port = self._socket.getsockname()[1]
        asyncio.get_running_loop().add_reader(self._socket, self._accept, self._socket)

    async def close(self) -> None:
        """Refuse new connections, and break those that there are."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None
        await self.cut()

    async def cut(self) -> None:
        """Break every connection that there is."""
        talks = [*self._talks]
        for talk in talks:
            talk.cancel()
        if talks:
            await asyncio.wait(talks)

    def _accept(self, listening: socket.socket) -> None:
        try:
            connection, _ = listening.accept()
        except OSError:
            return  # it has gone again
        talk = asyncio.create_task(self._talk(connection))
        self._talks.add(talk)
        talk.add_done_callback(self._talks.discard)
        talk.add_done_callback(lambda _: connection.close())

    async def _talk(self, connection: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=connection)
        try:
            await self.serve(reader, writer)
        except (asyncio.CancelledError, ConnectionError):
            pass  # we cut it, or they did
        finally:
            writer.transport.abort()
