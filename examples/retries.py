"""A task that is tried again, after pauses that double.

It prints:

    attempt 1
    attempt 2
    attempt 3
    charged
"""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta

from shadows import ExponentialRetry, Shadow, Worker


async def charge(
    customer: int,
    retry: ExponentialRetry = ExponentialRetry(attempts=5, minimum_delay=timedelta(milliseconds=20)),
) -> str:
    """Succeed at the third attempt."""
    print(f"attempt {retry.attempt}")
    if retry.attempt < 3:
        raise ConnectionError(f"no answer about customer {customer}")
    return "charged"


async def main() -> None:
    """Wait for the result, however many attempts it takes."""
    async with Shadow("retries", os.environ.get("SHADOW_URL", "memory://examples")) as shadows:
        execution = await shadows.add(charge)(42)
        async with Worker(shadows) as worker:
            await worker.run_until_finished()
        print(await execution.get_result())


if __name__ == "__main__":
    asyncio.run(main())
