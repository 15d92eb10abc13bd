"""How a server is: what it tells in INFO, CONFIG and ACL, as far as it lets us ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shadows.adapters.clock import milliseconds
from shadows.adapters.redis.rights import lacking
from shadows.ports.vitals import Vitals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shadows.adapters.redis.driver import Command, Driver
    from shadows.adapters.redis.keys import Keys

_WELL = {"ok", "0", ""}


async def examine(driver: Driver, keys: Keys) -> Vitals:
    """Ask everything; the driver is to be closed after this."""
    commands: list[Command] = [("INFO",), ("CONFIG", "GET", "save"), ("ACL", "WHOAMI")]
    answers = await driver.ask(*commands)
    info, config, user = (None if isinstance(answer, Exception) else answer for answer in answers)
    trip, skew = await _clock(driver)
    said = {} if info is None else _fields(info)
    hidden = [
        " ".join(map(str, command[:2]))
        for command, answer in zip(commands, answers, strict=True)
        if isinstance(answer, Exception)
    ]
    return Vitals(
        _product(said),
        said.get("valkey_version") or said.get("redis_version"),
        trip,
        skew,
        None if "role" not in said else said["role"] == "master",
        None if "aof_enabled" not in said else said["aof_enabled"] == "1",
        _snapshots(config),
        _unsaved(said),
        said.get("maxmemory_policy"),
        _number(said, "evicted_keys"),
        _number(said, "used_memory"),
        _number(said, "maxmemory"),
        _number(said, "connected_clients"),
        _number(said, "maxclients"),
        _number(said, "rejected_connections"),
        None if user is None else user.decode(),
        await lacking(driver, keys),
        tuple(hidden),
    )


async def _clock(driver: Driver) -> tuple[float, float]:
    """Return how long a trip takes, and how far ahead the server's clock is, in seconds: the quickest of a few."""
    trips: list[tuple[float, float]] = []
    for _ in range(3):
        before = milliseconds()
        (time,) = await driver.ask(("TIME",))
        after = milliseconds()
        if isinstance(time, Exception):
            trips.append((after - before, 0.0))
        else:
            theirs = int(time[0]) * 1000 + int(time[1]) / 1000
            trips.append((after - before, theirs - (before + after) / 2))
    trip, skew = min(trips)
    return trip / 1000, skew / 1000


def _fields(info: bytes) -> dict[str, str]:
    lines = (line.partition(":") for line in info.decode(errors="replace").splitlines())
    return {name: value for name, colon, value in lines if colon}


def _product(said: Mapping[str, str]) -> str:
    if "valkey_version" in said:
        return "Valkey"
    return said.get("server_name", "Redis").capitalize() if said else "a server that does not tell what it is"


def _snapshots(config: list[Any] | None) -> bool | None:
    """Return whether there are times at which it saves; managed servers know no such setting."""
    return bool(config[1]) if config and len(config) > 1 else None


def _unsaved(said: Mapping[str, str]) -> str | None:
    states = {name: said[name] for name in ("rdb_last_bgsave_status", "aof_last_write_status") if name in said}
    if not states:
        return None
    return ", ".join(f"{name} is {state}" for name, state in states.items() if state not in _WELL)


def _number(said: Mapping[str, str], name: str) -> int | None:
    value = said.get(name, "")
    return int(value) if value.isdigit() else None
