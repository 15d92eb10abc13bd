"""The parent's end of a producer, and of a worker that is killed when enough is known."""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Self

from benchmarks.process import Talk, kept

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
        arguments = [role, entrant.library, url, json.dumps({**entrant.settings, **settings}), str(record.path)]
        command = [str(entrant.peer.python()), "-m", "benchmarks.suite.child", *arguments, str(record.size)]
        what = f"the {role} of {entrant.name}"
        self._talk = Talk(what, command, limit=LIMIT, said=600, env=kept(), start_new_session=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._talk.process.pid, signal.SIGKILL)
        self._talk.process.wait()
        self._talk.close()

    def heard(self) -> dict[str, Any]:
        """Give what it says next."""
        return self._talk.heard()

    def ask(self, do: str, **arguments: object) -> dict[str, Any]:
        """Have it do something, and give its answer."""
        return self._talk.ask(do, **arguments)

    def check(self) -> None:
        """Raise unless it lives."""
        if self._talk.process.poll() is not None:
            raise self._talk.died()

    def end(self) -> None:
        """Ask it to end, so that it leaves nothing half done, and wait until it has."""
        self._talk.process.terminate()
        self._talk.process.wait(LIMIT)

    def cpu(self) -> float:
        """Give the seconds of CPU that it and what it has started have used."""
        return sum(_cpu(pid) for pid in _family(self._talk.process.pid))


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
