"""Where outcomes lie that shall not lie in the broker."""

from __future__ import annotations

from typing import Protocol


class RefusedError(Exception):
    """The storage will not take this value, however often it is asked."""


class ResultStorage(Protocol):
    """Keeps bytes under names.  What else it raises than here is said, means that it is away, and may be asked again.

    A name is made of lower-case letters, digits and dashes, and has at most 120 of them.
    """

    async def put(self, name: str, data: bytes, seconds: float) -> None:
        """Keep the bytes for so long; a repeat changes nothing.

        Raises:
            RefusedError: it never will.
        """
        ...

    async def get(self, name: str) -> bytes | None:
        """Return the bytes; None when there are none, or no longer.

        Raises:
            Undecodable: something else lies there.
        """
        ...

    async def delete(self, name: str) -> None:
        """Forget the bytes, if there are any."""
        ...
