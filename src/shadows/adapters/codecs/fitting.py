"""From plain data to what an annotation asks for.

A value that is one already stays as it is.  Where the annotation names a class, an object becomes an instance of it,
and a text what is usually written as one: a date, a UUID, a Decimal.  Nothing is checked beyond that: like any Python
function, a task gets what was passed.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import enum
import types
import typing
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path, PurePath
from typing import Annotated, Any, Literal, TypeAliasType, TypeVar, Union, cast
from uuid import UUID

import attrs

from shadows.adapters.codecs.tags import Untyped, qualified, read_bytes
from shadows.errors import Undecodable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_OF_TEXT: Mapping[type[Any], Callable[[str], Any]] = {
    datetime: datetime.fromisoformat,
    date: date.fromisoformat,
    time: time.fromisoformat,
    UUID: UUID,
    Decimal: Decimal,
    bytes: read_bytes,
    Path: Path,
    PurePath: PurePath,
}
_MADE_OF_LISTS: tuple[Any, ...] = (tuple, set, frozenset)
_WRAPPERS = (Annotated, typing.Required, typing.NotRequired, typing.Final, typing.ClassVar)


@attrs.frozen
class Fitter:
    """Makes of values what annotations want."""

    untold: Callable[[Untyped], Any]
    """what becomes of an instance whose class the annotation leaves open"""

    def fit(self, value: Any, kind: Any) -> Any:
        """Return the value as the annotation wants it.

        Raises:
            Undecodable: it holds an instance of a class that the annotation does not name, or is no such text.
        """
        kind = _bare(kind)
        if isinstance(value, Untyped):
            return self.untold(value) if kind in (Any, object) else self._instance(value, kind)
        members = _members(kind)
        if len(members) > 1:
            return self._one_of(value, members)
        origin: Any = typing.get_origin(kind) or kind
        match value:
            case str():
                return _of_text(value, origin)
            case list() | tuple() | set() | frozenset():
                return self._group(cast("Any", value), kind, origin)
            case dict():
                return self._mapping(cast("Any", value), kind, origin)
            case _:
                pass
        return origin(value) if _is_class(origin, enum.Enum) and not isinstance(value, origin) else value

    def _one_of(self, value: Any, members: tuple[Any, ...]) -> Any:
        """Fit the value to the member that it is one of, else to the first that it can be made into."""
        for member in members:
            origin = typing.get_origin(member) or member
            if isinstance(origin, type) and isinstance(value, origin):
                return self.fit(value, member)
        for member in members:
            try:
                fitted = self.fit(value, member)
            except Exception:  # noqa: BLE001, S112 - it is none of those; to find out may raise anything
                continue
            if fitted is not value and type(fitted) is not type(value):
                return fitted
        return self.fit(value, Any)

    def _group(self, value: Any, kind: Any, origin: Any) -> Any:
        if _is_class(origin, tuple) and hasattr(origin, "_fields"):
            return self._named_tuple(value, origin)
        inner = typing.get_args(kind)
        if origin is tuple and inner and inner[-1] is not Ellipsis:
            kinds = inner
            parts = [self.fit(each, kinds[index] if index < len(kinds) else Any) for index, each in enumerate(value)]
        else:
            each_kind = inner[0] if inner and origin is not Literal else Any
            parts = [self.fit(each, each_kind) for each in value]
        if origin in _MADE_OF_LISTS and isinstance(value, list):
            return _made(origin, parts)
        return _made(type(cast("object", value)), parts)

    def _mapping(self, value: dict[Any, Any], kind: Any, origin: Any) -> Any:
        if typing.is_typeddict(origin):
            hints = typing.get_type_hints(origin, include_extras=True)
            return {key: self.fit(each, hints.get(key, Any)) for key, each in value.items()}
        if _has_fields(origin):
            return self._built(value, origin)
        inner = typing.get_args(kind)
        key_kind, each_kind = inner if len(inner) == 2 and _is_class(origin, collections.abc.Mapping) else (Any, Any)  # noqa: PLR2004
        return {self._key(key, key_kind): self.fit(each, each_kind) for key, each in value.items()}

    def _key(self, key: Any, kind: Any) -> Any:
        """The keys of an object are texts, whatever they were where it was written."""
        return int(key) if _bare(kind) is int and isinstance(key, str) else self.fit(key, kind)

    def _instance(self, value: Untyped, kind: Any) -> Any:
        """Return an instance of the class that is meant, which must be among those that the annotation names."""
        named = [each for member in _members(kind) for each in _classes(member)]
        chosen = [each for each in named if f"{each.__module__}.{each.__qualname__}" == value.name]
        chosen = chosen or [each for each in named if value.name.endswith(f".{each.__qualname__}")]
        if len(set(chosen)) != 1:
            wanted = ", ".join(qualified(each) for each in named) or "no such class"
            raise Undecodable(
                f"a {value.name} has come where the annotation names {wanted}; annotate it with its class"
            )
        found = chosen[0]
        if _is_class(found, enum.Enum):
            return found(value.content)
        content: Any = value.content
        return self._named_tuple(content, found) if isinstance(content, list) else self._built(content, found)

    def _built(self, content: Mapping[str, Any], kind: type[Any]) -> Any:
        """Return an instance: without fields that its class has lost, and with defaults for those it has got since."""
        known = _fields(cast("Any", kind))
        given = {known[name][0]: self.fit(each, known[name][1]) for name, each in content.items() if name in known}
        try:
            return kind(**given)
        except Exception as error:  # to build it runs code of its class
            raise Undecodable(f"a {qualified(kind)} cannot be rebuilt: {type(error).__name__}: {error}") from error

    def _named_tuple(self, parts: Any, kind: Any) -> Any:
        hints = _hints(kind)
        names: tuple[str, ...] = kind._fields
        return kind(*[self.fit(each, hints.get(name, Any)) for name, each in zip(names, parts, strict=False)])


def _bare(kind: Any) -> Any:
    """Return the annotation without what only says something about it."""
    while True:
        if isinstance(kind, TypeAliasType):
            kind = kind.__value__
        elif isinstance(kind, typing.NewType):
            kind = kind.__supertype__
        elif isinstance(kind, TypeVar):
            kind = kind.__bound__ or Any
        elif typing.get_origin(kind) in _WRAPPERS:
            kind = typing.get_args(kind)[0]
        else:
            return kind


def _members(kind: Any) -> tuple[Any, ...]:
    """Return what the annotation is one of."""
    if typing.get_origin(kind) in {Union, types.UnionType}:
        return tuple(member for each in typing.get_args(kind) for member in _members(_bare(each)))
    return (kind,)


def _of_text(value: str, origin: Any) -> Any:
    if origin in _OF_TEXT:
        try:
            return _OF_TEXT[origin](value)
        except (ValueError, ArithmeticError):
            raise Undecodable(f"a text is no {origin.__name__}") from None
    if _is_class(origin, enum.Enum):
        return origin(value)
    return value


def _made(kind: Any, parts: list[Any]) -> Any:
    return kind(parts)


def _classes(member: Any) -> Iterator[Any]:
    """Yield the class that is named and those derived from it, as far as they can be built from what travels."""
    origin: Any = typing.get_origin(member) or member
    if not _is_class(origin, object) or origin is object:
        return
    if _has_fields(origin) or _is_class(origin, enum.Enum) or hasattr(origin, "_fields"):
        yield origin
    for derived in type.__subclasses__(origin):
        if origin.__module__ not in {"builtins", "abc", "typing", "enum", "collections.abc"}:
            yield from _classes(derived)


def _fields(kind: Any) -> Mapping[str, tuple[str, Any]]:
    """Return of each field of a class by what name it is given to the class, and its annotation."""
    hints = _hints(kind)
    if dataclasses.is_dataclass(kind):
        return {each.name: (each.name, hints.get(each.name, Any)) for each in dataclasses.fields(kind) if each.init}
    return {
        each.name: (each.alias or each.name, hints.get(each.name, Any))
        for each in attrs.fields(cast("type[attrs.AttrsInstance]", kind))
        if each.init
    }


def _hints(kind: Any) -> Mapping[str, Any]:
    try:
        return typing.get_type_hints(kind, include_extras=True)
    except Exception:  # noqa: BLE001 - to evaluate an annotation may raise anything
        return {}


def _has_fields(kind: Any) -> bool:
    return _is_class(kind, object) and (dataclasses.is_dataclass(kind) or attrs.has(kind))


def _is_class(kind: Any, of: type[Any]) -> bool:
    return isinstance(kind, type) and issubclass(kind, of)
