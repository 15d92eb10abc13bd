"""The default codec: pickle where it can, cloudpickle where it must.

pickle takes 0.6 µs for a usual call and cloudpickle 4.  Both write what :func:`pickle.loads` reads.
cloudpickle is needed where pickle refuses (a lambda, a class defined in a function) and where it would only
write a reference to ``__main__``, which in the worker is another module.
"""

from __future__ import annotations

import collections
import contextlib
import importlib
import pickle
import re
import sys
import types
from typing import Any, cast

from shadows.errors import ConfigurationError, SerializationError, Undecodable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_PROTOCOL = 5
_GLOBAL = pickle.STACK_GLOBAL[0]
"""The operation that refers to a class or a function.  To look for a number takes 0.02 µs, for bytes 0.26."""
_SURROGATE_START = 0xED
_SURROGATE = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")
"""How pickle writes a lone surrogate.  Other data may look like it by chance."""
_LONGEST_SEARCH = 2_000
_DEEPEST_SEARCH = 32
_SHOWN = 40
_LONGEST_REASON = 200


class CloudpickleCodec:
    """Encodes nearly any object.

    Whoever can write to the broker can run code in a worker; SECURITY.md says what to do about it.
    """

    id = "p"

    def encode(self, value: Any) -> bytes:
        """Return the bytes of ``value``: of a call, the pair of its positional and its keyword arguments.

        Raises:
            SerializationError: a part cannot travel; the text names it, such as ``kwargs['session'].lock``.
            ConfigurationError: an argument holds a lone surrogate.
        """
        try:
            data = _dumps(value)
        except RecursionError as error:
            raise SerializationError(_too_deep(value)) from error
        except SerializationError:
            raise  # the value itself says why
        except Exception as error:
            raise SerializationError(_immovable(value, error)) from error
        if _SURROGATE_START in data and _SURROGATE.search(data):
            _refuse_surrogates(value)
        return data

    def decode(self, data: bytes) -> Any:
        """Return the value in these bytes.

        Raises:
            Undecodable: garbled; or ``temporary``, when a module or a name in it is missing here.
        """
        try:
            return pickle.loads(data)
        except KeyboardInterrupt:
            raise
        except (ImportError, AttributeError) as error:
            msg = f"the value needs something that is missing here: {_first_line(error)}"
            raise Undecodable(msg, temporary=True) from error
        except BaseException as error:  # loading runs code of the value's class, which may raise anything
            msg = f"the value cannot be loaded: {type(error).__name__}"
            raise Undecodable(msg) from error


def _dumps(value: object) -> bytes:
    try:
        data = pickle.dumps(value, _PROTOCOL)
    except RecursionError:
        raise  # cloudpickle goes no deeper
    except Exception:  # noqa: BLE001 - a value's own __reduce__ may raise anything
        return _dumps_by_value(value)
    if _GLOBAL in data and _names_absent_module(data):
        return _dumps_by_value(value)
    return data


def _dumps_by_value(value: object) -> bytes:
    cloudpickle: Any = importlib.import_module("cloudpickle")  # 20 ms that most programs never need
    try:
        data: bytes = cloudpickle.dumps(value, _PROTOCOL)
    except pickle.PicklingError as error:
        if isinstance(error.__cause__, RecursionError):
            raise error.__cause__ from None
        raise
    return data


def _names_absent_module(data: bytes) -> bool:
    """Whether the bytes may refer to a module that is another one in workers, or that shall go by value."""
    if data.find(b"__main__") >= 0:
        return True
    if "cloudpickle" not in sys.modules:
        return False
    registry: set[str] = importlib.import_module("cloudpickle").list_registry_pickle_by_value()
    return any(name.encode() in data for name in registry)


# From here on: what to say when it failed.


def _too_deep(value: object) -> str:
    path = next((path for path, part in _arguments(value) if not _travels(part)), "the value")
    return f"{path} is nested deeper than pickle can follow (a few hundred levels are safe); send it flatter"


def _immovable(value: object, error: Exception) -> str:
    path, culprit = _culprit(value)
    return (
        f"{path} is a {_type_name(culprit)}, which cannot travel to another process ({_first_line(error)}); "
        "pass the plain data that it is made from"
    )


def _culprit(value: object) -> tuple[str, object]:
    """Return the innermost part that cannot travel, and its path; the search is bounded and minds cycles."""
    path, culprit = "the value", value
    parts = _arguments(value) if _is_arguments(value) else _parts(path, value)
    seen = {id(value)}
    tried = 0
    for _ in range(_DEEPEST_SEARCH):
        for step, part in parts:
            tried += 1
            if tried > _LONGEST_SEARCH:
                return path, culprit
            if id(part) not in seen and not _travels(part):
                path, culprit = step, part
                break
        else:
            break
        seen.add(id(culprit))
        parts = _parts(path, culprit)
    return path, culprit


def _refuse_surrogates(value: object) -> None:
    if not _is_arguments(value):
        return  # a result travels back as it is
    parts = [*_arguments(value)]
    seen: dict[int, object] = {}  # keeps them alive, so that no id is given twice
    while parts and len(seen) < _LONGEST_SEARCH:
        path, part = parts.pop()
        if id(part) in seen:
            continue
        seen[id(part)] = part
        if isinstance(part, str):
            try:
                part.encode()
            except UnicodeEncodeError as error:
                msg = (
                    f"{path} holds a lone surrogate at index {error.start}, which is no Unicode text; "
                    "pass bytes instead, for a file's name os.fsencode(...)"
                )
                raise ConfigurationError(msg) from None
        parts.extend(_parts(path, part))


def _travels(part: object) -> bool:
    try:
        _dumps(part)
    except Exception:  # noqa: BLE001 - as above
        return False
    return True


def _is_arguments(value: Any) -> bool:
    return type(value) is tuple and tuple(map(type, cast("Any", value))) == (tuple, dict)


def _arguments(value: Any) -> list[tuple[str, object]]:
    """Return the parts of the outermost value with their paths: of a call, its arguments."""
    if not _is_arguments(value):
        return [("the value", value)]
    args, kwargs = value
    return [
        *_parts("args", args),
        *((path, part) for path, part in _parts("kwargs", kwargs) if path[0] == "k"),
    ]


def _parts(path: str, whole: Any) -> list[tuple[str, object]]:
    """Return what the object is made of, each part with its path, running little of its own code."""
    parts: list[tuple[str, object]] = []
    match whole:
        case type():
            return []
        case dict():
            pairs: list[tuple[Any, Any]] = [*whole.items()]
            for key, part in pairs:
                parts += [(f"{path}[{_key(key)}]", part), (f"a key of {path}", key)]
        case list() | tuple() | collections.deque():
            elements: list[Any] = [*whole]
            parts += [(f"{path}[{index}]", part) for index, part in enumerate(elements)]
        case set() | frozenset():
            elements = [*whole]
            parts += [(f"an element of {path}", part) for part in elements]
        case _:
            pass
    return [*parts, *((f"{path}.{name}", part) for name, part in _attributes(cast("object", whole)))]


def _attributes(whole: object) -> Iterator[tuple[str, object]]:
    with contextlib.suppress(Exception):  # a __dict__ may be a property
        yield from [*vars(whole).items()]
    for kind in type(whole).__mro__:
        if "__slots__" in vars(kind):
            for name, member in vars(kind).items():
                if isinstance(member, types.MemberDescriptorType):
                    with contextlib.suppress(AttributeError):  # a slot may be empty
                        yield name, member.__get__(whole)


def _key(key: object) -> str:
    if isinstance(key, str | int | bytes) and len(text := ascii(key)) <= _SHOWN:
        return text
    return f"<{_type_name(key)}>"


def _type_name(value: object) -> str:
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines() or [type(error).__name__]
    return lines[0][:_LONGEST_REASON]
