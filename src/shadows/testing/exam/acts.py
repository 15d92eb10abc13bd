"""What the tests do over and over, in the words of the port."""

from __future__ import annotations

import asyncio
import itertools
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shadows.core import verdict
from shadows.core.holder import Holder, holder
from shadows.core.scheduling import AT_ONCE, Due
from shadows.ports.broker import Claim, Entry, Lease, OnLive, Order
from shadows.ports.looking import Part, Record

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from shadows.core.gates import Gate
    from shadows.core.verdict import Verdict
    from shadows.ports.admission import Admission
    from shadows.ports.broker import Broker, Placed, Settlement
    from shadows.ports.event_bus import Hint
    from shadows.testing.exam.harness import Harness

_nonces = itertools.count(1)
LEASE = 30
"""Seconds that the lease of a worker lasts where a test says nothing else."""


def worker(name: str = "w", *, lease: float = LEASE) -> Holder:
    """Return a new holder; its leases last so many seconds."""
    return holder(name, timedelta(seconds=lease), nonce=str(next(_nonces)))


def call(
    key: str,
    payload: bytes = b"payload",
    *,
    after: float | None = None,
    at: int | None = None,
    run: str = "",
) -> Entry:
    """Return an entry for now, or for so many seconds from now, or for an instant in ms."""
    due = AT_ONCE if after is None and at is None else Due(at, None if after is None else round(after * 1000))
    return Entry(key, payload, due, run)


def instead(
    key: str,
    payload: bytes = b"payload",
    *,
    after: float | None = None,
    at: int | None = None,
    run: str = "",
) -> Entry:
    """Return an entry that replaces what has its key."""
    made = call(key, payload, after=after, at=at, run=run)
    return Entry(made.key, made.payload, made.due, made.run, OnLive.REPLACE)


async def place(broker: Broker, *entries: Entry, repeated: bool = False, strikes: str = "") -> list[Placed]:
    """Schedule the entries and return the words of the answers."""
    placements = await broker.schedule(entries, repeated=repeated, strikes=strikes)
    return [placement.placed for placement in placements]


async def claim(broker: Broker, who: Holder, limit: int = 10, **order: Any) -> Claim:
    """Claim, without patience."""
    return await broker.claim(Order(who, limit, **order))


async def take(broker: Broker, who: Holder, limit: int = 10, **order: Any) -> tuple[Lease, ...]:
    """Claim and return the leases."""
    return (await claim(broker, who, limit, **order)).leases


async def take_one(broker: Broker, who: Holder, **order: Any) -> Lease:
    """Claim the only call that there is for this holder."""
    (lease,) = await take(broker, who, 10, **order)
    return lease


async def sweep(broker: Broker, who: Holder, limit: int = 10, **order: Any) -> tuple[Lease, ...]:
    """Claim from the start of the expired leases."""
    return await take(broker, who, limit, sweep="-", **order)


async def pass_awake(harness: Harness, seconds: float) -> None:
    """Let time pass in which somebody looks often enough that nobody thinks that the broker was away."""
    for _ in range(4):
        await harness.pass_time(seconds / 4)
        await claim(harness.broker, worker("awake"), 0, sweep="-")


async def settle(broker: Broker, who: Holder, lease: Lease, outcome: Verdict) -> Settlement:
    """Settle one lease."""
    (settlement,) = await broker.settle(who, [(lease, outcome)])
    return settlement


async def admit(broker: Broker, who: Holder, lease: Lease, *gates: Gate) -> Admission:
    """Ask for one lease whether it may run."""
    (admission,) = await broker.admit(who, [(lease, gates)])
    return admission


async def at_gates(broker: Broker, key: str, *gates: Gate, who: Holder | None = None) -> tuple[Lease, Admission]:
    """Schedule a call, lease it and ask; nothing else may be ready."""
    who = who or worker()
    await place(broker, call(key))
    lease = await take_one(broker, who)
    return lease, await admit(broker, who, lease, *gates)


def done(result: bytes = b"") -> Verdict:
    """Return the verdict of a body that returned."""
    return verdict.completed("task", result)


def retry(lease: Lease, *, after: float | None = None) -> Verdict:
    """Return the verdict that places the next attempt."""
    due = AT_ONCE if after is None else Due(after=round(after * 1000))
    return verdict.again(lease.payload, attempt=lease.attempt + 1, due=due)


def back(lease: Lease) -> Verdict:
    """Return the verdict that hands the lease back."""
    return verdict.handed_back(lease.payload, attempt=lease.attempt)


def unknown(lease: Lease) -> Verdict:
    """Return the verdict for a task that nobody here knows."""
    return verdict.unknown(lease.payload, attempt=lease.attempt)


def dead(lease: Lease, reason: str = "undecodable") -> Verdict:
    """Return the verdict that buries the call."""
    return verdict.dead(lease.payload, attempt=lease.attempt, reason=reason)


async def run(broker: Broker, key: str, result: bytes = b"", *, who: Holder | None = None) -> None:
    """Schedule a call that is not live and run it to its end; nothing else may be ready."""
    who = who or worker()
    await place(broker, call(key))
    lease = await take_one(broker, who)
    assert lease.key == key
    await settle(broker, who, lease, done(result))


async def start(broker: Broker, key: str = "a", payload: bytes = b"payload") -> tuple[Holder, Lease]:
    """Schedule a call and lease it."""
    who = worker()
    await place(broker, call(key, payload, run="one"))
    return who, await take_one(broker, who)


async def state(broker: Broker, key: str) -> str | None:
    """Return the state of a key, None if nothing is kept for it."""
    record = await broker.read(key)
    return None if record is None else record.state.value


async def look(broker: Broker, key: str) -> Record:
    """Read everything that is kept for a key, which must be something."""
    record = await broker.read(key, Part.PAYLOAD | Part.RESULT)
    assert record is not None
    return record


def keys(leases: tuple[Lease, ...]) -> list[str]:
    """Return the keys of the leases, in order."""
    return [lease.key for lease in leases]


async def hear(hints: AsyncIterator[Hint | None], count: int = 1) -> list[Hint]:
    """Return the next hints, without the words that something may have been missed."""
    heard: list[Hint] = []
    while len(heard) < count:
        heard += filter(None, [await asyncio.wait_for(anext(hints), 5)])
    return heard
