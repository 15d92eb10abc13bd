"""Things that were opened, and how each kind is closed: it hears of what the body raised, like in a ``with`` block."""

from __future__ import annotations

import enum
from typing import Any

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator
    from types import TracebackType


class Shape(enum.Enum):
    """What something that must be closed is."""

    GENERATOR = enum.auto()
    ASYNC_GENERATOR = enum.auto()
    MANAGER = enum.auto()
    ASYNC_MANAGER = enum.auto()


def close(shape: Shape, thing: Any, error: BaseException | None) -> None:
    """Close what needs no event loop; raise what it raises."""
    if shape is Shape.MANAGER:
        thing.__exit__(*raised(error))
    else:
        _finish(thing, error)


def _finish(generator: Generator[Any], error: BaseException | None) -> None:
    try:
        if error is None:
            next(generator)
        else:
            generator.throw(error)
    except StopIteration:
        return
    except RuntimeError as broken:
        if _is_the_end(broken, error):
            return
        raise
    generator.close()
    raise _again(generator)


async def finish_async(generator: AsyncGenerator[Any], error: BaseException | None) -> None:
    """Let an async generator go on from its ``yield``; raise what it raises."""
    try:
        if error is None:
            await anext(generator)
        else:
            await generator.athrow(error)
    except StopAsyncIteration:
        return
    except RuntimeError as broken:
        if _is_the_end(broken, error):
            return
        raise
    await generator.aclose()
    raise _again(generator)


def _is_the_end(broken: RuntimeError, error: BaseException | None) -> bool:
    """Whether a generator let a StopIteration of the body pass, which Python makes a RuntimeError."""
    return isinstance(error, StopIteration | StopAsyncIteration) and broken.__cause__ is error


def _again(generator: Any) -> RuntimeError:
    return RuntimeError(f"{generator.__name__}() yields more than once; what Depends(...) opens yields one value")


def raised(
    error: BaseException | None,
) -> tuple[type[BaseException] | None, BaseException | None, TracebackType | None]:
    """Return what ``__exit__`` is told of what the body raised."""
    return (None, None, None) if error is None else (type(error), error, error.__traceback__)
