from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest

from shadows.adapters.redis.driver import NoScript
from shadows.ports.backend import Terms
from shadows.testing.exam.acts import (
    call,
    claim,
    dead,
    done,
    instead,
    keys,
    look,
    place,
    run,
    settle,
    state,
    take,
    take_one,
    unknown,
    worker,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from shadows.adapters.redis.backend import RedisBackend
    from shadows.adapters.redis.driver import Command, Driver
    from tests.contract.harness import Harness, ServerHarness


async def test_clear_ends_what_waits_and_says_how_many(harness: Harness) -> None:
    """Scheduled or ready, each call ends cancelled with the reason that it was cleared, and never starts."""
    broker = harness.broker
    await place(broker, call("a"), call("b", b"x" * 100, after=5), call("c", after=9))
    assert await broker.clear() == 3
    for key in "abc":
        record = await look(broker, key)
        assert (record.state, record.reason, record.ended) == ("cancelled", "cleared", harness.now)
        assert record.payload is None
    await harness.pass_time(10)
    answer = await claim(broker, worker(), sweep="-")
    assert (answer.leases, answer.left, answer.due_in) == ((), 0, None)


async def test_clear_leaves_running_calls_alone(harness: Harness) -> None:
    """The key of a running call stays taken, its successor waits on, and its settle counts."""
    broker, who = harness.broker, worker()
    await place(broker, call("a"), call("b"))
    a, b = await take(broker, who)
    await place(broker, instead("b", b"new"), call("c"))
    assert await broker.clear() == 1
    assert await place(broker, call("a")) == ["already"]
    assert await settle(broker, who, a, done()) == "settled"
    assert await settle(broker, who, b, done()) == "settled"
    assert (await take_one(broker, who)).payload == b"new"


async def test_keys_are_free_after_a_clear(harness: Harness) -> None:
    """INV 6: an add of every key that was waiting is accepted at once, and runs as a new call."""
    broker = harness.broker
    await place(broker, call("a", b"old"), call("b", b"old", after=5))
    await broker.clear()
    assert await place(broker, call("a", b"new"), call("b", b"new")) == ["scheduled"] * 2
    assert [lease.payload for lease in await take(broker, worker())] == [b"new", b"new"]
    await harness.pass_time(6)
    assert await take(broker, worker()) == ()


async def test_clear_reaches_any_number_of_calls(harness: Harness) -> None:
    """INV 43: in bounded steps, over everything that waited when it began."""
    broker, who = harness.broker, worker()
    await place(broker, *(call(f"k{number}", after=(number % 3 and 5) or None) for number in range(900)))
    assert len(await take(broker, who, 50)) == 50
    assert await broker.clear() == 850
    counts = (await broker.survey(0)).counts
    assert (counts.scheduled, counts.queued, counts.running) == (0, 0, 50)


@pytest.mark.parametrize("times", [1, 2])
async def test_clear_of_nothing_is_nothing(harness: Harness, times: int) -> None:
    """On an empty shadow, and a second time, no call is counted."""
    if times == 2:
        await place(harness.broker, call("a"))
        await harness.broker.clear()
    assert await harness.broker.clear() == 0


async def test_clear_keeps_what_ended_and_the_dead(harness: Harness) -> None:
    """Results and dead letters are no waiting calls."""
    broker, who = harness.broker, worker()
    await run(broker, "a", b"result")
    await place(broker, call("b"))
    lease = await take_one(broker, who)
    await settle(broker, who, lease, dead(lease))
    assert await broker.clear() == 0
    assert (await look(broker, "a")).result == b"result"
    assert len(await broker.dead(limit=10)) == 1


async def test_clear_ends_calls_that_nobody_knows(harness: Harness) -> None:
    """INV 19: they wait like others, and are counted no more."""
    broker, who = harness.broker, worker()
    await place(broker, call("a"))
    lease = await take_one(broker, who)
    await settle(broker, who, lease, unknown(lease))
    assert await broker.clear() == 1
    counts = (await broker.survey(0)).counts
    assert (counts.scheduled, counts.unknown) == (0, 0)


async def test_clear_leaves_nothing_where_nothing_is_kept(harness: Harness) -> None:
    """INV 42: with a lifetime of 0 the records go with the calls."""
    broker = (await harness.open(Terms(execution_ttl=0))).broker
    await place(broker, call("a"), call("b", b"x" * 100, after=5))
    assert await broker.clear() == 2
    assert [await broker.read(key) for key in "ab"] == [None, None]


async def test_clear_ends_the_calls_of_one_shadow_alone(harness: Harness) -> None:
    """INV 8, FAULT 13: another one's calls live on, also where its name begins with this one's."""
    other = (await harness.open(name=harness.name + ".other")).broker
    await place(harness.broker, call("a"))
    await place(other, call("a"), call("b", after=5))
    assert await harness.broker.clear() == 1
    assert [await state(other, key) for key in "ab"] == ["queued", "scheduled"]


@attrs.define
class Adding:
    """A driver that places one more call between the first two steps in which the ready calls are cleared."""

    driver: Driver
    place: Callable[[], Coroutine[Any, Any, Any]] | None

    async def ask(self, *commands: Command) -> list[Any]:
        """Ask, and then place it."""
        answers = await self.driver.ask(*commands)
        place, ready = self.place, any("ready" in command for command in commands)
        if place is not None and ready and not any(isinstance(answer, NoScript) for answer in answers):
            self.place = None
            await place()
        return answers


async def test_what_is_added_while_a_clear_is_under_way_stays(real: ServerHarness) -> None:
    """SEMANTICS: it goes in bounded steps over what existed when it began."""
    backend: RedisBackend = real.backend  # type: ignore[assignment]
    other = (await real.open()).broker
    await place(other, *(call(f"k{number}") for number in range(250)))
    backend.broker.scripts.driver = Adding(backend.driver, lambda: place(other, call("late")))  # type: ignore[assignment]
    assert await real.broker.clear() == 250
    assert keys(await take(other, worker())) == ["late"]


@pytest.mark.parametrize("line", ["scheduled", "ready"])
async def test_each_step_of_a_clear_is_bounded(real: ServerHarness, line: str) -> None:
    """INV 43: it ends no more calls than it was asked to, however many wait."""
    backend: RedisBackend = real.backend  # type: ignore[assignment]
    after = 60 if line == "scheduled" else None
    await place(real.broker, *(call(f"k{number}", after=after) for number in range(250)))
    ended, looked, *_ = await backend.broker.scripts.run("clear", line, 200, "", "")
    assert (ended, looked) == (200, 200)
    counts = (await real.broker.survey(0)).counts
    assert counts.scheduled + counts.queued == 50
