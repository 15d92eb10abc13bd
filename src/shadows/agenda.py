"""Agenda: calls that are collected first, and then spread over a while."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from random import random
from typing import TYPE_CHECKING, Any, overload

import attrs

from shadows.core.durations import duration
from shadows.core.spread import spread

if TYPE_CHECKING:
    from shadows.execution import Execution
    from shadows.shadow import Shadow

_NONE = timedelta(0)


@attrs.define
class _Item:
    """One call, and the key that it gets when nobody chose one."""

    function: Callable[..., Any] | str
    args: tuple[Any, ...] = attrs.field(repr=False)
    kwargs: dict[str, Any] = attrs.field(repr=False)
    key: str | None
    drawn: str


class Agenda:
    """A list of calls.  ``scatter`` places all of them, evenly spread, and may be repeated: the list stays as it is.

    Iterating gives ``(function, args, kwargs)`` of each.
    """

    def __init__(self) -> None:
        self._items: list[_Item] = []

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[tuple[Callable[..., Any] | str, tuple[Any, ...], Mapping[str, Any]]]:
        return iter([(item.function, item.args, item.kwargs) for item in self._items])

    def __repr__(self) -> str:
        return f"<Agenda of {len(self)} calls>"

    @overload
    def add[**P](self, function: Callable[P, Any], key: str | None = None) -> Callable[P, None]: ...
    @overload
    def add(self, function: str, key: str | None = None) -> Callable[..., None]: ...
    def add(self, function: Callable[..., Any] | str, key: str | None = None) -> Callable[..., None]:
        """Return a function that puts a call on the list: ``agenda.add(task, key=...)(arguments)``.

        Nothing is sent, and the arguments are checked when the agenda is scattered.
        """

        def note(*args: Any, **kwargs: Any) -> None:
            self._items.append(_Item(function, args, kwargs, key, _drawn()))

        return note

    def clear(self) -> None:
        """Take every call off the list."""
        self._items.clear()

    async def scatter(
        self, shadow: Shadow, over: timedelta, start: datetime | None = None, jitter: timedelta | None = None
    ) -> list[Execution[Any]]:
        """Place every call, the first at the start and the last ``over`` later; one alone in the middle.

        Every call is checked before the first is sent.  When the server fails in the middle, the error is raised and
        what was placed stays so; scattered again, the agenda places no second time what still waits from the first.

        Args:
            shadow: where to.
            over: the length of the window.
            start: an aware datetime; by default now, by the server's clock.
            jitter: move each call by up to so much either way, but not before the start.

        Returns:
            the executions, in the order of the list, each with its disposition.

        Raises:
            ConfigurationError: a duration that is not positive, or a time that cannot work.
            TypeError, SerializationError, UnknownTask: a call that could never run.
            BrokerError: as of ``Shadow.add``.
        """
        window = duration(over, option="over")
        most = _NONE if jitter is None else duration(jitter, option="jitter")
        offsets = spread(len(self), window, most, random)
        items = list(self._items)
        calls = [
            shadow.call(
                item.function,
                offset if start is None else start + offset,
                item.drawn if item.key is None else item.key,
            )(*item.args, **item.kwargs)
            for item, offset in zip(items, offsets, strict=True)
        ]
        executions = await shadow.add_many(calls)
        for item in items:
            item.drawn = _drawn()
        return executions


def _drawn() -> str:
    return os.urandom(16).hex()
