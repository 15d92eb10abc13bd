"""A codec for development: it loads at once what it writes, so that the producer hears what a worker would meet."""

from __future__ import annotations

from typing import Any

import attrs

from shadows.errors import SerializationError, Undecodable
from shadows.ports.codec import Codec


@attrs.frozen
class Checked:
    """Writes and reads with ``codec``, and refuses to write what that cannot read back.  It costs a second decoding."""

    codec: Codec

    @property
    def id(self) -> str:
        """The id of the codec that does the work."""
        return self.codec.id

    def encode(self, value: Any) -> bytes:
        """Return the bytes of the value.

        Raises:
            SerializationError: it cannot be encoded, or what was encoded cannot be read back.
        """
        data = self.codec.encode(value)
        try:
            self.codec.decode(data)
        except Undecodable as error:
            reason = error.__cause__ or error
            raise SerializationError(
                f"the value can be encoded but not read back ({type(reason).__name__}: {reason}); "
                "see to it that its class can be rebuilt from what its __reduce__ or __getstate__ returns"
            ) from error
        return data

    def decode(self, data: bytes) -> Any:
        """Return the value in these bytes."""
        return self.codec.decode(data)
