"""What processes and servers use, measured again and again, and how fast it grows."""

from __future__ import annotations

import time
from collections import defaultdict
from pathlib import Path
from statistics import linear_regression
from typing import TYPE_CHECKING, Any, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import redis

    from tests.system.fire.history import Line

WARM: Final = 0.4
"""The part of the time after which what grows is a leak: caches are filled, and records expire."""
DESCRIPTORS: Final = "worker: descriptors"
MORE_DESCRIPTORS: Final = 0.2
"""By how many they may grow in a minute: a connection that nobody closes is one for each fault."""
FEW: Final = 10
"""So many looks tell nothing."""
LEAKS: Final = {"blocks": 20.0, "kB": 20.0}
"""By how much what a worker uses may grow in a thousand calls.  One object that each call leaves behind is a thousand
blocks; memory is given to a process in pages, and how those are filled changes by itself.
"""


@attrs.define(eq=False)
class Meter:
    """Samples by name: their times and values."""

    samples: defaultdict[str, list[tuple[float, float]]] = attrs.field(
        factory=lambda: defaultdict[str, "list[tuple[float, float]]"](list)
    )

    def process(self, name: str, pid: int) -> None:
        """Measure the memory and the descriptors of a process."""
        status = Path(f"/proc/{pid}/status").read_text()
        resident = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        self._take(f"{name}: memory, kB", float(resident.split()[1]))
        self._take(DESCRIPTORS, sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir()))

    def server(self, line: redis.Redis) -> None:
        """Measure the memory, the keys and the clients of a server."""
        memory: Any = line.info("memory")
        clients: Any = line.info("clients")
        keys: Any = line.dbsize()
        self._take("server: memory, kB", memory["used_memory"] / 1024)
        self._take("server: keys", keys)
        self._take("server: clients", clients["connected_clients"])

    def slopes(self) -> Mapping[str, tuple[float, float]]:
        """Return for each name the last value, and by how much it grew in a minute once all was warm."""
        found: dict[str, tuple[float, float]] = {}
        for name, samples in self.samples.items():
            warm = samples[int(len(samples) * WARM) :]
            if len(warm) > 2:
                slope = linear_regression([at for at, _ in warm], [value for _, value in warm]).slope
                found[name] = warm[-1][1], slope * 60
        return found

    def _take(self, name: str, value: float) -> None:
        self.samples[name].append((time.monotonic(), value))


def growth(lines: Iterable[Line], pid: int) -> Mapping[str, float]:
    """Return by how much what a worker uses grew in a thousand calls, once all was warm, as far as it has said that."""
    said = [line for line in lines if line["what"] == "used" and line["pid"] == pid]
    warm = said[int(len(said) * WARM) :]
    if len(warm) <= FEW:
        return {}
    calls = [line["bodies"] / 1000 for line in warm]
    return {name: linear_regression(calls, [line[name] for line in warm]).slope for name in LEAKS}


def leaking(grown: Mapping[str, float]) -> dict[str, float]:
    """Return what of that is a leak."""
    return {name: by for name, by in grown.items() if by > LEAKS[name]}
