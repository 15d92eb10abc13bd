"""What something costs, counted: a count is the same on a busy machine."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import attrs
import redis

if TYPE_CHECKING:
    from collections.abc import Generator

    import pytest

_OURS = frozenset({"info", "config", "ping", "client", "hello", "select"})
"""What asks for the counts, and what opens a connection."""
_TRIPS = frozenset({"evalsha", "script", "blpop", "rpush"})
"""What clients send; the rest is done inside of scripts."""


@attrs.define
class Cost:
    """What was counted, in all."""

    trips: float = 0
    """requests that the server was sent"""
    commands: float = 0
    """what it carried out, with that in scripts"""
    sent: float = 0
    """bytes to the server"""
    received: float = 0
    """bytes from the server"""
    tasks: float = 0
    """asyncio tasks that were made"""

    def __sub__(self, other: Cost) -> Cost:
        mine, others = attrs.astuple(self), attrs.astuple(other)
        return Cost(*(one - another for one, another in zip(mine, others, strict=True)))

    def each(self, count: int) -> Cost:
        """Return the same of one of so many."""
        return Cost(*(one / count for one in attrs.astuple(self)))


class Counter:
    """Counts on one server."""

    def __init__(self, url: str) -> None:
        client: Any = redis.Redis
        self._client = client.from_url(url, decode_responses=True)
        self._tasks = 0

    @contextmanager
    def counting(self, monkeypatch: pytest.MonkeyPatch) -> Generator[Cost]:
        """Count what happens inside, on all connections."""
        cost, made = Cost(), 0

        class Task(asyncio.Task[Any]):
            def __init__(self, *args: Any, **kwargs: Any) -> None:
                nonlocal made
                made += 1
                super().__init__(*args, **kwargs)

        with monkeypatch.context() as patched:
            for module in (asyncio, asyncio.tasks):
                patched.setattr(module, "Task", Task)
            self._client.config_resetstat()
            yield cost
            stats, told = self._client.info("commandstats"), self._client.info("stats")
        calls = {name.removeprefix("cmdstat_").split("|")[0]: row["calls"] for name, row in stats.items()}
        cost.trips = sum(count for name, count in calls.items() if name in _TRIPS)
        cost.commands = sum(count for name, count in calls.items() if name not in _OURS)
        cost.sent, cost.received = told["total_net_input_bytes"], told["total_net_output_bytes"]
        cost.tasks = made

    def memory(self) -> int:
        """Return the bytes of what the server stores.

        Not in it: tables that double as they fill, buffers of connections and what scripts leave behind, which depend
        on what was there before.
        """
        used: int = self._client.info("memory")["used_memory_dataset"]
        return used

    def keys(self) -> int:
        """Return how many keys there are."""
        found: int = self._client.dbsize()
        return found

    def close(self) -> None:
        """Hang up."""
        self._client.close()
