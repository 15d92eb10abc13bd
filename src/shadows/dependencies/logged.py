"""Arguments that may be seen: ``customer: Annotated[str, Logged]``.  No other argument reaches a log."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Any, ClassVar, Final

from shadows.dependencies.marker import Marker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

HIDDEN: Final = "..."
_LONGEST: Final = 1000
_BRACKETS: Final = ((AbstractSet, "{{len {}}}"), (dict, "{{len {}}}"), (tuple, "(len {})"))


class Logged(Marker):
    """The argument may appear in logs; with ``length_only`` only how long it is.

    It stands in ``Annotated``, as the class or as an instance.
    """

    __slots__ = ("length_only",)

    annotates: ClassVar[bool] = True
    length_only: bool

    def __init__(self, length_only: bool = False) -> None:  # noqa: FBT001, FBT002 - the documented position
        self.length_only = length_only

    def shown(self, value: Any) -> str:
        """Return the value as it may be seen, in one line."""
        try:
            text = self._length(value) if self.length_only else repr(value)
        except Exception as broken:  # noqa: BLE001 - it runs code of the value's class, and a log line is not worth a run
            return f"<{type(value).__name__} that raises {type(broken).__name__}>"
        if len(text) > _LONGEST:
            text = f"{text[:_LONGEST]}{HIDDEN}"
        return text if text.isprintable() else repr(text)[1:-1]

    @staticmethod
    def _length(value: Any) -> str:
        if not hasattr(value, "__len__"):
            return HIDDEN
        length, form = len(value), next((form for kind, form in _BRACKETS if isinstance(value, kind)), "[len {}]")
        return form.format(length)

    def __repr__(self) -> str:
        return f"Logged(length_only={self.length_only})"


def shown_call(
    task: str,
    logged: Mapping[str, Logged],
    positional: tuple[str, ...],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> str:
    """Return a call as it may be seen: ``pay('12345', card=..., amount=150.0)``."""
    parts: Iterable[str] = (
        *(
            _shown(logged.get(positional[index]) if index < len(positional) else None, value)
            for index, value in enumerate(args)
        ),
        *(f"{name}={_shown(logged.get(name), value)}" for name, value in kwargs.items()),
    )
    return f"{task}({', '.join(parts)})"


def _shown(logged: Logged | None, value: object) -> str:
    return HIDDEN if logged is None else logged.shown(value)
