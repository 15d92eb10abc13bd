"""A producer in a process of its own, whose shadows may be another version.

python -m tests.system.fire.elsewhere URL NAME HISTORY COUNT
"""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path

import shadows
from shadows import Shadow
from tests.system.fire.history import append
from tests.system.fire.ledger import Ledger
from tests.system.fire.producers import Producer


async def produce(url: str, name: str, history: Path, count: int) -> None:
    """Place so many calls, and say first whose code it is that does."""
    append(history, "produces", code=shadows.__file__)
    async with Shadow(name, url) as shadow:
        shadow.register_collection("tests.system.fire.tasks:tasks")
        await Producer(shadow, Ledger(history, shadow), random.Random(name), "elsewhere").place(count)


if __name__ == "__main__":
    asyncio.run(produce(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])))
