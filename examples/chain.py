"""A task places the next one, under a key that a second run of it would use again: nothing happens twice.

It prints:

    downloads report
    parses report
    sends report
"""

from __future__ import annotations

import asyncio
import os

from shadows import CurrentShadow, Shadow, Worker


async def download(name: str, shadow: Shadow = CurrentShadow()) -> None:
    """Go first."""
    print(f"downloads {name}")
    await shadow.add(parse, key=f"parse-{name}")(name)


async def parse(name: str, shadow: Shadow = CurrentShadow()) -> None:
    """Follow."""
    print(f"parses {name}")
    await shadow.add(send, key=f"send-{name}")(name)


async def send(name: str) -> None:
    """Be the last one."""
    print(f"sends {name}")


async def main() -> None:
    """Place the first."""
    async with Shadow("chain", os.environ.get("SHADOW_URL", "memory://examples")) as shadows:
        await shadows.add(download, key="download-report")("report")
        async with Worker(shadows) as worker:
            await worker.run_until_finished()


if __name__ == "__main__":
    asyncio.run(main())
