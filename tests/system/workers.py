"""Workers of the default shadow around a reader's programs, and looks at what they do."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import attrs

from shadows import Execution, ExecutionState, Shadow, Worker
from tests.system.conftest import until

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine

    from shadows.calls import When


@asynccontextmanager
async def working(*tasks: Callable[..., Any]) -> AsyncGenerator[Shadow]:
    """Open the default shadow and run what is ready when the block ends."""
    async with Shadow() as shadow, Worker(shadow) as worker:
        for task in tasks:
            shadow.register(task)
        yield shadow
        await worker.run_until_finished()


@asynccontextmanager
async def at_work(shadow: Shadow, concurrency: int = 10) -> AsyncGenerator[Worker]:
    """Have a worker at work until the block ends."""
    async with Worker(shadow, concurrency=concurrency) as worker:
        work = asyncio.create_task(worker.run_forever())
        try:
            yield worker
        finally:
            worker.stop(within=timedelta(seconds=2))
            await work


async def occurs(shadow: Shadow, key: str) -> Execution[Any]:
    """Wait until a perpetual task has run, and give the occurrence that waits for its time now."""
    found: list[Execution[Any]] = []

    async def the_next_one_waits() -> bool:
        one = await shadow.get_execution(key)
        if one is not None and one.state is ExecutionState.SCHEDULED and one.when is not None:
            found[:] = [one] if one.when > datetime.now(UTC) + timedelta(seconds=1) else []
        return bool(found)

    await until(the_next_one_waits)
    return found[0]


async def bring_forward(shadow: Shadow, waiting: Execution[Any]) -> Execution[Any]:
    """Let what waits for its time start now, with its arguments."""
    return await shadow.replace(waiting.function_name, None, waiting.key)(*waiting.args, **waiting.kwargs)


def seconds_between(earlier: datetime | None, later: datetime | None) -> float:
    """Give what lies between two times of executions, which must be known."""
    if earlier is None or later is None:
        raise AssertionError((earlier, later))
    return (later - earlier).total_seconds()


@attrs.define
class Remembering:
    """A shadow that remembers the executions which it gives back: a printed program lets go of them."""

    shadow: Shadow
    placed: list[Execution[Any]] = attrs.field(factory=list[Execution[Any]])

    def add(
        self, function: Callable[..., Any] | str, when: When = None, key: str | None = None
    ) -> Callable[..., Coroutine[Any, Any, Execution[Any]]]:
        """Place a call, as the shadow does."""

        async def place(*args: Any, **kwargs: Any) -> Execution[Any]:
            self.placed.append(await self.shadow.add(function, when, key)(*args, **kwargs))
            return self.placed[-1]

        return place

    def __getattr__(self, name: str) -> Any:
        return getattr(self.shadow, name)
