"""A task tells how far it is, and whoever has placed the call hears of it.

It prints:

    3 of 3: done
    completed
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

from shadows import ExecutionProgress, Progress, Shadow, Worker


async def convert(pages: int, progress: ExecutionProgress = Progress()) -> None:
    """Report each page."""
    await progress.set_total(pages)
    for _ in range(pages):
        await progress.increment()
    await progress.set_message("done")


async def main() -> None:
    """Listen until the call has ended, and print what was heard last: what comes quickly may be passed over."""
    async with Shadow("progress", os.environ.get("SHADOW_URL", "memory://examples")) as shadows:
        execution = await shadows.add(convert)(3)
        heard: dict[str, dict[str, Any]] = {}
        async with Worker(shadows) as worker:
            running = asyncio.create_task(worker.run_until_finished())
            async for event in execution.subscribe():
                heard[event["type"]] = event
            await running
    last = heard["progress"]
    print(f"{last['current']} of {last['total']}: {last['message']}")
    print(heard["state"]["state"])


if __name__ == "__main__":
    asyncio.run(main())
