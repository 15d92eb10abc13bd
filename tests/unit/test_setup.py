from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from shadows import Depends
from shadows.dependencies import Dependency
from shadows.dependencies.limit import TooLong, limited
from tests.front.acts import comes_true
from tests.unit.workplace import running, set_up

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

LOG: list[str] = []


@pytest.fixture(autouse=True)
def _nothing_yet() -> None:
    LOG.clear()


class Swallows:
    """A context manager that suppresses what the body raises."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> bool:
        LOG.append("none" if kind is None else kind.__name__)
        return True


def swallows() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # noqa: BLE001 - the point of the test
        LOG.append(type(error).__name__)


async def aswallows() -> AsyncIterator[None]:
    try:
        yield
    except Exception as error:  # noqa: BLE001 - the point of the test
        LOG.append(type(error).__name__)


def passes() -> Iterator[None]:
    yield


async def apasses() -> AsyncIterator[None]:
    yield


class Raises(Dependency):
    """Raises when it is left."""

    async def __aexit__(self, *error: object) -> None:
        raise KeyError("left")


def translates() -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise LookupError("translated") from error


async def fails() -> AsyncIterator[None]:
    yield
    raise KeyError("clean-up")


def fails_otherwise() -> Iterator[None]:
    try:
        yield
    finally:
        raise RuntimeError("clean-up")


async def afails_otherwise() -> AsyncIterator[None]:
    try:
        yield
    finally:
        raise RuntimeError("clean-up")


def twice() -> Iterator[int]:
    yield 1
    yield 2


async def atwice() -> AsyncIterator[int]:
    yield 1
    yield 2


async def never_ends() -> AsyncIterator[None]:
    try:
        yield
    finally:
        await asyncio.Event().wait()


async def insists() -> AsyncIterator[None]:
    yield
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        LOG.append("told")


async def closing(
    made: Callable[..., Any], error: BaseException | None = None, *, seconds: float = 5.0
) -> tuple[BaseException | None, tuple[BaseException, ...]]:
    """Open what a function makes, close it after this error, and return what became of it."""

    async def work(made: Any = Depends(made)) -> None: ...

    setup = await set_up(running(function=work), seconds=seconds)
    closed = await setup.close(error, deciders=True)
    return closed, setup.untidy


@pytest.mark.parametrize("made", [Swallows, swallows, aswallows])
async def test_to_swallow_what_the_body_raised_changes_nothing(made: Callable[..., Any]) -> None:
    """A dependency hears of a failure; whether the task has failed is not for it to say."""
    error = ValueError("the body's")
    assert await closing(made, error) == (error, ())
    assert LOG == ["ValueError"]
    assert await closing(made) == (None, ())


@pytest.mark.parametrize("made", [passes, apasses])
@pytest.mark.parametrize("error", [None, ValueError(), StopIteration(), StopAsyncIteration(), asyncio.CancelledError()])
async def test_what_the_body_raised_stays_what_it_was(made: Callable[..., Any], error: BaseException | None) -> None:
    """Also what Python turns into something else on its way through a generator."""
    assert await closing(made, error) == (error, ())


async def test_what_a_clean_up_raises_counts_as_if_the_body_had_raised_it() -> None:
    """FAULT 41: like in a ``with`` block, with what was raised before as its context."""
    closed, _ = await closing(fails)
    assert repr(closed) == "KeyError('clean-up')"
    error = ValueError("the body's")
    closed, _ = await closing(translates, error)
    assert repr(closed) == "LookupError('translated')"
    assert closed is not None
    assert closed.__cause__ is error
    for made in (fails_otherwise, afails_otherwise):
        closed, _ = await closing(made, error)
        assert repr(closed) == "RuntimeError('clean-up')"


async def test_a_context_manager_s_own_error_keeps_the_body_s_as_its_context() -> None:
    """So that both show in the log."""

    async def work(raises: Raises = Raises()) -> None: ...

    error = ValueError("the body's")
    setup = await set_up(running(function=work))
    closed = await setup.close(error)
    assert isinstance(closed, KeyError)
    assert closed.__context__ is error


@pytest.mark.parametrize("made", [twice, atwice])
async def test_a_generator_that_yields_again_has_failed(made: Callable[..., Any]) -> None:
    """What would it be, a second session?"""
    closed, _ = await closing(made)
    assert isinstance(closed, RuntimeError)
    assert "yields more than once" in str(closed)


@pytest.mark.parametrize("made", [fails_otherwise, afails_otherwise, fails])
async def test_a_cancelled_run_is_cancelled_whatever_its_clean_up_does(made: Callable[..., Any]) -> None:
    """INV 30; what went wrong is told, not settled."""
    cancelled = asyncio.CancelledError()
    closed, untidy = await closing(made, cancelled)
    assert closed is cancelled
    assert len(untidy) == (0 if made is fails else 1)


async def test_a_clean_up_that_takes_too_long_does_not_hide_what_the_body_raised() -> None:
    """FAULT 41: alone it is the run's failure, beside a failure it is told."""
    closed, untidy = await closing(never_ends, seconds=0.01)
    assert isinstance(closed, TimeoutError)
    assert str(closed) == "cleaning up never_ends() took longer than 0.01 s"
    error = ValueError("the body's")
    closed, untidy = await closing(never_ends, error, seconds=0.01)
    assert closed is error
    assert [type(each) for each in untidy] == [TooLong]


async def test_a_clean_up_that_ends_when_it_is_told_to_is_clean() -> None:
    """It has heard of the limit and came to an end; nobody is cancelled for it any more."""
    closed, _ = await closing(insists, seconds=0.01)
    assert closed is None
    assert LOG == ["told"]
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_cancellation_in_a_clean_up_is_one_of_the_run() -> None:
    """And the others are closed all the same, with time for what they await."""

    async def outer() -> AsyncIterator[None]:
        yield
        await asyncio.sleep(0)
        LOG.append("outer closed")

    async def inner(outer: None = Depends(outer)) -> AsyncIterator[None]:
        try:
            yield
            LOG.append("inner closes")
            await asyncio.Event().wait()
        finally:
            LOG.append("inner closed")

    async def work(inner: None = Depends(inner)) -> None: ...

    setup = await set_up(running(function=work))
    task = asyncio.create_task(setup.close(None))
    await comes_true(lambda: bool(LOG))
    task.cancel()
    assert isinstance(await task, asyncio.CancelledError)
    assert LOG == ["inner closes", "inner closed"]


async def test_a_limit_lets_a_cancellation_by_somebody_else_pass_as_what_it_is() -> None:
    """Also when both come at the same moment: the run was cancelled, it did not take too long."""
    both = asyncio.Event()

    async def slow() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            both.set()
            await asyncio.Event().wait()

    async def limit(seconds: float) -> None:
        await limited(slow(), seconds, "slow")

    task = asyncio.create_task(limit(0.01))
    await both.wait()
    task.cancel("by somebody")
    with pytest.raises(asyncio.CancelledError):
        await task

    both.clear()
    task = asyncio.create_task(limit(60))
    await asyncio.sleep(0)
    task.cancel("by somebody")
    await both.wait()
    task.cancel("again")
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_is_in_time_gives_its_value_and_raises_what_it_raises() -> None:
    """At once or after a while."""

    async def answer(*, waits: bool, fails: bool) -> str:
        if waits:
            await asyncio.sleep(0)
            await asyncio.sleep(0.001)
        if fails:
            raise ValueError
        return "answer"

    future = asyncio.get_running_loop().create_future()
    future.set_result("at once")
    assert await limited(future, 5, "it") == "at once"
    for waits in (False, True):
        assert await limited(answer(waits=waits, fails=False), 5, "it") == "answer"
        with pytest.raises(ValueError, match=r"^$"):
            await limited(answer(waits=waits, fails=True), 5, "it")


async def test_what_a_thread_opens_it_closes_whatever_was_raised() -> None:
    """FAULT 41, for plain functions: in reverse order, each of them."""

    @contextmanager
    def first() -> Iterator[None]:
        try:
            yield
        finally:
            LOG.append("first closed")

    def second(first: None = Depends(first)) -> Iterator[None]:
        yield
        LOG.append("second closes")
        raise KeyError("clean-up")

    def work(second: None = Depends(second)) -> str:
        return "done"

    setup = await set_up(running(function=work))
    loop = asyncio.get_running_loop()
    with pytest.raises(KeyError, match="clean-up"):
        await asyncio.to_thread(setup.in_thread, loop, work, (), {})
    assert LOG == ["second closes", "first closed"]
