"""The way to the server breaks: server only."""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from shadows.adapters.redis.driver import NoScript
from shadows.core import verdict
from shadows.errors import BrokerUnavailable
from shadows.ports.broker import Lease, Order
from shadows.ports.looking import Part
from tests.contract.acts import call, claim, done, instead, keys, look, place, retry, settle, take, take_one, worker
from tests.contract.harness import ServerHarness

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from shadows.adapters.redis.backend import RedisBackend
    from shadows.adapters.redis.driver import Command, Driver
    from shadows.ports.broker import Entry
    from shadows.ports.event_bus import Hint


@attrs.define
class FaultyDriver:
    """A driver that loses the next trip on demand: before the server heard of it, or after it had answered."""

    driver: Driver
    lose: str = ""

    async def ask(self, *commands: Command) -> list[Any]:
        """Ask, unless this trip is to be lost."""
        lost, self.lose = self.lose, ""
        if lost == "before":
            raise BrokerUnavailable("the connection broke before the request")
        answers = await self.driver.ask(*commands)
        if any(isinstance(answer, NoScript) for answer in answers):
            self.lose = lost  # nothing was done yet: it is the next trip that counts
        elif lost == "after":
            raise BrokerUnavailable("the connection broke before the answer")
        return answers

    def ask_blocking(self, *commands: Command) -> list[Any]:
        """Ask from the renewal thread, unless this trip is to be lost."""
        lost, self.lose = self.lose, ""
        if lost == "before":
            raise BrokerUnavailable("the connection broke before the request")
        answers = self.driver.ask_blocking(*commands)
        if any(isinstance(answer, NoScript) for answer in answers):
            self.lose = lost
        elif lost == "after":
            raise BrokerUnavailable("the connection broke before the answer")
        return answers


@pytest.fixture
async def faults(real: ServerHarness) -> FaultyDriver:
    """Put a driver that can be told to break under the broker of `real`."""
    backend: RedisBackend = real.backend  # type: ignore[assignment]
    driver = FaultyDriver(backend.driver)
    backend.broker.driver = backend.broker.scripts.driver = driver  # type: ignore[assignment]
    return driver


WHEN = pytest.mark.parametrize("when", ["before", "after"])


async def broken[T](faults: FaultyDriver, when: str, work: Coroutine[Any, Any, T]) -> None:
    """Do the work while its trip is lost."""
    faults.lose = when
    with pytest.raises(BrokerUnavailable):
        await work


@WHEN
async def test_a_schedule_that_broke_may_be_repeated(real: ServerHarness, faults: FaultyDriver, when: str) -> None:
    """INV 37: with its run ids, or under keys of its own, each call is placed once and says so."""
    entries = [call("a", run="one"), call("generated"), instead("b", run="two")]
    await broken(faults, when, real.broker.schedule(entries))
    assert await place(real.broker, *entries, repeated=True) == ["scheduled"] * 3
    assert keys(await take(real.broker, worker())) == ["a", "generated", "b"]


@WHEN
async def test_a_settle_that_broke_may_be_repeated(real: ServerHarness, faults: FaultyDriver, when: str) -> None:
    """INV 16: whether the first one arrived or not, the outcome is there once."""
    broker, who = real.broker, worker()
    await place(broker, call("a"), call("b"))
    a, b = await take(broker, who)
    outcomes = [(a, done(b"result")), (b, retry(b))]
    await broken(faults, when, broker.settle(who, outcomes))
    answers = await broker.settle(who, outcomes)
    assert answers == (["settled"] * 2 if when == "before" else ["superseded"] * 2)
    assert (await look(broker, "a")).result == b"result"
    again = await take_one(broker, who)
    assert (again.key, again.attempt) == ("b", 2)


@WHEN
async def test_after_a_claim_that_broke_nothing_is_stranded(
    real: ServerHarness, faults: FaultyDriver, when: str
) -> None:
    """INV 17: the next claim tells what is known, and gets the rest, as its first delivery."""
    broker, who = real.broker, worker()
    await place(broker, call("a"), call("b"))
    (known,) = await take(broker, who, 1)
    await broken(faults, when, broker.claim(Order(who, 10)))
    (lease,) = await take(broker, who, known=(known.token,))
    assert (lease.key, lease.deliveries) == ("b", 1)
    assert await broker.settle(who, [(known, done()), (lease, done())]) == ["settled"] * 2


@WHEN
async def test_after_a_turn_that_broke_nothing_is_stranded_or_done_twice(
    real: ServerHarness, faults: FaultyDriver, when: str
) -> None:
    """INV 16, INV 17: repeated with what is known, its settlements count once and its leases arrive."""
    broker, who = real.broker, worker()
    await place(broker, call("a"), call("b"))
    (lease,) = await take(broker, who, 1)
    outcomes = [(lease, done(b"result"))]
    await broken(faults, when, broker.turn(outcomes, Order(who, 1)))
    settled, answer = await broker.turn(outcomes, Order(who, 1, known=()))
    assert settled == (["settled"] if when == "before" else ["superseded"])
    assert [(found.key, found.deliveries) for found in answer.leases] == [("b", 1)]
    assert (await look(broker, "a")).result == b"result"


@WHEN
async def test_a_cancel_that_was_heard_by_nobody_is_told_again(
    real: ServerHarness, faults: FaultyDriver, when: str
) -> None:
    """INV 17: the answer that carried it was lost; the claim after the break carries it once more."""
    broker, who = real.broker, worker()
    await place(broker, call("a"))
    lease = await take_one(broker, who)
    await broken(faults, when, broker.cancel("a"))
    assert await broker.cancel("a") == "requested"
    await broken(faults, when, broker.claim(Order(who, 10)))
    answer = await claim(broker, who, known=(lease.token,))
    assert set(answer.cancels) == {("a", lease.fence)}


@WHEN
async def test_renewals_and_reports_that_broke_may_be_repeated(
    real: ServerHarness, faults: FaultyDriver, when: str
) -> None:
    """INV 37: a second one says and does the same."""
    broker, who = real.broker, worker()
    await place(broker, call("a"))
    lease = await take_one(broker, who)
    faults.lose = when
    with pytest.raises(BrokerUnavailable):
        broker.renew(who, [lease.token])
    assert broker.renew(who, [lease.token]) == frozenset()
    await broken(faults, when, broker.report(lease, {"done": "half"}))
    assert await broker.report(lease, {"done": "half"})
    assert await broker.progress("a") == {"done": "half"}
    await broken(faults, when, broker.clear())
    assert await settle(broker, who, lease, done()) == "settled"


@pytest.mark.parametrize("seed", range(6))
async def test_every_call_ends_once_however_often_the_way_breaks(
    real: ServerHarness, faults: FaultyDriver, seed: int
) -> None:
    """INV 16, INV 17, INV 37: who follows the port's rule for repeats settles each of 60 calls once."""
    broker, who, dice = real.broker, worker(), random.Random(seed)
    ended: list[str] = []
    held: dict[str, Lease] = {}

    async def insist[T](ask: Callable[[bool], Coroutine[Any, Any, T]]) -> tuple[T, bool]:
        repeated = False
        while True:
            faults.lose = dice.choice(["", "", "before", "after"])
            try:
                return await ask(repeated), repeated
            except BrokerUnavailable:
                repeated = True

    entries = [call(f"k{number}", run=f"r{number}") for number in range(60)]
    for start in range(0, 60, 7):
        batch = entries[start : start + 7]

        async def add(repeated: bool, batch: list[Entry] = batch) -> Any:  # noqa: FBT001
            return await place(broker, *batch, repeated=repeated)

        answers, _ = await insist(add)
        assert answers == ["scheduled"] * len(batch)
    for _ in range(300):
        if len(ended) == 60:
            break
        finished = dice.sample(sorted(held), dice.randint(0, len(held)))
        outcomes = [(held[token], done(held[token].key.encode())) for token in finished]

        tokens = tuple(held)

        async def turn(repeated: bool, outcomes: list[Any] = outcomes, tokens: tuple[str, ...] = tokens) -> Any:  # noqa: FBT001
            return await broker.turn(outcomes, Order(who, dice.randint(1, 5), known=tokens if repeated else None))

        (settled, answer), repeated = await insist(turn)
        assert set(settled) <= ({"settled", "superseded"} if repeated else {"settled"})
        ended += [held.pop(token).key for token in finished]
        held |= {lease.token: lease for lease in answer.leases}
    assert sorted(ended) == sorted(entry.key for entry in entries)
    for entry in entries:
        assert (await look(broker, entry.key)).result == entry.key.encode()
    assert real.pending() == []


@pytest.mark.parametrize("awaits", range(8))
async def test_a_verb_that_was_cancelled_at_any_await_strands_nothing(real: ServerHarness, awaits: int) -> None:
    """INV 17: whatever the server has done by then, the repeat finds each call once and the connection is sound."""
    broker, who = real.broker, worker()
    entries = [call("a", run="one"), call("b", run="two")]
    outcomes: list[tuple[Lease, verdict.Verdict]] = []

    async def interrupted(work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(work)
        for _ in range(awaits):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    await interrupted(broker.schedule(entries))
    assert await place(broker, *entries, repeated=True) == ["scheduled"] * 2
    await interrupted(broker.claim(Order(who, 10)))
    leases = await take(broker, who, known=())
    assert [(lease.key, lease.deliveries) for lease in leases] == [("a", 1), ("b", 1)]
    outcomes = [(lease, done(b"result")) for lease in leases]
    await interrupted(broker.turn(outcomes, Order(who, 10)))
    assert set(await broker.settle(who, outcomes)) <= {"settled", "superseded"}
    assert [(await look(broker, key)).result for key in "ab"] == [b"result"] * 2
    assert real.pending() == []


async def test_a_killed_connection_is_unavailable_once_and_then_opened_anew(real: ServerHarness) -> None:
    """INV 33: the broken trip says so in our words, for commands, for renewals and for a claim that waits.

    Only valkey-glide may have opened the one for commands anew before anybody asks.  Where the server may have moved,
    one broken trip has all ways to it opened anew.
    """
    broker, who, moves = real.broker, worker(), real.kind in {"cluster", "sentinel"}
    await place(broker, call("a"))
    lease = await take_one(broker, who)
    broker.renew(who, [lease.token])
    await broker.read("a")
    real.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    with contextlib.suppress(BrokerUnavailable) if "glide" in real.url else pytest.raises(BrokerUnavailable):
        await broker.read("a")
    with contextlib.suppress(BrokerUnavailable) if moves else pytest.raises(BrokerUnavailable):
        broker.renew(who, [lease.token])
    assert (await look(broker, "a")).state == "running"
    assert broker.renew(who, [lease.token]) == frozenset()
    sleeping = asyncio.create_task(broker.claim(Order(who, 10), patience=30))
    await real.somebody_waits()
    real.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    with pytest.raises(BrokerUnavailable):
        await asyncio.wait_for(sleeping, 5)
    await place((await real.open()).broker, call("b"))
    assert keys((await broker.claim(Order(who, 10), patience=1)).leases) == ["b"]


async def test_a_listener_is_told_that_it_may_have_missed_something(real: ServerHarness) -> None:
    """INV 39: its connection broke and is back, so it reads again; hints flow as before."""
    broker = real.broker
    await place(broker, call("a"))
    async with real.backend.event_bus.listen("a") as hints:
        await broker.read("a", Part.WATCH)
        lease = await take_one(broker, worker())
        await _told_of(hints, "running")
        real.ask("CLIENT", "KILL", "TYPE", "pubsub")
        while not real.ask("PUBSUB", "CHANNELS", real.key("*")):  # noqa: ASYNC110 - nor of a new subscription
            await asyncio.sleep(0)
        await broker.report(lease, {"done": "half"})
        assert None in await _told_of(hints, "progress")


async def _told_of(hints: AsyncIterator[Hint | None], what: str) -> list[Hint | None]:
    """Return what was heard before this hint."""
    heard: list[Hint | None] = []
    while True:
        hint = await asyncio.wait_for(anext(hints), 5)
        if hint is not None and hint.what == what:
            return heard
        heard.append(hint)
