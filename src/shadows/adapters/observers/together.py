"""Several observers behind one: each hears what it has a method for.  One alone costs nothing more than itself."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, cast

from shadows.ports.observer import Observer

if TYPE_CHECKING:
    from collections.abc import Callable

EVENTS = tuple(name for name in vars(Observer) if not name.startswith("_"))
_log = logging.getLogger("shadows.telemetry")


def together(first: Observer, *more: object) -> Observer:
    """Return an observer that tells all of these, the last one first.

    What those behind the first one raise is logged and goes no further: they call code that is not ours.
    """
    if not more:
        return first
    return cast("Observer", _Together(first, more))


class _Together:
    def __init__(self, first: Observer, more: tuple[object, ...]) -> None:
        for event in EVENTS:
            others = [getattr(each, event) for each in reversed(more) if hasattr(each, event)]
            last = getattr(first, event)
            setattr(self, event, _each(event, others, last) if others else last)


def _each(event: str, others: list[Callable[..., None]], last: Callable[..., None]) -> Callable[..., None]:
    def tell(*args: Any, **kwargs: Any) -> None:
        for hear in others:
            try:
                hear(*args, **kwargs)
            except Exception:  # noqa: BLE001 - whatever it is, no call may suffer from it
                _log.exception("telemetry of %r went wrong, and was left out", event)
        last(*args, **kwargs)

    return tell
