from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Self

import pytest

from shadows import Depends, Shared
from shadows.dependencies import Dependency
from tests.front.acts import comes_true
from tests.unit.workplace import UNTIDY, filled, running, workplace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LOG: list[str] = []


@pytest.fixture(autouse=True)
def _nothing_yet() -> None:
    LOG.clear()
    UNTIDY.clear()


async def test_one_asyncio_task_opens_and_closes_what_is_shared() -> None:
    """Some resources insist on that; and it is not the task of the run that needed it first, which ends before."""
    seen: list[Any] = []

    async def kept() -> AsyncIterator[str]:
        seen.append(asyncio.current_task())
        yield "kept"
        seen.append(asyncio.current_task())

    async def work(kept: str = Shared(kept)) -> None: ...

    place = workplace()
    run = asyncio.create_task(filled(running(function=work, place=place)))
    assert await run == {"kept": "kept"}
    await place.keeping.close()
    assert seen[0] is seen[1] is not run
    assert UNTIDY == []


async def test_what_is_shared_sees_the_context_of_the_worker() -> None:
    """Not that of the run which happened to need it first."""
    variable = ContextVar("variable", default="the worker's")

    def kept() -> str:
        return variable.get()

    async def work(kept: str = Shared(kept)) -> None: ...

    place = workplace()
    variable.set("the run's")
    assert await filled(running(function=work, place=place)) == {"kept": "the worker's"}
    await place.keeping.close()


async def test_a_run_that_is_cancelled_does_not_take_the_others_opening_with_it() -> None:
    """INV 17: it waits for what belongs to all."""
    go = asyncio.Event()

    async def kept() -> str:
        LOG.append("opens")
        await go.wait()
        return "kept"

    async def work(kept: str = Shared(kept)) -> None: ...

    place = workplace()
    runs = [asyncio.create_task(filled(running(function=work, place=place))) for _ in range(3)]
    await comes_true(lambda: bool(LOG))
    runs[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await runs[0]
    go.set()
    assert [await run for run in runs[1:]] == [{"kept": "kept"}] * 2
    assert LOG == ["opens"]
    await place.keeping.close()


async def test_an_opening_that_hangs_is_given_up_and_tried_anew() -> None:
    """FAULT 41: it must not hang all later runs too."""

    async def kept() -> str:
        LOG.append("opens")
        if len(LOG) == 1:
            await asyncio.Event().wait()
        return "kept"

    async def work(kept: str = Shared(kept)) -> None: ...

    place = workplace(seconds=0.02)
    with pytest.raises(TimeoutError):
        await filled(running(function=work, place=place))
    await asyncio.sleep(0)
    assert await filled(running(function=work, place=place)) == {"kept": "kept"}
    await place.keeping.close()


async def test_whoever_waits_for_an_opening_that_fails_fails_with_it() -> None:
    """What it had opened before is closed."""

    async def base() -> AsyncIterator[str]:
        yield "base"
        LOG.append("base closed")

    async def kept(base: str = Depends(base)) -> str:
        await asyncio.sleep(0)
        raise ConnectionError(base)

    async def work(kept: str = Shared(kept)) -> None: ...

    place = workplace()
    runs = [asyncio.create_task(filled(running(function=work, place=place))) for _ in range(3)]
    for run in runs:
        with pytest.raises(ConnectionError, match="base"):
            await run
    assert LOG == []  # its clean-up hears of the error, at its yield
    await place.keeping.close()


async def test_what_goes_wrong_in_the_end_is_told_and_the_others_are_closed() -> None:
    """The newest first; whoever hangs is cancelled, and does not use up the time of the others."""

    async def first() -> AsyncIterator[str]:
        yield "first"
        LOG.append("first closes")
        raise KeyError("first")

    async def second(first: str = Shared(first)) -> AsyncIterator[str]:
        yield "second"
        LOG.append("second closes")
        await asyncio.Event().wait()

    class Hangs(Dependency):
        """Does not want to leave."""

        @classmethod
        @asynccontextmanager
        async def worker_lifecycle(cls, shadow: Any, worker: Any) -> AsyncIterator[None]:
            LOG.append(f"{shadow.name}, {worker.name}")
            yield
            LOG.append("hangs")
            await asyncio.Event().wait()

    async def work(second: str = Shared(second), hangs: Hangs = Hangs()) -> None: ...

    place = workplace(seconds=0.05)
    await filled(running(function=work, place=place))
    began = asyncio.get_running_loop().time()
    await place.keeping.close()
    assert asyncio.get_running_loop().time() - began < 1
    assert LOG == ["shadow, worker", "second closes", "first closes", "hangs"]
    assert [what for what, _ in UNTIDY] == ["Shared(second)", "Shared(first)", "Hangs.worker_lifecycle()"]


async def test_what_is_still_opening_in_the_end_is_given_up() -> None:
    """Nobody waits for it any more."""

    async def kept() -> str:
        LOG.append("opens")
        try:
            await asyncio.Event().wait()
        finally:
            LOG.append("given up")
        return "kept"

    async def work(kept: str = Shared(kept)) -> None: ...

    place = workplace()
    run = asyncio.create_task(filled(running(function=work, place=place)))
    await comes_true(lambda: bool(LOG))
    await place.keeping.close()
    assert LOG == ["opens", "given up"]
    with pytest.raises(asyncio.CancelledError):
        await run


class Sometimes(Dependency):
    """Has a life with some workers."""

    @classmethod
    def worker_lifecycle(cls, shadow: Any, worker: Any) -> None:
        LOG.append(f"asked for {shadow.name}, {worker.name}")

    async def __aenter__(self) -> Self:
        return self


async def test_a_class_may_say_that_it_has_no_life_with_this_worker() -> None:
    """It is asked once."""

    async def work(sometimes: Sometimes = Sometimes()) -> None: ...

    place = workplace()
    for _ in range(2):
        await filled(running(function=work, place=place))
    await place.keeping.close()
    assert LOG == ["asked for shadow, worker"]
