"""The arena: one server, ways to it, a crew, producers, and the history of what became of it all."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Self

import attrs
import redis

from shadows import BrokerUnavailable, Shadow
from tests.system.fire import history, remains
from tests.system.fire.crew import Crew
from tests.system.fire.ledger import Ledger
from tests.system.fire.producers import Producer
from tests.system.fire.story import Story, tell
from tests.way import Way

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from shadows import WorkerInfo
    from tests.servers import Server
    from tests.system.fire.crew import Hand
    from tests.system.fire.remains import Remains

QUIET: Final = 60.0
"""Seconds in which a backlog is worked off: the machine may be busy."""
KEPT: Final = timedelta(minutes=2)
"""How long records of ended runs are kept: long enough to be looked at."""


@attrs.define(eq=False)
class Arena:
    """Everything that a test under fire needs; entered, its workers are ready."""

    server: Server
    folder: Path
    seed: int
    name: str = "fire"
    workers: int = 3
    concurrency: int = 10
    lease: float = 1.0
    """seconds"""
    most: int = 300
    """calls that producers keep in flight"""
    options: Sequence[str] = ()
    """of each worker's command line"""
    tasks: str = "tests.system.fire.tasks:tasks"
    deliveries: int = 1000
    """how often an attempt may be lost with its worker"""
    dice: random.Random = attrs.field(init=False)
    crew: Crew = attrs.field(init=False)
    ledger: Ledger = attrs.field(init=False)
    direct: Shadow = attrs.field(init=False)
    """a client whose way is never broken, but whose server may be"""
    ways: list[Way] = attrs.field(factory=list[Way], init=False)
    """one for each worker, in the order of their places; the last one is for producers"""
    producers: list[Producer] = attrs.field(factory=list[Producer], init=False)
    _stack: AsyncExitStack = attrs.field(factory=AsyncExitStack, init=False)

    @property
    def history(self) -> Path:
        """The file."""
        return self.folder / "history"

    @property
    def base(self) -> str:
        """What the keys of the shadow begin with."""
        return f"{self.name}:"

    def __attrs_post_init__(self) -> None:
        self.dice = random.Random(self.seed)

    async def __aenter__(self) -> Self:
        history.append(self.history, "seed", seed=self.seed)
        told = {"SHADOW_EXECUTION_TTL": f"{KEPT.total_seconds():g}"}
        told["SHADOW_WORKER_MAX_DELIVERIES"] = f"{self.deliveries}"
        self.crew = Crew(
            self.history,
            self.name,
            self.lease,
            self._listed,
            concurrency=self.concurrency,
            tasks=self.tasks,
            options=self.options,
            environment=told,
        )
        self._stack.callback(self.crew.close)
        for _ in range(self.workers + 1):
            seen: deque[str] = deque(maxlen=1000)
            self.ways.append(await self._stack.enter_async_context(Way(lambda: self.server.port, seen)))
        for way in self.ways[:-1]:
            self.crew.hire(way.url)
        self.direct = await self._client(self.server.url)
        self.ledger = Ledger(self.history, self.direct)
        for number in range(4):
            shadow = await self._client(self.ways[-1].url)
            dice = random.Random(self.dice.random())
            self.producers.append(Producer(shadow, self.ledger, dice, f"{number}", self.most))
        await self.crew.ready()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    def way_of(self, hand: Hand) -> Way:
        """Give the way by which a worker finds the server."""
        return next(way for way in self.ways if way.url == hand.url)

    def line(self) -> redis.Redis:
        """Return a connection for the one who breaks things."""
        return redis.Redis.from_url(self.server.url, protocol=2)

    @asynccontextmanager
    async def under_load(self) -> AsyncIterator[None]:
        """Let producers produce and the ledger watch while the block lasts, which begins when there is a backlog."""
        doing = [asyncio.create_task(producer.produce()) for producer in self.producers]
        doing.append(asyncio.create_task(self.ledger.watch()))
        try:
            await until(lambda: len(self.ledger.flight) >= min(self.most, 100))
            yield
        finally:
            for task in doing:
                task.cancel()
            found = await asyncio.gather(*doing, return_exceptions=True)
        for error in found:
            if isinstance(error, Exception):
                raise error

    async def quiet(self) -> None:
        """Let nothing come again, and wait until all that was placed has ended: a backlog is not a loss."""
        try:
            async with asyncio.timeout(QUIET):
                while not await self._unchained():  # noqa: ASYNC110 - the server may still be away
                    await asyncio.sleep(0.1)
                while (await self.direct.snapshot(1)).total_tasks:
                    await self.ledger.reckon()
                    await asyncio.sleep(0.1)
        except TimeoutError:
            said = {hand.pid: (hand.program.code, hand.program.text[-3000:]) for hand in self.crew.hands}
            raise AssertionError(await self.direct.snapshot(20), (await self.remains()).wrong(), said) from None
        await self.ledger.reckon(older=time.monotonic() + 1)

    async def _listed(self) -> Sequence[WorkerInfo]:
        return await self.direct.workers()

    async def _unchained(self) -> bool:
        try:
            await attrs.evolve(self.producers[0], shadow=self.direct).unchain()
        except BrokerUnavailable:
            return False
        return True

    async def finish(self) -> tuple[Story, Remains]:
        """Wait until quiet, look at what is left, let the workers end, and tell what happened."""
        await self.quiet()
        left = await self.remains()
        self.crew.look()
        await self.crew.dismiss()
        return tell(history.read(self.history)), left

    async def remains(self) -> Remains:
        """Look at what is left until it is nothing, or for as long as chores may take."""
        with self.line() as line:
            for _ in range(50):
                if not (left := remains.read(line, self.base)).wrong():
                    return left
                await asyncio.sleep(0.1)
            return remains.read(line, self.base)

    async def _client(self, url: str) -> Shadow:
        made = Shadow(self.name, url, execution_ttl=KEPT, add_deadline=timedelta(seconds=8))
        made.register_collection("tests.system.fire.tasks:tasks")
        return await self._stack.enter_async_context(made)


async def until(happens: Callable[[], Any], patience: float = QUIET) -> None:
    """Look again and again until something is the case."""
    async with asyncio.timeout(patience):
        while not happens():  # noqa: ASYNC110 - other processes set no event of ours
            await asyncio.sleep(0.01)
