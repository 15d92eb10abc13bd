"""The tasks of test_gates_under_fire.py, for workers in processes of their own, and the history that they write."""

from __future__ import annotations

import asyncio

from shadows import ConcurrencyLimit
from tests.system.fire.history import note

PER_CUSTOMER, PER_REGION, IN_ALL = 2, 6, 15
CUSTOMERS, REGIONS = 40, 5


async def serve(
    number: int,
    customer: int,
    region: int,
    by_customer: ConcurrencyLimit = ConcurrencyLimit("customer", max_concurrent=PER_CUSTOMER),
    by_region: ConcurrencyLimit = ConcurrencyLimit("region", max_concurrent=PER_REGION),
    in_all: ConcurrencyLimit = ConcurrencyLimit(max_concurrent=IN_ALL),
) -> int:
    """Work for a moment, under three limits."""
    note("begin", number=number, customer=customer, region=region)
    await asyncio.sleep(0.08)
    note("end", number=number)
    return number


tasks = [serve]
