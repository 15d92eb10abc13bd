"""What a waiting call waits for, as one look tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shadows.core import verdict
from shadows.core.gates import Cooldown, Debounce, Rate, Slots
from shadows.ports.looking import Part, Standing
from shadows.ports.strike_log import Instruction
from shadows.testing.exam.acts import (
    admit,
    at_gates,
    call,
    claim,
    done,
    place,
    run,
    settle,
    start,
    take_one,
    unknown,
    worker,
)

if TYPE_CHECKING:
    from shadows.ports.broker import Broker
    from tests.contract.harness import Harness


async def standing(broker: Broker, key: str) -> Standing | None:
    """Read what this call waits for."""
    record = await broker.read(key, Part.STANDING)
    assert record is not None
    return record.standing


async def test_only_a_waiting_call_stands_somewhere(harness: Harness) -> None:
    """And only who asks is told."""
    broker, who = harness.broker, worker()
    await place(broker, call("a"), call("later", after=5))
    assert await standing(broker, "a") == await standing(broker, "later") == Standing()
    record = await broker.read("a")
    assert record is not None
    assert record.standing is None
    lease = await take_one(broker, who)
    assert await standing(broker, "a") is None
    await settle(broker, who, lease, done())
    assert await standing(broker, "a") is None
    assert await broker.read("nobody", Part.STANDING) is None


async def test_a_parked_call_stands_in_line_behind_others(harness: Harness) -> None:
    """INV 20: at which gate, behind how many, and who has the slots."""
    broker = harness.broker
    gate, other = Slots("customer:1", 2), Cooldown("x", 1000)
    for key in ("!c", "b", "c", "d"):
        await at_gates(broker, key, *([other] if key == "b" else []), gate)
    assert await standing(broker, "c") == Standing(gate, 0, 2, ("!c", "b"))
    assert await standing(broker, "d") == Standing(gate, 1, 2, ("!c", "b"))


async def test_no_more_than_a_few_holders_are_named(harness: Harness) -> None:
    """INV 43: however many slots there are."""
    broker, gate = harness.broker, Slots("g", 7)
    for key in "abcdefgh":
        await at_gates(broker, key, gate)
    found = await standing(broker, "h")
    assert found is not None
    assert (found.inside, len(found.holders), set(found.holders) < set("abcdefg")) == (7, 5, True)


async def test_a_call_that_waits_at_a_rate_knows_its_place(harness: Harness) -> None:
    """It is scheduled for its moment, and the gate says why."""
    broker = harness.broker
    gate = Rate("mail", 1, 10_000)
    elsewhere = Rate("mail", 5, 60_000)
    for key in "abc":
        await at_gates(broker, key, elsewhere, gate)
    assert await standing(broker, "b") == Standing(gate, 0, 1)
    assert await standing(broker, "c") == Standing(gate, 1, 1)


async def test_a_call_that_waits_for_quiet_names_the_longest_debounce(harness: Harness) -> None:
    """No line forms there: the next one displaces it."""
    broker = harness.broker
    await at_gates(broker, "a", Debounce("short", 1_000), Debounce("long", 5_000), Slots("s", 1))
    assert await standing(broker, "a") == Standing(Debounce("long", 5_000))


async def test_a_held_call_names_its_strike(harness: Harness) -> None:
    """And no more, once that is restored."""
    broker = harness.broker
    who, lease = await start(broker)
    noted = await harness.backend.strike_log.append(Instruction("one", b"strike", hold=True))
    assert noted.news is not None
    held = verdict.held(b"payload", attempt=1, strike="one", strikes=noted.news.position, due=lease.due)
    await settle(broker, who, lease, held)
    assert await standing(broker, "a") == Standing(strike="one")
    await harness.backend.strike_log.append(Instruction("one"))
    await claim(broker, worker(), 0)
    assert await standing(broker, "a") == Standing()


async def test_a_call_of_an_unknown_task_tells_since_when(harness: Harness) -> None:
    """INV 19: visibly."""
    broker = harness.broker
    who, lease = await start(broker)
    since = harness.now
    await settle(broker, who, lease, unknown(lease))
    await harness.pass_time(1)
    await settle(broker, who, await take_one(broker, who), unknown(lease))
    assert await standing(broker, "a") == Standing(unknown_since=since)


@pytest.mark.parametrize("gone", [False, True])
async def test_a_call_that_was_woken_waits_for_a_worker_alone(harness: Harness, *, gone: bool) -> None:
    """It has its slot already."""
    broker, who = harness.broker, worker()
    lease, _ = await at_gates(broker, "a", Slots("g", 1), who=who)
    await at_gates(broker, "b", Slots("g", 1))
    await settle(broker, who, lease, done())
    assert await standing(broker, "b") == Standing()
    if gone:
        await settle(broker, who, await take_one(broker, who), done())
        await run(broker, "b")
        assert await standing(broker, "b") is None


async def test_asking_changes_nothing(harness: Harness) -> None:
    """A look is a look."""
    broker, who = harness.broker, worker()
    lease, _ = await at_gates(broker, "a", Slots("g", 1), who=who)
    await place(broker, call("b"))
    waiting = await take_one(broker, who)
    await admit(broker, who, waiting, Slots("g", 1))
    assert await standing(broker, "b") == await standing(broker, "b") == Standing(Slots("g", 1), 0, 1, ("a",))
    await settle(broker, who, lease, done())
    assert (await take_one(broker, worker())).admitted
