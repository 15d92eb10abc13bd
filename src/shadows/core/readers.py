"""From what somebody wrote to what an option holds, and back: one reader for each kind of value.

A reader is asked in the same way for an argument, an option of a command line and an environment variable.
"""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Any, cast

import attrs

from shadows.core import durations, names, paths, travel, urls
from shadows.core.names import shown
from shadows.errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MEBIBYTE = 1 << 20
LARGEST_PAYLOAD = 500 * MEBIBYTE
"""Redis takes no value above 512 MiB."""

_WORDS = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}
_WHOLE = re.compile(r"[0-9]{1,18}")
_SIZE = re.compile(r"([0-9]{1,15}) ?(B|KiB|MiB)?")
_SIZES = {None: 1, "B": 1, "KiB": 1 << 10, "MiB": MEBIBYTE}


@attrs.frozen
class Reader:
    """How one kind of value is read and written."""

    read: Callable[[Any, str], Any]
    """from a value and its source, which begins each message; raises ConfigurationError, or TypeError"""
    example: str
    """a value that can be written where there is no default to show"""
    write: Callable[[Any], str] = str
    """back to what would be written, but for passwords"""
    among: tuple[str, ...] = ()
    """all that can be written, if those are a few words"""


def span(*, zero: bool = False) -> Reader:
    """Durations; ``zero`` says whether there may be none."""
    return Reader(lambda value, source: durations.duration(value, option=source, zero=zero), "5s", durations.text)


def whole(least: int, most: int, example: int) -> Reader:
    """Whole numbers from ``least`` to ``most``."""

    def read(value: object, source: str) -> int:
        if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
            number = int(value)
        elif isinstance(value, int) and not isinstance(value, bool):
            number = value
        else:
            raise _refused(source, value, f"is no whole number; use one from {least} to {most}")
        if not least <= number <= most:
            raise _refused(source, value, f"is out of range; use {least} to {most}")
        return number

    return Reader(read, str(example))


def choice(*among: str) -> Reader:
    """One of several words, in any case."""

    def read(value: object, source: str) -> str:
        for each in among:
            if isinstance(value, str) and value.strip().lower() == each.lower():
                return each
        words = {each.lower(): each for each in among}
        near = difflib.get_close_matches(str(value).lower(), words, n=1)
        instead = words[near[0]] if near else ""
        raise _refused(source, value, f"is unknown; use {', '.join(among)}", instead=instead)

    return Reader(read, among[0], among=among)


def _size(value: object, source: str) -> int:
    if isinstance(value, str) and (found := _SIZE.fullmatch(value.strip())):
        size = int(found[1]) * _SIZES[found[2]]
    elif isinstance(value, int) and not isinstance(value, bool):
        size = value
    else:
        raise _refused(source, value, "is no size; write bytes, or for example 8MiB or 512KiB")
    if not 1 <= size <= LARGEST_PAYLOAD:
        raise _refused(source, value, f"is out of range; use 1 to {LARGEST_PAYLOAD} bytes, for example 8MiB")
    return size


def _in_units(size: int) -> str:
    for unit in ("MiB", "KiB"):
        if size % _SIZES[unit] == 0:
            return f"{size // _SIZES[unit]}{unit}"
    return str(size)


def _switch(value: object, source: str) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and (found := _WORDS.get(value.strip().lower())) is not None:
        return found
    raise _refused(source, value, "is neither true nor false; write true or false")


def _url(value: Any, source: str) -> str:
    urls.parse(value, argument=source)
    return str(value).strip()


def _paths(value: object, source: str) -> tuple[str, ...]:
    """From ``a.b:c,d.e:f``, or several of them, to each."""
    if not isinstance(value, str | list | tuple):
        raise _refused(source, value, "names no tasks; write for example myapp.tasks:tasks")
    written = [value] if isinstance(value, str) else cast("Iterable[object]", value)
    found = [path for text in written for part in str(text).split(",") if (path := part.strip())]
    for path in found:
        paths.parse(path, argument=source)
    return tuple(found)


def _task(value: object, source: str) -> object:
    """Take a function as it is, or the path of one."""
    if callable(value):
        return value
    found = _paths(value, source)
    if len(found) != 1 or ":" not in found[0]:
        raise _refused(source, value, "names no task; write module:attribute, for example myapp.tasks:fallback")
    return found[0]


def _storage(value: object, source: str) -> object:
    """Take a store as it is, or the path of one."""
    if not isinstance(value, str):
        return travel.store(value, source)
    path = value.strip()
    _, attribute = paths.parse(path, argument=source)
    if not attribute:
        raise _refused(source, value, "names no store; write module:attribute, for example myapp.storage:results")
    return path


def _path_of(task: object) -> str:
    if isinstance(task, str):
        return task
    return f"{getattr(task, '__module__', '?')}:{getattr(task, '__qualname__', type(task).__qualname__)}"


def _file(value: object, source: str) -> Path:
    if not isinstance(value, str | Path) or not str(value).strip():
        raise TypeError(f"{source} must be the path of a file, not {type(value).__name__}")
    return Path(value)


def _refused(source: str, value: object, why: str, *, instead: str = "") -> ConfigurationError:
    written = shown(value) if isinstance(value, str) else shown(repr(value))[1:-1]
    return ConfigurationError(f"{source}={written} {why}", value=str(value), instead=instead)


SHADOW_NAME = Reader(lambda value, source: names.shadow_name(value, argument=source), "orders")
WORKER_NAME = Reader(lambda value, source: names.worker_name(value, argument=source), "orders-worker-1")
URL = Reader(_url, "redis://localhost:6379/0", urls.redacted)
SIZE = Reader(_size, "8MiB", _in_units)
SWITCH = Reader(_switch, "true", lambda value: "true" if value else "false")
PATHS = Reader(_paths, paths.EXAMPLE, ",".join)
CODECS = Reader(travel.codecs, "json,cloudpickle", travel.codecs_written)
SECRETS = Reader(travel.secrets, "what-openssl-rand--base64-32-says", travel.secrets_written)
FILE = Reader(_file, "/run/secrets/shadow")
MOMENT = Reader(travel.moment, travel.MOMENT, lambda value: value.isoformat().replace("+00:00", "Z"))
STORAGE = Reader(
    _storage, "myapp.storage:results", lambda store: store if isinstance(store, str) else type(store).__name__
)
TASK = Reader(_task, "myapp.tasks:fallback", _path_of)
