"""Tasks that tests run in processes of their own: these import this module, and nothing that is slow to import."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shadows import Depends, Retry, TaskKey, Timeout, in_process
from shadows.dependencies import Dependency

if TYPE_CHECKING:
    from collections.abc import Generator


@in_process
def where(number: int = 0) -> tuple[int, int]:
    """Tell which process this is."""
    return os.getpid(), number


@in_process
def end(how: str) -> None:
    """End the process in the middle of the call."""
    if how == "exit":
        os._exit(3)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), getattr(signal, how))
    time.sleep(60)
    raise AssertionError


@in_process
def flaky_end(path: str, retry: Retry = Retry(attempts=2)) -> int:
    """End the process at the first attempt."""
    if retry.attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return retry.attempt


@in_process
def ask_again(retry: Retry = Retry(attempts=3)) -> int:
    """Ask for the next attempt in the way of a Retry."""
    if retry.attempt == 1:
        retry.after(retry.delay)
    return retry.attempt


class Around(Dependency):
    """Works around the body; what it gives the body is of no use elsewhere."""

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def secret(self) -> None:
        """Be out of reach."""


around = Around()
opened: list[str] = []
"""What the worker has open for a body that is elsewhere."""


def folder(key: str = TaskKey()) -> Generator[str]:
    """Open something for a body, in the worker."""
    opened.append(key)
    yield f"folder of {key}"
    opened.remove(key)


@in_process
def equipped(
    number: int, key: str = TaskKey(), place: str = Depends(folder), around: Around = around
) -> tuple[int, str, str, str]:
    """Tell what dependencies came to."""
    assert opened == []  # those of this process
    try:
        around.secret()
    except RuntimeError as error:
        return number, key, place, str(error)
    raise AssertionError


class Own(Exception):
    """An exception of the task's own."""


class Stiff(Exception):
    """One that cannot travel."""

    def __reduce__(self) -> Any:
        raise KeyboardInterrupt


class Hollow(Exception):
    """One that travels, and cannot be rebuilt in a process that is not this one."""

    def __init__(self, process: int) -> None:
        super().__init__(process)
        if process != os.getpid():
            raise ValueError("elsewhere")


@in_process
def fail(how: str) -> object:
    """Fail, or return what cannot travel."""
    match how:
        case "own":
            raise Own("no")
        case "stiff":
            raise Stiff("no")
        case "hollow":
            raise Hollow(os.getpid())
        case "exit":
            raise SystemExit(4)
        case "cancel":
            raise asyncio.CancelledError
        case "memory":
            raise MemoryError
        case "wordless":
            raise Stiff
        case _:
            return threading.Lock()


@in_process
def compute(path: str, how: str = "") -> None:
    """Compute for ever, once this file says that it began, and note what was heard of the end."""
    if how == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if how == "parent":
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        Path(path).write_text(str(os.getpid()))
        while True:
            sum(range(10_000))
    finally:
        Path(path).write_text("tidied up")


@in_process
def compute_too_long(path: str, timeout: Timeout = Timeout(timedelta(seconds=2))) -> None:
    """Compute for longer than allowed."""
    compute(path)


@in_process
def fork_and_end(path: str) -> None:
    """Leave a child behind that has the connection, and end."""
    if os.fork() == 0:
        Path(path).write_text(str(os.getpid()))
        time.sleep(60)
    os._exit(5)
