"""What a run knows of itself: markers for it, and context variables that also reach what a body calls."""

from __future__ import annotations

import logging
from contextvars import Context, ContextVar, Token, copy_context
from typing import Any, ClassVar, Final, cast

import attrs

from shadows.dependencies.marker import Marker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from shadows.dependencies.running import Running, Workplace

current_shadow: Final[ContextVar[Any]] = ContextVar("shadows.current_shadow")
"""the shadow whose call runs"""
current_worker: Final[ContextVar[Any]] = ContextVar("shadows.current_worker")
"""the worker that runs it"""


@attrs.frozen
class _Given:
    execution: Any


_NOTHING: Final = object()


@attrs.frozen
class ExecutionVariable:
    """A context variable whose value is made when somebody asks for it: most runs never do."""

    of_run: ContextVar[Running | _Given] = attrs.field(factory=lambda: ContextVar("shadows.current_execution"))

    @property
    def name(self) -> str:
        """What it is called."""
        return self.of_run.name

    def get(self, default: Any = _NOTHING) -> Any:
        """Return the execution that runs here.

        Raises:
            LookupError: none does, and there is no default.
        """
        found = self.of_run.get(None)
        if found is not None:
            return found.execution
        if default is _NOTHING:
            raise LookupError(self)
        return default

    def set(self, execution: Any) -> Token[Any]:
        """Let this one run here, as a test may wish."""
        return self.of_run.set(_Given(execution))

    def reset(self, token: Token[Any]) -> None:
        """Undo a ``set``."""
        self.of_run.reset(token)


current_execution: Final = ExecutionVariable()
"""the run itself"""


class CurrentShadowMarker(Marker):
    """Stands for the shadow."""

    __slots__ = ()
    lasting: ClassVar[bool] = True

    def for_run(self, running: Running) -> object:
        """Return the shadow whose call this is."""
        return running.workplace.shadow

    def for_worker(self, workplace: Workplace) -> object:
        """Return the shadow whose calls the worker runs."""
        return workplace.shadow


class CurrentWorkerMarker(Marker):
    """Stands for the worker."""

    __slots__ = ()
    lasting: ClassVar[bool] = True

    def for_run(self, running: Running) -> object:
        """Return the worker that runs this."""
        return running.workplace.worker

    def for_worker(self, workplace: Workplace) -> object:
        """Return the worker itself."""
        return workplace.worker


class CurrentExecutionMarker(Marker):
    """Stands for the run."""

    __slots__ = ()

    def for_run(self, running: Running) -> object:
        """Return the handle on this run."""
        return running.execution


class _TaskKey(Marker):
    __slots__ = ()
    travels: ClassVar[bool] = True

    def for_run(self, running: Running) -> object:
        return running.key


class _TaskLogger(Marker):
    __slots__ = ()
    travels: ClassVar[bool] = True

    def for_run(self, running: Running) -> object:
        place = running.workplace
        facts = {
            "task": running.task,
            "key": running.key,
            "worker": place.worker.name,
            "shadow": place.shadow.name,
            "attempt": running.attempt,
        }
        return _Adapter(logging.getLogger(f"shadows.task.{running.task}"), facts)


class _Adapter(logging.LoggerAdapter[logging.Logger]):
    """Adds the facts of a run to each record; what the call itself says in ``extra`` stays, and wins."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        kwargs["extra"] = {**(self.extra or {}), **(kwargs.get("extra") or {})}
        return msg, kwargs


def in_context(shadow: object, worker: object) -> Context:
    """Return a copy of the present context in which this worker runs calls of this shadow."""
    context = copy_context()
    context.run(current_shadow.set, shadow)
    context.run(current_worker.set, worker)
    return context


# ruff: noqa: N802 - they read like the classes that they stand for


def TaskKey() -> str:
    """Let the parameter have the key of the call."""
    return cast("str", _TaskKey())


def TaskLogger() -> logging.LoggerAdapter[logging.Logger]:
    """Let the parameter have a logger of the task's own, ``shadows.task.{name}``.

    Its records carry ``task``, ``key``, ``worker``, ``shadow`` and ``attempt``, beside what ``extra`` says.
    """
    return cast("logging.LoggerAdapter[logging.Logger]", _TaskLogger())
