from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from tests.listening import Listening
from tests.way import Way

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PING, ECHO = b"*1\r\n$4\r\nPING\r\n", b"*2\r\n$4\r\nECHO\r\n$1\r\na\r\n"


async def _say_yes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(65536):
        writer.write(b"+OK\r\n" * chunk.count(b"*"))


@pytest.fixture
async def way() -> AsyncIterator[Way]:
    """Give a way to a server that answers OK, whatever it is asked."""
    server = Listening(_say_yes)
    server.open()
    async with Way(lambda: server.port) as made:
        yield made
    await server.close()


@asynccontextmanager
async def answers(way: Way, requests: bytes) -> AsyncIterator[asyncio.StreamReader]:
    """Send these on a new connection, which ends with the block."""
    reader, writer = await asyncio.open_connection("127.0.0.1", way.port)
    try:
        writer.write(requests)
        yield reader
    finally:
        writer.transport.abort()


async def test_what_could_not_happen_because_the_connection_broke_before_happens_to_the_next(way: Way) -> None:
    """Two requests in one packet, and the reply to the first is lost: the second is not answered at all."""
    first, second = way.lose_reply("PING"), way.refuse("ECHO", "LOADING")
    async with answers(way, PING + ECHO) as reader:
        assert await reader.read() == b""
    assert first.happened.is_set()
    assert not second.happened.is_set()
    async with answers(way, ECHO + ECHO) as reader:
        assert [await reader.readline(), await reader.readline()] == [b"-LOADING\r\n", b"+OK\r\n"]
    assert second.happened.is_set()


async def test_what_is_to_be_forgotten_does_not_happen_later_either(way: Way) -> None:
    """Even if its request has come by, and waits for an answer."""
    first, second = way.hold_reply("PING"), way.refuse("ECHO", "LOADING")
    async with answers(way, PING + ECHO):
        await first.happened.wait()
        way.forget(second)
    async with answers(way, ECHO) as reader:
        assert await reader.readline() == b"+OK\r\n"
    first.go.set()
