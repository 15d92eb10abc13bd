from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Annotated, Any, Self

import pytest

from shadows import (
    CallArgument,
    CurrentExecution,
    CurrentShadow,
    CurrentWorker,
    CycleError,
    Depends,
    Logged,
    Retry,
    Shared,
    TaskArgument,
    TaskKey,
)
from shadows.dependencies import Dependency, Runtime
from shadows.dependencies.marker import Marker
from shadows.dependencies.plan import Plan, plan
from shadows.dependencies.tasks import everywhere
from shadows.errors import ConfigurationError
from tests.unit.workplace import REPORTS, Handle, filled, running, set_up, workplace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

CALLS: list[str] = []


@pytest.fixture(autouse=True)
def _no_calls_yet() -> None:
    CALLS.clear()


def number() -> int:
    CALLS.append("number")
    return 7


async def doubled(number: int = Depends(number)) -> int:
    CALLS.append("doubled")
    return 2 * number


async def square(number: Annotated[int, Depends(number)], key: Annotated[str, TaskKey()]) -> str:
    return f"{number * number} of {key}"


async def test_one_function_is_called_once_in_a_run_however_many_depend_on_it() -> None:
    """PARITY, Depends: cached per run, under different parameters and at any depth."""

    async def work(a: int = Depends(number), b: int = Depends(doubled), c: int = Depends(number)) -> None: ...

    assert await filled(running(function=work)) == {"a": 7, "b": 14, "c": 7}
    assert CALLS == ["number", "doubled"]
    assert await filled(running(function=work)) == {"a": 7, "b": 14, "c": 7}
    assert CALLS == ["number", "doubled"] * 2


async def test_a_dependency_may_stand_in_annotated_at_any_depth() -> None:
    """Issue 3: both forms, also mixed."""

    async def work(square: Annotated[str, Depends(square)]) -> None: ...

    assert await filled(running(function=work)) == {"square": "49 of k"}

    def local() -> None: ...

    async def unknown(local: Annotated[None, Depends(local)]) -> None: ...

    assert "the annotation of unknown()'s parameter 'local' cannot be read" in _refused(unknown)


async def test_a_function_may_be_any_callable() -> None:
    """A class, a partial, an object, a lambda; what has a context is entered."""

    class Pool:
        def __init__(self, size: int = TaskArgument("many")) -> None:
            self.size = size

    class Opened:
        def __enter__(self) -> str:
            return "opened"

        def __exit__(self, *error: object) -> None: ...

    class Caller:
        async def __call__(self) -> str:
            return "called"

    def multiplied(by: int, number: int = Depends(number)) -> int:
        return by * number

    async def work(
        many: int,
        pool: Pool = Depends(Pool),
        opened: str = Depends(Opened),
        called: str = Depends(Caller()),
        twice: int = Depends(functools.partial(multiplied, 2)),
        constant: str = Depends(lambda: "constant"),
    ) -> None: ...

    found = await filled(running(3, function=work))
    assert found.pop("pool").size == 3
    assert found == {"opened": "opened", "called": "called", "twice": 14, "constant": "constant"}


async def test_a_context_manager_that_is_not_to_be_entered_comes_from_an_async_function() -> None:
    """Who returns a pool that lives longer than the run awaits nothing, but says so."""

    class Pool:
        async def __aenter__(self) -> str:
            return "entered"

        async def __aexit__(self, *error: object) -> None: ...

    pool = Pool()

    def entered() -> Pool:
        return pool

    async def handed_over() -> Pool:
        return pool

    async def work(a: str = Depends(entered), b: Pool = Depends(handed_over)) -> None: ...

    assert await filled(running(function=work)) == {"a": "entered", "b": pool}


@pytest.mark.parametrize(
    ("args", "kwargs", "expected"),
    [(("ann",), {}, ("ann", 1)), ((), {"who": "bob", "many": 2}, ("bob", 2)), (("cat", 3), {}, ("cat", 3))],
)
async def test_a_dependency_may_take_an_argument_of_the_task(
    args: tuple[Any, ...], kwargs: dict[str, Any], expected: tuple[str, int]
) -> None:
    """PARITY, TaskArgument, INV 23: however the argument is passed, at any depth."""

    def inner(name: str = TaskArgument("who"), many: int = TaskArgument()) -> tuple[str, int]:
        return name, many

    def outer(inner: tuple[str, int] = Depends(inner), no: Any = TaskArgument("nothing", optional=True)) -> Any:
        assert no is None
        return inner

    async def work(who: str, many: int = 1, outer: Any = Depends(outer)) -> None: ...

    assert (await filled(running(*args, function=work, **kwargs)))["outer"] == expected


async def test_a_dependency_may_take_any_keyword_of_a_task_that_takes_any() -> None:
    """Whether it is there shows in the run."""

    def inner(name: str = TaskArgument("who")) -> str:
        return name

    async def work(inner: str = Depends(inner), **more: Any) -> None: ...

    assert (await filled(running(function=work, who="ann")))["inner"] == "ann"
    with pytest.raises(KeyError, match="who"):
        await filled(running(function=work))


async def test_a_task_argument_may_be_a_dependency_of_the_task() -> None:
    """It has a value like any other parameter, and is made first."""

    def inner(other: int = TaskArgument("b")) -> int:
        return other + 1

    async def work(a: int = Depends(inner), b: int = Depends(number), c: int = TaskArgument("a")) -> None: ...

    assert await filled(running(function=work)) == {"a": 8, "b": 7, "c": 8}
    assert await filled(running(function=work, b=1)) == {"a": 2, "b": 1, "c": 2}
    assert CALLS == ["number"]


async def test_a_call_argument_is_what_the_caller_has() -> None:
    """PARITY, CallArgument: of the task, a sibling's value, a default; two callers are told apart."""

    def table(name: str = CallArgument(), number: int = CallArgument("n")) -> str:
        CALLS.append("table")
        return f"{name}{number}"

    def first(name: str = "first", n: int = Depends(number), table: str = Depends(table)) -> str:
        return table

    def second(n: int = CallArgument(), name: str = TaskKey(), table: str = Depends(table)) -> str:
        return table

    async def work(
        name: str,
        n: int = 5,
        a: str = Depends(first),
        b: str = Depends(second),
        c: str = Depends(table),
        d: str = Depends(table),
    ) -> None: ...

    expected = {"a": "first7", "b": "k5", "c": "task5", "d": "task5"}
    assert await filled(running("task", function=work)) == expected
    assert CALLS == ["number", "table", "table", "table"]


def _refused(function: Callable[..., Any]) -> str:
    with pytest.raises(ConfigurationError) as caught:
        plan(function)
    return str(caught.value)


def test_dependencies_in_a_circle_are_refused_when_the_task_is_registered() -> None:
    """PARITY, CycleError: the text goes round once."""

    def first(other: Any = CallArgument("b")) -> None: ...

    def second(other: Any = CallArgument("a")) -> None: ...

    async def work(a: None = Depends(first), b: None = Depends(second)) -> None: ...

    with pytest.raises(CycleError) as caught:
        plan(work)
    assert str(caught.value) == (
        "these dependencies need each other: "
        "work(a) -> first() -> first(other) -> work(b) -> second() -> second(other) -> work(a)"
    )


def itself(again: Annotated[Any, Depends(lambda: None)] = None) -> None: ...


itself.__annotations__["again"] = "Annotated[Any, Depends(itself)]"


def kept(again: Annotated[Any, Shared(lambda: None)] = None) -> None: ...


kept.__annotations__["again"] = "Annotated[Any, Shared(kept)]"


def test_a_function_that_depends_on_itself_is_refused() -> None:
    """Annotations are read late, so it can be written."""

    async def work(a: None = Depends(itself)) -> None: ...

    async def shared(a: None = Shared(kept)) -> None: ...

    assert "itself() -> itself(again) -> itself()" in _refused(work)
    assert "Shared(kept) -> kept() -> Shared(kept)" in _refused(shared).replace("kept(again) -> ", "")


class Bound(Dependency):
    def bind_to_parameter(self, name: str, value: Any) -> Self:
        assert (name, value) == ("x", 1)
        return self


def needy(x: int, /, y: int = 2, *more: int, key: str = TaskKey(), **rest: int) -> None: ...
def lacking(missing: str = TaskArgument()) -> None: ...
def calling(missing: str = CallArgument()) -> None: ...
def retrying(retry: Retry = Retry()) -> None: ...
def binding(x: Annotated[int, Bound()] = 1) -> None: ...
def logging(x: Annotated[int, Logged()] = 1) -> None: ...
def of_a_run(key: str = TaskKey()) -> None: ...
def of_an_argument(key: str = TaskArgument()) -> None: ...
def of_a_dependency(bound: Bound = Bound()) -> None: ...
def of_the_caller(key: str = CallArgument()) -> None: ...


async def without_value(a: None = Depends(needy)) -> None: ...
async def without_argument(a: None = Depends(lacking)) -> None: ...
async def without_parameter(a: None = Depends(calling)) -> None: ...
async def without_caller(a: None = CallArgument()) -> None: ...
async def with_deep_retry(a: None = Depends(retrying)) -> None: ...
async def with_deep_binding(a: None = Depends(binding)) -> None: ...
async def sharing_a_key(a: None = Shared(of_a_run)) -> None: ...
async def sharing_an_argument(key: str, a: None = Shared(of_an_argument)) -> None: ...
async def sharing_a_dependency(a: None = Shared(of_a_dependency)) -> None: ...
async def sharing_of_the_caller(key: str, a: None = Shared(of_the_caller)) -> None: ...
async def doubly(a: Annotated[None, Depends(number)] = Depends(logging)) -> None: ...


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (without_value, "without_value() depends on needy(), whose parameter 'x' nobody gives a value"),
        (without_argument, "lacking(missing) asks for without_argument()'s parameter 'missing', but there is none"),
        (without_parameter, "calling(missing) asks for without_parameter()'s parameter 'missing'"),
        (without_caller, "without_caller(a) is a CallArgument, but nobody calls without_caller()"),
        (with_deep_retry, "retrying(retry) declares Retry, which only a task can declare"),
        (with_deep_binding, "binding(x) declares Bound, which only a task can declare"),
        (sharing_a_key, "of_a_run(key) belongs to one run"),
        (sharing_an_argument, "of_an_argument(key) belongs to one run"),
        (sharing_a_dependency, "of_a_dependency(bound) belongs to one run"),
        (sharing_of_the_caller, "of_the_caller(key) asks for Shared()'s parameter 'key', but there is none"),
        (doubly, "doubly() gives its parameter 'a' two dependencies"),
    ],
)
def test_what_can_never_be_made_is_refused_when_the_task_is_registered(function: Callable[..., Any], text: str) -> None:
    """FAULT 17: the text names both ends of what does not fit."""
    assert text in _refused(function)


async def test_what_says_something_of_an_argument_may_stand_in_a_dependency_if_it_does_no_harm() -> None:
    """Logged: one function may be a task and a dependency."""

    async def work(a: None = Depends(logging)) -> None: ...

    assert await filled(running(function=work)) == {"a": None}


@pytest.mark.parametrize("wrong", [None, 5, "pool"])
def test_only_functions_make_values(wrong: Any) -> None:
    """Where it is written, not where it runs."""
    for marker in (Depends, Shared):
        with pytest.raises(TypeError, match=rf"{marker.__name__}\({wrong!r}\) must name a function"):
            marker(wrong)


async def test_what_is_shared_may_know_the_shadow_and_the_worker() -> None:
    """They are the same for all runs."""
    place = workplace()

    def known(shadow: Any = CurrentShadow(), worker: Any = CurrentWorker(), number: int = Depends(number)) -> Any:
        return shadow, worker, number

    async def work(
        known: Any = Shared(known), shadow: Any = CurrentShadow(), worker: Any = CurrentWorker()
    ) -> None: ...

    found = await filled(running(function=work, place=place))
    assert found == {"known": (place.shadow, place.worker, 7), "shadow": place.shadow, "worker": place.worker}
    await place.keeping.close()


async def test_a_run_may_have_itself() -> None:
    """The handle is made once."""

    async def work(a: Any = CurrentExecution(), b: Any = CurrentExecution()) -> None: ...

    found = await filled(running(function=work))
    assert found["a"] is found["b"]
    assert found["a"] == Handle("k")


class Tied(Runtime):
    def bind_to_parameter(self, name: str, value: Any) -> Self:
        CALLS.append(f"tied to {name}={value}")
        return self


class Timed(Runtime):
    """Has no context to enter."""


async def test_those_who_decide_come_first_and_may_need_others() -> None:
    """So that a failure of the rest is theirs to judge."""

    async def first(number: int = Depends(number)) -> None:
        CALLS.append("first")

    async def work(a: None = Depends(first), b: Annotated[int, Tied()] = Depends(number)) -> None: ...

    setup = await set_up(running(function=work))
    assert CALLS == ["number", "tied to b=7", "first"]
    assert isinstance(setup.runtime, Tied)

    async def timed(timed: Timed = Timed()) -> None: ...

    setup = await set_up(running(function=timed))
    assert setup.runtime is setup.fill({})["timed"]


@pytest.mark.parametrize("threaded", [False, True])
async def test_a_supplied_dependency_plays_its_part(*, threaded: bool) -> None:
    """PARITY: a supplied argument wins; a Retry counts the attempts of this run, anything else is what it is."""

    async def on_the_loop(a: int, retry: Retry = Retry(attempts=3)) -> None: ...

    def in_a_thread(a: int, retry: Retry = Retry(attempts=3)) -> None: ...

    function = in_a_thread if threaded else on_the_loop
    run = running(1, attempt=2, function=function, retry=Retry(attempts=9))
    setup = await set_up(run)
    mine = setup.fill(run.kwargs)["retry"]
    assert (mine.attempts, mine.attempt) == (9, 2)
    assert setup.on_failure is mine
    setup = await set_up(running(1, Retry(attempts=9), attempt=2, function=function))
    assert isinstance(setup.on_failure, Retry)
    assert setup.on_failure.attempts == 9
    run = running(1, function=function, retry="none")
    setup = await set_up(run)
    assert setup.on_failure is None
    assert setup.fill(run.kwargs) == {"retry": "none"}


def test_a_plan_does_not_remember_ways_of_supplying_without_end() -> None:
    """Each change of an override is another one."""

    async def work(a: int = Depends(number)) -> None: ...

    made = plan(work)
    for _ in range(100):
        with made.overrides.override(number, lambda: 1):
            made.arrangement((), {})
    assert 0 < len(made._arrangements) <= 64


async def test_an_override_may_be_of_something_without_a_hash() -> None:
    """It cannot be found, so it stays what it is."""

    class Unhashable:
        __hash__ = None  # type: ignore[assignment]

        def __call__(self) -> int:
            return 3

    async def work(a: int = Depends(Unhashable()), b: int = Depends(number)) -> None: ...

    run = running(function=work)
    with run.plan.overrides.override(number, lambda: 1):
        assert await filled(run) == {"a": 3, "b": 1}


class Other(Marker):
    """Gives itself."""


def test_what_a_worker_adds_is_in_no_way_of_the_task_s_own() -> None:
    """A task that declares nothing is no longer plain then."""

    async def work(a: int) -> None: ...

    made = plan(work)
    assert made.plain
    more: Plan = made.with_everywhere(everywhere([Other()]))
    assert not more.plain
    assert more.arrangement((), {}).fills == ()
    assert made.plain


async def test_a_worker_s_dependency_that_a_task_cannot_serve_fails_the_run() -> None:
    """Not the registration: some tasks are always there, and lack most things."""

    async def work() -> None: ...

    run = running(function=work)
    run.plan = run.plan.with_everywhere(everywhere([Depends(lacking)]))
    with pytest.raises(ConfigurationError, match=r"lacking\(missing\) asks for work\(\)'s parameter 'missing'"):
        await set_up(run)


def nothing() -> Iterator[int]:
    yield from ()


async def nothing_at_all() -> AsyncIterator[int]:
    nobody: tuple[int, ...] = ()
    for each in nobody:
        yield each


@pytest.mark.parametrize("function", [nothing, nothing_at_all])
async def test_a_generator_that_yields_nothing_says_so(function: Callable[..., Any]) -> None:
    """Python's own words would be: coroutine raised StopIteration."""

    async def work(a: int = Depends(function)) -> None: ...

    with pytest.raises(RuntimeError, match=rf"{function.__name__}\(\) yields nothing"):
        await set_up(running(function=work))


def test_a_marker_tells_what_makes_its_value() -> None:
    """For a person at the prompt."""
    assert repr(Depends(number)) == "Depends(number)"
    assert repr(Shared(number)) == "Shared(number)"


class Annotates(Dependency):
    """Says for itself where it belongs."""

    annotates = True


class Lasting(Marker):
    """The same for all."""

    lasting = True


async def test_a_marker_says_where_it_belongs() -> None:
    """The defaults follow from what a class does, and can be set."""
    assert (Dependency.annotates, Bound.annotates, Annotates.annotates) == (False, True, True)
    lasting = Lasting()
    default: Any = lasting

    def kept(lasting: Any = default) -> Any:
        return lasting

    async def work(x: Annotated[int, Annotates()], kept: Any = Shared(kept)) -> None: ...

    run = running(1, function=work)
    assert await filled(run) == {"kept": lasting}
    await run.workplace.keeping.close()


async def test_a_run_reports_its_progress_under_its_lease() -> None:
    """For what shows progress."""
    assert await running().report({"current": "1"})
    assert REPORTS[-1] == {"current": "1"}
