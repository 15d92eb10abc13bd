"""Mistakes of a user.  Both checkers flag each of these lines; one that is no longer flagged fails the test."""

# ruff: noqa: B018, FBT003 - mistakes are mistakes

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import shadows
from shadows import (
    Agenda,
    Cron,
    CurrentExecution,
    CurrentShadow,
    CurrentWorker,
    Depends,
    Execution,
    ExecutionProgress,
    ExponentialRetry,
    Perpetual,
    Progress,
    Retry,
    Shadow,
    Shared,
    SyncShadow,
    TaskKey,
    Worker,
)


async def ship(order: int, *, express: bool = False) -> str:
    return f"{order} {express}"


def weigh(order: int) -> float:
    return order / 2


async def wrong_arguments(shadows: Shadow) -> None:
    await shadows.add(ship)("seven")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await shadows.add(ship)()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await shadows.add(ship)(7, True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await shadows.add(ship)(7, speed=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await shadows.add(ship)(7, express="very")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await shadows.add(weigh)("seven")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await shadows.add(weigh)()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await shadows.add(weigh)(7, 8)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await shadows.add(weigh)(7, speed=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await shadows.replace(ship, None, "s")("seven")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await shadows.replace(weigh, None, "w")()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    shadows.call(ship)("seven")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    shadows.call(weigh)(7, speed=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def forgotten_await(shadows: Shadow) -> None:
    shadows.add(ship)(7)  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    shadows.add(weigh)(7)  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    shadows.add("ship")(7)  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    shadows.replace(ship, None, "s")(7)  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    shadows.add_many([shadows.call(ship)(7)])  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    shadows.schedule(shadows.call(ship)(7))  # type: ignore[arg-type, unused-coroutine]  # pyright: ignore[reportArgumentType, reportUnusedCoroutine]
    shadows.cancel("s")  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]


async def wrong_options(shadows: Shadow) -> None:
    shadows.add(ship, when=5)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    shadows.add(ship, when="5s")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    shadows.add(ship, key=7)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    shadows.add(7)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    shadows.add(ship, delay=timedelta(0))  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    shadows.replace(ship, None)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    shadows.replace(ship, key="s")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    shadows.call(ship, key=7)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    await shadows.add_many([ship])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    await shadows.add(ship)  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]
    await shadows.cancel(7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Shadow("name", "memory://", heartbeat_interval=2)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def wrong_results(shadows: Shadow) -> None:
    execution = await shadows.add(ship)(7)
    wrong: Execution[int] = execution  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    number: int = await execution.get_result()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    weighed = await shadows.add(weigh)(7)
    text: str = await weighed.get_result()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    execution.outcome  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    print(wrong, number, text)
    await execution.get_result(timeout="5s")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def wrong_default(retry: Retry = 3) -> None: ...  # type: ignore[assignment]  # pyright: ignore[reportArgumentType]


async def wrong_retries(retry: Retry = ExponentialRetry(attempts=3)) -> None:
    retry.attempt = 2  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    Retry(attempts="three")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Retry(delay=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ExponentialRetry(minimum_delay=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ExponentialRetry.forever(attempts=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    retry.after(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def wrong_worker(shadows: Shadow) -> None:
    Worker("name")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Worker(shadows, redelivery_timeout=300)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    shadows.register("ship")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def number() -> int:
    return 1


async def pool() -> bytes:
    return b""


async def opened() -> AsyncIterator[bytes]:
    yield b""


async def wrong_dependencies(
    a: str = Depends(number),  # type: ignore[assignment]  # pyright: ignore[reportArgumentType]
    b: str = Depends(pool),  # type: ignore[assignment]  # pyright: ignore[reportArgumentType]
    c: str = Shared(opened),  # type: ignore[assignment]  # pyright: ignore[reportArgumentType]
    d: Worker = CurrentShadow(),  # type: ignore[assignment]  # pyright: ignore[reportArgumentType]
    e: Shadow = CurrentWorker(),  # type: ignore[assignment]  # pyright: ignore[reportArgumentType]
    f: Shadow = CurrentExecution(),  # type: ignore[assignment]  # pyright: ignore[reportArgumentType]
    g: int = TaskKey(),  # type: ignore[assignment]  # pyright: ignore[reportArgumentType]
) -> None:
    Retry(on="ValueError")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Retry(never_on=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Depends(5)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    Shared("pool")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]


async def wrong_override(shadows: Shadow) -> None:
    with shadows.override(number, 5):  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        pass
    Worker(shadows, dependencies=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Worker(shadows, fallback_task=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def wrong_behaviours(progress: ExecutionProgress = Progress()) -> None:
    Perpetual(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Cron(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Cron("@daily", tz=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Agenda().add(ship)("seven")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Agenda().add(ship)()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await progress.increment("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def wrong_without_a_loop(shadows: SyncShadow) -> None:
    shadows.add(ship)("seven")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    shadows.add(weigh)()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    shadows.replace(ship, None, "s")(7, True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    SyncShadow(patience=None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    SyncShadow(patient=5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def wrong_names() -> None:
    shadows.Shado.add  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
