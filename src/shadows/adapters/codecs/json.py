"""The codec for plain data: JSON that every language writes, and that runs no code when it is read.

What JSON has no word for travels under a tag, an object of one member: ``{"!datetime": "2030-01-01T00:00:00"}``.
A call is ``{"!call": [[...], {...}]}``, its positional and its keyword arguments.  An instance of a class that we do
not know travels as ``{"!module.Class": ...}``; such a class is never looked up by that name, but found in the
annotations of the task.  So a message chooses among what the task itself names, and nothing else.
"""

from __future__ import annotations

import json
from typing import Any, cast

from shadows.adapters.codecs.fitting import Fitter
from shadows.adapters.codecs.tags import TAG, Untyped, readers
from shadows.adapters.codecs.writing import StuckError, Writer
from shadows.errors import SerializationError, Undecodable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_dumps = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":")).encode
_LONGEST_REASON = 200


class JsonCodec:
    """Encodes plain data, the usual value types of the standard library, and instances of annotated classes.

    Args:
        exceptions: classes whose instances may travel as they are; of others, built-in ones and those of shadows
            excepted, only a description does.
    """

    id = "j"

    def __init__(self, *exceptions: type[Exception]) -> None:
        self._writer = Writer(exceptions)
        self._readers: Mapping[str, Callable[[Any], Any]] = readers(exceptions)

    def encode(self, value: Any) -> bytes:
        """Return the bytes of ``value``: of a call, the pair of its positional and its keyword arguments.

        Raises:
            SerializationError: JSON cannot tell a part of it; the text says where that lies.
        """
        try:
            return _dumps(self._writer.write(value)).encode()
        except StuckError as stuck:
            raise SerializationError(stuck.told(value)) from None
        except RecursionError as error:
            raise SerializationError("it is nested too deeply for JSON, or contains itself; send it flatter") from error
        except Exception as error:  # to look into a value runs code of its class
            raise SerializationError(f"it cannot be told as JSON: {_brief(error)}") from error

    def decode(self, data: bytes) -> Any:
        """Return the value in these bytes; instances of classes are :class:`Untyped` until they are fitted.

        Raises:
            Undecodable: garbled; or ``temporary``, when a newer release wrote it.
        """
        try:
            return json.loads(data, object_hook=self._read)
        except Undecodable:
            raise
        except RecursionError as error:
            raise Undecodable("the value is nested too deeply") from error
        except Exception as error:  # a tag may hold anything, and each value type refuses in its own way
            raise Undecodable(f"the value cannot be read: {_brief(error)}") from error

    def fit(self, value: Any, kind: Any) -> Any:
        """Return a decoded value as this annotation wants it; where that leaves a class open, it stays untyped.

        Raises:
            Undecodable: it holds an instance of a class that the annotation does not name, or cannot be converted.
        """
        return self._fitted(_LENIENT, value, kind)

    def check(self, value: Any, kind: Any) -> None:
        """See that nothing of a decoded value stays untyped.

        Raises:
            Undecodable: something does, or it does not fit.
        """
        self._fitted(_STRICT, value, kind)

    def _fitted(self, fitter: Fitter, value: Any, kind: Any) -> Any:
        try:
            return fitter.fit(value, kind)
        except Undecodable:
            raise
        except RecursionError as error:
            raise Undecodable("the value is nested too deeply") from error
        except Exception as error:  # to build a value runs code of its class
            raise Undecodable(f"the value cannot be rebuilt: {_brief(error)}") from error

    def _read(self, found: dict[str, Any]) -> Any:
        if len(found) != 1:
            return found
        ((name, inner),) = found.items()
        if name[:1] != TAG:
            return found
        reader = self._readers.get(name)
        if reader is not None:
            return reader(inner)
        if "." in name:
            return Untyped(name[1:], cast("object", inner))
        raise Undecodable(f"the value holds a {name!r}, which this release of shadows does not know", temporary=True)


def _stays(value: Untyped) -> Any:
    return value


def _refuse(value: Untyped) -> Any:
    raise Undecodable(f"a {value.name} has come where the annotation names no such class; annotate it with its class")


_LENIENT, _STRICT = Fitter(_stays), Fitter(_refuse)


def _brief(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:_LONGEST_REASON]
