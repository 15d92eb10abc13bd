"""What proves that a message was written by somebody who knows the secret."""

from __future__ import annotations

from typing import Protocol


class Seal(Protocol):
    """One way of sealing.  ``id`` is one ASCII character that stands in a message in the place of a codec's."""

    id: str

    def close(self, data: bytes, label: bytes) -> bytes:
        """Return the data sealed; ``label`` says what it is and whose, and is no part of it."""
        ...

    def open(self, sealed: bytes, label: bytes) -> bytes:
        """Return the data; raise NotAuthentic unless it was sealed with a secret that is known here, under this
        label.
        """
        ...
