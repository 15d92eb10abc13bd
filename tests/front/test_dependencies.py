"""What a task depends on: made for each run, or once for a worker, and closed whatever becomes of the body."""

from __future__ import annotations

import asyncio
import contextvars
import sys
import threading
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any, Self

import pytest

from shadows import (
    CallArgument,
    ConfigurationError,
    CurrentExecution,
    CurrentShadow,
    CurrentWorker,
    Depends,
    Execution,
    ExecutionCancelled,
    Retry,
    Shadow,
    Shared,
    TaskArgument,
    TaskKey,
    Worker,
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
    current_worker,
    decision,
)
from tests.front.acts import DEADLINE, comes_true, finish, heard, state_of, working

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from tests.front.places import Place

LOG: list[str] = []
"""What happened, in order."""


@pytest.fixture(autouse=True)
def _nothing_yet() -> None:
    LOG.clear()


async def pool() -> AsyncIterator[str]:
    LOG.append("pool opens")
    try:
        yield "pool"
    finally:
        LOG.append("pool closes")


@asynccontextmanager
async def session(pool: str = Depends(pool)) -> AsyncIterator[str]:
    LOG.append("session opens")
    try:
        yield f"session of {pool}"
    except BaseException as error:
        LOG.append(f"session hears of {type(error).__name__}")
        raise
    finally:
        LOG.append("session closes")


@contextmanager
def book(customer: str = TaskArgument()) -> Iterator[str]:
    LOG.append("book opens")
    yield f"book of {customer}"
    LOG.append("book closes")


def page(book: str = Depends(book), session: str = Depends(session)) -> str:
    return f"page in {book}, {session}"


OPENED = ["book opens", "pool opens", "session opens"]
CLOSED = ["session closes", "pool closes", "book closes"]


async def test_a_body_gets_what_it_depends_on_and_all_is_closed_in_reverse_order(shadows: Shadow) -> None:
    """PARITY, Depends: plain functions, generators and context managers, nested; each made once in a run."""

    async def write(
        customer: str, page: str = Depends(page), session: str = Depends(session), key: str = TaskKey()
    ) -> tuple[str, str, str]:
        LOG.append("body")
        return page, session, key

    execution = await shadows.add(write, key="w")("ann")
    await finish(shadows)
    expected = "page in book of ann, session of pool", "session of pool", "w"
    assert await execution.get_result(timeout=DEADLINE) == expected
    assert [*OPENED, "body", *CLOSED] == LOG


async def test_a_dependency_hears_of_what_the_body_raises(shadows: Shadow) -> None:
    """FAULT 41: a transaction must know whether to commit; each attempt has its own."""

    async def fail(session: str = Depends(session), retry: Retry = Retry(attempts=2)) -> None:
        raise ValueError("no")

    execution = await shadows.add(fail)()
    await finish(shadows)
    with pytest.raises(ValueError, match="no"):
        await execution.get_result(timeout=DEADLINE)
    assert 2 * [*OPENED[1:], "session hears of ValueError", *CLOSED[:2]] == LOG


async def test_a_cancelled_body_s_dependencies_are_closed(shadows: Shadow) -> None:
    """INV 30: they hear of the cancellation, and the run is cancelled."""
    began = asyncio.Event()

    async def wait(session: str = Depends(session)) -> None:
        began.set()
        await asyncio.Event().wait()

    execution = await shadows.add(wait, key="w")()
    async with working(shadows):
        await heard(began)
        await shadows.cancel("w")
        with pytest.raises(ExecutionCancelled):
            await execution.get_result(timeout=DEADLINE)
    assert [*OPENED[1:], "session hears of CancelledError", *CLOSED[:2]] == LOG


async def test_a_cancelled_run_whose_clean_up_fails_is_cancelled_and_that_is_told(
    shadows: Shadow, caplog: pytest.LogCaptureFixture
) -> None:
    """INV 30, FAULT 41: nobody asks for a result, but somebody should know."""
    began = asyncio.Event()

    async def fails() -> AsyncIterator[None]:
        try:
            yield
        finally:
            raise KeyError("clean-up")

    async def wait(fails: None = Depends(fails)) -> None:
        began.set()
        await asyncio.Event().wait()

    execution = await shadows.add(wait, key="w")()
    async with working(shadows):
        await heard(began)
        await shadows.cancel("w")
        with pytest.raises(ExecutionCancelled):
            await execution.get_result(timeout=DEADLINE)
    assert "wait: a clean-up went wrong" in caplog.messages


async def test_a_thread_s_dependencies_hear_of_what_the_body_raises(shadows: Shadow) -> None:
    """FAULT 41, for plain functions: in the thread, then on the loop."""

    @contextmanager
    def table(session: str = Depends(session)) -> Iterator[str]:
        try:
            yield "table"
        except BaseException as error:
            LOG.append(f"table hears of {type(error).__name__}")
            raise

    def work(table: str = Depends(table)) -> None:
        raise ValueError(table)

    execution = await shadows.add(work)()
    await finish(shadows)
    with pytest.raises(ValueError, match="table"):
        await execution.get_result(timeout=DEADLINE)
    assert [*OPENED[1:], "table hears of ValueError", "session hears of ValueError", *CLOSED[:2]] == LOG


@pytest.mark.parametrize("phase", ["set-up", "clean-up"])
@pytest.mark.parametrize("trouble", ["raises", "hangs"])
async def test_a_dependency_in_trouble_fails_the_task_and_the_others_are_closed(
    shadows: Shadow, phase: str, trouble: str
) -> None:
    """FAULT 41: whether it raises or hangs, before the body or after it."""

    async def make_trouble() -> None:
        if trouble == "raises":
            raise ValueError("trouble")
        await asyncio.Event().wait()

    async def troubled(session: str = Depends(session)) -> AsyncIterator[str]:
        if phase == "set-up":
            await make_trouble()
        yield "fine"
        if phase == "clean-up":
            await make_trouble()

    async def work(troubled: str = Depends(troubled)) -> None:
        LOG.append("body")

    execution = await shadows.add(work)()
    await finish(shadows, dependency_timeout=timedelta(milliseconds=50))
    expected, match = (ValueError, "trouble") if trouble == "raises" else (TimeoutError, r"troubled\(\) took longer")
    with pytest.raises(expected, match=match):
        await execution.get_result(timeout=DEADLINE)
    body = [] if phase == "set-up" else ["body"]
    heard_of = "ValueError" if trouble == "raises" else "TimeoutError" if phase == "set-up" else "TooLong"
    assert LOG[2:-2] in ([*body, f"session hears of {heard_of}"], [*body, "session hears of TooLong"])
    assert LOG[-2:] == CLOSED[:2]


async def test_what_is_shared_is_opened_once_for_a_worker_and_closed_with_it(shadows: Shadow) -> None:
    """PARITY, Shared: also when many runs need it at the same moment; newest first in the end."""

    async def connection(shadow: Shadow = CurrentShadow()) -> AsyncIterator[str]:
        LOG.append(f"connection of {shadow is shadows} opens")
        await asyncio.sleep(0)
        yield "connection"
        LOG.append("connection closes")

    async def cache(connection: str = Shared(connection), session: str = Depends(session)) -> AsyncIterator[list[str]]:
        LOG.append("cache opens")
        yield [connection, session]
        LOG.append("cache closes")

    async def look(cache: list[str] = Shared(cache), connection: str = Shared(connection)) -> list[str]:
        return [*cache, connection]

    def look_in_a_thread(cache: list[str] = Shared(cache)) -> list[str]:
        return cache

    executions = [await shadows.add(look)() for _ in range(20)]
    executions += [await shadows.add(look_in_a_thread)() for _ in range(5)]
    for _ in range(2):
        await finish(shadows, concurrency=20)
        for execution in executions:
            assert (await execution.get_result(timeout=DEADLINE))[:2] == ["connection", "session of pool"]
        opened = ["connection of True opens", *OPENED[1:], "cache opens"]
        assert [*LOG] == [*opened, "cache closes", *CLOSED[:2], "connection closes"]
        LOG.clear()
        executions = [await shadows.add(look)()]


async def test_what_is_shared_is_tried_anew_when_it_failed(shadows: Shadow) -> None:
    """The run fails, or tries again; the next one does not find a broken thing."""
    tries: list[int] = []

    async def fragile() -> int:
        tries.append(1)
        if len(tries) == 1:
            raise ConnectionError("not yet")
        return len(tries)

    async def use(fragile: int = Shared(fragile), retry: Retry = Retry(attempts=2)) -> tuple[int, int]:
        return fragile, retry.attempt

    execution = await shadows.add(use)()
    await finish(shadows)
    assert await execution.get_result(timeout=DEADLINE) == (2, 2)


async def test_a_plain_function_s_dependencies_are_made_in_its_thread(shadows: Shadow) -> None:
    """SEMANTICS, Running: what a plain function opens may block, and may belong to its thread; the rest is awaited."""
    loop_thread = threading.get_ident()
    where: dict[str, int] = {}

    def connection(session: str = Depends(session)) -> Iterator[str]:
        where["opened"] = threading.get_ident()
        try:
            yield f"connection in {session}"
        finally:
            where["closed"] = threading.get_ident()
            LOG.append("connection closes")

    def settings() -> str:
        where["settings"] = threading.get_ident()
        return "settings"

    async def greeting(settings: str = Depends(settings)) -> str:
        return f"hello {settings}"

    def work(
        connection: str = Depends(connection),
        greeting: str = Depends(greeting),
        late: str = Depends(lambda: greeting(settings="late")),
        execution: Execution[Any] = CurrentExecution(),
    ) -> tuple[str, str, str, str]:
        where["body"] = threading.get_ident()
        LOG.append("body")
        return connection, greeting, late, execution.key

    execution = await shadows.add(work, key="t")()
    await finish(shadows)
    expected = "connection in session of pool", "hello settings", "hello late", "t"
    assert await execution.get_result(timeout=DEADLINE) == expected
    assert where["opened"] == where["body"] == where["closed"] != loop_thread
    assert where["settings"] == loop_thread  # an async one needs it
    assert [*OPENED[1:], "body", "connection closes", *CLOSED[:2]] == LOG


async def test_a_body_and_all_that_it_calls_know_where_they_run(shadows: Shadow) -> None:
    """PARITY, context variables: on the loop and in a thread; and nowhere else."""

    def here() -> tuple[bool, str, str, int]:
        execution = current_execution.get()
        return current_shadow.get() is shadows, current_worker.get().name, execution.key, execution.attempt

    async def on_the_loop() -> tuple[bool, str, str, int]:
        return here()

    def in_a_thread() -> tuple[bool, str, str, int]:
        return here()

    executions = [await shadows.add(task, key=task.__name__)() for task in (on_the_loop, in_a_thread)]
    await finish(shadows, name="w")
    for execution in executions:
        assert await execution.get_result(timeout=DEADLINE) == (True, "w", execution.key, 1)
    variables: list[Any] = [current_shadow, current_worker, current_execution]
    for variable in variables:
        with pytest.raises(LookupError):
            variable.get()


@pytest.mark.pickles
async def test_a_run_knows_itself(shadows: Shadow) -> None:
    """Issue 3, context: among it the fence, for writes of the task's own, which grows with each attempt."""
    seen: list[int] = []

    async def work(
        name: str,
        execution: Execution[object] = CurrentExecution(),
        shadow: Shadow = CurrentShadow(),
        worker: Worker = CurrentWorker(),
        retry: Retry = Retry(attempts=2),
    ) -> tuple[object, ...]:
        assert execution.fence is not None
        seen.append(execution.fence)
        if retry.attempt == 1:
            raise ValueError
        with pytest.raises(TimeoutError):  # to wait for oneself is of no use, and does no harm
            await execution.get_result(timeout=0.01)
        await execution.sync()
        return (
            shadow is shadows,
            worker.name,
            execution.key,
            execution.function_name,
            execution.get_argument("name"),
            execution.attempt,
            execution.redelivered,
            execution.state,
            execution.worker,
        )

    execution = await shadows.add(work, key="k")("ann")
    await finish(shadows, name="w")
    found = await execution.get_result(timeout=DEADLINE)
    assert found == (True, "w", "k", "work", "ann", 2, False, "running", "w")
    assert seen == sorted(set(seen))
    assert len(seen) == 2


class Audit(Dependency):
    """Says which argument it stands at; a copy of its own in each run."""

    def __init__(self, note: str) -> None:
        self.note = note

    def bind_to_parameter(self, name: str, value: Any) -> Audit:
        self.bound = f"{name}={value}"
        return self

    async def __aenter__(self) -> str:
        LOG.append(f"{self.note}: {self.bound}")
        return "nobody gets this"

    async def __aexit__(self, *error: object) -> None:
        LOG.append(f"{self.note}: left {self.bound}")


async def test_a_dependency_in_annotated_is_bound_to_its_argument(shadows: Shadow) -> None:
    """PARITY, bind_to_parameter: by position, by name or by default (INV 23)."""

    async def pay(amount: Annotated[int, Audit("audit")] = 5) -> int:
        return amount

    for args, kwargs in (((1,), {}), ((), {"amount": 2}), ((), {})):
        await shadows.add(pay)(*args, **kwargs)
    await finish(shadows, concurrency=1)
    assert [f"audit: {left}amount={n}" for n in (1, 2, 5) for left in ("", "left ")] == LOG


async def test_a_worker_s_dependencies_count_for_each_of_its_tasks(shadows: Shadow) -> None:
    """PARITY, Worker dependencies: a list or a mapping; they may take arguments of the task."""

    async def tenant(customer: str = TaskArgument(optional=True), key: str = TaskKey()) -> AsyncIterator[str]:
        LOG.append(f"tenant {customer} of {key}")
        yield f"tenant {customer}"

    async def note(tenant: str = CallArgument()) -> None:
        LOG.append(f"note of {tenant}")

    async def with_customer(customer: str) -> None: ...

    async def without() -> None:
        raise ValueError

    async with Worker(
        shadows,
        concurrency=1,
        dependencies={"note": Depends(note), "tenant": Depends(tenant), "retry": Retry(attempts=2)},
    ) as worker:
        await shadows.add(with_customer, key="a")("ann")
        await shadows.add(without, key="b")()
        await worker.run_until_finished()
    lines = [("ann", "a"), (None, "b"), (None, "b")]
    assert [text for who, key in lines for text in (f"tenant {who} of {key}", f"note of tenant {who}")] == LOG


async def test_two_of_a_single_kind_are_refused_with_both_places(shadows: Shadow) -> None:
    """PARITY: the worker's included: when it is entered, and when a task is registered while it is."""

    async def patient(again: Retry = Retry(attempts=3)) -> None: ...

    async def plain() -> None: ...

    with pytest.raises(ConfigurationError, match=r"Worker\(\) declares Retry twice, in 'a' and 'b'"):
        Worker(shadows, dependencies={"a": Retry(), "b": Retry()})
    shadows.register(plain)
    async with Worker(shadows, dependencies=[Retry(attempts=2)]):
        with pytest.raises(ConfigurationError, match=r"patient\(\) declares Retry twice.*dependencies\[0\].*'again'"):
            shadows.register(patient)
        assert "patient" not in shadows.tasks
    shadows.register(patient)
    with pytest.raises(ConfigurationError, match=r"patient\(\) declares Retry twice"):
        async with Worker(shadows, dependencies=[Retry(attempts=2)]):
            pass


@pytest.mark.parametrize("wrong", [{"a": 1}, [print], Retry(), "retry"])
async def test_only_dependencies_can_be_a_worker_s(shadows: Shadow, wrong: Any) -> None:
    """The mistake is named where it is made."""
    with pytest.raises(ConfigurationError, match="dependenc"):
        Worker(shadows, dependencies=wrong)


async def test_a_test_may_put_something_else_in_the_place_of_a_dependency(shadows: Shadow) -> None:
    """Issue 3, overrides for tests: however deeply nested, also of what is shared, and only inside of the block."""

    def number() -> int:
        return 1

    async def base() -> int:
        return 10

    async def total(number: int = Depends(number), base: int = Shared(base)) -> int:
        return number + base

    async def work(total: int = Depends(total)) -> int:
        return total

    async def run() -> int:
        execution = await shadows.add(work)()
        await finish(shadows)
        return await execution.get_result(timeout=DEADLINE)

    assert await run() == 11
    with shadows.override(number, lambda: 2), shadows.override(base, lambda: 20):
        assert await run() == 22
        with shadows.override(number, lambda: 3):
            assert await run() == 23
        assert await run() == 22
    assert await run() == 11
    wrong: Any = 5
    with pytest.raises(TypeError, match="5"), shadows.override(number, wrong):
        pass


async def test_an_author_writes_only_what_a_class_is_there_for(shadows: Shadow) -> None:
    """The rest has a meaning of its own: run the body, let it fail, let it end."""

    async def work(
        number: int,
        runtime: Runtime = Runtime(),
        on_failure: FailureHandler = FailureHandler(),
        on_complete: CompletionHandler = CompletionHandler(),
        plain: Dependency = Dependency(),
        bound: Annotated[int, Dependency().bind_to_parameter("bound", 1)] = 3,
    ) -> int:
        assert plain.worker_lifecycle(shadows, None) is None
        return 6 // number

    executions = [await shadows.add(work)(number) for number in (2, 0)]
    await finish(shadows)
    assert await executions[0].get_result(timeout=DEADLINE) == 3
    with pytest.raises(ZeroDivisionError):
        await executions[1].get_result(timeout=DEADLINE)


class Careful(Runtime, FailureHandler, CompletionHandler):
    """All that an author can decide, in one class."""

    def __init__(self, after_failure: Decision | None = None, in_the_end: Decision | None = None) -> None:
        self.after_failure, self.in_the_end = after_failure, in_the_end

    async def __aenter__(self) -> Self:
        self.open = True
        return self

    async def __aexit__(self, *error: object) -> None:
        self.open = False

    async def run(self, execution: Execution[Any], function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        LOG.append(f"runs {execution.key}")
        return await function(*args, **kwargs)

    async def handle_failure(self, execution: Execution[Any], outcome: TaskOutcome) -> Decision | None:
        LOG.append(f"failure of {execution.key}: {outcome.exception!r}, {self.open}, {outcome.duration >= timedelta()}")
        return self.after_failure

    async def on_complete(self, execution: Execution[Any], outcome: TaskOutcome) -> Decision | None:
        LOG.append(f"end of {execution.key}: {outcome.result}, {self.open}")
        return self.in_the_end


@pytest.mark.parametrize("threaded", [False, True])
async def test_an_author_s_class_runs_the_body_and_hears_of_its_end(shadows: Shadow, *, threaded: bool) -> None:
    """PARITY, for dependency authors: also around a plain function; asked while what it opened is still open."""

    async def on_the_loop(number: int, careful: Careful = Careful()) -> int:
        return number + careful.open

    def in_a_thread(number: int, careful: Careful = Careful()) -> int:
        return number + careful.open

    execution = await shadows.add(in_a_thread if threaded else on_the_loop, key="k")(1)
    await finish(shadows)
    assert await execution.get_result(timeout=DEADLINE) == 2
    assert LOG == ["runs k", "end of k: 2, True"]


@pytest.mark.parametrize(
    ("after_failure", "in_the_end", "state"),
    [
        (None, None, "failed"),
        (decision.fail(), None, "failed"),
        (decision.complete(), None, "completed"),
        (None, decision.complete(), "completed"),
        (decision.retry(timedelta(hours=1)), None, "scheduled"),
        (None, decision.retry(timedelta(hours=1)), "scheduled"),
    ],
)
async def test_an_author_decides_what_follows_a_failure(
    shadows: Shadow, after_failure: Decision | None, in_the_end: Decision | None, state: str
) -> None:
    """SEMANTICS, Running: settled in the same step as the end of the attempt."""
    careful = Careful(after_failure, in_the_end)

    async def fail(mine: Careful = careful) -> None:
        raise ValueError("no")

    await shadows.add(fail, key="k")()
    async with working(shadows):
        await comes_true(lambda: _is(shadows, "k", state))
    assert LOG[1] == "failure of k: ValueError('no'), True, True"
    assert len(LOG) == (2 if after_failure is not None and state == "scheduled" else 3)
    await shadows.cancel("k")


async def test_an_author_may_let_a_completed_run_fail(shadows: Shadow) -> None:
    """A completion handler that does not like the result."""
    careful = Careful(in_the_end=decision.fail())

    async def work(mine: Careful = careful) -> str:
        return "done"

    execution = await shadows.add(work)()
    await finish(shadows)
    with pytest.raises(Exception, match="its completion handler decided that it failed"):
        await execution.get_result(timeout=DEADLINE)


class Busy(Dependency):
    """Blocks a run at first."""

    async def __aenter__(self) -> None:
        execution = current_execution.get()
        LOG.append(f"asked for attempt {execution.attempt}")
        if len(LOG) < 3:
            raise AdmissionBlocked(execution, "busy", retry_delay=timedelta(milliseconds=1))


async def test_a_blocked_run_comes_back_without_using_up_an_attempt(shadows: Shadow) -> None:
    """INV 22, SEMANTICS: a user's AdmissionBlocked is a reschedule by settle."""

    async def work(busy: None = Busy(), retry: Retry = Retry(attempts=1)) -> int:  # type: ignore[assignment]
        return retry.attempt

    execution = await shadows.add(work)()
    await finish(shadows)
    assert await execution.get_result(timeout=DEADLINE) == 1
    assert LOG == ["asked for attempt 1"] * 3


async def test_a_run_may_be_dropped_before_its_body(shadows: Shadow) -> None:
    """PARITY, AdmissionBlocked without reschedule: it ends cancelled, and says why."""

    async def refuse(execution: Execution[Any] = CurrentExecution()) -> None:
        raise AdmissionBlocked(execution, "no room", reschedule=False)

    async def work(refuse: None = Depends(refuse), retry: Retry = Retry(attempts=5)) -> None: ...

    execution = await shadows.add(work)()
    await finish(shadows)
    with pytest.raises(ExecutionCancelled, match="no room"):
        await execution.get_result(timeout=DEADLINE)


class Alive(Dependency):
    """Lives as long as the worker."""

    @classmethod
    @asynccontextmanager
    async def worker_lifecycle(cls, shadow: Shadow, worker: Worker) -> AsyncIterator[None]:
        assert current_shadow.get() is shadow
        LOG.append(f"{worker.name} begins")
        yield
        LOG.append(f"{worker.name} ends")


async def test_a_class_may_live_as_long_as_the_worker(shadows: Shadow) -> None:
    """PARITY, worker_lifecycle: entered once, before the first call runs, also for a task registered later."""

    async def work(alive: Alive = Alive()) -> None:
        LOG.append("body")

    shadows.register(work)
    async with Worker(shadows, name="early") as worker:
        await worker.run_until_finished()
        await worker.run_until_finished()
    assert LOG == ["early begins", "early ends"]
    LOG.clear()

    async def later(alive: Alive = Alive()) -> None:
        LOG.append("body")

    async with Worker(shadows, name="late", fallback_task=later) as worker:
        await shadows.add(work)()
        await worker.run_until_finished()
    assert LOG == ["late begins", "body", "late ends"]


async def test_a_fallback_task_gets_the_calls_of_unknown_tasks(place: Place) -> None:
    """SPEC, unknown task name: with their arguments; the execution tells which task it was."""

    async def instead(*args: Any, execution: Execution[Any] = CurrentExecution(), **kwargs: Any) -> tuple[Any, ...]:
        return execution.function_name, args, kwargs

    async with place.shadow(allow_unknown=True) as shadows:
        execution = await shadows.add("nobody knows it")(1, two=2)
        await finish(shadows, fallback_task=instead)
        assert await execution.get_result(timeout=DEADLINE) == ("nobody knows it", (1,), {"two": 2})


async def test_a_fallback_task_has_what_the_worker_adds_to_each_task(place: Place) -> None:
    """It is a task like any other."""

    async def instead(*args: Any, retry: Retry = Retry(attempts=2)) -> int:
        LOG.append("body")
        if retry.attempt == 1:
            raise ValueError
        return retry.attempt

    async with place.shadow(allow_unknown=True) as shadows:
        execution = await shadows.add("lost")()
        await finish(shadows, fallback_task=instead, dependencies=[Depends(session)])
        assert await execution.get_result(timeout=DEADLINE) == 2
    assert LOG[:5] == [*OPENED[1:], "body", "session hears of ValueError", "session closes"]


async def test_a_fallback_task_can_be_named_by_its_path(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """PARITY: ``module:attribute``, also in SHADOW_WORKER_FALLBACK_TASK."""
    monkeypatch.setenv("SHADOW_WORKER_FALLBACK_TASK", "posixpath:basename")
    async with place.shadow(allow_unknown=True) as shadows:
        execution = await shadows.add("lost")("/a/b")
        await finish(shadows)
        assert await execution.get_result(timeout=DEADLINE) == "b"


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ("posixpath", "fallback_task"),
        ("posixpath:nothing", "no 'nothing'"),
        (5, "names no task"),
        ("two_tasks:both", "names 2 functions"),
    ],
)
async def test_a_fallback_task_is_one_function(
    shadows: Shadow, monkeypatch: pytest.MonkeyPatch, wrong: Any, match: str
) -> None:
    """FAULT 17: refused when the worker is made."""
    monkeypatch.setitem(sys.modules, "two_tasks", SimpleNamespace(both=[print, repr]))
    with pytest.raises(ConfigurationError, match=match):
        Worker(shadows, fallback_task=wrong)


async def test_what_a_dependency_sets_in_its_context_reaches_the_body(shadows: Shadow) -> None:
    """One asyncio task runs set-up, body and clean-up; no other run sees it."""
    variable = contextvars.ContextVar("variable", default="unset")

    async def tenant(name: str = TaskArgument()) -> AsyncIterator[None]:
        token = variable.set(name)
        yield
        variable.reset(token)

    async def on_the_loop(name: str, tenant: None = Depends(tenant)) -> str:
        return variable.get()

    def in_a_thread(name: str, tenant: None = Depends(tenant)) -> str:
        return variable.get()

    executions = [await shadows.add(task)(name) for task in (on_the_loop, in_a_thread) for name in ("a", "b")]
    await finish(shadows)
    assert [await each.get_result(timeout=DEADLINE) for each in executions] == ["a", "b", "a", "b"]


async def _is(shadows: Shadow, key: str, state: str) -> bool:
    return await state_of(shadows, key) == state
