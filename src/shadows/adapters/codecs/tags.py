"""What JSON has no word for: which tag stands for it, and how it is read again."""

from __future__ import annotations

import builtins
from base64 import b64decode
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import PurePath
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import attrs

from shadows import errors
from shadows.dependencies.limit import TooLong
from shadows.errors import Undecodable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

TAG = "!"
"""How each tag begins.  An object of the user's whose keys might be taken for one is written as pairs."""
CALL, DICT, TUPLE, ERROR = "!call", "!dict", "!tuple", "!error"


@attrs.frozen
class Untyped:
    """An instance of a class of the user's, as long as nobody has said which class that is."""

    name: str
    """the module and the qualified name of its class, as the writer called it"""
    content: Any = attrs.field(repr=False)
    """its fields by name, a named tuple's elements, or an enum member's value"""


def exception_names(exceptions: Iterable[type[Exception]]) -> dict[str, type[Exception]]:
    """Return the exceptions that may be rebuilt, by their names: built-in ones, our own, and these."""
    plain = {name: kind for name, kind in vars(builtins).items() if isinstance(kind, type)}
    ours = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.ShadowsError)]
    found = {name: kind for name, kind in plain.items() if issubclass(kind, Exception) and kind.__name__ == name}
    return found | {qualified(kind): kind for kind in (*ours, TooLong, *exceptions)}


def qualified(kind: type[Any]) -> str:
    """Return the name of a class as it travels."""
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def readers(exceptions: Iterable[type[Exception]]) -> Mapping[str, Callable[[Any], Any]]:
    """Return how the content of each tag is read."""
    known = exception_names(exceptions)

    def error(content: Any) -> Exception:
        name, args, state = content
        kind = known.get(name)
        if kind is None:
            raise Undecodable(f"an exception {name!r} is not rebuilt here")
        made = kind(*args)
        if state:
            made.__setstate__(state)
        return made

    return {**_READERS, ERROR: error}


def _call(content: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    args, kwargs = content
    names: Any = kwargs
    if type(args) is not list or type(kwargs) is not dict or not all(isinstance(each, str) for each in names):
        raise Undecodable("the arguments are no list and no object")
    return tuple(content[0]), content[1]


def _datetime(content: Any) -> datetime:
    if isinstance(content, str):
        return datetime.fromisoformat(content)
    text, zone, fold = content
    naive = datetime.fromisoformat(text).replace(fold=fold)
    return naive if zone is None else naive.replace(tzinfo=ZoneInfo(zone))


def _time(content: Any) -> time:
    text, fold = content
    return time.fromisoformat(text).replace(fold=fold)


def _timedelta(content: Any) -> timedelta:
    days, seconds, microseconds = content
    return timedelta(days, seconds, microseconds)


def read_bytes(text: str) -> bytes:
    """Return the bytes that stand there as base64."""
    return b64decode(text, validate=True)


def _float(text: str) -> float:
    if text not in {"nan", "inf", "-inf"}:
        raise Undecodable("the value holds a float that is none")
    return float(text)


_READERS: Mapping[str, Callable[[Any], Any]] = {
    CALL: _call,
    DICT: dict,
    TUPLE: tuple,
    "!set": set,
    "!frozenset": frozenset,
    "!bytes": read_bytes,
    "!float": _float,
    "!datetime": _datetime,
    "!date": date.fromisoformat,
    "!time": _time,
    "!timedelta": _timedelta,
    "!uuid": UUID,
    "!decimal": Decimal,
    "!path": PurePath,
}
