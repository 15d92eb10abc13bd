"""What workers under fire run: each body says when it begins and how it ends, and leaves its name as its result."""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import sys
import time
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from shadows import ConcurrencyLimit, CurrentExecution, Execution, Perpetual, Retry
from tests.system.fire.history import note

if TYPE_CHECKING:
    from collections.abc import Iterator

ATTEMPTS: Final = 4
"""The most of a call that fails."""
AT_ONCE: Final = 2
"""So many calls of one customer run at a time."""
OFTEN: Final = 1000
"""Each time that so many bodies have begun, a process says what it uses."""
_numbers = itertools.count(1)


@contextmanager
def body(execution: Execution[str], **more: object) -> Iterator[str]:
    """Write the beginning and the end of a body down; gives the body's name, which no other one has."""
    number = next(_numbers)
    name = f"{os.getpid()}-{number}"
    if number % OFTEN == 0:
        note("used", bodies=number, **used())
    about = {"key": execution.key, "attempt": execution.attempt, "fence": execution.fence}
    note("begin", body=name, task=execution.function_name, redelivered=execution.redelivered, **about, **more)
    try:
        yield name
    except (asyncio.CancelledError, GeneratorExit):
        note("end", body=name, key=execution.key, how="cancelled")
        raise
    except BaseException:
        note("end", body=name, key=execution.key, how="raised")
        raise
    note("end", body=name, key=execution.key, how="returned")


def used() -> dict[str, float]:
    """Return what this process uses: the blocks that Python's allocator has given out, and the memory in kB.

    Without what is garbage: of cycles Python keeps as much as a quarter of all that lives, before it looks.
    """
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {"blocks": sys.getallocatedblocks(), "kB": pages * os.sysconf("SC_PAGE_SIZE") / 1024}


async def work(seconds: float, execution: Execution[str] = CurrentExecution()) -> str:
    """Take so long."""
    with body(execution) as name:
        await asyncio.sleep(seconds)
        return name


def toil(seconds: float, execution: Execution[str] = CurrentExecution()) -> str:
    """Take so long, in a thread."""
    with body(execution) as name:
        time.sleep(seconds)
        return name


async def stumble(
    failures: int,
    execution: Execution[str] = CurrentExecution(),
    retry: Retry = Retry(attempts=ATTEMPTS, delay=timedelta(milliseconds=50)),
) -> str:
    """Fail so often, then succeed; fail for good where that is more often than it is tried."""
    with body(execution) as name:
        await asyncio.sleep(0.01)
        if execution.attempt <= failures:
            raise LookupError(name)
        return name


async def visit(
    customer: int,
    seconds: float,
    execution: Execution[str] = CurrentExecution(),
    limit: ConcurrencyLimit = ConcurrencyLimit("customer", max_concurrent=AT_ONCE),
) -> str:
    """Take so long, and be one of few who work for this customer."""
    with body(execution, customer=customer) as name:
        await asyncio.sleep(seconds)
        return name


async def come_again(
    execution: Execution[str] = CurrentExecution(),
    perpetual: Perpetual = Perpetual(every=timedelta(milliseconds=200)),
) -> str:
    """Come again until somebody cancels it."""
    with body(execution) as name:
        await asyncio.sleep(0.01)
        return name


tasks = [work, toil, stumble, visit, come_again]
