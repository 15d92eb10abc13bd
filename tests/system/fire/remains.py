"""What is left on a server when all is quiet: read once, and judged without it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from tests.contract.harness import FIXED

if TYPE_CHECKING:
    from collections.abc import Mapping

    import redis

LIVE: Final = frozenset({"scheduled", "queued", "running", "parked"})
HOLDERS: Final = ("concurrency:", "!line:", "!gates:", "!chores", "!releases")
"""Where slots, and those who wait for them, are written down."""


@attrs.frozen
class Remains:
    """The keys of a shadow with their time to live in ms (-1 for ever), and what is pending in its stream."""

    lifetimes: Mapping[str, int]
    pending: int
    ready: int
    live: frozenset[str]
    """the keys of calls that have not ended"""

    def wrong(self) -> dict[str, list[str]]:
        """Return what should not be there once all calls have ended."""
        lasting = [name for name, left in self.lifetimes.items() if left == -1]
        held = [name for name in self.lifetimes if name.startswith(HOLDERS)]
        orphans = [name for name in lasting if name not in FIXED and name not in held]
        found = {
            "pending": [f"{self.pending} entries"] if self.pending else [],
            "ready": [f"{self.ready} entries"] if self.ready else [],
            "live": sorted(self.live),
            "slots": held,
            "orphans": [name for name in orphans if name.removeprefix("runs:") not in self.live],
        }
        return {name: wrong for name, wrong in found.items() if wrong}


def read(line: redis.Redis, base: str) -> Remains:
    """Look at all keys below ``base``, which is the shadow's name and a colon."""
    client: Any = line
    names = [key.decode().removeprefix(base) for key in client.scan_iter(match=f"{base}*", count=1000)]
    lifetimes: dict[str, int] = {}
    for name in names:
        lifetimes[name] = client.pttl(f"{base}{name}")
    groups = client.xinfo_groups(f"{base}stream") if "stream" in lifetimes else []
    pending = sum(group["pending"] for group in groups)
    records = [name for name in names if name.startswith("runs:")]
    live = {
        name.removeprefix("runs:")
        for name in records
        if (state := client.hget(f"{base}{name}", "state")) is not None and state.decode() in LIVE
    }
    gone = -2
    lifetimes = {name: left for name, left in lifetimes.items() if left != gone}
    ready = client.xlen(f"{base}stream") if "stream" in lifetimes else 0
    return Remains(lifetimes, pending, ready - pending, frozenset(live))
