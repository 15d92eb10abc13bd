"""Processes: how a plain function runs where it can be killed, and where it keeps no other body waiting.

Each process runs one call at a time and is used again.  A thread of the worker talks to it, so that the
event loop does not: it sends the function's name and the arguments, and waits for the answer.  Whatever
happens to a process happens to the one call in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any, Final, NoReturn

import attrs

from shadows.core.failures import RemoteTraceback
from shadows.dependencies.process import parcel
from shadows.engine import child
from shadows.errors import ProcessDied, SerializationError, TaskFailed, Undecodable

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    from shadows.dependencies.plan import Plan
    from shadows.dependencies.setup import Setup
    from shadows.engine.attempt import Attempt
    from shadows.engine.threads import Threads
    from shadows.ports.codec import Codec

LOOK: Final = 0.25
"""Seconds between two looks at a process that does not answer: whether it lives, and whether it shall."""
GRACE: Final = 2
"""Looks that a process has to end by itself when it is sent SIGTERM."""
PROGRAM: Final = """
import sys
sys.path[:] = {path!r}
from shadows.engine.child import main
main({descriptor})
"""


@attrs.frozen
class Unsendable:
    """Stands for a result that cannot travel, as whoever tries to write it will hear."""

    reason: str

    def __reduce__(self) -> NoReturn:
        raise SerializationError(self.reason)


class _Process:
    """The worker's end of one process."""

    def __init__(self, codec: Codec) -> None:
        from multiprocessing import Pipe  # noqa: PLC0415 - most workers never need it

        self._connection: Connection[Any, Any]
        self._connection, theirs = Pipe()
        with theirs:
            program = PROGRAM.format(path=sys.path, descriptor=theirs.fileno())
            self._popen = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-c", program],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is the worker's affair; and what a body started dies with it
            )
        self._wanted = True
        with contextlib.suppress(OSError):  # it died already: the call that it is started for will find that out
            self._connection.send_bytes(pickle.dumps(codec))

    def call(self, function: bytes, arguments: bytes) -> tuple[bytes, bytes]:
        """Run a call and return how it ended, and with what; from a thread.

        Raises:
            EOFError, OSError: the process ended before.
        """
        self._connection.send_bytes(function)
        self._connection.send_bytes(arguments)
        looks = 0
        while not self._connection.poll(LOOK):
            if self._popen.poll() is not None and not self._connection.poll(0):
                raise EOFError  # what it has started keeps the connection open
            looks += not self._wanted
            if looks >= GRACE:
                self.kill()
        return self._connection.recv_bytes(), self._connection.recv_bytes()

    def is_sound(self) -> bool:
        """Whether it waits for a call; it has nothing to say by itself."""
        return not self._connection.poll(0)

    def ask_to_end(self) -> None:
        """Let it end soon; returns at once."""
        self._wanted = False
        self._popen.terminate()

    def end(self) -> int:
        """Wait until it has ended, and help it if need be; return its exit code."""
        self._connection.close()
        try:
            return self._popen.wait(LOOK * GRACE)
        except subprocess.TimeoutExpired:
            self.kill()
            return self._popen.wait()

    def kill(self) -> None:
        """End it and whatever it has started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._popen.pid, signal.SIGKILL)


@attrs.define
class _Call:
    """One call on its way through a process; a lock, because the loop may end it while a thread starts it."""

    pool: Processes
    plan: Plan
    process: _Process | None = None
    unwanted: threading.Event = attrs.field(factory=threading.Event)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False)

    def run(self, *args: Any, **kwargs: Any) -> object:
        """Run the call and return its result, from a thread."""
        codec, function = self.pool.codec, self.plan.function
        named, arguments = codec.encode(function), codec.encode((args, parcel(self.plan, kwargs)))
        with self._lock:
            if self.unwanted.is_set():
                raise asyncio.CancelledError
            process = self.process = self.pool.take()
        try:
            kind, body = process.call(named, arguments)
        except (EOFError, OSError):
            code = self.pool.bury(process)
            if self.unwanted.is_set():
                raise asyncio.CancelledError from None
            raise ProcessDied(_epitaph(function, code)) from None
        with self._lock:
            self.process, ending = None, self.unwanted.is_set()  # from here on nobody ends it for this call's sake
        if ending or kind == child.SPENT:
            self.pool.bury(process)
        else:
            self.pool.give_back(process)
        return _result(codec, kind, body)

    def hasten(self) -> None:
        """End the process if it still works for this call."""
        with self._lock:
            self.unwanted.set()
            if self.process is not None:
                self.process.ask_to_end()


@attrs.define
class Processes:
    """The processes of one worker, each started when there is a call for it and none is idle."""

    codec: Codec
    threads: Threads
    most: int
    _idle: list[_Process] = attrs.field(factory=list[_Process], init=False)
    _alive: set[_Process] = attrs.field(factory=set[_Process], init=False)
    _closed: bool = attrs.field(default=False, init=False)
    _free: asyncio.Semaphore = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._free = asyncio.Semaphore(self.most)

    @property
    def were_used(self) -> bool:
        """Whether there is anything to close."""
        return bool(self._alive)

    async def run(
        self, attempt: Attempt, plan: Plan, args: tuple[Any, ...], kwargs: dict[str, Any], setup: Setup | None = None
    ) -> object:
        """Call the plan's function in a process; a cancel ends that, also while it computes.

        Raises:
            BaseException: what the function raises, rebuilt here, or TaskFailed in its place.
            SerializationError: an argument or a dependency cannot travel.
            ProcessDied: the process ended before it answered.
            CancelledError: the body was cancelled meanwhile.
        """
        async with self._free:
            call = _Call(self, plan)
            return await self.threads.run(attempt, call.run, args, kwargs, setup, hasten=call.hasten)

    def close(self) -> None:
        """End all processes.  Those that still work had their time, and their threads bury them."""
        self._closed = True
        for process in self._alive.difference(self._idle):
            process.kill()
        while self._idle:
            self.bury(self._idle.pop())

    def take(self) -> _Process:
        """Return a process that waits for a call; called from threads, like what follows."""
        if self._closed:
            raise asyncio.CancelledError
        while self._idle:
            process = self._idle.pop()
            if process.is_sound():
                return process
            self.bury(process)
        process = _Process(self.codec)
        self._alive.add(process)
        return process

    def give_back(self, process: _Process) -> None:
        """Take back a process that has answered."""
        self._idle.append(process)

    def bury(self, process: _Process) -> int:
        """Forget a process that has ended or is about to, and return its exit code."""
        code = process.end()
        self._alive.discard(process)
        return code


def _result(codec: Codec, kind: bytes, body: bytes) -> object:
    decoded: Any = codec.decode(body)
    if kind == child.RETURNED:
        return decoded
    name, message, trace, itself = decoded
    text = f"{name}: {message}" if message else name
    if kind == child.UNSENDABLE:
        return Unsendable(message)
    error: BaseException
    try:
        error = TaskFailed(text) if itself is None else codec.decode(itself)
    except Undecodable:
        error = TaskFailed(text)
    raise error from RemoteTraceback(trace)


def _epitaph(function: Callable[..., Any], code: int) -> str:
    """Return in words how a process ended."""
    name = getattr(function, "__qualname__", "?")
    if code >= 0:
        return f"the process that ran {name}() ended with the exit code {code} before it answered"
    word = next((sign.name for sign in signal.Signals if sign == -code), f"signal {-code}")
    hint = "; was the memory used up?" if word == "SIGKILL" else ""
    return f"the process that ran {name}() was ended by {word}{hint}"
