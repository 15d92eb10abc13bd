"""The page about the wire format says what lies on a server."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import redis.asyncio as redis

from shadows import (
    ConcurrencyLimit,
    Cooldown,
    Debounce,
    ExecutionProgress,
    Perpetual,
    Progress,
    RateLimit,
    Shadow,
    Worker,
)
from tests.system.conftest import until
from tools.reference.wire_format import ENTRY, KEYS, RECORD

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TYPES = {"zset": "sorted set"}
KINDS = {name.partition(":")[0]: kind for name, (kind, _) in KEYS.items()}
FLEETING = {
    "!events",
    "-",
    "!replicated",
    "!bell",
    "!inbox",
    "!unknown",
    "!requests",
    "!held",
    "!releases",
    "!chores",
    "!recovered",
}
"""What is no key, or there only for moments or for those who ask for it."""
HOUR = timedelta(hours=1)


class Held:
    """Lets bodies say that they run, and keeps them until they may end."""

    def __init__(self) -> None:
        self.running, self.done = asyncio.Semaphore(0), asyncio.Event()

    async def one(self) -> None:
        self.running.release()
        await self.done.wait()


def tasks_of(held: Held) -> dict[str, Callable[..., Any]]:
    """Give tasks of every kind, by their names."""

    async def steady(progress: ExecutionProgress = Progress()) -> None:
        await progress.set_total(3)
        await held.one()

    async def limited(limit: ConcurrencyLimit = ConcurrencyLimit(max_concurrent=1)) -> None:
        await held.one()

    async def paced(rate: RateLimit = RateLimit(1, per=HOUR)) -> None:
        """Do nothing."""

    async def rare(cooldown: Cooldown = Cooldown(HOUR)) -> None:
        """Do nothing."""

    async def settled(debounce: Debounce = Debounce(HOUR)) -> None:
        """Do nothing."""

    async def again(perpetual: Perpetual = Perpetual(every=HOUR, automatic=True)) -> None:
        """Do nothing."""

    async def told(text: str) -> str:
        return text

    return {task.__name__: task for task in (steady, limited, paced, rare, settled, again, told)}


async def fill(shadows: Shadow, held: Held) -> None:
    """Let there be something of everything."""
    tasks = shadows.tasks
    await shadows.add(tasks["steady"], key="steady")()
    for name in ("limited", "limited", "paced", "paced", "settled", "rare"):
        await shadows.add(tasks[name])()
    for _ in range(2):
        await held.running.acquire()
    await shadows.replace(tasks["steady"], timedelta(0), "steady")()
    await shadows.add(tasks["told"], when=HOUR, key="later")("long" * 100)
    await shadows.strike("nobody", hold=True)
    async with redis.Redis.from_url(shadows.url) as server:
        await server.xadd(f"{shadows.name}:stream", {"what": "is this"})
    last = await shadows.add(tasks["told"])("x")
    assert await last.get_result(timeout=20) == "x"


async def heads(shadows: Shadow) -> set[str]:
    """Give the beginnings of the keys that are there."""
    async with redis.Redis.from_url(shadows.url, decode_responses=True) as server:
        return {head_of(shadows, str(key)) async for key in server.scan_iter(f"{shadows.name}:*")}


def head_of(shadows: Shadow, key: str) -> str:
    """Give what the page calls this key by."""
    head = key.removeprefix(f"{shadows.name}:").partition(":")[0]
    return head if head in KINDS else "KEY"


async def everything_is_there(shadows: Shadow) -> bool:
    """Tell whether all of it has come about."""
    return set(KINDS) - FLEETING <= await heads(shadows)


async def look(shadows: Shadow) -> None:
    """Compare what is there with the page."""
    async with redis.Redis.from_url(shadows.url, decode_responses=True) as server:
        async for key in server.scan_iter(f"{shadows.name}:*"):
            head, kind = head_of(shadows, str(key)), str(await server.type(key))
            assert (key, TYPES.get(kind, kind)) == (key, KINDS[head])
            if head == "runs":
                await only(server, key, RECORD)
            elif head == "!past":
                await only(server, key, RECORD, "payload", "result")
    async with redis.Redis.from_url(shadows.url) as server:
        entries: Any = await server.xrange(f"{shadows.name}:stream", "-", "+")
        assert {tuple(field.decode() for field in fields) for _, fields in entries} <= {
            tuple(ENTRY)[:length] for length in (2, 3, 4)
        }


async def only(server: Any, key: str, told: Mapping[str, str], *more: str) -> None:
    """See that a hash has no field of which nothing is told."""
    assert set(await server.hkeys(key)) <= {*told, *more}, key


async def test_every_key_has_the_name_and_type_that_the_page_says(one_place: str, shadow_name: str) -> None:
    """Records have no fields, and entries of the stream no others, than those that it tells."""
    held = Held()
    async with Shadow(shadow_name, one_place) as shadows, Worker(shadows, concurrency=20) as worker:
        for task in tasks_of(held).values():
            shadows.register(task)
        async with asyncio.TaskGroup() as group:
            working = group.create_task(worker.run_forever())
            await fill(shadows, held)
            await until(lambda: everything_is_there(shadows))
            await look(shadows)
            worker.stop()
            held.done.set()
            await working
