"""A task that comes again by itself until it has seen enough.

It prints:

    rendering, 30 % done
    rendering, 60 % done
    rendering, 90 % done
    the video is there
"""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta

from shadows import Perpetual, Shadow, Worker


async def poll(job: str, done: int = 0, perpetual: Perpetual = Perpetual(every=timedelta(milliseconds=20))) -> None:
    """Look, and come again with what is known by now; end when there is nothing left to wait for."""
    if done >= 90:
        perpetual.cancel()
        print(f"the {job} is there")
        return
    print(f"rendering, {done + 30} % done")
    perpetual.perpetuate(job, done + 30)


async def main() -> None:
    """Start it once."""
    async with Shadow("poll", os.environ.get("SHADOW_URL", "memory://examples")) as shadows:
        await shadows.add(poll, key="poll-video")("video")
        async with Worker(shadows) as worker:
            await worker.run_until_finished()


if __name__ == "__main__":
    asyncio.run(main())
