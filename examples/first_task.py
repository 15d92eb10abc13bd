"""A task, a call of it, and its result.

It prints:

    {'to': 'Ada', 'letters': 3}
"""

from __future__ import annotations

import asyncio
import os

from shadows import Shadow, Worker


async def greet(name: str) -> dict[str, str | int]:
    """Be a task: a plain function."""
    return {"to": name, "letters": len(name)}


async def main() -> None:
    """Place a call, and let a worker run it; the two may be programs of their own, on machines of their own."""
    async with Shadow("first-task", os.environ.get("SHADOW_URL", "memory://examples")) as shadows:
        execution = await shadows.add(greet)("Ada")
        async with Worker(shadows) as worker:
            await worker.run_until_finished()
        print(await execution.get_result())


if __name__ == "__main__":
    asyncio.run(main())
