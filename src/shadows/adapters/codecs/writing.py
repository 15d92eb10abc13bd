"""From a value to what JSON can say: plain data, and tags for the rest."""

from __future__ import annotations

import dataclasses
import enum
from base64 import b64encode
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from math import isfinite
from pathlib import PurePath
from typing import Any, cast
from uuid import UUID
from zoneinfo import ZoneInfo

import attrs

from shadows.adapters.codecs.tags import CALL, DICT, ERROR, TAG, TUPLE, Untyped, exception_names, qualified

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_LONGEST_INT = 14_000
"""bits; Python reads no number of more than 4,300 digits"""
_SHOWN = 40


class StuckError(Exception):
    """A part that JSON cannot tell, and the way to it, from the outermost value inwards."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why
        self.steps: list[str] = []

    def told(self, value: Any) -> str:
        """Return it in words."""
        inside = "".join(reversed(self.steps))
        return f"{inside if _is_call(value) else f'the value{inside}'} {self.why}"


class Writer:
    """Makes plain data of values; these exceptions may travel as they are."""

    def __init__(self, exceptions: Iterable[type[Exception]]) -> None:
        self._exceptions = {kind: name for name, kind in exception_names(exceptions).items()}
        self._ways: Mapping[type[Any], Callable[[Any], Any]] = {
            str: _text,
            int: _whole,
            float: lambda value: value if isfinite(value) else {"!float": str(value)},
            list: self._elements,
            dict: self._mapping,
            tuple: lambda value: {TUPLE: self._elements(value)},
            set: lambda value: {"!set": self._elements(value)},
            frozenset: lambda value: {"!frozenset": self._elements(value)},
            bytes: lambda value: {"!bytes": b64encode(value).decode()},
            datetime: lambda value: {"!datetime": _moment(value)},
            date: lambda value: {"!date": value.isoformat()},
            time: _time,
            timedelta: lambda value: {"!timedelta": [value.days, value.seconds, value.microseconds]},
            UUID: lambda value: {"!uuid": str(value)},
            Decimal: lambda value: {"!decimal": str(value)},
            Untyped: lambda value: {TAG + value.name: self.plain(value.content)},
        }

    def write(self, value: Any) -> Any:
        """Return the plain data of the outermost value, which may be the arguments of a call."""
        if not _is_call(value):
            return self.plain(value)
        args, kwargs = value
        named = {name: _at(f"kwargs[{name!r}]", self.plain, part) for name, part in kwargs.items()}
        positional = [_at(f"args[{index}]", self.plain, part) for index, part in enumerate(args)]
        return {CALL: [positional, _object(named)]}

    def plain(self, value: object) -> Any:
        """Return the plain data of a value."""
        kind = type(value)
        if value is None or kind is bool:
            return value
        way = self._ways.get(kind)
        return self._instance(value, kind) if way is None else way(value)

    def _elements(self, values: Iterable[Any]) -> list[Any]:
        found: list[Any] = []
        for index, each in enumerate(values):
            try:
                found.append(self.plain(each))
            except StuckError as stuck:
                stuck.steps.append(f"[{index}]")
                raise
        return found

    def _mapping(self, value: dict[Any, Any]) -> dict[str, Any]:
        found: dict[Any, Any] = {}
        plain = True
        for key, each in value.items():
            plain = plain and type(key) is str
            try:
                found[key] = self.plain(each)
            except StuckError as stuck:
                stuck.steps.append(f"[{_shown(key)}]")
                raise
        if plain:
            return _object(found)
        return {DICT: [[_at(".keys()", self.plain, key), each] for key, each in found.items()]}

    def _fields(self, value: Any, names: Iterable[str]) -> dict[str, Any]:
        return {name: _at(f".{name}", self.plain, getattr(value, name)) for name in names}

    def _instance(self, value: Any, kind: Any) -> dict[str, Any]:
        """Return the tag of an instance, which its reader has to know the class of."""
        tag = TAG + (f"{kind.__module__}.{kind.__qualname__}")
        if isinstance(value, enum.Enum):
            return {tag: self.plain(value.value)}
        if isinstance(value, PurePath):
            return {"!path": _text(str(value))}
        if isinstance(value, Exception):
            return self._error(value, kind)
        if dataclasses.is_dataclass(kind):
            return {tag: self._fields(value, [each.name for each in dataclasses.fields(value) if each.init])}
        if attrs.has(kind):
            return {tag: self._fields(value, [each.name for each in attrs.fields(kind) if each.init])}
        if tuple in kind.__mro__ and hasattr(kind, "_fields"):
            return {tag: self._elements(value)}
        raise StuckError(f"is a {qualified(kind)}, which JSON cannot tell; pass the plain data that it is made from")

    def _error(self, error: Exception, kind: type[Any]) -> dict[str, Any]:
        name = self._exceptions.get(kind)
        parts: Any = (None,) if name is None else error.__reduce__()
        if parts[0] is not kind:
            raise StuckError(f"is a {qualified(kind)}, which the codec was not told of; see JsonCodec(exceptions)")
        state = parts[2] if len(parts) > 2 else None  # noqa: PLR2004 - the third part of what __reduce__ returns
        return {ERROR: [name, self._elements(parts[1]), self.plain(state)]}


def _is_call(value: Any) -> bool:
    return type(value) is tuple and tuple(map(type, cast("Any", value))) == (tuple, dict)


def _object(found: dict[str, Any]) -> dict[str, Any]:
    """Return it as it is, or as pairs where it could be taken for a tag."""
    for key in found:
        _text(key)
        if key[:1] == TAG:
            return {DICT: [[*pair] for pair in found.items()]}
    return found


def _at(step: str, write: Callable[[Any], Any], value: Any) -> Any:
    try:
        return write(value)
    except StuckError as stuck:
        stuck.steps.append(step)
        raise


def _text(value: str) -> str:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise StuckError(
                f"holds a lone surrogate at index {error.start}, which is no Unicode text; pass bytes instead"
            ) from None
    return value


def _whole(value: int) -> int:
    if value.bit_length() > _LONGEST_INT:
        raise StuckError(f"has {value.bit_length():,} bits; {_LONGEST_INT:,} can travel as JSON")
    return value


def _moment(value: datetime) -> Any:
    zone = value.tzinfo
    if isinstance(zone, ZoneInfo) and zone.key:  # one that was read from a file has none
        return [value.replace(tzinfo=None).isoformat(), zone.key, value.fold]
    if value.fold:
        return [value.isoformat(), None, value.fold]
    return value.isoformat()


def _time(value: time) -> dict[str, Any]:
    if value.tzinfo is not None and value.utcoffset() is None:
        raise StuckError("is a time in a zone without a date, which has no offset; pass a datetime")
    return {"!time": [value.isoformat(), value.fold]}


def _shown(key: object) -> str:
    if isinstance(key, str | int | bytes) and len(text := ascii(key)) <= _SHOWN:
        return text
    return f"<{qualified(type(key))}>"
