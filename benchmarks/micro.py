"""What one run costs in the worker itself, without a broker: python3 dev.py bench --micro."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextvars import copy_context
from typing import Any

from shadows import Depends, Retry
from shadows.adapters.clock import SystemClock
from shadows.adapters.codecs.cloudpickle import CloudpickleCodec
from shadows.adapters.observers.log import LogObserver
from shadows.core.envelope import Envelope, pack
from shadows.core.settings import WorkerOptions
from shadows.dependencies.keeping import Keeping
from shadows.dependencies.registry import Registry
from shadows.dependencies.running import Running, Workplace
from shadows.engine.attempt import Attempt
from shadows.engine.elsewhere import Elsewhere
from shadows.engine.outcomes import Outcomes
from shadows.engine.run import Runner
from shadows.engine.wire import Wire
from shadows.ports.broker import Lease

ROUNDS, RUNS = 15, 4_000


async def nothing(number: int, text: str) -> None: ...


async def retried(number: int, text: str, retry: Retry = Retry(attempts=3)) -> None: ...


def first() -> int:
    return 1


def second(before: int = Depends(first)) -> int:
    return before + 1


def third(before: int = Depends(second)) -> int:
    return before + 1


async def plain(number: int, text: str, made: int = Depends(third)) -> None: ...


async def afirst() -> int:
    return 1


async def asecond(before: int = Depends(afirst)) -> int:
    return before + 1


async def athird(before: int = Depends(asecond)) -> int:
    return before + 1


async def coroutines(number: int, text: str, made: int = Depends(athird)) -> None: ...


def gfirst() -> Generator[int]:
    yield 1


def gsecond(before: int = Depends(gfirst)) -> Generator[int]:
    yield before + 1


def gthird(before: int = Depends(gsecond)) -> Generator[int]:
    yield before + 1


async def generators(number: int, text: str, made: int = Depends(gthird)) -> None: ...


async def agfirst() -> AsyncGenerator[int]:
    yield 1


async def agsecond(before: int = Depends(agfirst)) -> AsyncGenerator[int]:
    yield before + 1


async def agthird(before: int = Depends(agsecond)) -> AsyncGenerator[int]:
    yield before + 1


async def async_generators(number: int, text: str, made: int = Depends(agthird)) -> None: ...


TASKS: dict[str, Callable[..., Any]] = {
    "declares nothing": nothing,
    "Retry": retried,
    "three nested Depends: def": plain,
    "three nested Depends: async def": coroutines,
    "three nested Depends: generators": generators,
    "three nested Depends: async generators": async_generators,
}


def main(*, smoke: bool) -> int:
    """Measure and print; the best of several rounds, for anything else that the machine does only adds."""
    rounds, runs = (1, 10) if smoke else (ROUNDS, RUNS)
    logging.getLogger("shadows").setLevel(logging.WARNING)
    best = asyncio.run(_measure(rounds, runs))
    least = best["declares nothing"]
    print(f"{'one run of a task that ...':<42}{'us':>8}{'more':>8}")
    for name, spent in best.items():
        print(f"{name:<42}{spent:>8.2f}{spent - least:>8.2f}")
    return 0


async def _measure(rounds: int, runs: int) -> dict[str, float]:
    """Return the microseconds of CPU that one run of each task takes."""
    codec = CloudpickleCodec()
    registry = Registry()
    keeping = Keeping(copy_context(), 30.0, print)
    keeping.workplace = workplace = Workplace(None, None, SystemClock(), keeping, _no_handle, _no_report)
    outcomes = Outcomes(Wire.of(codec), 1_000)
    elsewhere = Elsewhere.of(WorkerOptions(name="micro", concurrency=1), codec)
    runner = Runner(registry.plans, outcomes.wire, outcomes, elsewhere, LogObserver("micro"), workplace)
    leases = {}
    for name, task in TASKS.items():
        registered = registry.register(task, names=[name])
        payload = pack(Envelope(registered, codec.id, {}, codec.encode(((1, "text"), {}))))
        leases[name] = Lease("key", "token", 7, 1, payload, 1, 0, 0)
    best = dict.fromkeys(TASKS, float("inf"))
    for _ in range(rounds):
        for name, lease in leases.items():  # in turn, so that a busy moment of the machine hits all alike
            began = time.process_time()
            for _ in range(runs):
                await runner.run(Attempt(lease))
            best[name] = min(best[name], (time.process_time() - began) / runs * 1e6)
    return best


def _no_handle(running: Running) -> None:
    del running


async def _no_report(lease: Lease, progress: object) -> bool:
    del lease, progress
    return False
