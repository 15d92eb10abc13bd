"""A few pages over HTTP, for probes and scrapers.

They are served from a thread with an event loop of its own, so that it answers whatever keeps the worker's event
loop busy.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import threading
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import attrs

from shadows.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    type Page = Callable[[], Awaitable[Answer]]

PATIENCE: Final = 10.0
"""Seconds that a request and its answer may take."""
LARGEST: Final = 16_384
"""Bytes that the head of a request may have."""
_NO_IPV6: Final = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL})
_log = logging.getLogger("shadows.process")


@attrs.frozen
class Answer:
    """What a page says."""

    body: bytes | str
    status: HTTPStatus = HTTPStatus.OK
    kind: str = "text/plain; charset=utf-8"


def listen(port: int, *, source: str) -> socket.socket:
    """Take this port on every interface; 0 takes any that is free.

    Raises:
        ConfigurationError: it cannot be had; the text begins with ``source``.
    """
    try:
        return _open(port)
    except OSError as taken:
        why = os.strerror(taken.errno or errno.EIO).lower()
        msg = f"{source}={port} cannot be served: {why}; use another port, or 0 for any that is free"
        raise ConfigurationError(msg) from taken


def _open(port: int) -> socket.socket:
    try:
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    except (OSError, ValueError) as refused:
        if isinstance(refused, OSError) and refused.errno not in _NO_IPV6:
            raise
        return socket.create_server(("", port))


@attrs.define
class WebServer:
    """Serves the pages by their paths; begins on entering, and has ended on leaving."""

    listening: socket.socket
    pages: Mapping[str, Page]
    _loop: asyncio.AbstractEventLoop = attrs.field(factory=asyncio.new_event_loop, init=False)
    _leave: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)
    _thread: threading.Thread = attrs.field(init=False)

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self.listening.getsockname()[1]
        return port

    def __enter__(self) -> None:
        _log.info("port %d serves %s", self.port, " ".join(self.pages))
        self._thread = threading.Thread(target=self._run, name=f"shadows-web-{self.port}", daemon=True)
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._leave.set)
        self._thread.join(timeout=1)  # being a daemon, it holds nobody up

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._talk, sock=self.listening, limit=LARGEST)
        await self._leave.wait()
        server.close()  # what is still being asked is cancelled with the loop

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(await self._answer(head.split(b"\r\n", 1)[0].decode("latin-1")))
                await writer.drain()
        except (TimeoutError, ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # whoever asked has gone, or speaks another language
        finally:
            writer.close()

    async def _answer(self, line: str) -> bytes:
        """Return what is sent for this first line of a request."""
        words = line.split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):  # noqa: PLR2004 - method, path, version
            return _written(Answer("this is no request\n", HTTPStatus.BAD_REQUEST))
        method, path = words[0], words[1].partition("?")[0]
        page = self.pages.get(path)
        if page is None:
            answer = Answer(f"there is only {' '.join(self.pages)}\n", HTTPStatus.NOT_FOUND)
        elif method not in {"GET", "HEAD"}:
            answer = Answer("these pages can only be read\n", HTTPStatus.METHOD_NOT_ALLOWED)
        else:
            answer = await made(page, path)
        return _written(answer, bodiless=method == "HEAD")


async def made(page: Page, path: str) -> Answer:
    """Return what a page says; if it is broken, that."""
    try:
        return await page()
    except Exception:  # noqa: BLE001 - the other pages go on
        _log.exception("the page %s is broken", path)
        return Answer("this page is broken; the log tells why\n", HTTPStatus.INTERNAL_SERVER_ERROR)


def _written(answer: Answer, *, bodiless: bool = False) -> bytes:
    body = answer.body.encode() if isinstance(answer.body, str) else answer.body
    head = (
        f"HTTP/1.1 {answer.status.value} {answer.status.phrase}\r\n"
        f"Content-Type: {answer.kind}\r\nContent-Length: {len(body)}\r\n"
        f"Cache-Control: no-store\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + (b"" if bodiless else body)
