"""What the server tells: what it spent, what it holds, what it was asked."""

from __future__ import annotations

from typing import Any, Final

import attrs
import redis

from benchmarks.server import NAME

_OURS: Final = frozenset(
    {
        "info",
        "config|resetstat",
        "config|set",
        "client|list",
        "client|setname",
        "client|setinfo",
        "slowlog|get",
        "slowlog|reset",
        "flushall",
    }
)
"""what the suite asks for itself"""

PATIENCE: Final = 120.0
"""Seconds for an answer: to forget a million calls takes a while."""


@attrs.frozen
class State:
    """The server at a moment."""

    cpu: float
    """seconds"""
    memory: int
    """bytes, but for those of connections"""
    taken: int
    """bytes that clients have sent"""
    given: int
    """bytes that it has sent"""
    commands: dict[str, int]
    """how often each was executed, also by scripts"""

    def since(self, before: State, calls: int) -> dict[str, float]:
        """Give what one of so many calls has cost since then."""
        each = 1 / max(calls, 1)
        executed = sum(count - before.commands.get(name, 0) for name, count in self.commands.items())
        return {
            "server": (self.cpu - before.cpu) * 1_000_000 * each,
            "bytes": (self.taken - before.taken + self.given - before.given) * each,
            "commands": executed * each,
        }


class Gauge:
    """A connection of our own to the server."""

    def __init__(self, url: str) -> None:
        client: Any = redis.Redis
        self._client = client.from_url(url, decode_responses=True, client_name=NAME, socket_timeout=PATIENCE)

    def clear(self) -> None:
        """Empty it, scripts and counters too."""
        self._client.flushall()
        self._client.script_flush()
        self._client.config_resetstat()

    def read(self) -> State:
        """Look."""
        told = self._client.info("everything")
        commands = {
            name.removeprefix("cmdstat_"): about["calls"] for name, about in told.items() if name.startswith("cmdstat_")
        }
        return State(
            cpu=_processor(told),
            memory=int(told["used_memory"]) - int(told.get("mem_clients_normal", 0)),
            taken=int(told["total_net_input_bytes"]),
            given=int(told["total_net_output_bytes"]),
            commands={name: count for name, count in commands.items() if name not in _OURS},
        )

    def clients(self) -> int:
        """Give how many connections others have."""
        return sum(each["name"] != NAME for each in self._client.client_list())

    def processor(self) -> float:
        """Give the seconds of processor time that the server has used."""
        return _processor(self._client.info("cpu"))

    def watch_slow(self) -> None:
        """Begin to note what takes longer than half a millisecond."""
        self._client.config_set("slowlog-log-slower-than", 500)
        self._client.config_set("slowlog-max-len", 10_000)
        self._client.slowlog_reset()

    def slowest(self) -> tuple[float, str]:
        """Give the milliseconds of the longest script or command since then, and its name; 0 if none took long."""
        entries = self._client.slowlog_get(10_000)
        ours = [entry for entry in entries if _name(entry["command"]) not in {"FLUSHALL", "INFO", "SLOWLOG", "CONFIG"}]
        if not ours:
            return 0.0, ""
        most = max(ours, key=lambda entry: entry["duration"])
        return most["duration"] / 1000, _name(most["command"])


def _processor(told: Any) -> float:
    return float(told["used_cpu_sys"]) + float(told["used_cpu_user"])


def _name(command: object) -> str:
    text = command.decode(errors="replace") if isinstance(command, bytes) else str(command)
    return text.split(" ", 1)[0].upper()
