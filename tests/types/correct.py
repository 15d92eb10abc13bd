"""A program as a user writes it, and the types that it gets.  It is checked, never run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any, assert_type

from shadows import (
    Cancellation,
    Disposition,
    Execution,
    ExecutionState,
    ExponentialRetry,
    Retry,
    RunningExecution,
    Shadow,
    Snapshot,
    TaskCall,
    Worker,
    WorkerInfo,
)


class Order:
    number: int


async def ship(order: Order, *, express: bool = False) -> str:
    return f"{order.number} {express}"


def weigh(order: Order, factor: float = 1.0) -> float:
    return order.number * factor


async def forget() -> None: ...


async def fetch(address: str, *more: str, retry: Retry = Retry(attempts=3), **headers: str) -> bytes:
    return f"{address} {more} {retry} {headers}".encode()


async def poll(retry: Retry = ExponentialRetry(attempts=5, minimum_delay=timedelta(seconds=2))) -> int:
    assert_type(retry.attempt, int)
    assert_type(retry.attempts, int | None)
    if not retry.attempt:
        retry.after(timedelta(seconds=1))
    if retry.attempt > 1:
        retry.at(datetime.now(UTC))
    return retry.attempt


async def insist(
    fixed: Retry = Retry.forever(timedelta(seconds=1)),
    exponential: ExponentialRetry = ExponentialRetry.forever(maximum_delay=timedelta(minutes=1)),
) -> None: ...


class Mailer:
    async def send(self, to: str) -> int:
        return len(to)

    def count(self) -> int:
        return 1


type Untyped = Callable[..., Any]


async def place(shadows: Shadow, order: Order, mailer: Mailer, untyped: Untyped) -> None:
    shipped = await shadows.add(ship)(order, express=True)
    assert_type(shipped, Execution[str])
    assert_type(await shipped.get_result(), str)
    assert_type(await shipped.get_result(timeout=5), str)
    assert_type(await shipped.get_result(timeout=timedelta(seconds=5)), str)
    assert_type(await shipped.get_result(deadline=datetime.now(UTC)), str)

    weighed = await shadows.add(weigh, timedelta(minutes=5), "weigh-7")(order, 2.5)
    assert_type(weighed, Execution[float])
    assert_type(await weighed.get_result(), float)

    assert_type(await shadows.add(forget, when=datetime.now(UTC))(), Execution[None])
    assert_type(await shadows.add(fetch, key="f")("here", "there", accept="*"), Execution[bytes])
    assert_type(await shadows.add(fetch)("here", retry=Retry(attempts=1)), Execution[bytes])
    assert_type(await shadows.add(poll)(), Execution[int])
    assert_type(await shadows.add(insist)(), Execution[None])
    assert_type(await shadows.add(mailer.send)("me"), Execution[int])
    assert_type(await shadows.add(mailer.count)(), Execution[int])
    assert_type(await shadows.add("fetch")("here", 1, anything=None), Execution[Any])
    assert_type(await shadows.add(untyped)("here", 1, anything=None), Execution[Any])

    assert_type(await shadows.replace(ship, None, "s")(order), Execution[str])
    assert_type(await shadows.replace(weigh, timedelta(hours=1), "w")(order), Execution[float])
    assert_type(await shadows.replace(weigh, when=None, key="w")(order), Execution[float])
    assert_type(await shadows.replace("ship", when=None, key="s")(1, 2, 3), Execution[Any])


async def place_many(shadows: Shadow, orders: list[Order]) -> None:
    assert_type(shadows.call(ship, key="a")(orders[0], express=True), TaskCall)
    assert_type(shadows.call("ship")(1, 2), TaskCall)
    calls = [shadows.call(ship, when=timedelta(seconds=1))(order) for order in orders]
    assert_type(calls, list[TaskCall])
    assert_type(await shadows.add_many(calls), list[Execution[Any]])
    assert_type(await shadows.add_many((shadows.call(weigh)(order) for order in orders), 500), list[Execution[Any]])
    assert_type(await shadows.replace_many([*calls, shadows.call(forget)()], chunk_size=10), list[Execution[Any]])


async def look(shadows: Shadow) -> None:
    assert_type(await shadows.cancel("key"), Cancellation)
    assert_type(await shadows.clear(), int)
    assert_type(shadows.tasks, Mapping[str, Callable[..., Any]])
    found = await shadows.get_execution("key")
    assert_type(found, Execution[Any] | None)
    if found is not None:
        await found.sync()
        assert_type(found.state, ExecutionState | None)
        assert_type(found.disposition, Disposition)
        assert_type(found.when, datetime | None)
        async for event in found.subscribe():
            assert_type(event, dict[str, Any])
        async with aclosing(found.subscribe()) as events:
            assert_type(await anext(events), dict[str, Any])
    snapshot = await shadows.snapshot()
    assert_type(snapshot, Snapshot)
    assert_type(snapshot.running, tuple[RunningExecution, ...])
    assert_type(snapshot.future, tuple[Execution[Any], ...])
    assert_type(await shadows.workers(), list[WorkerInfo])
    assert_type(await shadows.task_workers("ship"), list[WorkerInfo])


async def work() -> None:
    async with (
        Shadow("name", "memory://", execution_ttl=timedelta(0)) as shadows,
        Worker(shadows, concurrency=2) as worker,
    ):
        assert_type(shadows, Shadow)
        assert_type(worker, Worker)
        shadows.register(ship)
        shadows.register(weigh, names=["weigh", "weighed"])
        await worker.run_until_finished()
