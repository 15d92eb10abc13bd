"""Outcomes: how a result or an exception travels to those who wait for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from shadows.core import failures, outcome
from shadows.errors import PayloadTooLarge, Undecodable

if TYPE_CHECKING:
    from collections.abc import Callable

    from shadows.engine.wire import Wire
    from shadows.ports.codec import Codec

ELSEWHERE: Final = frozenset({outcome.OutcomeKind.STORED, outcome.OutcomeKind.LOST})
"""Of what the broker has but a word."""
MOST_WORDS: Final = 200
"""The most characters of them."""


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

    def stored(self, name: str, words: str | None, key: str, fence: int | None) -> bytes:
        """Return the bytes that name an outcome in the result storage; ``words`` tell of an exception."""
        codec, body = self._words(words, outcome.OutcomeKind.STORED, key, fence)
        return outcome.pack(outcome.stored(codec, name, body))

    def lost(self, words: str, key: str, fence: int | None) -> bytes:
        """Return the bytes that stand for an outcome which could not be stored."""
        return outcome.pack(outcome.lost(*self._words(words, outcome.OutcomeKind.LOST, key, fence)))

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
        found = outcome.unpack(data)
        if found.kind is not outcome.OutcomeKind.RETURNED:
            raise Undecodable("the outcome lies elsewhere, and must be fetched")
        codec, body = self._open(found, key, fence)
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
            if data and (found := outcome.unpack(data)).kind in ELSEWHERE:
                return self.words(found, key, fence)
            error = self.error(data, key, fence)
        except Undecodable as broken:
            return str(broken)
        return None if error is None else f"{type(error).__name__}: {failures.describe(error).message}"

    def words(self, found: outcome.Outcome, key: str, fence: int | None) -> str | None:
        """Return what there is to say of an outcome that lies elsewhere, or nowhere.

        Raises:
            Undecodable: the bytes cannot be read here.
        """
        if not found.body:
            return None
        codec, body = self._open(found, key, fence)
        return str(codec.decode(body))

    def _words(self, words: str | None, kind: outcome.OutcomeKind, key: str, fence: int | None) -> tuple[str, bytes]:
        return ("-", b"") if words is None else self.wire.write(words[:MOST_WORDS], kind, key, str(fence))

    def _open(self, found: outcome.Outcome, key: str, fence: int | None) -> tuple[Codec, bytes]:
        return self.wire.open(found.codec, found.body, found.kind, key, str(fence))
