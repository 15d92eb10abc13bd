"""How long one waits before anything happens: python3 dev.py bench --startup."""

import subprocess
import sys
import time

ROUNDS = 15
PROGRAMS = {
    "nothing, which is Python itself": ["-c", "pass"],
    "import attrs, asyncio": ["-c", "import attrs, asyncio"],
    "import shadows": ["-c", "import shadows"],
    "from shadows import Shadow": ["-c", "from shadows import Shadow"],
    "from shadows import Shadow, Worker": ["-c", "from shadows import Shadow, Worker"],
    "shadows --help": ["-m", "shadows", "--help"],
    "shadows snapshot --help": ["-m", "shadows", "snapshot", "--help"],
    "shadows snapshot": ["-m", "shadows", "snapshot", "--url", "memory://startup"],
}
LIMITS = {"import shadows": 150, "shadows --help": 250}
"""Milliseconds that were promised."""


def main(*, smoke: bool) -> int:
    """Measure and print; the best of several rounds, for anything else that the machine does only adds.

    Return 1 if something takes longer than was promised.
    """
    best = dict.fromkeys(PROGRAMS, float("inf"))
    for _ in range(1 if smoke else ROUNDS):  # they take turns, so that a busy second of the machine hits all alike
        for name, words in PROGRAMS.items():
            best[name] = min(best[name], _milliseconds(words))
    least = next(iter(best.values()))
    print(f"{'a process that does ...':<42}{'ms':>8}{'times Python':>14}")
    for name, spent in best.items():
        print(f"{name:<42}{spent:>8.0f}{spent / least:>14.1f}")
    late = [name for name, limit in LIMITS.items() if best[name] > limit]
    for name in late:
        print(f"FAILED: {name} took longer than {LIMITS[name]} ms")
    return 1 if late else 0


def _milliseconds(words: list[str]) -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, *words], stdout=subprocess.DEVNULL, check=True)
    return (time.perf_counter() - begun) * 1000
