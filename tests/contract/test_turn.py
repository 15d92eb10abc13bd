from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shadows.core import verdict
from shadows.ports.broker import Order
from shadows.testing.exam.acts import (
    LEASE,
    back,
    call,
    done,
    instead,
    keys,
    look,
    place,
    retry,
    settle,
    state,
    take,
    take_one,
    worker,
)

if TYPE_CHECKING:
    from tests.contract.harness import Harness


async def test_a_turn_settles_and_then_claims(harness: Harness) -> None:
    """A busy worker's whole round in one step: what ended is recorded, what fits is leased."""
    broker, who = harness.broker, worker()
    await place(broker, call("a"), call("b"))
    first = await take(broker, who, 1)
    settled, answer = await broker.turn([(first[0], done(b"result"))], Order(who, 1))
    assert (settled, keys(answer.leases), answer.left) == (["settled"], ["b"], 1)
    assert (await look(broker, "a")).result == b"result"


@pytest.mark.parametrize("kind", ["again", "back"])
async def test_what_a_turn_puts_back_it_may_lease_again(harness: Harness, kind: str) -> None:
    """INV 10: the claim of the same step already sees what its settle has placed."""
    broker, who = harness.broker, worker()
    await place(broker, call("a"))
    lease = await take_one(broker, who)
    outcome = retry(lease) if kind == "again" else back(lease)
    settled, answer = await broker.turn([(lease, outcome)], Order(who, 1))
    (again,) = answer.leases
    assert (settled, again.attempt, again.deliveries) == (["settled"], 2 if kind == "again" else 1, 1)
    assert again.fence > lease.fence


async def test_a_turn_may_lease_the_successor_of_what_it_settles(harness: Harness) -> None:
    """INV 3: the successor is placed by the settle, so the claim behind it finds it."""
    broker, who = harness.broker, worker()
    await place(broker, call("a", b"old"))
    lease = await take_one(broker, who)
    await place(broker, instead("a", b"new"))
    _, answer = await broker.turn([(lease, done())], Order(who, 1))
    assert [found.payload for found in answer.leases] == [b"new"]


async def test_a_lost_lease_does_not_stop_the_turn(harness: Harness) -> None:
    """INV 9: the others are settled and the claim goes on."""
    broker, slow, quick = harness.broker, worker(), worker()
    await place(broker, call("a"), call("b"))
    a, b = await take(broker, slow)
    await harness.pass_time(LEASE + 1)
    await take(broker, quick, 1, sweep="-")
    await place(broker, call("c"))
    settled, answer = await broker.turn([(a, done()), (b, done())], Order(slow, 5))
    assert (settled, keys(answer.leases)) == (["superseded", "settled"], ["c"])


async def test_a_turn_with_nothing_to_settle_is_a_claim(harness: Harness) -> None:
    """And one that wants nothing is a settle."""
    broker, who = harness.broker, worker()
    await place(broker, call("a"), call("b"))
    settled, answer = await broker.turn([], Order(who, 1))
    assert (settled, keys(answer.leases)) == ([], ["a"])
    settled, answer = await broker.turn([(answer.leases[0], done())], Order(who, 0))
    assert (settled, keys(answer.leases)) == (["settled"], [])
    assert await state(broker, "b") == "queued"


async def test_a_repeated_turn_gets_back_what_the_lost_reply_had_leased(harness: Harness) -> None:
    """INV 16, INV 17: its settlements are superseded, and its leases come back first, uncounted."""
    broker, who = harness.broker, worker()
    await place(broker, call("a"), call("b"), call("c"))
    (lease,) = await take(broker, who, 1)
    _, lost = await broker.turn([(lease, done(b"result"))], Order(who, 1))
    settled, answer = await broker.turn([(lease, done(b"result"))], Order(who, 2, known=()))
    assert (settled, keys(answer.leases)) == (["superseded"], ["b", "c"])
    assert (answer.leases[0].token, answer.leases[0].deliveries) == (lost.leases[0].token, 1)
    assert (await look(broker, "a")).result == b"result"


async def test_a_turn_tells_everything_that_a_claim_tells(harness: Harness) -> None:
    """Cancels, due calls, expired leases and the heartbeat ride in it."""
    broker, who = harness.broker, worker()
    await place(broker, call("a"), call("b"), call("later", after=LEASE + 3))
    first, second = await take(broker, who)
    await place(broker, call("lost"))
    await take_one(broker, worker())
    await broker.cancel("a")
    await harness.pass_time(LEASE + 1)
    _, answer = await broker.turn([(second, done())], Order(who, 5, sweep="-"))
    assert answer.cancels == (("a", first.fence),)
    assert (answer.due_in, keys(answer.leases), answer.sweep) == (2.0, ["lost"], "-")
    assert not answer.enrolled


async def test_a_turn_may_settle_more_than_one_script_handles(harness: Harness) -> None:
    """INV 43: 450 settlements and a claim of 200: each is answered in order."""
    broker, who = harness.broker, worker()
    await place(broker, *(call(f"k{number}") for number in range(650)))
    leases = [lease for _ in range(3) for lease in await take(broker, who, 150)]
    outcomes = [(lease, verdict.completed("task", lease.key.encode())) for lease in leases]
    settled, answer = await broker.turn(outcomes, Order(who, 200))
    assert settled == ["settled"] * 450
    assert keys(answer.leases) == [f"k{number}" for number in range(450, 650)]
    assert (await look(broker, "k0")).result == b"k0"
    await settle(broker, who, answer.leases[0], done())
