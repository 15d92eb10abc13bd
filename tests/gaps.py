"""How long nobody claims when a server goes: measured against what somebody sees who only looks for the new one.

`python -m tests.gaps --times 5` prints the figures.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import statistics
import threading
import time
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import attrs
import redis

from shadows import Shadow
from tests.front.acts import working
from tests.topologies import Cluster, Sentinels, ask, eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.servers import Server

NAME: Final = "shop"
RHYTHM: Final = timedelta(milliseconds=40)
"""A call is due so often."""
CALLS: Final = 1_000
LATE: Final = timedelta(seconds=60)
BLOCK: Final = 1.0
"""Seconds that a worker waits at the door."""
PATIENCE: Final = 5.0
"""Seconds beyond that after which it gives a silent server up."""


@attrs.frozen
class Gap:
    """What was measured, in seconds."""

    away: float
    """from the fault until a bare client could write to the server that took over"""
    behind: float
    """from then until a body began; less than none: it began before the bare client had noticed"""
    silence: float
    """the longest time in which no body began"""
    noise: float
    """the longest time for which this machine kept us, or the bare client, from doing anything"""

    @property
    def slack(self) -> float:
        """What a bound must allow for: a claim takes some turns of both, each of which may be kept as long."""
        return 1.0 + 4 * self.noise


@attrs.define(eq=False)
class Looker:
    """Somebody without a shadow, who tries again and again to write to the servers that might take over."""

    candidates: Sequence[Server]
    seen: float | None = None
    noise: float = 0.0
    _leave: threading.Event = attrs.field(factory=threading.Event)

    def __attrs_post_init__(self) -> None:
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    _thread: threading.Thread = attrs.field(init=False)

    def _look(self) -> None:
        while self.seen is None and not self._leave.is_set():
            before = time.monotonic()
            if any(_takes_writes(one) for one in self.candidates):
                self.seen = time.monotonic()
            self.noise = max(self.noise, time.monotonic() - before)
            self._leave.wait(0.02)

    def leave(self) -> None:
        """Look no more."""
        self._leave.set()
        self._thread.join()


def _takes_writes(server: Server) -> bool:
    try:
        with redis.Redis(port=server.port, socket_timeout=2, socket_connect_timeout=2) as line:
            return bool(line.set(f"{{{NAME}}}:!probe", 1, px=1000))
    except redis.RedisError:
        return False


async def _listen(stalls: list[float]) -> None:
    """Notice for how long the event loop is kept."""
    while True:
        before = time.monotonic()
        await asyncio.sleep(0.01)
        stalls[0] = max(stalls[0], time.monotonic() - before - 0.01)


async def measure(url: str, old: Server, others: Sequence[Server], strike: Callable[[], object]) -> Gap:
    """Let a worker run calls that are due one after the other, strike, and see when it goes on."""
    begun: list[float] = []

    async def tick() -> None:
        begun.append(time.monotonic())

    async with Shadow(NAME, url, add_deadline=LATE) as shadows:
        ticks = ((RHYTHM * number, str(number)) for number in range(CALLS))
        await asyncio.gather(*(shadows.add(tick, when=when, key=key)() for when, key in ticks))
        stalls = [0.0]
        listening = asyncio.create_task(_listen(stalls))
        async with working(shadows, reconnection_delay=timedelta(seconds=1)):
            await _true_within(lambda: len(begun) > 20)
            looker, struck = Looker([one for one in others if one is not old]), time.monotonic()
            await asyncio.to_thread(strike)
            await _true_within(lambda: looker.seen is not None)
            seen = looker.seen or 0.0
            looker.leave()
            await _true_within(lambda: begun[-1] > seen)
            after = next(one for one in begun if one > seen)
            await _true_within(lambda: len([one for one in begun if one > seen]) > 20)
            listening.cancel()
            silence = max(b - a for a, b in pairwise(begun) if b > struck)
    return Gap(seen - struck, after - seen, silence, max(stalls[0], looker.noise))


async def _true_within(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LATE.total_seconds()):
        while not condition():  # noqa: ASYNC110 - what it waits for happens in threads and on servers
            await asyncio.sleep(0.005)


def freeze(server: Server) -> None:
    """Let a server keep its connections and say nothing any more."""
    server.kill(signal.SIGSTOP)


def kill(server: Server) -> None:
    """Let a server end without a word."""
    server.kill()


FAULTS: Final = {"killed": kill, "frozen": freeze}


async def of_sentinels(fault: str) -> Gap:
    """Measure what becomes of a primary that Sentinels watch over."""
    with Sentinels() as trio:
        old = trio.primary
        move = trio.fail_over if fault == "moved" else lambda: FAULTS[fault](old)
        return await measure(trio.url, old, trio.servers, move)


async def of_a_cluster(fault: str, client: str = "redis-py") -> Gap:
    """Measure what becomes of the node of a cluster that serves the shadow."""
    with Cluster(replicas=True) as cluster:
        old, replica = cluster.home(NAME), cluster.replica(NAME)

        def change_places() -> None:
            ask(replica, "CLUSTER", "FAILOVER")
            eventually(lambda: cluster.home(NAME) is replica)

        strikes = {"moved": change_places, "migrated": lambda: cluster.migrate(NAME)}
        strike = strikes.get(fault) or (lambda: FAULTS[fault](old))
        return await measure(f"{cluster.url}?client={client}", old, cluster.servers, strike)


CELLS: Final = [
    *(("sentinel", fault, "redis-py") for fault in ("moved", "killed", "frozen")),
    *(("cluster", fault, client) for client in ("redis-py", "glide") for fault in ("moved", "killed", "frozen")),
    *(("cluster", "migrated", client) for client in ("redis-py", "glide")),
]


async def cell(topology: str, fault: str, client: str) -> Gap:
    """Measure one of them."""
    return await (of_sentinels(fault) if topology == "sentinel" else of_a_cluster(fault, client))


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--only", default="", help="words that stand in a row, such as 'cluster frozen'")
    said = parser.parse_args()
    print("| topology | fault | client | new server after | a claim behind it | silence: median, most | noise |")
    for words in CELLS:
        if set(said.only.split()) <= set(words):
            print(
                f"| {' | '.join(words)} | {_told([asyncio.run(cell(*words)) for _ in range(said.times)])} |", flush=True
            )


def _told(gaps: Sequence[Gap]) -> str:
    away, behind, noise = (max(getattr(gap, name) for gap in gaps) for name in ("away", "behind", "noise"))
    silences = [gap.silence for gap in gaps]
    silence = f"{statistics.median(silences):.2f} s, {max(silences):.2f} s"
    return f"{away:.2f} s | {behind:.2f} s | {silence} | {noise:.2f} s"


if __name__ == "__main__":
    main()
