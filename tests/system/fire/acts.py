"""What a nemesis can break: ways, requests on them, the server, and workers.  Each act mends what it broke."""

from __future__ import annotations

import asyncio
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Literal

import redis

from shadows.adapters.memory.silence import SILENCE
from tests.system.fire.history import append

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from tests.system.fire.arena import Arena
    from tests.system.fire.crew import Hand
    from tests.system.fire.nemesis import Act
    from tests.way import Fault, Way

ERRORS: Final = (
    "LOADING Redis is loading the dataset in memory",
    "READONLY You can't write against a read only replica.",
    "OOM command not allowed when used memory > 'maxmemory'.",
    "MISCONF Errors writing to the AOF file: No space left on device",
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
    "CLUSTERDOWN The cluster is down",
    "TRYAGAIN Multiple keys request during rehashing of slot",
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "NOREPLICAS Not enough good replicas to write.",
)
"""What a server may say to anybody at any time."""
JUNK: Final = (b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00\xff\r\n", b"*-7\r\n", b":\r\n")
"""What is no reply of any kind."""
OF_WORKERS: Final = ("claim", "door", "turn", "renew", "wait", "admit")
OF_PRODUCERS: Final = ("schedule", "cancel")
PATIENCE: Final = 3.0
"""Seconds in which a request of the kind to break should come by."""


# Requests


def _of_a_request(break_one: Callable[[Way, str, random.Random], Fault]) -> Act:
    """Make an act of what breaks the n-th request of a kind on a way."""

    async def act(arena: Arena, dice: random.Random) -> bool:
        way, verb = _some_request(arena, dice)
        return await _comes_by(way, break_one(way, verb, dice))

    return act


def _some_request(arena: Arena, dice: random.Random) -> tuple[Way, str]:
    way = dice.choice(arena.ways)
    return way, dice.choice(OF_PRODUCERS if way is arena.ways[-1] else OF_WORKERS)


async def _comes_by(way: Way, fault: Fault) -> bool:
    try:
        async with asyncio.timeout(PATIENCE):
            await fault.happened.wait()
    except TimeoutError:
        way.forget(fault)
        return False
    return True


def _nth(dice: random.Random) -> int:
    return dice.choice((1, 1, 2, 5))


REQUESTS: Final[Mapping[str, Act]] = {
    "request lost": _of_a_request(lambda way, verb, dice: way.lose_request(verb, _nth(dice))),
    "reply lost": _of_a_request(lambda way, verb, dice: way.lose_reply(verb, _nth(dice))),
    "reply cut": _of_a_request(lambda way, verb, dice: way.cut_reply(verb, dice.randrange(1, 12), _nth(dice))),
    "reply garbled": _of_a_request(lambda way, verb, dice: way.garble(verb, dice.choice(JUNK), _nth(dice))),
    "reply late": _of_a_request(lambda way, verb, dice: way.delay_reply(verb, dice.uniform(0.1, 0.4), _nth(dice))),
    "request delivered late": _of_a_request(
        lambda way, verb, dice: way.deliver_late(verb, dice.uniform(0.05, 1), _nth(dice))
    ),
    "error instead": _of_a_request(lambda way, verb, dice: way.refuse(verb, dice.choice(ERRORS), _nth(dice))),
    "error although done": _of_a_request(lambda way, verb, dice: way.belie(verb, dice.choice(ERRORS), _nth(dice))),
}


# Ways

DIRECTIONS: Final[Sequence[Sequence[Literal["up", "down"]]]] = (("up",), ("down",), ("up", "down"))


async def cut(arena: Arena, dice: random.Random) -> bool:
    """Break all connections of somebody."""
    way = dice.choice(arena.ways)
    felt = way.connections > 0
    await way.cut()
    return felt


async def refuse(arena: Arena, dice: random.Random) -> bool:
    """Break all connections of somebody, and refuse new ones for a while that is shorter than a lease."""
    way = dice.choice(arena.ways)
    felt = way.connections > 0
    await way.down()
    await asyncio.sleep(dice.uniform(0.05, arena.lease / 4))
    await way.up()
    return felt


async def swallow(arena: Arena, dice: random.Random) -> bool:
    """Let nothing through in one direction, or in both, for a while that is shorter than a lease."""
    way = dice.choice(arena.ways)
    async with way.black_hole(*dice.choice(DIRECTIONS)):
        await asyncio.sleep(dice.uniform(0.1, arena.lease / 4))
        return way.unanswered > 0


async def cut_off(arena: Arena, dice: random.Random) -> bool:
    """Let nothing of one worker through for longer than its leases last."""
    hand = await _somebody(arena, dice)
    if hand is None:
        return False
    felt, since = _runs_something(arena, hand), time.monotonic()
    async with arena.way_of(hand).black_hole("up", "down"):
        await asyncio.sleep(arena.lease * dice.uniform(1.2, 2))
    arena.crew.miss(hand, since, "cut off")
    return felt


WAYS: Final[Mapping[str, Act]] = {
    "connections reset": cut,
    "connections refused": refuse,
    "black hole": swallow,
}


# The server

TOO_LONG: Final = 0.5
"""The part of a lease after which an absence of the server may cost it: a renewal may be due by then."""


def _counted(line: redis.Redis, word: str) -> int:
    """Return how often a server has said this error."""
    found: Any = line.info("errorstats")
    return int(found.get(f"errorstat_{word}", {}).get("count", 0))


async def _is_said(arena: Arena, word: str, more_than: int, patience: float = PATIENCE) -> bool:
    end = time.monotonic() + patience
    with arena.line() as line:
        while _counted(line, word) <= more_than:
            if time.monotonic() > end:
                return False
            await asyncio.sleep(0.02)
    return True


async def forget_scripts(arena: Arena, dice: random.Random) -> bool:
    """SCRIPT FLUSH."""
    with arena.line() as line:
        before = _counted(line, "NOSCRIPT")
        line.script_flush()
    return await _is_said(arena, "NOSCRIPT", before)


async def kill_clients(arena: Arena, dice: random.Random) -> bool:
    """CLIENT KILL of everybody."""
    with arena.line() as line:
        found: Any = line.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    return int(found) > 0


async def pause_clients(arena: Arena, dice: random.Random) -> bool:
    """CLIENT PAUSE for a while that is shorter than a lease."""
    pause = dice.uniform(0.1, arena.lease / 4)
    with arena.line() as line:
        line.execute_command("CLIENT", "PAUSE", int(pause * 1000), dice.choice(("WRITE", "ALL")))
    await asyncio.sleep(pause * 0.8)
    return any(way.unanswered for way in arena.ways)


async def freeze_server(arena: Arena, dice: random.Random) -> bool:
    """SIGSTOP for a while that is shorter than a lease, unless this process is kept from ending it."""
    since = time.monotonic()
    arena.server.kill(signal.SIGSTOP)
    await asyncio.sleep(dice.uniform(0.1, arena.lease / 4))
    felt = any(way.unanswered for way in arena.ways)
    arena.server.kill(signal.SIGCONT)
    _excuse(arena, since)
    return felt


async def keep_busy(arena: Arena, dice: random.Random) -> bool:
    """Let a script run for so long that others are told BUSY."""
    script = "local t = redis.call('TIME') local e = t[1] + t[2] / 1e6 + ARGV[1] repeat t = redis.call('TIME') "
    script += "until t[1] + t[2] / 1e6 > e"
    with arena.line() as line, arena.line() as other:
        before = _counted(other, "BUSY")
        line.config_set("lua-time-limit", 20)
        await asyncio.to_thread(line.eval, script, 0, f"{dice.uniform(0.1, arena.lease / 4):.3f}")
        return _counted(other, "BUSY") > before


async def fill(arena: Arena, dice: random.Random) -> bool:
    """Let the server have no memory left for a while."""
    with arena.line() as line:
        before = _counted(line, "OOM")
        line.config_set("maxmemory", 1)
        felt = await _is_said(arena, "OOM", before, 1)
        await asyncio.sleep(dice.uniform(0, 0.2))
        line.config_set("maxmemory", 0)
    return felt


_DESTROY: Final = """
local found = redis.pcall('XPENDING', KEYS[1], 'workers')
if found.err then return 0 end
redis.call('XGROUP', 'DESTROY', KEYS[1], 'workers') return found[1]
"""


async def destroy_group(arena: Arena, dice: random.Random) -> bool:
    """XGROUP DESTROY: who holds what is forgotten."""
    since = time.monotonic()
    with arena.line() as line:
        pending: Any = line.eval(_DESTROY, 1, f"{arena.base}stream")
    until = time.monotonic() + arena.lease
    append(arena.history, "excuse", since=since, until=until, deleted=False)
    return int(pending) > 0


_ASIDE: Final = """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('RENAME', KEYS[1], KEYS[2]) redis.call('SET', KEYS[1], 'nonsense') return 1
"""
_BACK: Final = "redis.call('DEL', KEYS[1]) redis.call('RENAME', KEYS[2], KEYS[1])"


async def mistype(arena: Arena, dice: random.Random) -> bool:
    """Let a key hold something else for a while."""
    key, aside = f"{arena.base}{dice.choice(('stream', 'queue', 'workers'))}", f"{arena.name}-aside"
    with arena.line() as line:
        before = _counted(line, "WRONGTYPE")
        if not line.eval(_ASIDE, 2, key, aside):
            return False
        try:
            return await _is_said(arena, "WRONGTYPE", before, 0.5)
        finally:
            line.eval(_BACK, 2, key, aside)


async def flush(arena: Arena, dice: random.Random) -> bool:
    """FLUSHALL: what was there is lost."""
    since, felt = time.monotonic(), len(arena.ledger.flight) > 0
    with arena.line() as line:
        line.flushall()
    append(arena.history, "excuse", since=since, until=time.monotonic() + arena.lease, deleted=True)
    return felt


async def kill_server(arena: Arena, dice: random.Random) -> bool:
    """SIGKILL, and a start from what it has written down; if that takes too long, nobody can renew a lease in time."""
    felt, since = any(way.connections for way in arena.ways), time.monotonic()
    arena.server.kill()
    await asyncio.sleep(dice.uniform(0, 0.2))
    await asyncio.to_thread(arena.server.restart)
    _excuse(arena, since)
    return felt


def _excuse(arena: Arena, since: float) -> None:
    """Excuse leases that were lost because the server was away for too long, whatever the machine did meanwhile.

    Only those that are shorter than any silence that others hear: after one those who live renew theirs first.
    """
    until = time.monotonic()
    if arena.lease < 2 * SILENCE / 1000 and until - since > arena.lease * TOO_LONG:
        append(arena.history, "excuse", since=since, until=until + arena.lease, deleted=False)


SERVER: Final[Mapping[str, Act]] = {
    "scripts forgotten": forget_scripts,
    "clients killed": kill_clients,
    "clients paused": pause_clients,
    "server frozen": freeze_server,
    "server busy": keep_busy,
    "server full": fill,
    "group destroyed": destroy_group,
    "wrong type": mistype,
    "flushed": flush,
    "server killed": kill_server,
}


# Workers


async def _somebody(arena: Arena, dice: random.Random) -> Hand | None:
    """Choose a worker that is at work; the first one grows old, to be measured."""
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            while True:
                hands = [hand for hand in arena.crew.hands if hand.url != arena.ways[0].url]
                if busy := [hand for hand in hands if _runs_something(arena, hand)]:
                    return dice.choice(busy)
                await asyncio.sleep(0.01)
    return None


def _runs_something(arena: Arena, hand: Hand) -> bool:
    arena.ledger.listen()
    return bool(arena.ledger.bodies.get(hand.pid))


def _of_a_worker(break_one: Callable[[Arena, Hand, random.Random], Awaitable[None]]) -> Act:
    async def act(arena: Arena, dice: random.Random) -> bool:
        hand = await _somebody(arena, dice)
        if hand is None:
            return False
        felt = _runs_something(arena, hand)
        await break_one(arena, hand, dice)
        return felt

    return act


async def _kill(arena: Arena, hand: Hand, dice: random.Random) -> None:
    await arena.crew.kill(hand)
    await arena.crew.ready(arena.crew.hire(hand.url))


async def _freeze(arena: Arena, hand: Hand, dice: random.Random) -> None:
    await arena.crew.freeze(hand, arena.lease * dice.uniform(1.2, 2.5))


async def _replace(arena: Arena, hand: Hand, dice: random.Random) -> None:
    await arena.crew.ready(arena.crew.hire(hand.url))
    await arena.crew.dismiss(hand)


WORKERS: Final[Mapping[str, Act]] = {
    "worker killed": _of_a_worker(_kill),
    "worker frozen": _of_a_worker(_freeze),
    "worker rolled": _of_a_worker(_replace),
}

ON_WAYS: Final[Mapping[str, Act]] = {**REQUESTS, **WAYS}
"""What touches neither the server nor a process, and so may happen beside what does."""
ON_PROCESSES: Final[Mapping[str, Act]] = {**SERVER, **WORKERS, "worker cut off": cut_off}
ACTS: Final[Mapping[str, Act]] = {**ON_WAYS, **ON_PROCESSES}
