"""Values that functions make: ``db: Pool = Depends(get_pool)``, and arguments for those functions."""

from __future__ import annotations

from typing import Any, ClassVar, Final, cast, overload

from shadows.dependencies.marker import Marker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator
    from contextlib import AbstractAsyncContextManager, AbstractContextManager


_UNREADABLE: Final[Any] = Any
"""What an annotation names that only the type checker knows."""


class Made(Marker):
    """A marker whose value a function makes."""

    __slots__ = ("function",)
    travels: ClassVar[bool] = True

    function: Callable[..., Any]

    def __init__(self, function: Callable[..., Any]) -> None:
        if function is _UNREADABLE or not callable(function):
            raise TypeError(f"{self.word}({function!r}) must name a function, not a {type(function).__name__}")
        self.function = function

    word: ClassVar[str] = "Depends"

    def __repr__(self) -> str:
        return f"{self.word}({getattr(self.function, '__qualname__', self.function)})"


class MadeOnce(Made):
    """A marker whose value is made once for all runs of a worker."""

    __slots__ = ()
    word: ClassVar[str] = "Shared"
    lasting: ClassVar[bool] = True


class Argument(Marker):
    """A marker in a dependency's function that stands for an argument of the task."""

    __slots__ = ("name", "optional")
    travels: ClassVar[bool] = True

    name: str | None
    optional: bool

    def __init__(self, name: str | None, *, optional: bool) -> None:
        self.name = name
        self.optional = optional


class CallerArgument(Marker):
    """A marker in a dependency's function that stands for a parameter of whoever depends on it."""

    __slots__ = ("name",)
    travels: ClassVar[bool] = True

    name: str | None

    def __init__(self, name: str | None) -> None:
        self.name = name


# ruff: noqa: N802 - they read like the classes that they stand for


@overload
def Depends[R](function: Callable[..., AbstractAsyncContextManager[R, Any]]) -> R: ...
@overload
def Depends[R](function: Callable[..., AbstractContextManager[R, Any]]) -> R: ...
@overload
def Depends[R](function: Callable[..., AsyncGenerator[R, Any] | AsyncIterator[R]]) -> R: ...
@overload
def Depends[R](function: Callable[..., Generator[R, Any, Any] | Iterator[R]]) -> R: ...
@overload
def Depends[R](function: Callable[..., Awaitable[R]]) -> R: ...
@overload
def Depends[R](function: Callable[..., R]) -> R: ...
def Depends(function: Callable[..., Any]) -> Any:
    """Let the parameter have what ``function`` makes, in each run.

    It may be ``def`` or ``async def``; a generator function that yields once, whose rest runs after the body; or
    return a context manager, which is entered, and left after the body.  Its own parameters may be dependencies.
    One function is called once in a run, however many depend on it.  What was opened is closed in reverse order,
    whatever becomes of the body, whose exception it gets; to swallow that changes nothing.

    Plain functions run on the event loop for an ``async def`` task, and in the body's thread for a ``def`` task.
    """
    return cast("Any", Made(function))


@overload
def Shared[R](function: Callable[..., AbstractAsyncContextManager[R, Any]]) -> R: ...
@overload
def Shared[R](function: Callable[..., AbstractContextManager[R, Any]]) -> R: ...
@overload
def Shared[R](function: Callable[..., AsyncGenerator[R, Any] | AsyncIterator[R]]) -> R: ...
@overload
def Shared[R](function: Callable[..., Generator[R, Any, Any] | Iterator[R]]) -> R: ...
@overload
def Shared[R](function: Callable[..., Awaitable[R]]) -> R: ...
@overload
def Shared[R](function: Callable[..., R]) -> R: ...
def Shared(function: Callable[..., Any]) -> Any:
    """Let the parameter have what ``function`` makes once for all runs of a worker, when the first one needs it.

    It takes the same functions as ``Depends``, and what it opens is closed when the worker is left.  It runs on the
    event loop.  Its own parameters may be dependencies that do not belong to one run: ``Shared``, ``Depends`` (which
    then lives as long), ``CurrentShadow``, ``CurrentWorker``.  If it fails, so does the run; the next one tries anew.
    """
    return cast("Any", MadeOnce(function))


def TaskArgument(name: str | None = None, optional: bool = False) -> Any:  # noqa: FBT001, FBT002 - the documented positions
    """Let a parameter of a dependency's function have an argument of the task.

    Args:
        name: the task's parameter; by default the one that is called like this one.
        optional: give None where the task has no such parameter.
    """
    return Argument(name, optional=optional)


def CallArgument(name: str | None = None) -> Any:
    """Let a parameter of a dependency's function have what a parameter of its caller has: of the task, or of the
    function that depends on it.  That may be a dependency, too.

    Args:
        name: the caller's parameter; by default the one that is called like this one.
    """
    return CallerArgument(name)
