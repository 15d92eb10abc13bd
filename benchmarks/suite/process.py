"""The parent's end of a producer, and of a worker that is killed when enough is known."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Self

from benchmarks.peers import ROOT
from benchmarks.process import FOREIGN, ChildDiedError

if TYPE_CHECKING:
    from types import TracebackType

    from benchmarks.suite.entrants import Entrant
    from benchmarks.suite.record import Record

LIMIT: Final = 600.0
"""Seconds that one request may take."""
_TICK: Final = os.sysconf("SC_CLK_TCK")


class Child:
    """A process of an entrant, in a session of its own; all of it is killed in the end."""

    def __init__(self, role: str, entrant: Entrant, url: str, record: Record, **settings: object) -> None:
        self._what = f"the {role} of {entrant.name}"
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed on leaving
        kept = {name: value for name, value in os.environ.items() if name not in FOREIGN}
        arguments = [role, entrant.library, url, json.dumps({**entrant.settings, **settings}), str(record.path)]
        self._process = subprocess.Popen(
            [str(entrant.peer.python()), "-m", "benchmarks.suite.child", *arguments, str(record.size)],
            cwd=ROOT,
            env={**kept, "PYTHONWARNINGS": "ignore"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()
        self._errors.close()

    def heard(self) -> dict[str, Any]:
        """Give what it says next."""
        stdout = self._process.stdout
        if stdout is None:
            raise AssertionError
        limit = threading.Timer(LIMIT, self._process.kill)
        limit.start()
        try:
            for line in stdout:
                if line.startswith("@"):
                    answer: dict[str, Any] = json.loads(line[1:])
                    return answer
        finally:
            limit.cancel()
        raise self._died()

    def ask(self, do: str, **arguments: object) -> dict[str, Any]:
        """Have it do something, and give its answer."""
        stdin = self._process.stdin
        if stdin is None:
            raise AssertionError
        with suppress(BrokenPipeError):  # its last words follow
            stdin.write(json.dumps({"do": do, **arguments}) + "\n")
            stdin.flush()
        return self.heard()

    def check(self) -> None:
        """Raise unless it lives."""
        if self._process.poll() is not None:
            raise self._died()

    def cpu(self) -> float:
        """Give the seconds of CPU that it and what it has started have used."""
        return sum(_cpu(pid) for pid in _family(self._process.pid))

    def _died(self) -> ChildDiedError:
        self._process.wait()
        self._errors.seek(0)
        words = self._errors.read().decode(errors="replace").strip()
        return ChildDiedError(f"{self._what} died: {words[-600:] or self._process.returncode}")


def producer(entrant: Entrant, url: str, record: Record) -> Child:
    """Give one that has connected; enter it."""
    made = Child("producer", entrant, url, record)
    try:
        made.heard()
    except BaseException:
        made.__exit__(None, None, None)
        raise
    return made


def wait_for(worker: Child, record: Record, wanted: int, *, first: int = 0, within: float) -> int:
    """Wait until so many calls have started, or so many seconds are over; give how many have."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        if record.about(first, first + wanted) >= wanted and record.count(first, first + wanted) == wanted:
            break
        worker.check()
        time.sleep(0.02)
    return record.count(first, first + wanted)


def _family(pid: int) -> list[int]:
    """Give a process and all that it has started."""
    found = [pid]
    for parent in found:  # it grows meanwhile
        with suppress(OSError), open(f"/proc/{parent}/task/{parent}/children") as children:  # noqa: PTH123 - of the kernel
            found += map(int, children.read().split())
    return found


def _cpu(pid: int) -> float:
    with suppress(OSError), open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123 - of the kernel
        fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / _TICK
    return 0.0
