"""A gate: however many workers there are, one call for each customer runs at a time.

It prints:

    at most 1 at a time for Ada
    at most 1 at a time for Bob
    at most 2 at a time in all
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from typing import Annotated

from shadows import ConcurrencyLimit, Shadow, Worker

now: Counter[str] = Counter()
most: Counter[str] = Counter()


async def charge(customer: Annotated[str, ConcurrencyLimit(1)]) -> None:
    """Note how many run."""
    for who in (customer, "all"):
        now[who] += 1
        most[who] = max(most[who], now[who])
    await asyncio.sleep(0.02)
    for who in (customer, "all"):
        now[who] -= 1


async def main() -> None:
    """Have room for ten calls at once, and two customers."""
    async with Shadow("one-at-a-time", os.environ.get("SHADOW_URL", "memory://examples")) as shadows:
        await shadows.add_many(shadows.call(charge)(name) for name in ("Ada", "Bob") * 4)
        async with Worker(shadows, concurrency=10) as worker:
            await worker.run_until_finished()
    print(f"at most {most['Ada']} at a time for Ada")
    print(f"at most {most['Bob']} at a time for Bob")
    print(f"at most {most['all']} at a time in all")


if __name__ == "__main__":
    asyncio.run(main())
