"""How long it takes to import each library: the best of a few, less what Python itself takes."""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING

from benchmarks.process import FOREIGN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.suite.entrants import Entrant


def imports(entrants: Iterable[Entrant], *, rounds: int) -> dict[str, float]:
    """Give the milliseconds of each that says what a program would import."""
    said = {entrant.name: (str(entrant.peer.python()), entrant.imports) for entrant in entrants if entrant.imports}
    best = dict.fromkeys(said, float("inf"))
    idle = dict.fromkeys(said, float("inf"))
    for _ in range(rounds):
        for name, (python, module) in said.items():
            best[name] = min(best[name], _milliseconds(python, f"import {module}"))
            idle[name] = min(idle[name], _milliseconds(python, "pass"))
    return {name: best[name] - idle[name] for name in said}


def _milliseconds(python: str, code: str) -> float:
    environment = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    begun = time.perf_counter()
    subprocess.run([python, "-c", code], env=environment, stdout=subprocess.DEVNULL, check=True)
    return (time.perf_counter() - begun) * 1000
