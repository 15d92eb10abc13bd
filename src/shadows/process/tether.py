"""The tether: what ties a worker process to the parent that has started several of them.

The parent asks for pages by their paths, and a thread of the worker process answers, whatever keeps its event loop
busy.  When the parent is gone, even by SIGKILL, the system tears the tether, and the worker drains.

A question is a line: its number, a space, the path.  An answer is a line of JSON, its number, status, kind and
size, and then the body.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from contextlib import suppress
from http import HTTPStatus
from itertools import count
from typing import TYPE_CHECKING, Final, Self

import attrs

from shadows.adapters.web import Answer, made

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, MutableMapping

    from shadows.adapters.web import Page

VARIABLE: Final = "SHADOW_WORKER_MEMBER"
"""tells a worker process its number and the descriptor of its end, as ``2:5``"""
HAND_BACK: Final = "/hand-back"
"""The page that makes the worker hand back at once what still runs."""


@attrs.frozen
class Membership:
    """What the parent has told a worker process of several."""

    number: int
    """1 for the first one"""
    line: socket.socket


def membership(environment: MutableMapping[str, str]) -> Membership | None:
    """Return what this process was told, if it is one of several; what it starts itself does not hear of it."""
    told = environment.pop(VARIABLE, None)
    if told is None:
        return None
    number, descriptor = map(int, told.split(":"))
    line = socket.socket(fileno=descriptor)
    line.set_inheritable(False)
    return Membership(number, line)


@attrs.define
class Tether:
    """The worker's end: answers the parent's questions; begins on entering, and has ended on leaving."""

    line: socket.socket
    pages: Mapping[str, Page]
    torn: Callable[[], object]
    """is called from another thread when the parent is gone"""
    _loop: asyncio.AbstractEventLoop = attrs.field(init=False)
    _leave: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)
    _thread: threading.Thread = attrs.field(init=False)

    def __enter__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="shadows-tether", daemon=True)
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._leave.set)
        self._thread.join(timeout=1)  # being a daemon, it holds nobody up

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        reader, writer = await asyncio.open_connection(sock=self.line)
        hearing = asyncio.create_task(self._hear(reader, writer))
        await self._leave.wait()
        hearing.cancel()
        await asyncio.wait({hearing})
        writer.close()

    async def _hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.TaskGroup() as answering:
            with suppress(ConnectionError):
                while question := await reader.readline():
                    number, path = question.decode().split()
                    answering.create_task(self._answer(int(number), path, writer))
        self.torn()

    async def _answer(self, number: int, path: str, writer: asyncio.StreamWriter) -> None:
        answer = await made(self.pages[path], path)
        body = answer.body.encode() if isinstance(answer.body, str) else answer.body
        head = json.dumps([number, answer.status, answer.kind, len(body)])
        with suppress(ConnectionError):
            writer.write(f"{head}\n".encode() + body)
            await writer.drain()


@attrs.define(eq=False)
class Held:
    """The parent's end."""

    _reader: asyncio.StreamReader
    _writer: asyncio.StreamWriter
    _numbers: Iterator[int] = attrs.field(factory=count, init=False)
    _asked: dict[int, asyncio.Future[Answer | None]] = attrs.field(
        factory=dict[int, "asyncio.Future[Answer | None]"], init=False
    )
    _torn: bool = attrs.field(default=False, init=False)

    @classmethod
    async def of(cls, line: socket.socket) -> Self:
        """Hold this one."""
        return cls(*await asyncio.open_connection(sock=line))

    async def ask(self, path: str) -> Answer | None:
        """Return the page at this path; None if the worker's end is gone."""
        if self._torn:
            return None
        number = next(self._numbers)
        answered: asyncio.Future[Answer | None] = asyncio.get_running_loop().create_future()
        self._asked[number] = answered
        try:
            self._writer.write(f"{number} {path}\n".encode())
            return await answered
        finally:
            del self._asked[number]

    async def listen(self) -> None:
        """Hear the answers, until the worker's end is gone."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                number, status, kind, size = json.loads(await self._reader.readuntil(b"\n"))
                body = await self._reader.readexactly(size)
                if number in self._asked:  # nobody has lost patience
                    self._asked[number].set_result(Answer(body, HTTPStatus(status), kind))
        self._torn = True
        for answered in self._asked.values():
            answered.set_result(None)

    def close(self) -> None:
        """Let go."""
        self._writer.close()
