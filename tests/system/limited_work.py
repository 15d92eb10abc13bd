"""The tasks of test_gates_under_fire.py, for workers in processes of their own, and the history that they write.

A history lies outside of the broker: one line for each beginning and end of a body, appended by one write, with the
time of the machine's monotonic clock, which all processes share.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any

from shadows import ConcurrencyLimit

HISTORY = "LIMITED_WORK_HISTORY"
"""The variable that names the file."""
PER_CUSTOMER, PER_REGION, IN_ALL = 2, 6, 15
CUSTOMERS, REGIONS = 40, 5


def note(**what: object) -> None:
    """Append one line."""
    line = json.dumps({**what, "at": time.monotonic(), "pid": os.getpid()}) + "\n"
    file = os.open(os.environ[HISTORY], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)


def read(path: Path) -> list[dict[str, Any]]:
    """Give the lines in the order of their times."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return sorted(lines, key=lambda line: line["at"])


async def serve(
    number: int,
    customer: int,
    region: int,
    by_customer: ConcurrencyLimit = ConcurrencyLimit("customer", max_concurrent=PER_CUSTOMER),
    by_region: ConcurrencyLimit = ConcurrencyLimit("region", max_concurrent=PER_REGION),
    in_all: ConcurrencyLimit = ConcurrencyLimit(max_concurrent=IN_ALL),
) -> int:
    """Work for a moment, under three limits."""
    note(what="begin", number=number, customer=customer, region=region)
    await asyncio.sleep(0.08)
    note(what="end", number=number)
    return number


tasks = [serve]
