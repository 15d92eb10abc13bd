"""A key makes calls idempotent: one live run each, which can be moved and cancelled by it.

It prints:

    scheduled
    already_scheduled
    reminds Ada of the new offer
"""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta

from shadows import Shadow, Worker

DAY = timedelta(days=1)


async def remind(name: str, of: str) -> None:
    """Say so."""
    print(f"reminds {name} of the {of}")


async def main() -> None:
    """Place one call twice, put another one in its place, and cancel a third."""
    async with Shadow("keys", os.environ.get("SHADOW_URL", "memory://examples")) as shadows:
        for _ in range(2):
            execution = await shadows.add(remind, when=DAY, key="remind-ada")("Ada", "old offer")
            print(execution.disposition)
        await shadows.replace(remind, when=None, key="remind-ada")("Ada", "new offer")
        await shadows.add(remind, when=DAY, key="remind-bob")("Bob", "old offer")
        await shadows.cancel("remind-bob")
        async with Worker(shadows) as worker:
            await worker.run_until_finished()


if __name__ == "__main__":
    asyncio.run(main())
