"""What a run's stored outcome looks like: how it ended, and the result or the exception.

::

    byte 0        the version of this layout, 1
    byte 1        "r" a result, "e" an exception
    byte 2        the codec's id, one ASCII character
    the rest      the result, or the exception (see :mod:`shadows.core.failures`), encoded by that codec
"""

from __future__ import annotations

import enum

import attrs

from shadows.core.envelope import VERSION, foreign
from shadows.core.names import shown
from shadows.errors import SerializationError, Undecodable

_HEAD = 3


class OutcomeKind(enum.StrEnum):
    """How the body ended; the values travel."""

    RETURNED = "r"
    RAISED = "e"


@attrs.frozen
class Outcome:
    """How a run ended, with its result or exception in the encoding of ``codec``."""

    kind: OutcomeKind
    codec: str
    """the codec's id"""
    body: bytes = attrs.field(repr=False)


_KINDS = {kind.encode(): kind for kind in OutcomeKind}


def returned(codec: str, body: bytes) -> Outcome:
    """The body returned this result."""
    return Outcome(OutcomeKind.RETURNED, codec, body)


def raised(codec: str, body: bytes) -> Outcome:
    """The body raised this exception."""
    return Outcome(OutcomeKind.RAISED, codec, body)


def pack(outcome: Outcome) -> bytes:
    """Return the bytes of the outcome.

    Raises:
        SerializationError: the codec's id is not one ASCII character.
    """
    if len(outcome.codec) != 1 or not outcome.codec.isascii():
        msg = f"a codec's id is one ASCII character, not {shown(outcome.codec)}"
        raise SerializationError(msg)
    return b"".join((b"\x01", outcome.kind.encode(), outcome.codec.encode(), outcome.body))


def unpack(data: bytes) -> Outcome:
    """Return the outcome in these bytes.

    Raises:
        Undecodable: garbled or cut short; ``temporary`` when a newer version wrote it.
    """
    if data and data[0] != VERSION:
        raise foreign(data[0], "outcome")
    if len(data) < _HEAD:
        msg = f"the outcome is cut short: it ends after {len(data)} bytes"
        raise Undecodable(msg)
    kind = _KINDS.get(data[1:2])
    if kind is None:
        msg = f"the outcome is of no known kind: {data[1:2]!r}"
        raise Undecodable(msg)
    codec = data[2:3]
    if not codec.isascii():
        msg = f"the outcome's codec id is no ASCII character: {codec!r}"
        raise Undecodable(msg)
    return Outcome(kind, codec.decode(), data[_HEAD:])
