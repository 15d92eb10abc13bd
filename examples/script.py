"""A script without an event loop places calls and waits for them.

It prints:

    42
"""

from __future__ import annotations

import asyncio
import os
import threading

from shadows import Shadow, SyncShadow, Worker

URL = os.environ.get("SHADOW_URL", "memory://examples")


def double(number: int) -> int:
    """Be a task; those without `async` run in threads."""
    return 2 * number


async def work() -> None:
    """Stand for `shadows worker` in another process."""
    async with Shadow("script", URL) as shadows, Worker(shadows) as worker:
        shadows.register(double)
        await worker.run_until_finished()


def main() -> None:
    """Do without `await`."""
    with SyncShadow("script", URL) as shadows:
        execution = shadows.add(double)(21)
        worker = threading.Thread(target=asyncio.run, args=(work(),))
        worker.start()
        print(shadows.get_result(execution, timeout=60))
        worker.join()


if __name__ == "__main__":
    main()
