"""The history of a test under fire: one line for each thing that happened, in a file outside of the broker.

Any process appends to it, one write for a line, with the time of the machine's monotonic clock, which all share.
What is written there outlives its writer, however that ends, and the broker, whatever that forgets.
"""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HISTORY: Final = "SHADOWS_TEST_HISTORY"
"""The variable that names the file, for processes that a test starts."""

type Line = dict[str, Any]
"""``what``, ``at`` (seconds), ``pid``, and whatever else was told"""


def append(path: str | Path, what: str, **more: object) -> Line:
    """Append one line, and return it."""
    line = {"what": what, **more, "at": time.monotonic(), "pid": os.getpid()}
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, (json.dumps(line) + "\n").encode())
    finally:
        os.close(file)
    return line


def note(what: str, **more: object) -> None:
    """Append one line to the history that the environment names."""
    append(os.environ[HISTORY], what, **more)


def read(path: Path) -> list[Line]:
    """Give the lines in the order of their times."""
    return sorted(Reading(path), key=lambda line: line["at"])


@attrs.define(eq=False)
class Reading:
    """Gives the lines of a history, and each time that it is iterated over those that are new."""

    path: Path
    _read: int = 0

    def __iter__(self) -> Iterator[Line]:
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(self._read)
            for text in file:
                if not text.endswith(b"\n"):  # somebody is writing it
                    return
                self._read += len(text)
                yield json.loads(text)
