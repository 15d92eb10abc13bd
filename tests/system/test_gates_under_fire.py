"""Three limits hold while workers are killed and frozen, judged by a history outside of the broker."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections import Counter, defaultdict
from math import inf
from typing import TYPE_CHECKING

import attrs
import pytest

from shadows import Shadow
from tests.system.fire.crew import UNMEASURED
from tests.system.fire.history import HISTORY, read
from tests.system.limited_work import CUSTOMERS, IN_ALL, PER_CUSTOMER, PER_REGION, REGIONS, serve
from tests.system.overlap import bodies, most_at_once
from tests.system.programs import ROOT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.system.programs import Program

CALLS, KILLS, FREEZES = 10_000, 20, 6
READY = "knows"
"""What a worker says when it begins."""
LEASE = 1.0
"""Seconds"""


@attrs.define(eq=False)
class Nemesis:
    """Kills and freezes workers, and knows when each was gone."""

    start: Callable[[], Program]
    dice: random.Random
    workers: list[Program] = attrs.field(factory=list)
    gone: defaultdict[int, list[tuple[float, float]]] = attrs.field(factory=lambda: defaultdict(list))

    async def kill(self) -> None:
        """End one worker without a word, and start another in its place."""
        victim = self._somebody_at_work()
        self.workers.remove(victim)
        victim.signal(signal.SIGKILL)
        await asyncio.to_thread(victim.end)
        self.gone[victim.pid].append((time.monotonic(), inf))
        self.workers.append(self.start())

    async def freeze(self) -> None:
        """Stop one worker for longer than its leases last."""
        victim = self._somebody_at_work()
        since = time.monotonic()
        victim.signal(signal.SIGSTOP)
        await asyncio.sleep(LEASE * 2.5)
        victim.signal(signal.SIGCONT)
        # What it had claimed before, it may still begin now, until it asks whether its leases are still its own.
        self.gone[victim.pid].append((since, time.monotonic() + LEASE / 2))

    def _somebody_at_work(self) -> Program:
        return self.dice.choice([worker for worker in self.workers if READY in worker.text])


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_no_limit_is_exceeded_and_no_slot_leaks_while_workers_are_killed_and_frozen(
    program: Callable[..., Program], one_place: str, shadow_name: str, tmp_path: Path
) -> None:
    """INV 20, INV 21, INV 22: three workers, 10,000 calls, 20 kills, 6 freezes."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    history = tmp_path / "history"
    words = ["worker", "--tasks", "tests.system.limited_work:tasks", "--url", one_place, "--shadows", shadow_name]
    words += ["--redelivery-timeout", f"{LEASE:g}s", "--concurrency", "6", "--logging-format", "plain"]
    settings = {HISTORY: str(history), "SHADOW_WORKER_MAX_DELIVERIES": "1000", **UNMEASURED}

    def start() -> Program:
        return program(*words, cwd=ROOT, **settings)

    nemesis = Nemesis(start, random.Random(seed), [start() for _ in range(3)])
    for worker in nemesis.workers:
        await asyncio.to_thread(worker.until, READY)
    async with Shadow(shadow_name, one_place) as shadows:
        shadows.register(serve)
        plan = ["kill"] * KILLS + ["freeze"] * FREEZES
        nemesis.dice.shuffle(plan)
        keys = await place(shadows, nemesis.dice)

        async def has_come_to(calls: int) -> bool:
            return CALLS - (await shadows.snapshot(1)).total_tasks >= calls

        for step, what in enumerate(plan, start=1):
            await comes_true(lambda: has_come_to(step * CALLS // (len(plan) + 2)))  # noqa: B023 - awaited here
            await (nemesis.kill() if what == "kill" else nemesis.freeze())

        await comes_true(lambda: has_come_to(CALLS))
        ended = [await shadows.get_execution(key) for key in keys[:: len(keys) // 100]]
        assert Counter(None if one is None else one.state for one in ended) == {"completed": len(ended)}
        assert (await shadows.snapshot(1)).dead == 0
        async with shadows.redis() as client:
            left = [key async for key in client.scan_iter(match=f"{shadow_name}:*", count=10_000)]
        names = [key.decode().removeprefix(f"{shadow_name}:") for key in left]
        held = [name for name in names if name.startswith(("concurrency:", "!line:", "!gates:", "!chores"))]
        assert held == [], "slots, lines or gates are left over"
    for worker in nemesis.workers:
        worker.signal(signal.SIGTERM)
    for worker in nemesis.workers:
        assert await asyncio.to_thread(worker.end) == 0, worker.text

    ran = bodies(read(history), nemesis.gone)
    assert {body.number for body in ran} == set(range(CALLS))
    cut = {body.pid for body in ran if any(body.end == since for since, _ in nemesis.gone[body.pid])}
    assert len(cut) >= KILLS // 2, "the workers had nothing to do when they were disturbed"
    for group, most in most_at_once(ran).items():
        allowed = {"customer": PER_CUSTOMER, "region": PER_REGION, "all": IN_ALL}[group.split()[0]]
        assert most <= allowed, (seed, group, most)


async def place(shadows: Shadow, dice: random.Random) -> list[str]:
    """Place all calls, so that there is work for as long as workers are disturbed, and give their keys."""
    calls = [
        shadows.call(serve, key=f"serve-{number}")(number, dice.randrange(CUSTOMERS), customer_region(number))
        for number in range(CALLS)
    ]
    return [execution.key for execution in await shadows.add_many(calls)]


async def comes_true(happens: Callable[[], Awaitable[bool]]) -> None:
    """Look again and again until something is the case, or the test's time is over."""
    while not await happens():  # noqa: ASYNC110 - other processes set no event of ours
        await asyncio.sleep(0.05)


def customer_region(number: int) -> int:
    """Give the region that this call works in."""
    return number % REGIONS
