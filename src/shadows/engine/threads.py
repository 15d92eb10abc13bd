"""Threads: how a plain function runs beside the event loop.

A thread cannot be cancelled.  Until it returns, its attempt goes on, keeps its lease and its slot, and is
running for everybody who looks; what it returns then counts for nothing.
"""

from __future__ import annotations

import asyncio
import contextvars
from typing import TYPE_CHECKING, Any

import attrs

from shadows.engine.attempt import Stop

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from shadows.dependencies.setup import Setup
    from shadows.engine.attempt import Attempt


@attrs.frozen
class Threads:
    """As many threads as a worker has slots."""

    executor: Executor

    async def run(
        self,
        attempt: Attempt,
        body: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        setup: Setup | None = None,
        *,
        hasten: Callable[[], None] | None = None,
    ) -> object:
        """Call the body in a thread, with a copy of its context variables, in the middle of its set-up.

        If there is a way to ``hasten`` its end, a cancel takes it.

        Raises:
            BaseException: what the body raises.
            CancelledError: it was cancelled meanwhile; at the end of the worker at once, else when the body has
                returned.
        """
        attempt.in_thread = hasten is None
        loop, context = asyncio.get_running_loop(), contextvars.copy_context()

        def outcome() -> tuple[object, BaseException | None]:  # a future cannot carry StopIteration
            try:
                if setup is None:
                    return context.run(body, *args, **kwargs), None
                return context.run(setup.in_thread, loop, body, args, kwargs), None
            except BaseException as error:  # noqa: BLE001 - raised again on the loop
                return None, error

        returned = loop.run_in_executor(self.executor, outcome)
        cancelled: asyncio.CancelledError | None = None
        while True:
            try:
                result, error = await asyncio.shield(returned)
                break
            except asyncio.CancelledError as asked:
                if returned.cancelled() or (attempt.stop is Stop.SHUTDOWN and hasten is None):
                    raise
                cancelled = asked
                if hasten is not None:
                    hasten()
        if cancelled is not None:
            raise cancelled
        if error is not None:
            raise error
        return result
