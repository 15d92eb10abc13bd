"""When each call started and ended: written by the bodies, in whichever process, into a file in memory."""

from __future__ import annotations

import array
import mmap
import os
import tempfile
import time
from pathlib import Path
from typing import Self

SHARED = Path("/dev/shm")  # noqa: S108 - a file of ours alone is made there
MEMORY = SHARED if SHARED.is_dir() else Path(tempfile.gettempdir())
SAMPLE = 1_000
_DOUBLE = 8


class Record:
    """The start and the end of each call by its number, by a clock that all processes here share; 0: not yet."""

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self.size = size
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)
        self._cells = memoryview(self._map).cast("d")

    @classmethod
    def make(cls, size: int) -> Self:
        """Make one that holds this many calls."""
        handle, name = tempfile.mkstemp(prefix="shadows-bench-", dir=MEMORY)
        os.truncate(handle, _DOUBLE * (2 * size + 1))
        os.close(handle)
        return cls(Path(name), size)

    def started(self, number: int) -> None:
        """Note that the body of a call runs."""
        if self._cells[number]:
            self._cells[2 * self.size] += 1
        else:
            self._cells[number] = time.monotonic()

    def ended(self, number: int) -> None:
        """Note that it has ended."""
        self._cells[self.size + number] = time.monotonic()

    @property
    def again(self) -> int:
        """How many bodies ran once more."""
        return int(self._cells[2 * self.size])

    def count(self, first: int, end: int) -> int:
        """Tell how many calls of these have started."""
        return end - first - self._some(first, end).count(0.0)

    def about(self, first: int, end: int) -> int:
        """Tell the same, from a sample: to look at a million would cost as much as to run a thousand.

        If all have started, it is as many as there are, or a few more.
        """
        stride = max(1, (end - first) // SAMPLE)
        sample = array.array("d")
        sample.frombytes(self._cells[first:end:stride].tobytes())
        return (len(sample) - sample.count(0.0)) * stride

    def starts(self, first: int, end: int) -> list[float]:
        """Give when each of these started."""
        return list(self._some(first, end))

    def ends(self, first: int, end: int) -> list[float]:
        """Give when each of these ended."""
        return list(self._some(self.size + first, self.size + end))

    def remove(self) -> None:
        """Throw it away."""
        self._cells.release()
        self._map.close()
        self.path.unlink()

    def _some(self, first: int, end: int) -> array.array[float]:
        found = array.array("d")
        found.frombytes(self._cells[first:end].tobytes())
        return found
