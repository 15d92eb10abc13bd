"""What stands between us and a codec of the user's: whatever that raises, the caller hears what the port promises."""

from __future__ import annotations

from typing import Any

import attrs

from shadows.errors import SerializationError, Undecodable
from shadows.ports.codec import Codec, TypedCodec


@attrs.define
class Guarded:
    """Writes and reads with ``codec``."""

    codec: Any
    id: str = attrs.field(init=False, default=attrs.Factory(lambda self: self.codec.id, takes_self=True))

    def encode(self, value: Any) -> bytes:
        """See :class:`shadows.ports.codec.Codec`."""
        try:
            data: Any = self.codec.encode(value)
        except SerializationError:
            raise
        except Exception as error:  # it is not ours
            raise SerializationError(f"the value cannot be encoded: {_brief(error)}") from error
        if not isinstance(data, bytes):
            raise SerializationError(f"the codec {self.id!r} made a {type(data).__name__} of a value; it must be bytes")
        return data

    def decode(self, data: bytes) -> Any:
        """See :class:`shadows.ports.codec.Codec`."""
        try:
            return self.codec.decode(data)
        except Undecodable:
            raise
        except Exception as error:  # it is not ours
            raise Undecodable(f"the value cannot be decoded: {_brief(error)}") from error


@attrs.define
class GuardedTyped(Guarded):
    """The same for a codec that has to be told the kinds of values."""

    def fit(self, value: Any, kind: Any) -> Any:
        """See :class:`shadows.ports.codec.TypedCodec`."""
        try:
            return self.codec.fit(value, kind)
        except Undecodable:
            raise
        except Exception as error:  # it is not ours
            raise Undecodable(f"the value cannot be rebuilt: {_brief(error)}") from error

    def check(self, value: Any, kind: Any) -> None:
        """See :class:`shadows.ports.codec.TypedCodec`."""
        try:
            self.codec.check(value, kind)
        except Undecodable:
            raise
        except Exception as error:  # it is not ours
            raise Undecodable(f"the value cannot be rebuilt: {_brief(error)}") from error


def guarded(codec: Codec) -> Codec:
    """Return the codec with a guard before it."""
    return GuardedTyped(codec) if isinstance(codec, TypedCodec) else Guarded(codec)


def _brief(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:200]
