"""A limit to what a dependency may take.  It costs nothing for those that are done at once, which most are."""

from __future__ import annotations

import asyncio
import types
from typing import Any, cast

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine, Generator


@types.coroutine
def limited[T](
    awaitable: Awaitable[T], seconds: float, what: str, *, doing: str = "setting up"
) -> Generator[Any, Any, T]:
    """Return what the awaitable gives, which may take so many seconds.

    Only when it waits for something is there anything to limit, so the clock starts then.

    Raises:
        TooLong: it has taken longer, and was cancelled; a cancellation by somebody else passes as what it is.
    """
    coroutine = (
        cast("Coroutine[Any, Any, T]", awaitable)
        if isinstance(awaitable, types.CoroutineType)
        else _coroutine(awaitable)
    )
    try:
        waits_for = coroutine.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    return (yield from _within(coroutine, waits_for, seconds, f"{doing} {what}"))


async def _coroutine[T](awaitable: Awaitable[T]) -> T:
    return await awaitable


class TooLong(TimeoutError):
    """Setting up or cleaning up a dependency took too long."""


def _within[T](
    coroutine: Coroutine[Any, Any, T], waits_for: object, seconds: float, what: str
) -> Generator[Any, Any, T]:
    """Drive a coroutine on that has begun to wait, as ``await`` does, under a timer."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task(loop)
    if task is None:
        raise AssertionError(what)
    before, rang = task.cancelling(), False

    def ring() -> None:
        nonlocal rang
        rang = True
        task.cancel(f"{what} takes too long")

    timer = loop.call_later(seconds, ring)
    try:
        while True:
            try:
                sent = yield waits_for
            except BaseException as thrown:  # noqa: BLE001 - whatever it is, it is the coroutine's
                waits_for = coroutine.throw(thrown)
            else:
                waits_for = coroutine.send(sent)
    except StopIteration as done:
        if rang:
            task.uncancel()  # it came to an end all the same
        return done.value  # type: ignore[no-any-return]
    except asyncio.CancelledError as cancelled:
        if rang and task.uncancel() <= before:
            raise TooLong(f"{what} took longer than {seconds:g} s") from cancelled
        raise
    finally:
        timer.cancel()
