"""What a backend needs to sit the exam: how to open it, how time passes for it, how to see whether somebody waits."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any, Self, cast

import redis

from shadows.adapters.redis.backend import assemble
from shadows.adapters.redis.backend import open_backend as open_redis
from shadows.core.urls import parse
from shadows.ports.backend import Backend, Terms
from shadows.testing.exam.harness import Harness, MemoryHarness, names
from tests.clients import by_client
from tests.contract.roles import RolesDriver
from tests.topologies import Acl

if TYPE_CHECKING:
    from shadows.ports.broker import Broker
    from tests.servers import Server
    from tests.topologies import Topology

__all__ = ["CLOCK", "Harness", "MemoryHarness", "ServerHarness"]

CLOCK = """
local function clock()
  local moved, time = redis.call('GET', ARGV[1] .. '!clock'), redis.call('TIME')
  return tonumber(moved or time[1] * 1000)
end
"""
"""What stands in for the server's TIME, so that no production script takes the time from a client."""


class ServerHarness:
    """A real server: its scripts read the time from a key, and leases are made to look older."""

    def __init__(self, server: Server | Topology, terms: Terms | None = None, *, name: str = "") -> None:
        self.server = server
        self.kind = server.name
        self.url = by_client(server.url)
        self.name = name or f"exam-{next(names)}"
        self.terms = terms or Terms()
        self.now = round(time.time()) * 1000  # not far from the server's, which numbers the messages
        self.line = server.line(self.name)
        """a connection of our own, to look behind the curtain"""
        self.line.response_callbacks.clear()  # the server's answers as they are
        self._names: set[str] = set()
        self._open = contextlib.AsyncExitStack()
        self.backend = cast("Backend", None)

    async def __aenter__(self) -> Self:
        self.backend = await self.open(self.terms)
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await self._open.aclose()
        finally:
            self.sweep_up()
            self.line.close()

    @property
    def broker(self) -> Broker:
        return self.backend.broker

    async def open(self, terms: Terms | None = None, *, name: str = "") -> Backend:
        name = name or self.name
        if name not in self._names:
            self._names.add(name)
            self.set_clock()
        made = open_redis(parse(self.url), name, terms or self.terms, clock_source=CLOCK)
        if isinstance(self.server, Acl):
            driver = RolesDriver(self.server, CLOCK)
            made = assemble(made.place, made.keys, made.terms, clock_source=CLOCK, driver=driver)
        return await self._open.enter_async_context(made)

    async def pass_time(self, seconds: float) -> None:
        """Move the clock, and give each pending message to its own consumer again as if it were older."""
        self.now += round(seconds * 1000)
        self.set_clock()
        for name in self._names:
            for token, consumer, idle in self.pending(name):
                older = ("IDLE", idle + round(seconds * 1000), "JUSTID")
                if self.ask("XRANGE", self.key("stream", name), token, token):
                    self.ask("XCLAIM", self.key("stream", name), "workers", consumer, 0, token, *older)

    async def somebody_waits(self) -> None:
        while b"blocked_clients:0" in self.ask("INFO", "clients"):  # noqa: ASYNC110 - a server tells nobody of it
            await asyncio.sleep(0)

    def set_clock(self) -> None:
        """Tell the scripts what time it is; also after somebody has flushed the server."""
        for name in self._names:
            self.ask("SET", self.key("!clock", name), self.now)

    def pending(self, name: str = "") -> list[tuple[str, str, int]]:
        """Return message, consumer and idle ms of everything that is leased."""
        try:
            rows = self.ask("XPENDING", self.key("stream", name), "workers", "-", "+", 100_000)
        except redis.ResponseError:  # no group yet, or a stream that somebody overwrote
            return []
        return [(token.decode(), consumer.decode(), idle) for token, consumer, idle, _ in rows]

    def key(self, suffix: str, name: str = "") -> str:
        """Return the full name of one of the shadow's keys."""
        return self.server.base(name or self.name) + suffix

    def ask(self, *command: str | bytes | float) -> Any:
        """Send one raw command."""
        return self.line.execute_command(*command)

    def keys(self, name: str = "") -> set[str]:
        """Return every key under the shadow's prefix, without it; the harness's own clock is left out."""
        prefix = self.key("", name)
        _, found = self.ask("SCAN", 0, "MATCH", f"{prefix}*", "COUNT", 1_000_000)
        return {key.decode().removeprefix(prefix) for key in found} - {"!clock"}

    def dump(self) -> dict[str, Any]:
        """Return every key of the shadow with all that it holds, to see whether something changed."""
        suffixes = sorted(self.keys())
        pipe = self.line.pipeline(transaction=False)
        for suffix in suffixes:
            pipe.execute_command("DUMP", self.key(suffix))
        return dict(zip(suffixes, pipe.execute(), strict=True))

    def stray_keys(self) -> list[str]:
        """Return the keys that nobody accounts for (INV 41); a shadow that a test wrecked on purpose has none."""
        found: list[str] = []
        for name in self._names:
            suffixes = sorted(self.keys(name))
            lifetimes = self._each(name, suffixes, "PTTL {}")
            lasting = [suffix for suffix, left in zip(suffixes, lifetimes, strict=True) if left == -1]
            records = [suffix for suffix in suffixes if suffix.startswith("runs:")]
            states = zip(records, self._each(name, records, "HGET {} state"), strict=True)
            live = {record.removeprefix("runs:") for record, state in states if state in LIVE}
            found += [self.key(suffix, name) for suffix in lasting if self._stray(name, suffix, live)]
        return found

    def _each(self, name: str, suffixes: list[str], command: str) -> list[Any]:
        """Ask the same of each key in one trip, for there may be thousands."""
        pipe = self.line.pipeline(transaction=False)
        verb, *rest = command.split(" ")
        for suffix in suffixes:
            pipe.execute_command(verb, *(word.replace("{}", self.key(suffix, name)) for word in rest))
        return pipe.execute(raise_on_error=False)

    def _stray(self, name: str, suffix: str, live: set[str]) -> bool:
        if suffix in FIXED:
            return False
        if suffix == "!unknown":
            return False  # empty sets do not exist, and every member is a live call that nobody knows
        if suffix == "!releases":  # until the next claims have done what it says
            return self.ask("ZSCORE", self.key("!chores", name), "release") is None
        for kind, (marks, members) in GATED.items():
            if suffix.startswith(kind):
                found = self.ask(*members.format(self.key(suffix, name)).split(" "))
                return not all(self._mark(name, member.decode()) in marks for member in found)
        for prefix in ("runs:", "!next:", "!progress:", "!gates:"):
            if suffix.startswith(prefix):
                return suffix.removeprefix(prefix) not in live
        return suffix not in live

    def _mark(self, name: str, encoded: str) -> bytes | None:
        """Return how a live call stands with its gates."""
        state, mark = self.ask("HMGET", self.key(f"runs:{encoded}", name), "state", "gate")
        return mark if state in LIVE else None

    def sweep_up(self) -> None:
        """Delete everything under the prefixes of this harness."""
        for name in self._names:
            keys = [self.key(suffix, name) for suffix in [*self.keys(name), "!clock"]]
            for start in range(0, len(keys), 1000):
                self.ask("DEL", *keys[start : start + 1000])


LIVE = frozenset({b"scheduled", b"queued", b"running", b"parked"})
GATED = {
    "concurrency:": ({b"admitted"}, "SMEMBERS {}"),
    "!parked": ({b"parked"}, "ZRANGE {} 0 -1"),
    "!held": ({b"parked"}, "ZRANGE {} 0 -1"),
    "!line:": ({b"parked"}, "ZRANGE {} 0 -1"),
    "!paced:": ({b"reserved"}, "ZRANGE {} 0 -1"),
}
"""Keys whose members are live calls, and how each of these must stand with its gates."""
FIXED = frozenset({"!fence", "stream", "queue", "strikes", "!dead", "workers", "!chores"})
"""The few keys of a shadow that stay for good; none of them grows with the number of calls."""
