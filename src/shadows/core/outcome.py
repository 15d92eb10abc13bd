"""What a run's stored outcome looks like: how it ended, and the result or the exception.

::

    byte 0        the version of this layout, 1
    byte 1        "r" a result, "e" an exception, "s" it is stored elsewhere, "l" it is lost
    byte 2        the codec's id, one ASCII character
    only of "s":  a byte with the length of a name, and the name
    the rest      the result, or the exception (see :mod:`shadows.core.failures`), encoded by that codec;
                  of "s" and "l" what there is to say of it in words, or nothing
"""

from __future__ import annotations

import enum
import re

import attrs

from shadows.core.envelope import VERSION, foreign
from shadows.core.names import shown
from shadows.errors import SerializationError, Undecodable

_HEAD = 3
_NAME = re.compile(rb"[a-z0-9-]{1,120}")


class OutcomeKind(enum.StrEnum):
    """How the body ended; the values travel."""

    RETURNED = "r"
    RAISED = "e"
    STORED = "s"
    """either way; what it was lies in a result storage, under a name"""
    LOST = "l"
    """either way; what it was could not be stored"""


@attrs.frozen
class Outcome:
    """How a run ended, with its result or exception in the encoding of ``codec``."""

    kind: OutcomeKind
    codec: str
    """the codec's id"""
    body: bytes = attrs.field(repr=False)
    name: str = ""
    """in the result storage"""


_KINDS = {kind.encode(): kind for kind in OutcomeKind}


def returned(codec: str, body: bytes) -> Outcome:
    """The body returned this result."""
    return Outcome(OutcomeKind.RETURNED, codec, body)


def raised(codec: str, body: bytes) -> Outcome:
    """The body raised this exception."""
    return Outcome(OutcomeKind.RAISED, codec, body)


def stored(codec: str, name: str, words: bytes) -> Outcome:
    """It lies in the result storage under this name; ``words`` tell of an exception."""
    return Outcome(OutcomeKind.STORED, codec, words, name)


def lost(codec: str, words: bytes) -> Outcome:
    """The result storage stayed away; ``words`` tell of the exception, or else of why."""
    return Outcome(OutcomeKind.LOST, codec, words)


def pack(outcome: Outcome) -> bytes:
    """Return the bytes of the outcome.

    Raises:
        SerializationError: the codec's id is not one ASCII character.
    """
    if len(outcome.codec) != 1 or not outcome.codec.isascii():
        msg = f"a codec's id is one ASCII character, not {shown(outcome.codec)}"
        raise SerializationError(msg)
    name = bytes((len(outcome.name),)) + outcome.name.encode() if outcome.kind is OutcomeKind.STORED else b""
    return b"".join((b"\x01", outcome.kind.encode(), outcome.codec.encode(), name, outcome.body))


def stored_name(data: bytes) -> str:
    """Return under which name the result storage has the outcome in these bytes; nothing if it lies here."""
    return unpack(data).name if data[1:2] == b"s" else ""


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
    if kind is not OutcomeKind.STORED:
        return Outcome(kind, codec.decode(), data[_HEAD:])
    start = _HEAD + 1
    end = start + data[_HEAD] if len(data) > _HEAD else start
    if not _NAME.fullmatch(data[start:end]) or end > len(data):
        msg = "the outcome lies in a result storage, under a name that cannot be one"
        raise Undecodable(msg)
    return Outcome(kind, codec.decode(), data[end:], data[start:end].decode())
