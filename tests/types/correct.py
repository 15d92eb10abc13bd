"""A program as a user writes it, and the types that it gets.  It is checked, never run."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from logging import Logger, LoggerAdapter
from typing import Annotated, Any, Self, assert_type

from shadows import (
    Agenda,
    CallArgument,
    Cancellation,
    Cron,
    CurrentExecution,
    CurrentShadow,
    CurrentWorker,
    Depends,
    Disposition,
    Execution,
    ExecutionProgress,
    ExecutionState,
    ExponentialRetry,
    Logged,
    Perpetual,
    Progress,
    Retry,
    RunningExecution,
    Shadow,
    Shared,
    Snapshot,
    SyncShadow,
    TaskArgument,
    TaskCall,
    TaskKey,
    TaskLogger,
    Timeout,
    Worker,
    WorkerInfo,
    tasks,
)
from shadows.dependencies import (
    AdmissionBlocked,
    CompletionHandler,
    Decision,
    Dependency,
    FailureHandler,
    Runtime,
    TaskOutcome,
    current_execution,
    current_shadow,
    decision,
)
from shadows.testing import (
    VirtualClock,
    assert_no_tasks,
    assert_task_count,
    assert_task_not_scheduled,
    assert_task_scheduled,
    inline,
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


async def place_again(shadows: Shadow, execution: Execution[float], found: Execution[Any]) -> None:
    assert_type(await shadows.schedule(execution), Execution[float])
    assert_type(await shadows.schedule(found), Execution[Any])


async def look(shadows: Shadow) -> None:
    assert_type(shadows.labels(), Mapping[str, str])
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


class Pool:
    async def fetch(self) -> int:
        return 1


class Session:
    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None: ...


def settings() -> dict[str, int]:
    return {}


async def get_pool(settings: dict[str, int] = Depends(settings)) -> Pool:
    return Pool()


def get_session(pool: Pool = Shared(get_pool)) -> Session:
    return Session(pool)


async def transaction(session: Session = Depends(get_session)) -> AsyncGenerator[Pool]:
    yield session.pool


async def reader() -> AsyncIterator[bytes]:
    yield b""


def cursor(name: str = TaskArgument(), limit: int = TaskArgument("most", optional=True)) -> Generator[str, None, None]:
    yield name * limit


def lines(cursor: str = CallArgument()) -> Iterator[str]:
    yield cursor


@asynccontextmanager
async def lock(key: str = TaskKey()) -> AsyncGenerator[float]:
    yield float(key)


@contextmanager
def span() -> Generator[complex]:
    yield 1j


assert_type(Depends(settings), dict[str, int])
assert_type(Depends(get_pool), Pool)
assert_type(Depends(get_session), Session)
assert_type(Depends(Session), Session)
assert_type(Depends(transaction), Pool)
assert_type(Depends(reader), bytes)
assert_type(Depends(cursor), str)
assert_type(Depends(lines), str)
assert_type(Depends(lock), float)
assert_type(Depends(span), complex)
assert_type(Shared(settings), dict[str, int])
assert_type(Shared(get_pool), Pool)
assert_type(Shared(transaction), Pool)
assert_type(Shared(lock), float)


class Audit(Dependency):
    def bind_to_parameter(self, name: str, value: Any) -> Self:
        self.seen = f"{name}={value}"
        return self

    @classmethod
    @asynccontextmanager
    async def worker_lifecycle(cls, shadow: Shadow, worker: Worker) -> AsyncGenerator[None]:
        yield


class Careful(Runtime):
    async def run(
        self,
        execution: Execution[Any],
        function: Callable[..., Awaitable[Any]],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        if execution.attempt > 1:
            raise AdmissionBlocked(execution, "later", retry_delay=timedelta(seconds=1))
        return await function(*args, **kwargs)


class Decides(FailureHandler, CompletionHandler):
    async def handle_failure(self, execution: Execution[Any], outcome: TaskOutcome) -> Decision | None:
        assert_type(outcome.duration, timedelta)
        assert_type(outcome.exception, BaseException | None)
        return decision.retry(timedelta(seconds=1)) if execution.attempt < 3 else decision.fail()

    async def on_complete(self, execution: Execution[Any], outcome: TaskOutcome) -> Decision | None:
        return decision.follow(datetime.now(UTC), execution.args)


async def declares(
    amount: Annotated[int, Logged, Audit()],
    names: Annotated[list[str], Logged(length_only=True)],
    db: Pool = Depends(get_pool),
    shared: Pool = Shared(get_pool),
    session: Session = Depends(get_session),
    inline: Annotated[Pool | None, Depends(get_pool)] = None,
    shadow: Shadow = CurrentShadow(),
    worker: Worker = CurrentWorker(),
    execution: Execution[object] = CurrentExecution(),
    key: str = TaskKey(),
    logger: LoggerAdapter[Logger] = TaskLogger(),
    careful: Careful = Careful(),
    decides: Decides = Decides(),
    retry: Retry = Retry(attempts=3, jitter=timedelta(seconds=1), on=(ValueError, KeyError), never_on=TypeError),
) -> bool:
    logger.info("began", extra={"amount": amount})
    assert_type(execution.fence, int | None)
    await shadow.add(ship)(Order())
    print(current_shadow.get(), current_execution.get())
    print(db, shared, session, inline, worker, key, careful, decides, retry, names)
    return True


async def use(shadows: Shadow) -> None:
    assert_type(await shadows.add(declares)(5, ["a"]), Execution[bool])
    with shadows.override(get_pool, Pool):
        Worker(
            shadows,
            fallback_task=ship,
            dependencies={"audit": Depends(settings), "retry": Retry()},
            dependency_timeout=timedelta(seconds=5),
        )
    Worker(shadows, fallback_task="app:fallback", dependencies=[Careful(), Shared(settings)])


async def behaves(
    city: str = "Oslo",
    perpetual: Perpetual = Perpetual(every=timedelta(minutes=5), automatic=True),
    limit: Timeout = Timeout(timedelta(seconds=30)),
    progress: ExecutionProgress = Progress(),
    counted: Progress = Progress(),
) -> int:
    perpetual.every = timedelta(minutes=1)
    perpetual.perpetuate("Paris", anything=1)
    perpetual.after(timedelta(seconds=5))
    perpetual.at(datetime.now(UTC))
    perpetual.cancel()
    assert_type(perpetual.every, timedelta)
    limit.extend()
    limit.extend(timedelta(seconds=5))
    assert_type(limit.remaining(), timedelta)
    assert_type(limit.expired(), bool)
    await progress.set_total(5)
    await progress.increment()
    await progress.set_message(None)
    await counted.increment(2)
    assert_type(progress.current, int | None)
    assert_type(progress.total, int)
    assert_type(progress.message, str | None)
    assert_type(progress.updated_at, datetime | None)
    return len(city)


async def nightly(cron: Cron = Cron("0 3 * * *", tz="Europe/Berlin", catch_up=False)) -> None:
    cron.cancel()


async def collect(shadows: Shadow) -> None:
    assert_type(await shadows.add(behaves)("Rome"), Execution[int])
    assert_type(await shadows.add(nightly)(), Execution[None])
    await shadows.add(tasks.sleep)(1.5)
    agenda = Agenda()
    agenda.add(behaves)("Rome")
    agenda.add("behaves", key="k")("Rome", 1, 2)
    assert_type(len(agenda), int)
    placed = await agenda.scatter(
        shadows, over=timedelta(hours=1), start=datetime.now(UTC), jitter=timedelta(seconds=9)
    )
    assert_type(placed, list[Execution[Any]])
    await placed[0].progress.sync()
    async with aclosing(placed[0].progress.subscribe()) as events:
        async for event in events:
            assert_type(event, dict[str, Any])


def without_a_loop(shadows: SyncShadow, order: Order, mailer: Mailer) -> None:
    shipped = shadows.add(ship, key="s")(order, express=True)
    assert_type(shipped, Execution[str])
    assert_type(shadows.get_result(shipped, timeout=5), str)
    assert_type(shadows.add(weigh, timedelta(minutes=5))(order, 2.5), Execution[float])
    assert_type(shadows.add(mailer.send)("me"), Execution[int])
    assert_type(shadows.add("fetch")("here", 1, anything=None), Execution[Any])
    assert_type(shadows.replace(ship, None, "s")(order), Execution[str])
    assert_type(shadows.add_many(shadows.call(weigh)(order) for _ in range(3)), list[Execution[Any]])
    assert_type(shadows.cancel("s"), Cancellation)
    assert_type(shadows.snapshot(), Snapshot)
    assert_type(shadows.run(lambda shadow: shadow.snapshot(), timeout=5), Snapshot)
    with SyncShadow("name", "memory://", patience=5, execution_ttl=timedelta(hours=1)) as entered:
        assert_type(entered, SyncShadow)
        found = entered.get_execution("s")
        assert_type(found, Execution[Any] | None)


async def test_in_an_application(shadow: Shadow, worker: Worker, virtual_clock: VirtualClock) -> None:
    assert_type(await assert_task_scheduled(shadow, ship, args=[1], kwargs={"express": True}, key="s"), Execution[Any])
    await assert_task_not_scheduled(shadow, "ship")
    await assert_task_count(shadow, weigh, count=1)
    await assert_no_tasks(shadow)
    await virtual_clock.advance(days=7)
    assert_type(virtual_clock.now(), datetime)
    async with inline(shadow, concurrency=2) as running:
        assert_type(running, Worker)
