"""An event loop in a thread of its own, for callers that have none."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING, Any, Final, Self

import attrs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

FAREWELL: Final = 5.0
"""Seconds that leaving may take."""


@attrs.define(eq=False)
class ThreadLoop:
    """The loop and its thread, which ends with the process if nobody ends it before."""

    loop: asyncio.SelectorEventLoop
    thread: threading.Thread

    @classmethod
    def start(cls) -> Self:
        """Return one that runs."""
        loop = asyncio.SelectorEventLoop()
        thread = threading.Thread(target=_run, args=(loop,), name="shadows-sync", daemon=True)
        thread.start()
        return cls(loop, thread)

    @staticmethod
    def refuse_loops(who: object) -> None:
        """Raise RuntimeError where an event loop runs, which would stand still while this thread waits."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return
        raise RuntimeError(
            f"{who!r} would block the event loop that runs here; use Shadow and await it, or call it in a thread: "
            f"await asyncio.to_thread(...)"
        )

    def run[R](self, ask: Callable[[], Coroutine[Any, Any, R]], seconds: float | None, who: str) -> R:
        """Return what the coroutine returns, which runs in the context of this thread.

        Raises:
            TimeoutError: it took longer than this, and was cancelled.
        """
        answer = asyncio.run_coroutine_threadsafe(ask(), self.loop)
        try:
            return answer.result(seconds)
        except TimeoutError:
            if answer.done():  # it is its own
                raise
            raise TimeoutError(f"{who} has not answered within {seconds:g} s") from None
        finally:
            answer.cancel()  # if we were interrupted

    def close(self, leave: Callable[[], Awaitable[None]]) -> None:
        """Await this, for a while, and end the thread."""

        async def left() -> None:
            async with asyncio.timeout(FAREWELL):
                await leave()

        leaving = asyncio.run_coroutine_threadsafe(left(), self.loop)
        if threading.current_thread() is self.thread:  # where the last reference happened to be dropped
            leaving.add_done_callback(lambda _: self.loop.stop())
            return
        try:
            leaving.result()
        finally:
            self.stop()

    def stop(self) -> None:
        """End the thread."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()

    def abandon(self) -> None:
        """Let go of what a fork has copied.  Sockets, and what watches them, are shared with the process that has the
        thread: were they closed here one after the other, by the garbage collector say, it would go deaf.
        """
        taken: Any = self.loop
        selector: Any = taken._selector  # noqa: SLF001 - there is no other way to them
        null = os.open(os.devnull, os.O_RDWR)
        for number in (selector.fileno(), *selector.get_map()):
            os.dup2(null, number, inheritable=False)
        os.close(null)


def _run(loop: asyncio.SelectorEventLoop) -> None:
    try:
        loop.run_forever()
        loop.run_until_complete(_end())
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()


async def _end() -> None:
    """Cancel what still runs here, and wait for its end."""
    waiting = asyncio.all_tasks() - {asyncio.current_task()}
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
