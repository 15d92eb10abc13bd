"""Many calls in one trip, run by several at once, and their results in order.

It prints:

    55 squares, 40425 in all
"""

from __future__ import annotations

import asyncio
import os

from shadows import Shadow, Worker


async def square(number: int) -> int:
    """Return the square."""
    return number * number


async def main() -> None:
    """Place them all, then gather."""
    async with Shadow("fan-out", os.environ.get("SHADOW_URL", "memory://examples")) as shadows:
        executions = await shadows.add_many(shadows.call(square)(number) for number in range(50))
        executions += await shadows.add_many(shadows.call(square)(0) for _ in range(5))
        async with Worker(shadows, concurrency=20) as worker:
            await worker.run_until_finished()
        results = await asyncio.gather(*(execution.get_result() for execution in executions))
        print(f"{len(results)} squares, {sum(results)} in all")


if __name__ == "__main__":
    asyncio.run(main())
