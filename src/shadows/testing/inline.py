"""Tasks that have run when ``add`` returns: by a real worker, through the real loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from contextvars import Context
from typing import TYPE_CHECKING, Any, Unpack

import attrs

from shadows.core.disposition import Disposition
from shadows.dependencies.context import current_worker
from shadows.errors import ConfigurationError, ExecutionCancelled
from shadows.worker import Worker

if TYPE_CHECKING:
    from shadows.core.arguments import WorkerArguments
    from shadows.execution import Execution
    from shadows.shadow import Shadow


@asynccontextmanager
async def inline(shadow: Shadow, **options: Unpack[WorkerArguments]) -> AsyncGenerator[Worker]:
    """Let calls that are due run before ``add``, ``replace`` and their like return, and raise what they raise.

    ::

        async with inline(shadow):
            execution = await shadow.add(charge)(42)  # has run
            assert await execution.get_result() == "charged"

    A real worker runs them, with retries, gates, dependencies and all, and what their bodies place for now as well.
    Between two such calls no worker works.  What is for later is placed, and stays.  Where a retry waits, so does
    ``add``: under a virtual clock that takes no time.

    Args:
        shadow: an entered one.
        **options: for the worker.

    Raises:
        ConfigurationError: the shadow keeps no results (``execution_ttl`` is 0).
    """
    opened = shadow.opened()
    if not opened.access.keeps_records:
        raise ConfigurationError(f"inline({shadow!r}) needs results, and execution_ttl=0 keeps none; give it another")
    async with Worker(shadow, **options) as worker:
        before, opened.afterwards = opened.afterwards, _Inline(shadow, worker).run
        try:
            yield worker
        finally:
            opened.afterwards = before


@attrs.define(eq=False)
class _Inline:
    """Runs the worker for as long as somebody waits for what was placed."""

    shadow: Shadow
    worker: Worker
    _waiting: int = 0
    _working: asyncio.Task[None] | None = None
    _turn: asyncio.Lock = attrs.field(factory=asyncio.Lock)
    _set_off: deque[Execution[Any]] = attrs.field(factory=deque["Execution[Any]"])
    """what bodies have placed since somebody looked"""

    async def run(self, executions: Sequence[Execution[Any]]) -> None:
        """Wait for those of them that are due, and for what they set off; raise what they raised."""
        due = deque(one for one in executions if self._is_due(one))
        if current_worker.get(None) is self.worker:  # a body, which must not wait for what may wait for its end
            self._set_off.extend(due)
            return
        if not due:
            return
        errors: list[Exception] = []
        self._waiting += 1
        try:
            while due:
                try:
                    await self._end_of(due.popleft())
                except ExecutionCancelled as error:
                    if error.reason != "superseded":  # else its body has placed another run under its key
                        errors.append(error)
                except Exception as error:  # noqa: BLE001 - raised below
                    errors.append(error)
                due.extend(self._set_off)
                self._set_off.clear()
        finally:
            await self._stop()
        if len(errors) > 1:
            raise ExceptionGroup(f"{len(errors)} calls failed", errors)
        if errors:
            raise errors[0]

    def _is_due(self, execution: Execution[Any]) -> bool:
        placed = execution.disposition is Disposition.SCHEDULED
        return placed and (execution.when is None or execution.when <= self.shadow.clock.now())

    async def _end_of(self, execution: Execution[Any]) -> None:
        """Wait for its end; if the worker breaks, raise why, and if a body has stopped it, begin again."""
        ended = asyncio.ensure_future(execution.get_result())
        try:
            while True:
                working = await self._begin()
                await asyncio.wait({ended, working}, return_when=asyncio.FIRST_COMPLETED)
                if ended.done():
                    break
                working.result()
            await ended
        finally:
            ended.cancel()

    async def _begin(self) -> asyncio.Task[None]:
        async with self._turn:
            if self._working is None or self._working.done():
                self._working = asyncio.create_task(self.worker.run_forever(), context=Context())
            return self._working

    async def _stop(self) -> None:
        async with self._turn:
            self._waiting -= 1
            if self._working is not None and not self._waiting:
                self.worker.stop()
                working, self._working = self._working, None
                await asyncio.wait({working})
