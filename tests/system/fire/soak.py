"""The soak: all that can break, breaks, in an order that a seed decides, for as long as you say; then the reckoning.

python3 dev.py soak --minutes 60
python3 dev.py soak --minutes 60 --seed 7 --servers valkey-9,redis-7.0 --table docs/guarantees.md
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs
import redis

from tests.servers import Server, available
from tests.system.fire import acts, history, report
from tests.system.fire.arena import Arena
from tests.system.fire.checks import CHECKS, deleted, wrong
from tests.system.fire.meter import Meter, growth
from tests.system.fire.nemesis import Nemesis

if TYPE_CHECKING:
    from collections.abc import Callable

LEASE: Final = 4.0
"""seconds"""
QUIETLY: Final = ("--logging-level", "CRITICAL")
"""Workers that say what they do take longer over it, and nobody reads it all."""
EVERY: Final = 5.0
"""seconds between two looks at what is used"""


@attrs.define(eq=False)
class Soak:
    """One run on one server."""

    server: str
    seconds: float
    seed: int
    folder: Path
    began: datetime = attrs.field(factory=lambda: datetime.now(UTC))
    meter: Meter = attrs.field(factory=Meter)

    async def run(self) -> report.Run:
        """Break things for so long, let the dust settle, and tell."""
        with Server(self.server, aof=True) as server:
            async with Arena(
                server, self.folder, self.seed, lease=LEASE, most=600, options=QUIETLY, concurrency=20
            ) as arena:
                end = time.monotonic() + self.seconds
                nemeses = [
                    Nemesis(arena, random.Random(arena.dice.random()), kinds, pause)
                    for kinds, pause in ((acts.ON_WAYS, 0.2), (acts.ON_PROCESSES, 0.8))
                ]
                async with arena.under_load():
                    measuring = asyncio.create_task(self._measure(arena, nemeses))
                    await asyncio.gather(*(nemesis.rage(lambda: time.monotonic() > end) for nemesis in nemeses))
                    measuring.cancel()
                oldest = arena.crew.hands[0].pid
                story, left = await arena.finish()
                found = wrong(story, deliveries=1000)
                given = sum((nemesis.given for nemesis in nemeses), Counter[str]())
                bit = sum((nemesis.bit for nemesis in nemeses), Counter[str]())
                kinds = {kind: (given[kind], bit[kind]) for kind in acts.ACTS}
                broken = {name: len(found.get(name, ())) for name in CHECKS}
                leaked = {name: len(what) for name, what in left.wrong().items()}
                for name, what in {**found, **left.wrong()}.items():
                    print(f"{name}: {len(what)}, such as {what[:5]}", flush=True)
                return report.Run(
                    server=self.server,
                    seed=self.seed,
                    began=f"{self.began:%Y-%m-%d %H:%M} UTC",
                    minutes=round(self.seconds / 60, 1),
                    calls=len(story.calls),
                    acknowledged=arena.ledger.acknowledged,
                    deleted=len(deleted(story)),
                    runs=len(story.bodies),
                    faults=kinds,
                    wrong=broken,
                    leaked=leaked,
                    slopes=dict(self.meter.slopes()),
                    growth=dict(growth(history.Reading(arena.history), oldest)),
                )

    async def _measure(self, arena: Arena, nemeses: list[Nemesis]) -> None:
        for turn in range(1 << 30):
            with suppress(OSError, redis.RedisError), arena.line() as line:
                self.meter.process("worker", arena.crew.hands[0].pid)
                self.meter.server(line)
            arena.crew.look()
            if turn % 12 == 0:
                bit = sum(nemesis.bit.total() for nemesis in nemeses)
                placed, flight = arena.ledger.acknowledged, len(arena.ledger.flight)
                print(f"{datetime.now(UTC):%H:%M:%S} {placed} acknowledged, {flight} in flight, {bit} bit", flush=True)
            await asyncio.sleep(EVERY)


def main() -> int:
    """Run, print the table, and return 1 if anything is wrong."""
    told = _told()
    seed = random.SystemRandom().randrange(1 << 32) if told.seed is None else told.seed
    names = told.servers.split(",")
    runs: list[report.Run] = []
    for name in names:
        folder = Path(tempfile.mkdtemp(prefix="shadows-soak-"))
        print(
            f"seed {seed} on {name} for {told.minutes / len(names):g} minutes; the history is in {folder}", flush=True
        )
        runs.append(asyncio.run(Soak(name, told.minutes * 60 / len(names), seed, folder).run()))
    print(report.table(runs))
    if told.table is not None:
        report.put(told.table, runs)
    return int(any(run.is_wrong for run in runs))


def _told() -> argparse.Namespace:
    newest = list(available())[-1]
    parser = argparse.ArgumentParser("dev.py soak", description="Break everything for a while, and see what holds.")
    add: Callable[..., object] = parser.add_argument
    add("--minutes", type=float, default=60, help="how long, over all servers (default: 60)")
    add("--seed", type=int, help="replay what this seed decided (default: a new one, which is printed)")
    add("--servers", default=newest, help=f"servers, separated by commas (default: {newest})")
    add("--table", type=Path, help="put the table into this page, between its two marks")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
