"""The program that a process of the pool runs: takes a call, runs its body, answers, takes the next.

It ends when its worker closes the connection or dies, and when it is sent SIGTERM; the body in it hears of
that as a SystemExit, so that its ``finally`` clauses run.
"""

from __future__ import annotations

import os
import pickle
import signal
import threading
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, NoReturn

from shadows.core import failures

if TYPE_CHECKING:
    from types import FrameType

    from shadows.ports.codec import Codec

    type _Calls = SimpleQueue[tuple[bytes, bytes] | None]

RETURNED: Final = b"r"
RAISED: Final = b"e"
UNSENDABLE: Final = b"u"
"""it returned something that cannot travel"""
SPENT: Final = b"m"
"""it raised a MemoryError: this process had better not be used again"""


class Ended(SystemExit):
    """Our worker wants this process to end."""


def main(descriptor: int) -> None:
    """Serve the worker at the other end of this socket."""
    signal.signal(signal.SIGTERM, _end)
    connection = Connection(descriptor)
    codec: Codec = pickle.loads(connection.recv_bytes())
    calls: _Calls = SimpleQueue()
    busy = threading.Event()
    threading.Thread(target=_receive, args=(connection, calls, busy), daemon=True).start()
    while (call := calls.get()) is not None:
        kind, body = _run(codec, *call)
        busy.clear()
        connection.send_bytes(kind)
        connection.send_bytes(body)


def _end(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - the signature of a handler
    raise Ended(128 + number)


def _receive(connection: Connection, calls: _Calls, busy: threading.Event) -> None:
    """Take calls, also while a body runs: only so can we see that nobody waits for it any more."""
    try:
        while True:
            call = connection.recv_bytes(), connection.recv_bytes()
            busy.set()
            calls.put(call)
    except (EOFError, OSError):
        if busy.is_set():
            os.killpg(0, signal.SIGKILL)  # the group is this process, and what its bodies have started
        calls.put(None)


def _run(codec: Codec, function: bytes, arguments: bytes) -> tuple[bytes, bytes]:
    """Return how the call ended, and with what."""
    try:
        args, kwargs = codec.decode(arguments)
        result = codec.decode(function)(*args, **kwargs)
    except Ended:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever a body raises is its failure
        return SPENT if isinstance(error, MemoryError) else RAISED, _told(codec, error)
    try:
        return RETURNED, codec.encode(result)
    except Ended:
        raise
    except BaseException as error:  # noqa: BLE001 - to encode a value runs code of its class
        return UNSENDABLE, _told(codec, error)


def _told(codec: Codec, error: BaseException) -> bytes:
    """Return the exception in words, and itself if it can travel."""
    words = failures.describe(error)
    try:
        itself = codec.encode(error)
        codec.decode(itself)
    except Ended:
        raise
    except BaseException:  # noqa: BLE001 - as above
        itself = None
    return codec.encode((words.type, words.message, words.traceback, itself))
