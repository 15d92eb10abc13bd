"""Outcomes: how a result or an exception travels to those who wait for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from shadows.core import failures, outcome
from shadows.errors import PayloadTooLarge, Undecodable

if TYPE_CHECKING:
    from collections.abc import Callable

    from shadows.engine.wire import Wire
    from shadows.ports.codec import Codec


@attrs.frozen
class Outcomes:
    """Writes and reads outcomes; each belongs to a key, and to the fence of the lease under which it was settled."""

    wire: Wire
    largest: int
    """bytes that a result may have"""

    def of_result(self, result: object, key: str, fence: int | None) -> bytes:
        """Return the bytes of a result; none for None.

        Raises:
            SerializationError: it cannot travel, or is larger than allowed.
        """
        if result is None:
            return b""
        codec, body = self.wire.write(result, outcome.OutcomeKind.RETURNED, key, str(fence))
        if len(body) > self.largest:
            msg = (
                f"the result has {len(body):,} bytes; {self.largest:,} are allowed (max_result); "
                f"return a reference to it instead"
            )
            raise PayloadTooLarge(msg)
        return outcome.pack(outcome.returned(codec, body))

    def of_error(self, error: BaseException, key: str, fence: int | None) -> bytes:
        """Return the bytes of an exception; never fails."""
        words = failures.in_parts(self.wire.codec, error)
        return outcome.pack(outcome.raised(*self.wire.write(words, outcome.OutcomeKind.RAISED, key, str(fence))))

    def result(
        self, data: bytes | None, key: str, fence: int | None, function: Callable[..., Any] | None = None
    ) -> Any:
        """Return the result of an ended run, as its function's annotation says, or raise its exception.

        Raises:
            Undecodable: the bytes cannot be read here.
        """
        error = self.error(data, key, fence)
        if error is not None:
            raise error
        if not data:
            return None
        codec, body = self._open(outcome.unpack(data), key, fence)
        return self.wire.fitted(codec, codec.decode(body), function)

    def error(self, data: bytes | None, key: str, fence: int | None) -> BaseException | None:
        """Return the exception of an ended run, if it ended with one."""
        if not data:
            return None
        found = outcome.unpack(data)
        if found.kind is not outcome.OutcomeKind.RAISED:
            return None
        return failures.decode_failure(*self._open(found, key, fence))

    def in_words(self, data: bytes | None, key: str, fence: int | None) -> str | None:
        """Return the exception of an ended run in a few words; never fails."""
        try:
            error = self.error(data, key, fence)
        except Undecodable as broken:
            return str(broken)
        return None if error is None else f"{type(error).__name__}: {failures.describe(error).message}"

    def _open(self, found: outcome.Outcome, key: str, fence: int | None) -> tuple[Codec, bytes]:
        return self.wire.open(found.codec, found.body, found.kind, key, str(fence))
