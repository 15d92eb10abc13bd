"""A customer's calls are stopped without a deploy, and let go again.

It prints:

    charges 1
    not placed: struck
    charges 2
"""

from __future__ import annotations

import asyncio
import os

from shadows import Disposition, Shadow, Worker


async def charge(customer: int) -> None:
    """Say so."""
    print(f"charges {customer}")


async def main() -> None:
    """Strike one customer, and restore."""
    async with (
        Shadow("strikes", os.environ.get("SHADOW_URL", "memory://examples")) as shadows,
        Worker(shadows) as worker,
    ):
        await shadows.strike(charge, "customer", "==", 2)
        for customer in (1, 2):
            execution = await shadows.add(charge)(customer)
            await worker.run_until_finished()
            if execution.disposition is Disposition.STRUCK:
                print(f"not placed: {execution.disposition}")
        await shadows.restore(charge, "customer", "==", 2)
        await shadows.add(charge)(2)
        await worker.run_until_finished()


if __name__ == "__main__":
    asyncio.run(main())
