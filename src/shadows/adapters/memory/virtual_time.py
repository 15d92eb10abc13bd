"""An event loop whose time passes only when it has nothing else to do.

Asyncio offers no place for this, so more of its own loop is touched than it shows: the list of its timers, its
selector, its default executor and the resolution of its clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import attrs

from shadows.errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

RESOLUTION = 0.5e-6
"""Seconds that a timer may lie ahead when it fires: time moves in whole µs, and timers are floats."""


@attrs.define(eq=False)
class VirtualTime:
    """Rules one loop from :meth:`take_over` to :meth:`give_back`."""

    longest: int
    """µs after which no time passes any more"""
    passed: int = attrs.field(default=0, init=False)
    """µs since the beginning"""
    loop: Any = attrs.field(default=None, init=False)
    """while it is ruled"""
    _origin: int = attrs.field(default=0, init=False)
    """the loop's own time at the beginning, in µs"""
    _resolution: float = attrs.field(default=0.0, init=False)
    """the loop's own"""
    _poll: Callable[[float | None], list[Any]] = attrs.field(init=False)
    """the selector's own"""
    _jobs: int = attrs.field(default=0, init=False)
    """under way in executors"""
    _sleepers: list[tuple[int, int, asyncio.Future[None]]] = attrs.field(
        factory=list[tuple[int, int, "asyncio.Future[None]"]], init=False
    )
    """who waits for what moment to be over, soonest first: a heap"""
    _numbers: itertools.count[int] = attrs.field(factory=itertools.count, init=False)

    def take_over(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to rule the loop, whose time goes on from where it is.

        Raises:
            ConfigurationError: it is no loop of asyncio's own, or is ruled already.
        """
        if not isinstance(loop, asyncio.SelectorEventLoop):
            kind = f"{type(loop).__module__}.{type(loop).__qualname__}"
            msg = f"a virtual clock cannot take over a {kind}; run the test on asyncio's own event loop"
            raise ConfigurationError(msg)
        if "time" in vars(loop):
            msg = "the time of this event loop is virtual already; use that clock, or leave it first"
            raise ConfigurationError(msg)
        taken: Any = loop
        self.loop, self._poll = taken, taken._selector.select
        self._origin, self._resolution = round(taken.time() * 1_000_000), taken._clock_resolution
        taken.time, taken.run_in_executor, taken._clock_resolution = self.time, self.run_in_executor, RESOLUTION
        taken._selector.select = self.select

    def give_back(self) -> None:
        """Leave the loop to its own time.  The timers that are left still wait as long as they had to."""
        taken, self.loop = self.loop, None
        del taken.time, taken.run_in_executor, taken._selector.select
        taken._clock_resolution = self._resolution
        moved = taken.time() - self.time()
        for timer in taken._scheduled:
            timer._when += moved
        for *_, waiter in self._sleepers:
            if not waiter.done():
                waiter.set_exception(RuntimeError("the virtual clock was left before it had come so far"))

    def time(self) -> float:
        """Return the loop's time in seconds."""
        return (self._origin + self.passed) / 1_000_000

    async def sleep(self, span: int) -> None:
        """Sleep for so many µs, and then until the loop has nothing left to do at that moment."""
        waiter: asyncio.Future[None] = self.loop.create_future()
        heapq.heappush(self._sleepers, (self.passed + span, next(self._numbers), waiter))
        await waiter

    def select(self, timeout: float | None) -> list[Any]:
        """Stand in for the selector's own: instead of waiting, let time pass."""
        events = self._poll(0)
        if events or timeout == 0:
            return events
        if self._jobs or not self._pass():
            return self._poll(None)  # the end of a job wakes it, and so does every signal
        return events

    def run_in_executor(self, executor: Executor | None, function: Callable[..., Any], *args: Any) -> Any:
        """Stand in for the loop's own: time stands still until the job has ended, whoever still waits for it."""
        job = (executor or self._default_executor()).submit(function, *args)
        answer: asyncio.Future[Any] = asyncio.wrap_future(job, loop=self.loop)
        loop, self._jobs = self.loop, self._jobs + 1

        def ended(_: object) -> None:
            self._jobs -= 1

        def ended_late(_: object) -> None:
            with contextlib.suppress(RuntimeError):  # so late that the loop is closed
                loop.call_soon_threadsafe(ended, None)

        def answered(_: object) -> None:
            if job.done():
                ended(None)
            else:  # nobody waits for it any more, but it goes on
                job.add_done_callback(ended_late)

        answer.add_done_callback(answered)
        return answer

    def _default_executor(self) -> Executor:
        found: Executor | None = self.loop._default_executor
        if found is None:
            found = ThreadPoolExecutor(thread_name_prefix="asyncio")
            self.loop.set_default_executor(found)
        return found

    def _pass(self) -> bool:
        """Let time pass until something happens; return False if there is nothing to wait for."""
        timers: list[asyncio.TimerHandle] = self.loop._scheduled  # those cancelled are never first here
        due = self._moment(timers[0].when()) if timers else None
        while self._sleepers and self._sleepers[0][2].done():  # its task was cancelled
            heapq.heappop(self._sleepers)
        if self._sleepers and (due is None or self._sleepers[0][0] < due):
            self.passed, _, waiter = heapq.heappop(self._sleepers)
            waiter.set_result(None)
        elif due is not None:
            self.passed = max(self.passed, due)
        else:
            return False
        return True

    def _moment(self, when: float) -> int | None:
        """Return the first µs at which the loop finds this timer due; None if that never comes."""
        if when > (self._origin + self.longest) / 1_000_000:
            return None
        total = round(when * 1_000_000)
        early = when >= total / 1_000_000 + RESOLUTION  # the loop compares in the same way
        return total + early - self._origin
