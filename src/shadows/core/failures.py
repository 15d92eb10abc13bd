"""How an exception travels from the worker to whoever waits for the result.

The bytes hold two things: a description in words, which always arrives, and the exception itself, encoded,
where it can be loaded again.  Neither holds the values of local variables.
"""

from __future__ import annotations

import traceback
from typing import Any, Protocol

import attrs

from shadows.errors import TaskFailed, Undecodable

LONGEST_MESSAGE = 4_000
"""characters"""
LONGEST_TRACEBACK = 64_000
"""bytes of UTF-8"""
LONGEST_EXCEPTION = 256 * 1024
"""bytes; a longer one travels only in words"""
_BEGINNING = 16_000
_GAP = "\n  ... left out here, for the traceback is too long ...\n\n"


class _Codec(Protocol):
    """What is needed of a :class:`shadows.ports.codec.Codec`, which lies in a layer above."""

    def encode(self, value: Any) -> bytes: ...

    def decode(self, data: bytes) -> Any: ...


@attrs.frozen
class Failure:
    """An exception in words."""

    type: str
    """the qualified name of its class; built-in ones without their module"""
    message: str
    traceback: str = attrs.field(repr=False)


class RemoteTraceback(Exception):
    """The traceback of an exception raised in a worker: the ``__cause__`` of the one raised here."""

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


def describe(error: BaseException) -> Failure:
    """Return the exception in words, each part within its limit; never raises."""
    return Failure(_type_name(error), _message(error), _traceback(error))


def in_parts(codec: _Codec, error: BaseException, *, longest: int = LONGEST_EXCEPTION) -> list[object]:
    """Return what is encoded for the exception: a description, and itself if it can be loaded again and is short."""
    words = describe(error)
    return [words.type, words.message, words.traceback, _encoded(codec, error, longest)]


def encode_failure(codec: _Codec, error: BaseException, *, longest: int = LONGEST_EXCEPTION) -> bytes:
    """Return the exception's bytes."""
    return codec.encode(in_parts(codec, error, longest=longest))


def decode_failure(codec: _Codec, data: bytes) -> Exception:
    """Return the exception to raise here, with the worker's traceback as its cause.

    It is the original where that can be rebuilt, else a :class:`~shadows.errors.TaskFailed` that names it.
    What would end the waiting program or its loop, such as SystemExit, is never rebuilt.

    Raises:
        Undecodable: the bytes hold no exception.
    """
    match codec.decode(data):
        case [str() as kind, str() as message, str() as trace, bytes() | None as encoded]:
            pass
        case _:
            msg = "the stored outcome holds no exception"
            raise Undecodable(msg)
    error = _rebuilt(codec, encoded) if encoded else None
    if error is None:
        error = TaskFailed(f"{kind}: {message}" if message else kind)
    # Not `error.__cause__ = ...`: the exception's class may forbid assignments.
    BaseException.__setattr__(error, "__cause__", RemoteTraceback(trace))
    return error


def _encoded(codec: _Codec, error: BaseException, longest: int) -> bytes | None:
    if not _harmless(error):
        return None
    try:
        data = codec.encode(error)
    except Exception:  # noqa: BLE001 - to encode it runs code of its class, whatever the codec
        return None
    return data if len(data) <= longest and _rebuilt(codec, data) is not None else None


def _rebuilt(codec: _Codec, data: bytes) -> Exception | None:
    try:
        error = codec.decode(data)
    except Undecodable:
        return None
    return error if _harmless(error) else None


def _harmless(error: object) -> bool:
    """Whether it can be raised in a coroutine and be taken for a failure by those who wait for it."""
    return isinstance(error, Exception) and not isinstance(error, StopIteration | StopAsyncIteration)


def _type_name(error: BaseException) -> str:
    try:
        kind = type(error)
        name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        return _cut(name)
    except BaseException:  # noqa: BLE001 - a metaclass may do as it likes
        return "BaseException"


def _message(error: BaseException) -> str:
    try:
        return _cut(str(error))
    except BaseException:  # noqa: BLE001 - __str__ is the user's
        return "<its __str__ failed>"


def _traceback(error: BaseException) -> str:
    try:
        lines = traceback.TracebackException.from_exception(error).format()
        return _bounded("".join(_cut(line) for line in lines))
    except BaseException:  # noqa: BLE001 - likewise; or the chain is too deep, or memory too little
        return f"{_type_name(error)}: {_message(error)}\n"


def _bounded(text: str) -> str:
    """Leave out the middle of what is too long: the first cause stands at the start, the error at the end."""
    data = text.encode()
    if len(data) <= LONGEST_TRACEBACK:
        return text
    end = data[_BEGINNING + len(_GAP) - LONGEST_TRACEBACK :]
    return data[:_BEGINNING].decode(errors="ignore") + _GAP + end.decode(errors="ignore")


def _cut(text: str) -> str:
    """Return the text with an end, and with nothing in it that UTF-8 cannot carry."""
    if len(text) > LONGEST_MESSAGE:
        text = f"{text[:LONGEST_MESSAGE]}... ({len(text):,} characters)\n"
    return text.encode(errors="backslashreplace").decode()
