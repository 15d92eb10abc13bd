"""What workers had better not have to run, for a test that has them run it among what is healthy."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shadows import CurrentExecution, Depends, Execution, Retry
from tests.system.fire.tasks import body, work

if TYPE_CHECKING:
    from collections.abc import Callable


async def leave(execution: Execution[str] = CurrentExecution()) -> None:
    """End the process, as an OOM killer does, when its neighbours have ended."""
    with body(execution):
        await asyncio.sleep(0.3)
        os._exit(3)


async def say_goodbye(execution: Execution[str] = CurrentExecution()) -> None:
    """End the program, as scripts do."""
    with body(execution):
        raise SystemExit(4)


async def interrupt(execution: Execution[str] = CurrentExecution()) -> None:
    """Raise what Ctrl-C raises."""
    with body(execution):
        raise KeyboardInterrupt


class Unheard(BaseException):
    """Is no Exception, and cannot be rebuilt."""

    def __init__(self, one: object, two: object) -> None:
        super().__init__("unheard of")
        self.lock = threading.Lock()


async def shriek(execution: Execution[str] = CurrentExecution()) -> None:
    """Raise something of its own that no other process can rebuild."""
    with body(execution):
        raise Unheard(1, 2)


async def block(execution: Execution[str] = CurrentExecution()) -> None:
    """Block the event loop for longer than a lease."""
    with body(execution):
        time.sleep(2.5)  # noqa: ASYNC251 - that is what is wrong with it


async def cling(execution: Execution[str] = CurrentExecution()) -> str:
    """Go on in spite of a cancel."""
    with body(execution) as name:
        for _ in range(20):
            try:
                await asyncio.sleep(0.1)
            except asyncio.CancelledError:
                continue
        return name


async def cancel_itself(execution: Execution[str] = CurrentExecution()) -> None:
    """Raise what a cancel raises, although nobody wanted it."""
    with body(execution):
        raise asyncio.CancelledError


async def fill(execution: Execution[str] = CurrentExecution()) -> None:
    """Ask for more memory than there is."""
    with body(execution):
        bytearray(1 << 60)


async def sink(execution: Execution[str] = CurrentExecution()) -> None:
    """Call itself for ever."""

    def deeper() -> None:
        deeper()

    with body(execution):
        deeper()


async def flood(execution: Execution[str] = CurrentExecution()) -> bytes:
    """Return more than may be returned."""
    with body(execution):
        return bytes(9 << 20)


async def return_a_lock(execution: Execution[str] = CurrentExecution()) -> Any:
    """Return what cannot travel."""
    with body(execution):
        return threading.Lock()


async def complain(execution: Execution[str] = CurrentExecution()) -> None:
    """Raise with ten megabytes of words, and causes that go in a circle."""
    with body(execution):
        first, second = ValueError("x" * 10_000_000), KeyError("y")
        first.__cause__, second.__cause__ = second, first
        raise ExceptionGroup("many", [first, second])


async def litter(execution: Execution[str] = CurrentExecution()) -> str:
    """Leave tasks and threads behind."""
    with body(execution) as name:
        tasks = [asyncio.create_task(asyncio.sleep(60), name="litter") for _ in range(20)]
        for _ in tasks:
            threading.Thread(target=time.sleep, args=(0.5,), daemon=True).start()
        return name


async def _broken() -> None:
    raise LookupError("no such thing")


async def lean_on_what_is_broken(_: None = Depends(_broken), execution: Execution[str] = CurrentExecution()) -> None:
    """Depend on what cannot be set up."""
    with body(execution):
        raise AssertionError


async def try_in_vain(
    execution: Execution[str] = CurrentExecution(),
    retry: Retry = Retry(attempts=3, delay=timedelta(0)),
) -> None:
    """Fail at once, each time."""
    with body(execution):
        raise LookupError


hostile: list[Callable[..., Any]] = [
    say_goodbye,
    interrupt,
    shriek,
    block,
    cling,
    cancel_itself,
    fill,
    sink,
    flood,
    return_a_lock,
    complain,
    litter,
    lean_on_what_is_broken,
    try_in_vain,
]
"""Those that a worker survives"""
tasks: list[Callable[..., Any]] = [work, leave, *hostile]
