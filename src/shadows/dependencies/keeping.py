"""Keep: what lives as long as a worker: what is ``Shared``, and the ``worker_lifecycle`` of classes."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import Any, Final

import attrs

from shadows.dependencies.setup import Setup

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from contextlib import AbstractAsyncContextManager
    from contextvars import Context

    from shadows.dependencies.dependency import Dependency
    from shadows.dependencies.running import Workplace
    from shadows.dependencies.steps import Step

_GRACE: Final = 1.0
"""Seconds that are a moment; and that what did not close in time has to hear that it was cancelled."""


@attrs.define(eq=False)
class _Kept:
    """One value, and the asyncio task that opened it and will close it: some resources want it to be the same."""

    ready: asyncio.Future[Any]
    leave: asyncio.Event = attrs.field(factory=asyncio.Event)
    task: asyncio.Task[None] = attrs.field(init=False)


@attrs.define(eq=False)
class Keeping:
    """Opens each thing once, when somebody first needs it, however many do at that moment; closes all in the end."""

    context: Context
    """what is opened sees this one, not that of the run which needed it first"""
    seconds: float
    """what opening or closing one of them may take"""
    untidy: Callable[[str, BaseException], None]
    """hears of what went wrong when something was closed"""
    workplace: Workplace = attrs.field(init=False)
    _kept: dict[object, _Kept] = attrs.field(factory=dict[object, _Kept], init=False)
    """those that are ready, in the order in which they became so, stand after each that was ready before"""

    def found(self, key: object, default: Any) -> Any:
        """Return what is open already."""
        kept = self._kept.get(key)
        return kept.ready.result() if kept is not None and kept.ready.done() else default

    async def value(self, step: Step) -> Any:
        """Return what is shared, and open it if nobody has yet."""
        return await self._once(step.make, step.label, lambda: self._shared(step))

    async def living(self, kind: type[Dependency]) -> None:
        """Begin a class's life with the worker, if nobody has yet."""
        if kind not in self._kept or not self._kept[kind].ready.done():
            await self._once(kind, f"{kind.__name__}.worker_lifecycle()", lambda: self._lifecycle(kind))

    async def close(self) -> None:
        """Close everything, the newest first.  They share the time that one may take; when it is over, each of those
        that are left has only a moment.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + self.seconds
        for kept in reversed([*self._kept.values()]):
            kept.leave.set()
            if kept.ready.done():
                await asyncio.wait({kept.task}, timeout=max(end - loop.time(), min(_GRACE, self.seconds)))
            kept.task.cancel()
            await asyncio.wait({kept.task}, timeout=_GRACE)

    async def _once(self, key: object, label: str, open_it: Callable[[], AbstractAsyncContextManager[Any]]) -> Any:
        kept = self._kept.get(key)
        if kept is None:
            loop = asyncio.get_running_loop()
            kept = self._kept[key] = _Kept(loop.create_future())
            keeping = self._keep(key, label, kept, open_it)
            kept.task = loop.create_task(keeping, name=f"shadows-keeps-{label}", context=self.context.copy())
        return await asyncio.shield(kept.ready)

    async def _keep(
        self, key: object, label: str, kept: _Kept, open_it: Callable[[], AbstractAsyncContextManager[Any]]
    ) -> None:
        try:
            async with asyncio.timeout(self.seconds):
                manager = open_it()
                value = await manager.__aenter__()
        except BaseException as broken:  # noqa: BLE001 - those who wait for it raise it; the next one tries anew
            del self._kept[key]
            if isinstance(broken, asyncio.CancelledError):
                kept.ready.cancel()
            else:
                kept.ready.set_exception(broken)
                kept.ready.exception()  # nobody may wait any more
            return
        self._kept[key] = self._kept.pop(key)
        kept.ready.set_result(value)
        try:
            await kept.leave.wait()
            await manager.__aexit__(None, None, None)
        except BaseException as broken:  # noqa: BLE001 - the others must be closed, too
            self.untidy(label, broken)

    @asynccontextmanager
    async def _shared(self, step: Step) -> AsyncGenerator[Any]:
        if step.shared is None:
            raise AssertionError(step)
        setup = Setup(step.shared, self.workplace, self, self.seconds)
        broken: BaseException | None = None
        try:
            await setup.open()
            yield setup.result
        except BaseException as error:  # noqa: BLE001 - raised again when all is closed
            broken = error
        broken = await setup.close(broken, deciders=True)
        if broken is not None:
            raise broken

    @asynccontextmanager
    async def _lifecycle(self, kind: type[Dependency]) -> AsyncGenerator[None]:
        manager = kind.worker_lifecycle(self.workplace.shadow, self.workplace.worker)
        if manager is None:
            yield
        else:
            async with manager:
                yield
