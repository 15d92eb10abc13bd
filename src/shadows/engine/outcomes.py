"""Outcomes: how a result or an exception travels to those who wait for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from shadows.core import failures, outcome
from shadows.errors import PayloadTooLarge, Undecodable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shadows.ports.codec import Codec


@attrs.frozen
class Outcomes:
    """Writes outcomes with one codec, and reads those of every configured one."""

    codec: Codec
    codecs: Mapping[str, Codec]
    largest: int
    """bytes that a result may have"""

    def of_result(self, result: object) -> bytes:
        """Return the bytes of a result; none for None.

        Raises:
            SerializationError: it cannot travel, or is larger than allowed.
        """
        if result is None:
            return b""
        body = self.codec.encode(result)
        if len(body) > self.largest:
            msg = (
                f"the result has {len(body)} bytes; {self.largest} are allowed (max_result); "
                f"return a reference to it instead"
            )
            raise PayloadTooLarge(msg)
        return outcome.pack(outcome.returned(self.codec.id, body))

    def of_error(self, error: BaseException) -> bytes:
        """Return the bytes of an exception; never fails."""
        return outcome.pack(outcome.raised(self.codec.id, failures.encode_failure(self.codec, error)))

    def result(self, data: bytes | None) -> Any:
        """Return the result, or raise the exception, of an ended run.

        Raises:
            Undecodable: the bytes cannot be read here.
        """
        error = self.error(data)
        if error is not None:
            raise error
        if not data:
            return None
        found = outcome.unpack(data)
        return self._codec(found.codec).decode(found.body)

    def error(self, data: bytes | None) -> BaseException | None:
        """Return the exception of an ended run, if it ended with one."""
        if not data:
            return None
        found = outcome.unpack(data)
        if found.kind is not outcome.OutcomeKind.RAISED:
            return None
        return failures.decode_failure(self._codec(found.codec), found.body)

    def in_words(self, data: bytes | None) -> str | None:
        """Return the exception of an ended run in a few words; never fails."""
        try:
            error = self.error(data)
        except Undecodable as broken:
            return str(broken)
        return None if error is None else f"{type(error).__name__}: {failures.describe(error).message}"

    def _codec(self, codec_id: str) -> Codec:
        codec = self.codecs.get(codec_id)
        if codec is None:
            msg = f"encoded by a codec {codec_id!r} that is not configured here"
            raise Undecodable(msg, temporary=True)
        return codec
