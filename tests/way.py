"""A way to a real server that can be broken at will: a TCP proxy that tells requests and replies apart.

- one request of a kind, the n-th from now on: `lose_request`, `lose_reply`, `cut_reply`, `garble`, `delay_reply`,
  `hold_reply`, `deliver_late`, `refuse`, `belie`
- the whole way: `cut`, `down` and `up`, `black_hole`
"""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final, Literal, Self

import attrs

from shadows.adapters.redis import scripts
from tests.listening import Listening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, MutableSequence

_DIGESTS = {verb: hashlib.sha1(text.encode()).hexdigest().encode() for verb, text in scripts.sources().items()}  # noqa: S324
ANY: Final = "*"
"""The verb of every request."""
WAITS: Final = frozenset({"wait", "door"})
"""The verbs of requests that are not answered at once, however well all is."""


@attrs.define(eq=False)
class Fault:
    """What happens to one request of a kind, the ``nth`` from now on."""

    verb: str
    """a script's name; ``door`` is a claim behind a BLPOP, and ``wait`` the BLPOP; or ``ANY``"""
    before: bool = False
    """the server never hears of it"""
    answer: bytes | None = None
    """what is answered instead of the reply; None breaks the connection"""
    held: bool = False
    """the reply waits for ``go``"""
    keep: int = 0
    """so many bytes of the reply come through before the connection breaks"""
    junk: bytes = b""
    """what comes before the reply"""
    delay: float = 0
    """seconds that the reply comes late"""
    late: float | None = None
    """the connection breaks at once, and the server hears of the request so many seconds later"""
    nth: int = 1
    happened: asyncio.Event = attrs.field(factory=asyncio.Event)
    """set when the request came by, or, where the server is to hear of it, when it has answered"""
    go: asyncio.Event = attrs.field(factory=asyncio.Event)


type _Fates = asyncio.Queue[tuple[str, Fault | None]]


@attrs.define(eq=False)
class Way:
    """A TCP proxy in front of one server."""

    server_port: Callable[[], int]
    """where the server listens; it may move"""
    seen: MutableSequence[str] = attrs.field(factory=list[str])
    """the verbs, and the first words of other commands, in the order in which they came by"""
    deaf: bool = False
    """whether published messages are lost on the way"""
    _faults: list[Fault] = attrs.field(factory=list[Fault])
    _given: set[Fault] = attrs.field(factory=set[Fault])
    """those that have their request, and wait for the reply"""
    _open: dict[str, asyncio.Event] = attrs.field(init=False)
    """the directions in which bytes pass"""
    _waiting: set[_Fates] = attrs.field(factory=set["_Fates"])
    """what each connection has asked and was not answered yet"""
    _late: set[asyncio.Task[None]] = attrs.field(factory=set["asyncio.Task[None]"])
    _listening: Listening = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._listening = Listening(self._link)
        self._open = {direction: asyncio.Event() for direction in ("up", "down")}
        for event in self._open.values():
            event.set()

    async def __aenter__(self) -> Self:
        await self.up()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.down()
        await asyncio.gather(*self._late)

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._listening.port

    @property
    def url(self) -> str:
        """Where a client finds the server through it."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def connections(self) -> int:
        """How many connections go through it now."""
        return self._listening.connections

    @property
    def unanswered(self) -> int:
        """How many connections wait now for a reply that should come at once."""
        return len(self._waiting)

    async def up(self) -> None:
        """Let connections through, on the same port as before."""
        self._listening.open()

    async def down(self) -> None:
        """Break every connection and refuse new ones."""
        await self._listening.close()

    async def cut(self) -> None:
        """Break every connection that there is."""
        await self._listening.cut()

    @asynccontextmanager
    async def black_hole(self, *directions: Literal["up", "down"]) -> AsyncIterator[None]:
        """Let nothing through while the block lasts; then, as TCP does, all that was held up."""
        for direction in directions:
            self._open[direction].clear()
        try:
            yield
        finally:
            for direction in directions:
                self._open[direction].set()

    def lose_request(self, verb: str, nth: int = 1) -> Fault:
        """Break the connection instead of passing a request of this kind on."""
        return self.next(Fault(verb, before=True, nth=nth))

    def lose_reply(self, verb: str, nth: int = 1) -> Fault:
        """Break the connection when the server has answered a request of this kind."""
        return self.next(Fault(verb, nth=nth))

    def cut_reply(self, verb: str, keep: int, nth: int = 1) -> Fault:
        """Break the connection within the reply to a request of this kind."""
        return self.next(Fault(verb, keep=keep, nth=nth))

    def garble(self, verb: str, junk: bytes, nth: int = 1) -> Fault:
        """Put these bytes before the reply to a request of this kind."""
        return self.next(Fault(verb, junk=junk, nth=nth))

    def delay_reply(self, verb: str, delay: float, nth: int = 1) -> Fault:
        """Let the reply to a request of this kind come so many seconds late."""
        return self.next(Fault(verb, delay=delay, nth=nth))

    def hold_reply(self, verb: str, nth: int = 1) -> Fault:
        """Keep the reply to a request of this kind back until ``go`` is set."""
        return self.next(Fault(verb, held=True, nth=nth))

    def deliver_late(self, verb: str, late: float, nth: int = 1) -> Fault:
        """Break the connection at a request of this kind, which reaches the server so many seconds later."""
        return self.next(Fault(verb, before=True, late=late, nth=nth))

    def refuse(self, verb: str, error: str, nth: int = 1) -> Fault:
        """Answer a request of this kind with an error; the server never hears of it."""
        return self.next(Fault(verb, before=True, answer=f"-{error}\r\n".encode(), nth=nth))

    def belie(self, verb: str, error: str, nth: int = 1) -> Fault:
        """Answer a request of this kind with an error, although the server has done it."""
        return self.next(Fault(verb, answer=f"-{error}\r\n".encode(), nth=nth))

    def next(self, fault: Fault) -> Fault:
        """Let this happen."""
        self._faults.append(fault)
        return fault

    def forget(self, fault: Fault) -> None:
        """Let this not happen any more, if it has not."""
        self._given.discard(fault)
        with suppress(ValueError):
            self._faults.remove(fault)

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, away = await asyncio.open_connection("127.0.0.1", self.server_port())
        asked: _Fates = asyncio.Queue()
        given: list[Fault] = []
        ways = [
            asyncio.create_task(self._pass_requests(reader, away, asked, given)),
            asyncio.create_task(self._pass_replies(there, writer, asked)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            away.transport.abort()
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            self._waiting.discard(asked)
            self._take_back(given)

    async def _pass_requests(
        self, reader: asyncio.StreamReader, away: asyncio.StreamWriter, asked: _Fates, given: list[Fault]
    ) -> None:
        data, verb = b"", ""
        while chunk := await reader.read(65536):
            data += chunk
            while (end := end_of_frame(data, 0)) is not None:
                frame, data = data[:end], data[end:]
                verb = _verb(frame, verb)
                self.seen.append(verb)
                if verb not in WAITS:
                    self._waiting.add(asked)
                await self._open["up"].wait()
                fault = self._fault_for(verb)
                if fault is not None and fault.late is not None:
                    fault.happened.set()
                    self._deliver(frame, fault.late)
                    return
                if fault is not None:
                    self._given.add(fault)
                    given.append(fault)
                asked.put_nowait((verb, fault))
                if fault is None or not fault.before:
                    away.write(frame)
            await away.drain()

    async def _pass_replies(self, there: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: _Fates) -> None:
        data = frame = b""
        while True:
            _, fault = await asked.get()
            if fault is None or not fault.before:
                while (end := end_of_frame(data, 0)) is None:
                    data += await _more(there)
                frame, data = data[:end], data[end:]
                await self._open["down"].wait()
            if asked.empty():
                self._waiting.discard(asked)
            if fault is None:
                writer.write(frame)
                if frame.startswith((b"*3\r\n$9\r\nsubscribe", b"*3\r\n$11\r\nunsubscribe")):
                    await self._pass_messages(there, writer)
            elif not await self._misreply(fault, frame, writer):
                return

    async def _misreply(self, fault: Fault, frame: bytes, writer: asyncio.StreamWriter) -> bool:
        """Answer as the fault says; return whether the connection lives on."""
        fault.happened.set()
        self._given.discard(fault)
        if fault.held:
            await fault.go.wait()
            writer.write(frame)
        elif fault.answer is not None:
            writer.write(fault.answer)
        elif fault.junk:
            writer.write(fault.junk + frame)
        elif fault.delay:
            await asyncio.sleep(fault.delay)
            writer.write(frame)
        else:
            if fault.keep:
                writer.write(frame[: fault.keep])
                await writer.drain()
            return False
        return True

    async def _pass_messages(self, there: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """On a connection that listens nothing answers anything."""
        while True:
            messages = await _more(there)
            if not self.deaf:
                writer.write(messages)

    def _deliver(self, frame: bytes, late: float) -> None:
        """Bring a request to the server after its sender has gone: the network may keep it for that long."""

        async def deliver() -> None:
            await asyncio.sleep(late)
            with suppress(OSError, EOFError):
                there, away = await asyncio.open_connection("127.0.0.1", self.server_port())
                away.write(frame)
                await _more(there)
                away.transport.abort()

        task = asyncio.create_task(deliver())
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    def _take_back(self, given: list[Fault]) -> None:
        """Let the next request have what did not happen, because the connection broke before the reply was there."""
        for fault in given:
            if fault in self._given:
                self._given.discard(fault)
                fault.nth = 1
                self._faults.append(fault)

    def _fault_for(self, verb: str) -> Fault | None:
        for fault in self._faults:
            if fault.verb in (verb, ANY) or (fault.verb == "claim" and verb == "door"):
                fault.nth -= 1
                if fault.nth == 0:
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
