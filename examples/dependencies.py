"""What a task needs is opened for it, and closed again: once for all runs, or for each.

It prints:

    connects
    begins
    stores 1
    commits
    begins
    stores 2
    commits
    disconnects
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator

from shadows import Depends, Shadow, Shared, Worker


class Database:
    """Stands for a pool of connections."""

    def store(self, number: int) -> None:
        """Keep it."""
        print(f"stores {number}")


async def connect() -> AsyncGenerator[Database]:
    """Open it when the first run needs it, and close it with the worker."""
    print("connects")
    yield Database()
    print("disconnects")


async def transaction(database: Database = Shared(connect)) -> AsyncGenerator[Database]:
    """Surround each run."""
    print("begins")
    yield database
    print("commits")


async def store(number: int, database: Database = Depends(transaction)) -> None:
    """Have it all, without a thought."""
    database.store(number)


async def main() -> None:
    """Run two calls, one after the other."""
    async with Shadow("dependencies", os.environ.get("SHADOW_URL", "memory://examples")) as shadows:
        for number in (1, 2):
            await shadows.add(store)(number)
        async with Worker(shadows, concurrency=1) as worker:
            await worker.run_until_finished()


if __name__ == "__main__":
    asyncio.run(main())
