"""Ways to a server that are slow or narrow, but not broken."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import redis

from shadows import BrokerUnavailable, Shadow
from shadows.adapters.redis import scripts
from tests.front.acts import DEADLINE, working
from tests.listening import Listening
from tests.servers import Server, wanted

if TYPE_CHECKING:
    from collections.abc import Iterator

SOON = timedelta(seconds=1)
PATIENCE = timedelta(seconds=30)


async def note(word: str) -> str:
    """Run."""
    return word


@pytest.fixture
def server() -> Iterator[Server]:
    """Give a server of this test's own."""
    if not wanted():
        pytest.skip("this run wants no servers")
    with Server(wanted()[-1]) as own:
        yield own


async def _drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, size: int, delay: float) -> None:
    """Hand on what comes, late and in small pieces."""
    while data := await reader.read(65536):
        await asyncio.sleep(delay)
        for start in range(0, len(data), size):
            writer.write(data[start : start + size])
            await writer.drain()
            await asyncio.sleep(0)
    writer.close()


@pytest.mark.parametrize(("size", "delay"), [(1, 0.0), (65536, 0.1)])
async def test_a_slow_link_makes_calls_slow_and_nothing_else(server: Server, size: int, delay: float) -> None:
    """FAULT 59: one byte in a packet, or 100 ms each way: every answer still belongs to its question.

    Of the scripts only that of an add goes this way: byte by byte all of them would take a busy machine too long.
    """
    with redis.Redis.from_url(server.url) as line:
        for verb, text in scripts.sources().items():
            if verb != "schedule":
                line.script_load(text)

    async def link(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, away = await asyncio.open_connection("127.0.0.1", server.port)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(_drip(reader, away, size, delay))
                both.create_task(_drip(there, writer, size, delay))
        finally:
            away.transport.abort()

    way = Listening(link)
    way.open()
    try:
        url = f"redis://127.0.0.1:{way.port}/0"
        async with Shadow("shop", url, add_deadline=PATIENCE) as shadows, working(shadows):
            executions = await asyncio.gather(*(shadows.add(note)(f"{number}") for number in range(10)))
            found = [await one.get_result(timeout=DEADLINE) for one in executions]
        assert found == [f"{number}" for number in range(10)]
    finally:
        await way.close()


async def test_a_server_with_too_many_clients_is_an_absence(server: Server) -> None:
    """FAULT 69: a producer gives up after its deadline, a worker tries again until there is room."""
    async with Shadow("shop", server.url) as early:
        execution = await early.add(note)("word")
        client = early.redis()
        await client.config_set("maxclients", 2)  # this client, and the one that has placed the call
        async with Shadow("shop", server.url, add_deadline=timedelta(milliseconds=300)) as late:
            with pytest.raises(BrokerUnavailable):
                await late.add(note)("never")
            async with working(late, reconnection_delay=SOON):
                await client.config_set("maxclients", 100)
                assert await execution.get_result(timeout=DEADLINE) == "word"
        await client.aclose()
