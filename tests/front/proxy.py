"""A way to a real server that breaks where a test says: before a request, before its reply, or altogether."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import attrs

from shadows import Shadow
from shadows.adapters.redis import scripts
from tests.clients import by_client
from tests.listening import Listening

if TYPE_CHECKING:
    from tests.front.places import ServerPlace

_DIGESTS = {verb: hashlib.sha1(text.encode()).hexdigest().encode() for verb, text in scripts.sources().items()}  # noqa: S324


@attrs.define(eq=False)
class Fault:
    """What happens to the next request of a kind."""

    verb: str
    """a script's name; ``door`` is a claim behind a BLPOP, and ``wait`` the BLPOP"""
    before: bool = False
    """the server never hears of it"""
    answer: bytes | None = None
    """what is answered instead of the reply; None breaks the connection"""
    held: bool = False
    """the reply waits for ``go``"""
    happened: asyncio.Event = attrs.field(factory=asyncio.Event)
    """set when the request came by, or, where the server is to hear of it, when it has answered"""
    go: asyncio.Event = attrs.field(factory=asyncio.Event)


@attrs.define(eq=False)
class Proxy:
    """A TCP proxy in front of one server.  It reads requests and replies, and so knows which is which."""

    place: ServerPlace
    seen: list[str] = attrs.field(factory=list[str])
    """the verbs, and the first words of other commands, in the order in which they came by"""
    deaf: bool = False
    """whether published messages are lost on the way"""
    _faults: list[Fault] = attrs.field(factory=list[Fault])
    _listening: Listening = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._listening = Listening(self._link)

    async def __aenter__(self) -> Self:
        for text in scripts.sources().values():  # so that no request is answered NOSCRIPT and comes twice
            self.place.curtain.ask("SCRIPT", "LOAD", text)
        await self.up()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.down()

    @property
    def url(self) -> str:
        """Where a client finds the server through it."""
        return by_client(f"redis://127.0.0.1:{self.port}/0")

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._listening.port

    @property
    def connections(self) -> int:
        """How many connections go through it now."""
        return self._listening.connections

    def shadow(self, **options: Any) -> Shadow:
        """Return a client of the place's shadow that goes this way; not entered yet."""
        return Shadow(self.place.name, self.url, **options)

    async def up(self) -> None:
        """Let connections through, on the same port as before."""
        self._listening.open()

    async def down(self) -> None:
        """Break every connection and refuse new ones."""
        await self._listening.close()

    async def cut(self) -> None:
        """Break every connection that there is."""
        await self._listening.cut()

    def lose_request(self, verb: str) -> Fault:
        """Break the connection instead of passing the next request of this kind on."""
        return self._next(Fault(verb, before=True))

    def lose_reply(self, verb: str) -> Fault:
        """Break the connection when the server has answered the next request of this kind."""
        return self._next(Fault(verb))

    def hold_reply(self, verb: str) -> Fault:
        """Keep the reply to the next request of this kind back until ``go`` is set."""
        return self._next(Fault(verb, held=True))

    def refuse(self, verb: str, error: str) -> Fault:
        """Answer the next request of this kind with an error; the server never hears of it."""
        return self._next(Fault(verb, before=True, answer=f"-{error}\r\n".encode()))

    def _next(self, fault: Fault) -> Fault:
        self._faults.append(fault)
        return fault

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, away = await asyncio.open_connection("127.0.0.1", urlsplit(self.place.url).port)
        fates: asyncio.Queue[Fault | None] = asyncio.Queue()
        ways = [
            asyncio.create_task(self._pass_requests(reader, away, fates)),
            asyncio.create_task(self._pass_replies(there, writer, fates)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            away.transport.abort()
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _pass_requests(
        self, reader: asyncio.StreamReader, away: asyncio.StreamWriter, fates: asyncio.Queue[Fault | None]
    ) -> None:
        data, verb = b"", ""
        while chunk := await reader.read(65536):
            data += chunk
            while (end := end_of_frame(data, 0)) is not None:
                frame, data = data[:end], data[end:]
                verb = _verb(frame, verb)
                self.seen.append(verb)
                fault = self._fault_for(verb)
                fates.put_nowait(fault)
                if fault is None or not fault.before:
                    away.write(frame)
            await away.drain()

    async def _pass_replies(
        self, there: asyncio.StreamReader, writer: asyncio.StreamWriter, fates: asyncio.Queue[Fault | None]
    ) -> None:
        data = frame = b""
        while True:
            fault = await fates.get()
            if fault is None or not fault.before:
                while (end := end_of_frame(data, 0)) is None:
                    data += await _more(there)
                frame, data = data[:end], data[end:]
                if fault is None:
                    writer.write(frame)
                    if frame.startswith((b"*3\r\n$9\r\nsubscribe", b"*3\r\n$11\r\nunsubscribe")):
                        await self._pass_messages(there, writer)
                    continue
            fault.happened.set()
            if fault.held:
                await fault.go.wait()
                writer.write(frame)
            elif fault.answer is not None:
                writer.write(fault.answer)
            else:
                return

    async def _pass_messages(self, there: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """On a connection that listens nothing answers anything."""
        while True:
            messages = await _more(there)
            if not self.deaf:
                writer.write(messages)

    def _fault_for(self, verb: str) -> Fault | None:
        for fault in self._faults:
            if fault.verb == verb or (fault.verb == "claim" and verb == "door"):
                self._faults.remove(fault)
                return fault
        return None


async def _more(there: asyncio.StreamReader) -> bytes:
    chunk = await there.read(65536)
    if not chunk:
        raise EOFError
    return chunk


def _verb(frame: bytes, before: str) -> str:
    words = frame.split(b"\r\n", 6)
    name = words[2].decode().upper()
    if name == "BLPOP":
        return "wait"
    if name != "EVALSHA":
        return name
    verb = next((verb for verb, digest in _DIGESTS.items() if digest == words[4]), "?")
    return "door" if verb == "claim" and before == "wait" else verb


def end_of_frame(data: bytes, at: int) -> int | None:
    """Return where the request or reply that begins at ``at`` ends, None if it is not all there yet."""
    line = data.find(b"\r\n", at)
    if line < 0:
        return None
    kind, rest, end = data[at : at + 1], data[at + 1 : line], line + 2
    if kind == b"$" and int(rest) >= 0:
        end += int(rest) + 2
    elif kind == b"*":
        for _ in range(int(rest)):
            inner = end_of_frame(data, end)
            if inner is None:
                return None
            end = inner
    return end if end <= len(data) else None
