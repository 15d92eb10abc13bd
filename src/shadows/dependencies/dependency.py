"""What the authors of dependencies build on: an own class, declared like ``Retry``, that takes part in each run."""

from __future__ import annotations

import copy
from typing import Any, ClassVar, Self

import attrs

from shadows.core.durations import duration
from shadows.dependencies.marker import Marker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractAsyncContextManager
    from datetime import timedelta
    from types import TracebackType

    from shadows.core.decision import Decision
    from shadows.dependencies.running import Running


class Dependency(Marker):
    """A marker that is entered as an async context manager in each run; the body gets what ``__aenter__`` returns.

    Each run enters a copy of its own, so it may keep what it likes in its attributes.  A class that has a
    ``bind_to_parameter`` of its own may stand in ``Annotated``, and says something about an argument then; any
    other gives its value there, as it does as a default.
    """

    __slots__ = ()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "annotates" not in vars(cls):
            cls.annotates = cls.bind_to_parameter is not Dependency.bind_to_parameter

    def for_run(self, running: Running) -> Any:
        """Return the copy for one run."""
        del running
        return copy.copy(self)

    def bind_to_parameter(self, name: str, value: Any) -> Self:
        """Return what is to be entered in a run where the annotated parameter ``name`` has this value."""
        del name, value
        return self

    @classmethod
    def worker_lifecycle(cls, shadow: Any, worker: Any) -> AbstractAsyncContextManager[Any] | None:
        """Return what shall be entered once in each worker whose tasks declare this class, and left with it."""
        del shadow, worker
        return None

    async def __aenter__(self) -> Any:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> object:
        return None


@attrs.frozen
class TaskOutcome:
    """What an attempt came to, for those who decide what follows."""

    duration: timedelta
    result: Any = attrs.field(repr=False, default=None)
    exception: BaseException | None = None


class Runtime(Dependency):
    """Runs the body: it may limit it, measure it, or put something around it.  A task has one at most."""

    __slots__ = ()
    single: ClassVar[bool] = True

    async def run(
        self, execution: Any, function: Callable[..., Awaitable[Any]], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Return what ``await function(*args, **kwargs)`` returns; ``function`` is awaitable for ``def`` tasks too."""
        del execution
        return await function(*args, **kwargs)


class FailureHandler(Dependency):
    """Decides what follows when an attempt failed.  A task has one at most."""

    __slots__ = ()
    single: ClassVar[bool] = True

    async def handle_failure(self, execution: Any, outcome: TaskOutcome) -> Decision | None:
        """Return a decision; None lets the run fail.  It is settled in one step with the end of the attempt."""
        del execution, outcome
        return None


class CompletionHandler(Dependency):
    """Decides what follows when a run is over, because it returned or failed for good.  A task has one at most."""

    __slots__ = ()
    single: ClassVar[bool] = True

    async def on_complete(self, execution: Any, outcome: TaskOutcome) -> Decision | None:
        """Return a decision; None lets the run end.  It is settled in one step with that end."""
        del execution, outcome
        return None


class AdmissionBlocked(Exception):
    """Raised while a run is set up: not now.  Being blocked is no failure, and uses up no attempt.

    Args:
        execution: the run.
        reason: why, in a few words.
        reschedule: try again later; else the run ends cancelled, for this reason.
        retry_delay: how much later; default 100 ms.
    """

    def __init__(
        self,
        execution: Any,
        reason: str = "blocked",
        *,
        reschedule: bool = True,
        retry_delay: timedelta | None = None,
    ) -> None:
        super().__init__(f"{getattr(execution, 'key', execution)!r} is blocked: {reason}")
        self.execution = execution
        self.reason = reason
        self.reschedule = reschedule
        self.retry_delay = duration(
            "100ms" if retry_delay is None else retry_delay, option="AdmissionBlocked retry_delay", zero=True
        )
