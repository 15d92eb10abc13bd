from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadows.dependencies.marker import Marker
from shadows.dependencies.plan import plan
from shadows.dependencies.retry import ExponentialRetry, Retry
from shadows.errors import ConfigurationError
from tests.unit.workplace import filled, running, set_up

if TYPE_CHECKING:
    from nowhere import ForTheChecker  # type: ignore[import-not-found]  # pyright: ignore[reportMissingImports]

type Thrice = Annotated[Retry, Retry(attempts=3)]

_retry = Retry(attempts=3)
_exponential = ExponentialRetry(2)


class Other(Marker):
    """Of no single kind."""


_other = Other()


class Mailer:
    async def __call__(self, to: str, retry: Retry = _retry) -> None: ...

    async def send(self, to: str, *, retry: Retry = _retry) -> None: ...


class Made:
    def __init__(self, size: Annotated[int, "metadata"], again: Thrice) -> None: ...


async def plain(a: int, b: int = 2) -> None: ...


async def greedy(a: int, *rest: int, k: int, **more: int) -> None: ...


async def positional(a: int, /, b: int, **more: int) -> None: ...


async def nothing() -> None: ...


async def retried(a: int, retry: Retry = _retry, b: int = 0) -> None: ...


async def annotated(again: Annotated[Retry, Retry(attempts=5)], a: int, other: ForTheChecker | None = None) -> None: ...


async def aliased(a: int, again: Thrice) -> None: ...


async def several(
    a: int, first: Marker = _other, second: Annotated[int, "note", Other()] = 0, *, retry: Retry = _exponential
) -> None: ...


async def twice(a: int, retry: Retry = _retry, again: Retry = _exponential) -> None: ...


async def doubly(retry: Annotated[Retry, Retry(2)] = _retry) -> None: ...


async def hidden(a: int, retry: Retry = _retry, /) -> None: ...


def sync(a: int) -> None: ...


@pytest.mark.parametrize(
    ("function", "args", "kwargs", "message"),
    [
        (plain, (), {}, "plain() misses a value for its parameter 'a'"),
        (plain, (1, 2, 3), {}, "plain() takes at most 2 positional arguments (a, b), not 3"),
        (plain, (1,), {"c": 3}, "plain() has no parameter 'c' to name; it has a, b"),
        (plain, (1,), {"a": 3}, "plain() got two values for its parameter 'a'"),
        (nothing, (1,), {}, "nothing() takes at most 0 positional arguments (none), not 1"),
        (nothing, (), {"a": 1}, "nothing() has no parameter 'a' to name; it has none"),
        (greedy, (1, 2), {"x": 1}, "greedy() misses a value for its parameter 'k'"),
        (positional, (), {"a": 1, "b": 2}, "positional() misses a value for its parameter 'a'"),
        (retried, (1,), {"c": 3}, "retried() has no parameter 'c' to name; it has a, b"),
        (retried, (), {"retry": 1}, "retried() misses a value for its parameter 'a'"),
        (functools.partial(plain, 1), (2, 3), {}, "plain() takes at most 1 positional arguments (b), not 2"),
        (Mailer(), (), {}, "Mailer() misses a value for its parameter 'to'"),
    ],
)
def test_wrong_arguments_are_refused_with_the_names_of_function_and_parameter(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], message: str
) -> None:
    """FAULT 1: too few, too many, unknown or doubled: a TypeError where the call is made, not in the worker."""
    with pytest.raises(TypeError) as caught:
        plan(function).bind(args, kwargs)
    assert str(caught.value) == message


ARGUMENTS = st.lists(st.integers(), max_size=5).map(tuple)
KEYWORDS = st.dictionaries(
    st.sampled_from(["a", "b", "k", "x", "retry", "again", "first", "second", "other"]), st.integers()
)


@given(st.sampled_from([plain, greedy, positional, nothing, retried, several, sync]), ARGUMENTS, KEYWORDS)
def test_arguments_are_accepted_exactly_if_python_accepts_them(
    function: Callable[..., Any], args: tuple[int, ...], kwargs: dict[str, int]
) -> None:
    """FAULT 1: the quick check, which does without ``inspect``, agrees with a real call."""
    try:
        coroutine = function(*args, **kwargs)
    except TypeError:
        with pytest.raises(TypeError):
            plan(function).bind(args, kwargs)
    else:
        if coroutine is not None:
            coroutine.close()
        plan(function).bind(args, kwargs)


def test_a_call_looks_at_no_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read once, when the function is registered."""
    made = plan(retried)
    monkeypatch.delattr(inspect, "signature")
    made.bind((1,), {"b": 2})


async def test_a_dependency_need_not_be_supplied_and_is_filled_in_by_the_run() -> None:
    """Each run gets a copy that knows its attempt."""
    made = plan(retried)
    made.bind((1,), {})
    run = running(1, b=5, attempt=2, function=retried)
    setup = await set_up(run)
    kwargs = setup.fill(run.kwargs)
    assert kwargs["b"] == 5
    assert (kwargs["retry"].attempt, kwargs["retry"].attempts) == (2, 3)
    assert setup.on_failure is kwargs["retry"]


@pytest.mark.parametrize(("args", "kwargs"), [((1,), {"retry": "mine"}), ((1, "mine"), {})])
async def test_a_supplied_argument_wins_over_a_dependency(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """By name or by position."""
    made = plan(retried)
    made.bind(args, kwargs)
    assert await filled(running(*args, function=retried, **kwargs)) == kwargs


def test_a_function_without_dependencies_gets_its_arguments_as_they_are() -> None:
    """No copy is made."""
    assert plan(plain).plain
    assert not plan(retried).plain


@pytest.mark.parametrize(
    ("function", "name", "attempts"), [(annotated, "again", 5), (aliased, "again", 3), (Made, "again", 3)]
)
async def test_a_dependency_may_stand_in_annotated(function: Callable[..., Any], name: str, attempts: int) -> None:
    """Also behind an alias, in an annotation that is text, and beside names that only the type checker knows."""
    made = plan(function)
    made.bind((), {"size" if function is Made else "a": 1})
    retry = (await filled(running(attempt=2, function=function)))[name]
    assert (retry.attempt, retry.attempts) == (2, attempts)


async def test_an_annotation_need_not_be_text() -> None:
    """It is an object in a module without ``from __future__ import annotations``."""

    async def modern(again, a): ...  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202

    modern.__annotations__ = {"again": Annotated[Retry, Retry(attempts=4)], "a": int}
    assert (await filled(running(function=modern)))["again"].attempts == 4


async def test_several_dependencies_are_filled_in_together() -> None:
    """Those without a single kind may repeat; positions and defaults do not matter."""
    made = plan(several)
    assert [each.parameter for each in made.declared] == ["first", "second", "retry"]
    assert set(await filled(running(1, function=several))) == {"first", "second", "retry"}
    assert set(await filled(running(1, 2, 3, function=several))) == {"retry"}


@pytest.mark.parametrize(("function", "where"), [(twice, "'retry' and 'again'"), (doubly, "'retry' and 'retry'")])
def test_two_retries_in_one_function_are_refused(function: Callable[..., Any], where: str) -> None:
    """A subclass is of the same kind; both parameters are named."""
    with pytest.raises(ConfigurationError, match=rf"{function.__name__}\(\) declares Retry twice, in {where}"):
        plan(function)


def test_a_dependency_that_can_only_be_passed_by_position_is_refused() -> None:
    """The worker passes it by name."""
    with pytest.raises(ConfigurationError, match=r"hidden\(\) takes its dependency 'retry' by position"):
        plan(hidden)


def test_an_annotated_parameter_that_cannot_be_read_is_refused() -> None:
    """Otherwise a declared retry would silently not happen; other annotations do not matter."""

    async def unreadable(a: Annotated[int, ForTheChecker(1)]) -> None: ...

    async def harmless(a: ForTheChecker.what.ever, b: ForTheChecker(1)) -> None: ...  # type: ignore[valid-type]

    async def dunder(a: int) -> None: ...

    dunder.__annotations__["a"] = "Annotated[int, __nothing]"

    with pytest.raises(ConfigurationError, match="NameError"):
        plan(dunder)
    with pytest.raises(ConfigurationError, match=r"annotation of unreadable\(\)'s parameter 'a' cannot be read"):
        plan(unreadable)
    assert not plan(harmless).declared


@pytest.mark.parametrize(
    ("function", "is_async"),
    [
        (plain, True),
        (sync, False),
        (functools.partial(plain, 1), True),
        (functools.partial(functools.partial(plain, 1), b=2), True),
        (functools.partial(sync, 1), False),
        (Mailer(), True),
        (functools.partial(Mailer(), "me"), True),
        (Mailer().send, True),
        (Made, False),
        (lambda: 1, False),
    ],
)
def test_it_is_known_whether_a_call_gives_a_coroutine(function: Callable[..., Any], is_async: bool) -> None:  # noqa: FBT001
    """Behind partials, and for objects with an async ``__call__``; everything else runs in a thread."""
    assert plan(function).is_async is is_async


def test_methods_and_callable_objects_have_dependencies_too() -> None:
    """Their annotations are read where they were written."""
    for function in (Mailer(), Mailer().send, functools.partial(Mailer(), "me")):
        assert [each.marker for each in plan(function).declared] == [_retry]


def test_a_wrapper_shows_what_it_wraps() -> None:
    """``functools.wraps`` keeps the signature, and text annotations belong to the inner function's module."""

    @functools.wraps(annotated)
    async def wrapper(*args: Any, **kwargs: Any) -> None: ...

    made = plan(wrapper)
    assert [each.parameter for each in made.declared] == ["again"]
    assert made.name == "annotated"


def test_what_cannot_be_called_or_read_is_no_task() -> None:
    """The message says what to do."""
    wrong: Any = "send_mail"
    with pytest.raises(TypeError, match=r"a task must be a function, not str$"):
        plan(wrong)
    called: Any = plain(1)
    with pytest.raises(TypeError, match=r"not coroutine; it was called already, so write add\(plain\)\(\.\.\.\)$"):
        plan(called)
    called.close()

    class Opaque:
        __signature__: ClassVar[str] = "unreadable"

        def __call__(self) -> None: ...

    with pytest.raises(ConfigurationError, match=r"Opaque\(\) has no signature that Python can read"):
        plan(Opaque())


def test_a_parameter_list_of_any_length_holds_no_dependency() -> None:
    """``*args`` and ``**kwargs`` are the caller's."""

    async def loose(*args: Annotated[Any, Other()], **kwargs: Annotated[Any, Other()]) -> None: ...

    assert not plan(loose).declared


def test_a_class_that_inherits_its_constructor_is_read_where_that_was_written() -> None:
    """Text annotations belong to the module of the function that has them."""

    class Sub(Made):
        pass

    made = plan(Sub)
    assert made.name == "Sub"
    assert [each.parameter for each in made.declared] == ["again"]
