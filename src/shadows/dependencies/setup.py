"""Set up: take the steps of a run, and undo them in reverse order, whatever happens in between."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from shadows.dependencies.dependency import CompletionHandler, FailureHandler, Runtime
from shadows.dependencies.limit import TooLong, limited
from shadows.dependencies.opened import Shape, close, finish_async, raised
from shadows.dependencies.steps import Kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from shadows.dependencies.keeping import Keeping
    from shadows.dependencies.steps import Arrangement, Step

    type _Opened = tuple[Shape, Any, Step, bool]
    """what it is, the thing itself, what opened it, and whether that is among those who decide what follows"""

UNSET: Final[Any] = object()
"""In a slot: its step was not taken yet."""


class Setup:
    """What the steps of one run have made so far, and what of it is open.

    Nothing here suppresses what the body raised: a context manager that swallows it has heard of it, and that is all.
    """

    __slots__ = (
        "_arrangement",
        "_keeping",
        "_seconds",
        "_subject",
        "_values",
        "on_complete",
        "on_failure",
        "opened",
        "runtime",
        "untidy",
    )

    def __init__(self, arrangement: Arrangement, subject: Any, keeping: Keeping, seconds: float) -> None:
        """``subject`` is the Running; of what is shared, the Workplace."""
        self._arrangement = arrangement
        self._subject = subject
        self._keeping = keeping
        self._seconds = seconds
        self._values: list[Any] = [UNSET] * arrangement.size
        self.opened: list[_Opened] = []
        self.runtime: Runtime | None = None
        self.on_failure: FailureHandler | None = None
        self.on_complete: CompletionHandler | None = None
        self.untidy: tuple[BaseException, ...] = ()
        """what went wrong in a clean-up, and is not what became of the run"""

    @property
    def result(self) -> Any:
        """Of what is shared: its value."""
        return self._values[self._arrangement.result]

    async def open(self, *, only_deciders: bool = False) -> None:
        """Take the steps of the event loop, or only those of them who decide what follows."""
        arrangement, values = self._arrangement, self._values
        for kind in arrangement.lifecycles:
            await self._keeping.living(kind)
        for step in arrangement.deciders:
            await self._take(step, decides=True)
        if only_deciders:
            return
        for step in arrangement.others:
            if step.kind is Kind.GIVE:
                values[step.slot] = step.make(self._subject)
            elif step.kind is Kind.AWAIT:
                made = step.make(**{name: values[slot] for name, slot in step.slots})
                values[step.slot] = await limited(made, self._seconds, step.label)
            else:
                await self._take(step)

    def fill(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        """Return the keyword arguments with what was made so far."""
        values, filled = self._values, {**kwargs}
        for name, slot in self._arrangement.fills:
            if values[slot] is not UNSET:
                filled[name] = values[slot]
        for name, slot in self._arrangement.refills:
            if name in kwargs:
                filled[name] = values[slot]
        return filled

    async def close(self, error: BaseException | None, *, deciders: bool = False) -> BaseException | None:
        """Undo what is open, newest first, and return what the run has raised in the end.

        What those who decide have opened is closed when ``deciders`` says so: after they have decided.
        """
        opened = self.opened
        while opened and (deciders or not opened[-1][3]):
            shape, thing, step, _ = opened.pop()
            try:
                if shape is Shape.ASYNC_GENERATOR:
                    await limited(finish_async(thing, error), self._seconds, step.label, doing="cleaning up")
                elif shape is Shape.ASYNC_MANAGER:
                    await limited(thing.__aexit__(*raised(error)), self._seconds, step.label, doing="cleaning up")
                else:
                    close(shape, thing, error)
            except BaseException as broken:  # noqa: BLE001 - the others must be closed, too
                error = self._graver(error, broken)
        return error

    def in_thread(
        self, loop: asyncio.AbstractEventLoop, body: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Take the other steps, run the body of a ``def`` task, and undo them: all in this thread."""
        opened: list[_Opened] = []
        error: BaseException | None = None
        result: Any = None
        try:
            for step in self._arrangement.threaded:
                value = self._made(step)
                if _is_waited_for(step, value):
                    value = asyncio.run_coroutine_threadsafe(self._awaited(step, value), loop).result()
                else:
                    value = _entered(step, value, opened)
                self._values[step.slot] = value
            result = body(*args, **self.fill(kwargs))
        except BaseException as broken:  # noqa: BLE001 - raised again when all is closed
            error = broken
        while opened:
            shape, thing, _, _ = opened.pop()
            try:
                close(shape, thing, error)
            except BaseException as broken:  # noqa: BLE001 - the others must be closed, too
                error = self._graver(error, broken)
        if error is not None:
            raise error
        return result

    async def _take(self, step: Step, *, decides: bool = False) -> None:
        if step.kind is Kind.GIVE:
            value = step.make(self._subject)
        elif step.kind is Kind.ENTER:
            value = await self._bound(step, decides=decides)
        elif step.kind is Kind.SHARE:
            value = self._keeping.found(step.make, UNSET)
            if value is UNSET:
                value = await limited(self._keeping.value(step), self._seconds, step.label)
        else:
            value = self._made(step)
            if _is_waited_for(step, value):
                value = await limited(self._awaited(step, value, decides=decides), self._seconds, step.label)
            else:
                value = _entered(step, value, self.opened, decides=decides)
        self._values[step.slot] = value
        if step.decides:
            self._note(value)

    def _made(self, step: Step) -> Any:
        values = self._values
        return step.make(**{name: values[slot] for name, slot in step.slots})

    async def _bound(self, step: Step, *, decides: bool) -> Any:
        """Enter a run's own copy of a Dependency."""
        dependency = step.make(self._subject)
        if step.bound is not None:
            parameter, slot = step.bound
            dependency = dependency.bind_to_parameter(parameter, self._values[slot])
        value = await limited(dependency.__aenter__(), self._seconds, step.label)
        self.opened.append((Shape.ASYNC_MANAGER, dependency, step, decides))
        if step.decides:
            self._note(dependency)
        return value

    async def _awaited(self, step: Step, value: Any, *, decides: bool = False) -> Any:
        """Open or await what a function gave."""
        if step.shape is Shape.ASYNC_GENERATOR:
            entered = await anext(value, UNSET)
            if entered is UNSET:
                raise RuntimeError(f"{step.label} yields nothing")
            self.opened.append((Shape.ASYNC_GENERATOR, value, step, decides))
            return entered
        if not hasattr(value, "__aenter__"):
            return await value
        entered = await value.__aenter__()
        self.opened.append((Shape.ASYNC_MANAGER, value, step, decides))
        return entered

    def _note(self, value: object) -> None:
        if isinstance(value, Runtime):
            self.runtime = value
        if isinstance(value, FailureHandler):
            self.on_failure = value
        if isinstance(value, CompletionHandler):
            self.on_complete = value

    def _graver(self, error: BaseException | None, broken: BaseException) -> BaseException:
        """Return what the run has raised, now that a clean-up has raised, too.

        It counts as if the body had raised it, like in a ``with`` block.  But a cancelled run is cancelled whatever
        its clean-up does, and a clean-up that takes too long does not hide what the body raised.
        """
        if error is None or broken is error or isinstance(broken, asyncio.CancelledError):
            return broken
        if isinstance(error, asyncio.CancelledError) or isinstance(broken, TooLong):
            self.untidy += (broken,)
            return error
        if broken.__context__ is None:
            broken.__context__ = error
        return broken


def _is_waited_for(step: Step, value: object) -> bool:
    return step.shape is Shape.ASYNC_GENERATOR or (
        step.shape is None and (hasattr(value, "__aenter__") or hasattr(value, "__await__"))
    )


def _entered(step: Step, value: Any, opened: list[_Opened], *, decides: bool = False) -> Any:
    """Open what a plain function gave, if it is to be opened."""
    if step.shape is Shape.GENERATOR:
        entered, shape = next(value, UNSET), Shape.GENERATOR
        if entered is UNSET:
            raise RuntimeError(f"{step.label} yields nothing")
    elif hasattr(value, "__enter__"):
        entered, shape = value.__enter__(), Shape.MANAGER
    else:
        return value
    opened.append((shape, value, step, decides))
    return entered
