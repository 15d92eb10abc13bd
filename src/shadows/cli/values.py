"""How values are written on the command line: of strikes, of arguments, and times.

``type:value`` says what it is (``int:3``, ``uuid.UUID:...``); without a type it is text.
"""

from __future__ import annotations

import difflib
import enum
import json
import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from shadows.core.durations import duration, text
from shadows.core.names import shown
from shadows.core.strikes import Condition, Operator
from shadows.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    type _Maker = Callable[[str], Any]

_DOTTED = re.compile(r"(?P<module>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)\.(?P<name>[A-Za-z_]\w*)")
_ARGUMENT = re.compile(r"(?P<name>[^\W\d]\w*)=(?P<value>.*)", re.DOTALL)
_CONDITION = re.compile(
    rf"\s*(?P<parameter>[^\W\d]\w*)(?:\s*(?P<sign>[=!]=|[<>]=?)\s*|\s+(?P<word>{Operator.BETWEEN})\s+)(?P<value>.*)",
    re.DOTALL,
)
_INSTANT = re.compile(r"[0-9]{4}-")
_ALMOST_JSON = {"True": "true", "False": "false", "None": "null"}


def _switch(written: str) -> bool:
    return {"true": True, "false": False}[written.lower()]


def _span(written: str) -> timedelta:
    return duration(written, option="value", zero=True)


_SHORT: dict[str, _Maker] = {
    "int": int,
    "float": float,
    "bool": _switch,
    "str": str,
    "bytes": str.encode,
    "Decimal": Decimal,
    "UUID": UUID,
    "date": date.fromisoformat,
    "datetime": datetime.fromisoformat,
    "timedelta": _span,
    "json": json.loads,
}
"""Types that need no module before them."""
_SPECIAL: dict[type[Any], _Maker] = {
    bool: _switch,
    bytes: str.encode,
    date: date.fromisoformat,
    datetime: datetime.fromisoformat,
    time: time.fromisoformat,
    timedelta: _span,
}
"""Types whose constructor reads no text."""


def value_of(written: str, *, option: str = "value") -> Any:
    """Return the value that somebody wrote: ``type:value``, or text.

    A type is one of the usual ones (int, float, bool, str, bytes, Decimal, UUID, date, datetime, timedelta, json), or
    ``module.Class``, which is called with the text; of an enum it is a value or a name.  What is no type is text.

    Raises:
        ConfigurationError: the text is no value of the type, or the module has no such type.
    """
    kind, colon, rest = written.partition(":")
    make = _maker(kind, written, option) if colon else None
    if make is None:
        return written
    try:
        return make(rest)
    except Exception:  # noqa: BLE001 - the constructor of any class may raise anything
        why = f"is no {kind}; for the text itself write {shown(f'str:{written}')}"
        raise ConfigurationError(f"{option}={shown(written)} {why}") from None


def spelled(value: object) -> str:
    """Return how the value is written, so that :func:`value_of` reads it back; else as Python shows it."""
    if isinstance(value, str) and not isinstance(value, enum.Enum):
        return _as_text(value)
    for candidate in _spellings(value):
        try:
            found = value_of(candidate)
        except ConfigurationError:
            continue
        if type(found) is type(value) and Condition("", Operator.EQUAL, value).holds(found):
            return candidate
    return repr(value)


def argument(written: str) -> tuple[str, Any]:
    """Return the name and the value of ``name=value``, where the value is JSON, or read like a strike's.

    Raises:
        ConfigurationError: it is neither.
    """
    parts = _ARGUMENT.fullmatch(written)
    if parts is None:
        why = "names no argument; write name=value, such as amount=3 or 'name=\"Ada\"'"
        raise ConfigurationError(f"--arg={shown(written)} {why}")
    name, value = parts["name"], parts["value"]
    try:
        return name, json.loads(value)
    except ValueError as broken:
        why = str(broken)
    if value in _ALMOST_JSON:
        text = json.dumps(value)
        why = f"is Python, no JSON; write {name}={_ALMOST_JSON[value]}, or '{name}={text}' for the text"
        raise ConfigurationError(f"--arg={shown(written)} {why}") from None
    if value[:1] in {"[", "{", '"'}:
        raise ConfigurationError(f"--arg={shown(written)} is no JSON ({why}); quote it for the shell: '{name}=...'")
    try:
        return name, value_of(value)
    except ConfigurationError as refused:
        raise ConfigurationError(f"--arg={shown(written)}: {refused}") from None


def condition(written: str) -> tuple[str, str, Any]:
    """Return the parameter, the operator and the value of a text such as ``amount > int:1000``.

    Raises:
        ConfigurationError: it is none.
    """
    parts = _CONDITION.fullmatch(written)
    if parts is None:
        why = "is no condition; write for example --where 'amount > int:1000' or --where 'amount between int:1..int:9'"
        raise ConfigurationError(f"--where={shown(written)} {why}")
    operator = parts["sign"] or parts["word"]
    return parts["parameter"], operator, compared(operator, parts["value"], option="--where")


def compared(operator: str, written: str, *, option: str = "value") -> Any:
    """Return what an argument is compared with: a value, or for ``between`` the pair of ``low..high``; a type before
    the first of them is meant for both.

    Raises:
        ConfigurationError: it is none.
    """
    if operator != Operator.BETWEEN:
        return value_of(written, option=option)
    low, dots, high = written.partition("..")
    if not dots:
        raise ConfigurationError(f"{option}={shown(written)} has no two bounds; write for example int:1..int:9")
    kind, colon, _ = low.partition(":")
    if colon and ":" not in high:
        high = f"{kind}:{high}"
    return value_of(low, option=option), value_of(high, option=option)


def instant(written: str, *, option: str) -> datetime:
    """Return an instant, such as ``2026-11-27T12:00:00Z``.

    Raises:
        ConfigurationError: it is none, or says nothing of its zone.
    """
    try:
        found = datetime.fromisoformat(written.strip())
    except ValueError:
        why = "is no time; write for example 2026-11-27T12:00:00Z"
        raise ConfigurationError(f"{option}={shown(written)} {why}") from None
    if found.utcoffset() is None:
        why = f"does not say in which zone; write {found.replace(tzinfo=UTC).isoformat()} for UTC"
        raise ConfigurationError(f"{option}={shown(written)} {why}")
    return found


def instant_or_span(written: str, *, option: str) -> datetime | timedelta:
    """Return an instant, or a while such as ``30m``.

    Raises:
        ConfigurationError: it is neither.
    """
    return instant(written, option=option) if _INSTANT.match(written.strip()) else duration(written, option=option)


def plain(value: object) -> Any:
    """Return the value if JSON can hold it, else as Python shows it."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return repr(value)
    return value


def _maker(kind: str, written: str, option: str) -> _Maker | None:
    """Return what makes values of this type; None if it is none, as in ``https://``."""
    if (known := _SHORT.get(kind)) is not None:
        return known
    if (dotted := _DOTTED.fullmatch(kind)) is None:
        return None
    try:
        module = import_module(dotted["module"])
    except Exception:  # noqa: BLE001 - whatever is wrong with it, it offers no type
        return None
    found = getattr(module, dotted["name"], None)
    if not isinstance(found, type):
        near = difflib.get_close_matches(dotted["name"], vars(module), n=1)
        hint = f"did you mean {dotted['module']}.{near[0]}:...?" if near else ""
        why = f"the module {dotted['module']!r} has no type {dotted['name']!r}; {hint}"
        raise ConfigurationError(
            f"{option}={shown(written)}: {why} for the text itself write {shown(f'str:{written}')}"
        )
    if issubclass(found, enum.Enum):
        return lambda written: _member(found, written)
    return _SPECIAL.get(cast("type[Any]", found), cast("_Maker", found))


def _member(kind: type[enum.Enum], written: str) -> enum.Enum:
    return next(one for one in kind if written in {str(one.value), one.name})


def _as_text(value: str) -> str:
    """Return text as it is, unless that might be read as a value of a type; what stands in it is not looked up."""
    kind, colon, _ = value.partition(":")
    return f"str:{value}" if colon and (kind in _SHORT or _DOTTED.fullmatch(kind)) else value


def _spellings(value: object) -> list[str]:
    """Return how it might be written, the nicest first."""
    kind = type(value)
    place = kind.__name__ if kind.__name__ in _SHORT else f"{kind.__module__}.{kind.__qualname__}"
    match value:
        case enum.Enum():
            return [f"{place}:{value.value}", f"{place}:{value.name}"]
        case bool() | None:
            return [f"bool:{str(value).lower()}", f"json:{json.dumps(value)}"]
        case int() | float():
            return [f"{place}:{value!r}"]
        case bytes():
            return [f"{place}:{value.decode(errors='replace')}"]
        case datetime() | date() | time():
            return [f"{place}:{value.isoformat()}"]
        case timedelta():
            return [f"{place}:{text(value)}", f"{place}:{value.total_seconds()}"]
        case list() | dict():
            return [f"json:{json.dumps(plain(cast('object', value)))}"]
        case _:
            return [f"{place}:{value}"]
