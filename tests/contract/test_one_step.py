"""One decision is one step: whatever follows from it goes to the server in one command.  Server only.

What is done in two can be broken off between them, and somebody else can come between them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest

from shadows.adapters.redis import scripts
from shadows.core import verdict
from shadows.core.gates import Slots
from shadows.core.scheduling import Due
from shadows.core.verdict import Occurrence
from shadows.ports.broker import Order
from shadows.ports.letters import Replay
from shadows.ports.seeding import Seed
from tests.contract.acts import back, call, claim, dead, done, instead, place, retry, settle, start, unknown, worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from shadows.adapters.redis.backend import RedisBackend
    from shadows.adapters.redis.driver import Command, Driver
    from shadows.core.verdict import Verdict
    from shadows.ports.broker import Lease
    from tests.contract.harness import ServerHarness


@attrs.define
class CountingDriver:
    """A driver that notes which commands it sends."""

    driver: Driver
    sent: list[str] = attrs.field(factory=list[str])

    async def ask(self, *commands: Command) -> list[Any]:
        """Note and ask."""
        self.sent += [str(command[0]) for command in commands]
        return await self.driver.ask(*commands)

    def ask_blocking(self, *commands: Command) -> list[Any]:
        """Note and ask, from the renewal thread."""
        self.sent += [str(command[0]) for command in commands]
        return self.driver.ask_blocking(*commands)


@pytest.fixture
async def counting(real: ServerHarness) -> CountingDriver:
    """Put a driver that counts under the broker of `real`; the server knows all scripts already."""
    backend: RedisBackend = real.backend  # type: ignore[assignment]
    for verb in scripts.sources():
        await backend.driver.ask(backend.broker.scripts.load(verb))
    driver = CountingDriver(backend.driver)
    backend.broker.driver = backend.broker.scripts.driver = driver  # type: ignore[assignment]
    return driver


async def test_calls_are_looked_for_and_placed_in_one_step(real: ServerHarness, counting: CountingDriver) -> None:
    """INV 1, INV 3: also where they replace others, or wait for their time."""
    await place(real.broker, call("a"), call("b", after=5))
    await place(real.broker, call("a"), instead("b"), instead("c"), call("d", after=5))
    assert counting.sent == ["EVALSHA"] * 2


async def test_seeds_are_looked_for_and_placed_in_one_step(real: ServerHarness, counting: CountingDriver) -> None:
    """INV 26: what is remembered of their definitions too."""
    await real.broker.seed([Seed("a", b"", Due(after=1000), "one"), Seed("b", b"", Due(), "two")], restart=True)
    assert counting.sent == ["EVALSHA"]


async def test_due_calls_are_made_ready_and_leased_in_one_step(real: ServerHarness, counting: CountingDriver) -> None:
    """INV 10: between the schedule and the stream a call is in nobody's hands."""
    await place(real.broker, call("a", after=5), call("b"))
    await real.pass_time(6)
    counting.sent.clear()
    answer = await claim(real.broker, worker(), sweep="-", known=())
    assert sorted(lease.key for lease in answer.leases) == ["a", "b"]
    assert counting.sent == ["EVALSHA"]


async def test_a_call_is_parked_and_its_lease_given_up_in_one_step(
    real: ServerHarness, counting: CountingDriver
) -> None:
    """INV 20: the slot may be freed at any moment, and who was told to wait must be in the line by then."""
    broker, who = real.broker, worker()
    await place(broker, call("a"), call("b"))
    leases = (await claim(broker, who)).leases
    counting.sent.clear()
    answers = await broker.admit(who, [(lease, [Slots("s", 1)]) for lease in leases])
    assert [answer.passage for answer in answers] == ["admitted", "parked"]
    assert counting.sent == ["EVALSHA"]


VERDICTS: dict[str, Callable[[Lease], Verdict]] = {
    "completed": lambda _: done(b"result"),
    "failed": lambda _: verdict.failed("task", b"error"),
    "cancelled": lambda _: verdict.cancelled("task"),
    "followed": lambda _: verdict.completed("task", b"result", follow=Occurrence(b"next", Due(after=1000))),
    "again": retry,
    "later": lambda lease: retry(lease, after=5),
    "back": back,
    "unknown": unknown,
    "dead": dead,
}


@pytest.mark.parametrize("judged", VERDICTS)
async def test_a_lease_is_settled_with_all_that_follows_in_one_step(
    real: ServerHarness, counting: CountingDriver, judged: str
) -> None:
    """INV 10, INV 25, INV 40: acknowledgement, record, result, next attempt, next occurrence, dead letter."""
    who, lease = await start(real.broker, payload=b"x" * 100)
    counting.sent.clear()
    assert await settle(real.broker, who, lease, VERDICTS[judged](lease)) in {"settled", "buried"}
    assert counting.sent == ["EVALSHA"]


@pytest.mark.parametrize("judged", VERDICTS)
async def test_a_turn_settles_and_claims_in_one_step(
    real: ServerHarness, counting: CountingDriver, judged: str
) -> None:
    """INV 10: a busy worker's way is the same."""
    who, lease = await start(real.broker, payload=b"x" * 100)
    await place(real.broker, call("b"), call("c", after=5))
    await real.pass_time(6)
    counting.sent.clear()
    settled, answer = await real.broker.turn([(lease, VERDICTS[judged](lease))], Order(who, 10))
    assert settled[0] in {"settled", "buried"}
    assert {"b", "c"} <= {one.key for one in answer.leases}
    assert counting.sent == ["EVALSHA"]


async def test_whatever_else_is_decided_is_one_step(real: ServerHarness, counting: CountingDriver) -> None:
    """INV 6, INV 12: a renewal, a report, a cancel of what runs and of what waits, a replay with its dead letter."""
    broker = real.broker
    who, lease = await start(broker)
    await place(broker, call("b"))
    counting.sent.clear()
    assert broker.renew(who, [lease.token]) == frozenset()
    assert await broker.report(lease, {"done": "half"})
    assert [await broker.cancel(key) for key in "ab"] == ["requested", "cancelled"]
    assert counting.sent == ["EVALSHA"] * 4
    await settle(broker, who, lease, dead(lease))
    (letter,) = await broker.dead(limit=10)
    counting.sent.clear()
    assert await broker.replay([Replay("a", "again", letter.id)]) == ["replayed"]
    assert counting.sent == ["EVALSHA"]
