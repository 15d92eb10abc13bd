"""The other end of a connection: answers what a test says, and can do what no server would."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

import hiredis

from tests.listening import Listening

if TYPE_CHECKING:
    from collections.abc import Callable

INFO = b"$21\r\nredis_version:7.4.0\r\n\r\n"
OK = b"+OK\r\n"


class Peer:
    """Listens on a port of its own.  ``answer`` gets a command and returns bytes; None hangs up, b"" is silence."""

    def __init__(self, answer: Callable[[str], bytes | None]) -> None:
        self.answer = answer
        self.commands: list[str] = []
        """what came in, but for what every connection begins with"""
        self.connections = 0
        """how many there were so far"""
        self._listening = Listening(self._serve)
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._listening.port

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"redis://127.0.0.1:{self.port}/0"

    async def __aenter__(self) -> Self:
        self._listening.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._listening.close()

    def hang_up(self) -> None:
        """Break every connection."""
        for writer in self._writers:
            writer.transport.abort()

    def say(self, message: bytes) -> None:
        """Send this to everybody."""
        for writer in self._writers:
            writer.write(message)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        parser = hiredis.Reader()
        try:
            while data := await reader.read(65536):
                parser.feed(data)
                while (command := parser.gets()) is not False:
                    words = " ".join(part.decode() for part in command)
                    reply = OK if words.startswith("CLIENT SETINFO") else self.answer(words)
                    if words != "INFO server" and not words.startswith("CLIENT SETINFO"):
                        self.commands.append(words)
                    if reply is None:
                        return
                    writer.write(reply)
        finally:
            self._writers.discard(writer)


def server(words: str) -> bytes:
    """Answer like a server that knows only INFO and PING."""
    return INFO if words == "INFO server" else b"+PONG\r\n" if words == "PING" else b"-ERR unknown command\r\n"
