"""``shadows demo``: a producer and a worker at work, before your eyes.

Both are the real ones, each with a shadow of its own; what is shown is what ``execution.subscribe()`` reports.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from datetime import timedelta
from random import randrange
from typing import TYPE_CHECKING, Any

from shadows.adapters.clock import SystemClock
from shadows.cli.demo_views import Happening, view
from shadows.cli.exits import Code
from shadows.cli.notes import returned, standing
from shadows.cli.options import Url, shadow_of
from shadows.core.disposition import Disposition
from shadows.core.lifecycle import ExecutionState
from shadows.core.urls import redacted
from shadows.dependencies.retry import Retry
from shadows.shadow import Shadow
from shadows.worker import Worker

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from shadows.execution import Execution

NAME = "shadows-demo"
"""On a server, one shadow serves every demo, so that no more than its few fixed keys remain there."""
PACE = 0.8
"""Seconds between two calls, so that one can follow."""
LATER = timedelta(seconds=5)
LONGEST = 14.0
"""Seconds after which something must be wrong."""

NEXT = """\
That was a producer and a worker on {url}. To go on, with a Redis or Valkey at localhost:6379:

  shadows demo --url redis://localhost:6379/0     the same on a server
  shadows worker --tasks yourmodule:tasks         a worker for your own functions
  shadows snapshot                                what waits, what runs, who works

The documentation's page "Getting started" shows how to write the functions and how to call them.
"""


async def greet(name: str) -> str:
    """An ordinary task."""
    await asyncio.sleep(0.3)
    return f"Hello, {name}!"


def count_primes(below: int) -> int:
    """A plain function: it runs in a thread and does not hold up the others."""
    return sum(all(n % divisor for divisor in range(2, int(n**0.5) + 1)) for n in range(2, below))


async def remind(about: str) -> str:
    """A task for later."""
    return f"Remember the {about}"


async def charge(order: int) -> str:
    """A task that must not run twice at the same time for one order."""
    await asyncio.sleep(2)
    return f"order {order} is charged"


async def ask_a_flaky_service(
    retry: Retry = Retry(attempts=3, delay=timedelta(seconds=1.5)),
) -> str:
    """A task that is tried again when it fails."""
    await asyncio.sleep(0.2)
    if retry.attempt < 3:  # noqa: PLR2004 - it fails twice
        raise ConnectionError("no answer")
    return f"an answer, at attempt {retry.attempt}"


async def divide(number: int, by: int) -> float:
    """A task that fails for good."""
    await asyncio.sleep(0.2)
    return number / by


TASKS: Sequence[Callable[..., Any]] = (greet, count_primes, remind, charge, ask_a_flaky_service, divide)


def demo(*, url: Url = None) -> int:
    """Show immediate, scheduled, keyed, retried and failing calls as they happen, in a few seconds.

    It needs no server: without --url, producer and worker share the memory of this process.
    """
    place = shadow_of(None, url or "memory://demo").url
    logging.getLogger("shadows").addHandler(logging.NullHandler())  # the failures are shown already
    producer, consumer = (Shadow(NAME, place, execution_ttl=timedelta(minutes=1)) for _ in range(2))
    with view() as tell:
        asyncio.run(_play(producer, consumer, tell))
    print(NEXT.format(url=redacted(place)), end="")
    return Code.OK


async def _play(producer: Shadow, consumer: Shadow, tell: Callable[[Happening], None]) -> None:
    """Place one call of each kind and follow them all to their ends."""
    began = asyncio.get_running_loop().time()

    def say(kind: str, execution: Execution[Any], state: str, note: str) -> None:
        since = asyncio.get_running_loop().time() - began
        tell(Happening(since, kind, execution.function_name, state, note))

    async def follow(kind: str, execution: Execution[Any]) -> None:
        async for _ in execution.subscribe():
            say(kind, execution, str(execution.state), await _note(execution))

    async with asyncio.timeout(LONGEST), producer, _working(consumer), asyncio.TaskGroup() as followers:

        async def start(kind: str, execution: Execution[Any]) -> None:
            if execution.disposition is Disposition.SCHEDULED:
                followers.create_task(follow(kind, execution))
            else:
                say(kind, execution, "refused", f"the key {execution.key!r} is taken by a live run")
            await asyncio.sleep(PACE)

        order = randrange(1000, 10_000)  # noqa: S311 - no secret: two demos on one server should not share a key
        await start("retried", await producer.add(ask_a_flaky_service)())
        await start("scheduled", await producer.add(remind, when=LATER)("milk"))
        await start("immediate", await producer.add(greet)("Ada"))
        await start("keyed", await producer.add(charge, key=f"charge-order-{order}")(order))
        await start("keyed again", await producer.add(charge, key=f"charge-order-{order}")(order))
        await start("in a thread", await producer.add(count_primes)(100_000))
        await start("failing", await producer.add(divide)(1, by=0))


@asynccontextmanager
async def _working(shadow: Shadow) -> AsyncGenerator[None]:
    """Run a worker meanwhile; if it fails, so does everything."""
    for task in TASKS:
        shadow.register(task)
    async with shadow, Worker(shadow, name="demo-worker", concurrency=4) as worker, asyncio.TaskGroup() as group:
        group.create_task(worker.run_forever())
        try:
            yield
        finally:
            worker.stop(within=timedelta(0))


async def _note(execution: Execution[Any]) -> str:
    """Return what there is to say about the state that it has just reached."""
    if execution.state is ExecutionState.COMPLETED:
        return f"{await returned(execution)}{_lateness(execution)}"
    return standing(execution, SystemClock().now())


def _lateness(execution: Execution[Any]) -> str:
    """Say how long after its time the call of a later time began."""
    if execution.function is not remind or execution.when is None or execution.started_at is None:
        return ""
    return f", {(execution.started_at - execution.when) / timedelta(milliseconds=1):.0f} ms after its time"
