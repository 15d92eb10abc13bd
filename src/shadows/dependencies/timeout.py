"""A limit for a body: ``timeout: Timeout = Timeout(timedelta(seconds=30))`` as a parameter of a task."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any, Self

from shadows.core.durations import duration, text
from shadows.dependencies.dependency import Runtime

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from shadows.dependencies.running import Running

_NONE = timedelta(0)


class Timeout(Runtime):
    """Let each attempt take no longer than ``base``, unless the body extends it.

    A body that is over its time is cancelled and has failed with a TimeoutError, whatever it makes of that, so that
    ``Retry`` tries it again.  A ``def`` task cannot be cancelled: it goes on until it returns, and has failed then.
    """

    __slots__ = ("_base", "_deadline", "_expired", "_limit", "_loop")

    def __init__(self, base: timedelta) -> None:
        self._base = duration(base, option="Timeout base")
        self._forget()

    def _forget(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._limit: asyncio.Timeout | None = None
        self._deadline = 0.0
        self._expired = False

    @property
    def base(self) -> timedelta:
        """How long an attempt may take at first."""
        return self._base

    def extend(self, by: timedelta | None = None) -> None:
        """Move the end of the time away, by ``base`` when nothing else is said; too late once it has come."""
        span = self._base if by is None else duration(by, option="by")
        self._deadline += span.total_seconds()
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._reschedule)  # a `def` task runs in a thread

    def remaining(self) -> timedelta:
        """Return how long the attempt may still go on; nothing once its time is over."""
        if self._loop is None:
            return self._base
        return max(_NONE, timedelta(seconds=self._deadline - self._loop.time()))

    def expired(self) -> bool:
        """Tell whether the time is over, and the body is being cancelled."""
        return self._expired or (self._limit is not None and self._limit.expired())

    def for_run(self, running: Running) -> Self:
        """Return the copy for one run."""
        made: Self = super().for_run(running)
        made._forget()
        return made

    async def run(
        self, execution: Any, function: Callable[..., Awaitable[Any]], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Run the body until its time is over.  A cancel that somebody asked for is told apart, and wins."""
        del execution
        self._loop = asyncio.get_running_loop()
        began = self._loop.time()
        self._deadline = began + self._base.total_seconds()
        limit = self._limit = asyncio.timeout_at(self._deadline)
        try:
            async with limit:
                result = await function(*args, **kwargs)
        except Exception as error:
            if limit.expired():
                raise self._over(began) from error.__cause__ or error
            raise
        finally:
            self._limit, self._expired = None, limit.expired()
        if self._expired:
            raise self._over(began)
        return result

    def _over(self, began: float) -> TimeoutError:
        allowed = timedelta(seconds=round(self._deadline - began, 3))
        return TimeoutError(f"the body did not end within {text(allowed)}, which is its Timeout")

    def _reschedule(self) -> None:
        if not self.expired() and self._limit is not None:
            self._limit.reschedule(self._deadline)

    def __repr__(self) -> str:
        return f"Timeout({text(self._base)})"
