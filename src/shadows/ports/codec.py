"""How values become bytes and come back."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable


class Codec(Protocol):
    """One encoding.  ``id`` is one ASCII character that travels with each message; the reader picks the
    codec by it.
    """

    id: str

    def encode(self, value: Any) -> bytes:
        """Return the bytes of ``value``; raise SerializationError that names the path of what cannot
        travel.
        """
        ...

    def decode(self, data: bytes) -> Any:
        """Return the value; raise Undecodable."""
        ...


@runtime_checkable
class TypedCodec(Codec, Protocol):
    """An encoding that needs to be told which classes a value is made of: by the annotations of the task."""

    def fit(self, value: Any, kind: Any) -> Any:
        """Return a decoded value as this annotation wants it, and as it is where that says nothing; raise Undecodable
        where that cannot be.
        """
        ...

    def check(self, value: Any, kind: Any) -> None:
        """Raise Undecodable unless the annotation says all that is needed to rebuild this decoded value."""
        ...
