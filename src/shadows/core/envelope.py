"""What a call's payload looks like: opaque to the broker, and read by workers of older and newer releases.

::

    byte 0        the version of this layout, 1
    byte 1        length of the task's name in bytes
    ...           the task's name, UTF-8
    1 byte        the codec's id, one ASCII character
    2 bytes       length of the headers in bytes, big-endian; 0 when there are none
    ...           the headers, a JSON object of strings
    the rest      the arguments, encoded by that codec

A reader keeps the headers that it does not know.  A layout that it does not know belongs to a newer worker.
"""

from __future__ import annotations

import functools
import json
import types
from json.encoder import encode_basestring_ascii as quoted
from typing import Any, cast

import attrs

from shadows.core.names import shown, task_name
from shadows.errors import SerializationError, Undecodable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION = 1
LATEST_CONCEIVABLE = 31
"""Above this, a first byte is not a later version of ours but something else altogether."""

NO_HEADERS: Mapping[str, str] = types.MappingProxyType({})
_LONGEST_HEADERS = 0xFFFF
_from_json = json.JSONDecoder().raw_decode


@attrs.frozen
class Envelope:
    """A call without its key and its time: which task, and its arguments in the encoding of ``codec``."""

    task: str
    codec: str
    """the codec's id"""
    headers: Mapping[str, str] = attrs.field(repr=False)
    """small texts for the worker, such as the producer's trace"""
    arguments: bytes = attrs.field(repr=False)


def pack(envelope: Envelope) -> bytes:
    """Return the bytes of the envelope.

    Raises:
        ConfigurationError: the task's name cannot be one.
        SerializationError: the headers exceed 65,535 bytes, or the codec's id is not one ASCII character.
    """
    if not envelope.headers:
        return _opening(envelope.task, envelope.codec) + b"\0\0" + envelope.arguments
    pairs = [f"{quoted(name)}:{quoted(value)}" for name, value in envelope.headers.items()]
    headers = f"{{{','.join(pairs)}}}".encode()
    if len(headers) > _LONGEST_HEADERS:
        msg = f"the headers of {shown(envelope.task)} have {len(headers):,} bytes; at most 65,535 can travel"
        raise SerializationError(msg)
    size = len(headers).to_bytes(2, "big")
    return b"".join((_opening(envelope.task, envelope.codec), size, headers, envelope.arguments))


def unpack(data: bytes) -> Envelope:
    """Return the envelope in these bytes.

    Raises:
        Undecodable: garbled or cut short; ``temporary`` when a newer version wrote it.
    """
    try:
        start = data[1] + 5
        size = data[start - 2] << 8 | data[start - 1]
    except IndexError:
        raise (foreign(data[0], "payload") if data and data[0] != VERSION else _cut(data)) from None
    task, codec = _opened(data[: start - 2])
    if not size:
        return Envelope(task, codec, NO_HEADERS, data[start:])
    end = start + size
    if end > len(data):
        raise _cut(data)
    return Envelope(task, codec, _headers(data[start:end]), data[end:])


def task_of(payload: bytes) -> str:
    """Return the name of the task in these bytes; nothing if they cannot be read here."""
    try:
        return unpack(payload).task
    except Undecodable:
        return ""


def stamped(payload: bytes, headers: Mapping[str, str]) -> bytes:
    """Return the bytes with these headers besides."""
    envelope = unpack(payload)
    return pack(attrs.evolve(envelope, headers={**envelope.headers, **headers}))


def foreign(version: int, what: str) -> Undecodable:
    """Return the error for a first byte that is not ours: perhaps a later version's, perhaps none."""
    if VERSION < version <= LATEST_CONCEIVABLE:
        msg = f"the {what} has format version {version}; this release of shadows reads {VERSION}, upgrade it"
        return Undecodable(msg, temporary=True)
    return Undecodable(f"the {what} was not written by shadows: it starts with byte {version:#04x}")


@functools.lru_cache(maxsize=4096)
def _opening(task: str, codec: str) -> bytes:
    name = task_name(task).encode()
    if len(codec) != 1 or not codec.isascii():
        msg = f"a codec's id is one ASCII character, not {shown(codec)}"
        raise SerializationError(msg)
    return bytes((VERSION, len(name))) + name + codec.encode()


@functools.lru_cache(maxsize=4096)
def _opened(opening: bytes) -> tuple[str, str]:
    """Return the task's name and the codec's id."""
    if opening[0] != VERSION:
        raise foreign(opening[0], "payload")
    try:
        task, codec = opening[2:-1].decode(), opening[-1:].decode("ascii")
    except UnicodeDecodeError as error:
        raise Undecodable(f"the payload's task name or codec id is no text: {error.reason}") from None
    if not task:
        raise Undecodable("the payload names no task")
    return task, codec


def _headers(data: bytes) -> Mapping[str, str]:
    try:
        text = data.decode()
        headers, end = _from_json(text)
    except (ValueError, RecursionError):
        raise Undecodable("the payload's headers are no JSON") from None
    if not isinstance(headers, dict) or end != len(text):
        raise Undecodable("the payload's headers are no JSON object")
    found = cast("dict[str, Any]", headers)
    for value in found.values():
        if not isinstance(value, str):
            raise Undecodable("the payload's headers hold something other than text")
    return found


def _cut(data: bytes) -> Undecodable:
    return Undecodable(f"the payload is cut short: it ends after {len(data)} bytes")
