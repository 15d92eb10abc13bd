"""What a call costs, counted and not timed: these fail when it grows.  The figures are in costs.toml."""

from __future__ import annotations

import asyncio
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from shadows import Shadow, Worker
from tests.front.acts import HOUR, comes_true, finish, working
from tests.front.counting import Cost, Counter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.front.places import ServerPlace

LIMITS: dict[str, dict[str, float]] = tomllib.loads(Path(__file__).with_name("costs.toml").read_text())
SLOTS = 100


async def noop(number: int, text: str) -> None: ...


@pytest.fixture
def counter(far: ServerPlace) -> Iterator[Counter]:
    made = Counter(far.server.url)
    yield made
    made.close()


def stays_within(scenario: str, cost: Cost) -> None:
    """Compare each figure with its limit, and show all that are beyond."""
    limits = LIMITS[scenario]
    found = {name: round(value, 3) for name, value in attrs.asdict(cost).items()}
    beyond = [f"{name}: {value} > {limits[name]}" for name, value in found.items() if value > limits[name]]
    assert not beyond, f"{scenario}: {found}"


async def place(shadows: Shadow, count: int, task: Callable[..., Any] = noop, **when: Any) -> None:
    call = shadows.call(task, **when)
    await shadows.add_many([call(number, "hello world") for number in range(count)])


async def warmed(shadows: Shadow) -> None:
    """Let everybody connect, and the server learn the scripts."""
    await place(shadows, 1)
    await finish(shadows)


async def test_a_call_that_is_added_alone(far: ServerPlace, counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    async with far.shadow() as shadows:
        await warmed(shadows)
        with counter.counting(monkeypatch) as cost:
            for number in range(100):
                await shadows.add(noop)(number, "hello world")
        await shadows.clear()
    stays_within("add", cost.each(100))


async def test_calls_that_are_added_at_once_go_out_together(
    far: ServerPlace, counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PERFORMANCE: the calls of one turn of the loop are one request."""
    async with far.shadow() as shadows:
        await warmed(shadows)
        adds = [shadows.add(noop)(number, "hello world") for number in range(100)]
        with counter.counting(monkeypatch) as cost:
            await asyncio.gather(*adds)
        await shadows.clear()
    stays_within("add at once", cost.each(100))


async def test_many_calls(far: ServerPlace, counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    async with far.shadow() as shadows:
        await warmed(shadows)
        with counter.counting(monkeypatch) as cost:
            await place(shadows, 1_000)
        await shadows.clear()
    stays_within("add many", cost.each(1_000))


@pytest.mark.parametrize(("scenario", "slots"), [("drain", SLOTS), ("drain with 10 slots", 10)])
async def test_a_call_of_a_backlog(
    far: ServerPlace, counter: Counter, monkeypatch: pytest.MonkeyPatch, scenario: str, slots: int
) -> None:
    """What a worker does once, as it comes and goes, is the same for few and for many."""
    costs: list[Cost] = []
    async with far.shadow() as shadows:
        await warmed(shadows)
        for count in (200, 1_200):
            await place(shadows, count)
            with counter.counting(monkeypatch) as cost:
                await finish(shadows, concurrency=slots)
            costs.append(cost)
    stays_within(scenario, (costs[1] - costs[0]).each(1_000))


async def test_a_call_that_waits_for_its_time(
    far: ServerPlace, counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is placed, made ready, claimed and settled."""
    costs: list[Cost] = []
    async with far.shadow() as shadows:
        await warmed(shadows)
        for count in (200, 1_200):
            with counter.counting(monkeypatch) as cost:
                await place(shadows, count, when=timedelta(milliseconds=300))
                await asyncio.sleep(0.4)
                await finish(shadows, concurrency=SLOTS)
            costs.append(cost)
    stays_within("scheduled", (costs[1] - costs[0]).each(1_000))


async def test_a_call_that_comes_to_an_idle_worker(
    far: ServerPlace, counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DESIGN, hot path: one round trip for its producer, three for its worker, of which one is the wait."""
    ran = 0

    async def counted(number: int, text: str) -> None:
        nonlocal ran
        del number, text
        ran += 1

    async with far.shadow() as shadows:
        await warmed(shadows)
        async with working(shadows):
            await shadows.add(counted)(0, "hello world")
            await comes_true(lambda: ran == 1)
            await asyncio.sleep(0.05)
            with counter.counting(monkeypatch) as cost:
                for number in range(20):
                    await shadows.add(counted)(number, "hello world")
                    while ran < number + 2:  # noqa: ASYNC110 - nothing else may cost anything
                        await asyncio.sleep(0.001)
                    await asyncio.sleep(0.01)
    stays_within("alone", cost.each(20))


async def test_an_idle_worker(far: ServerPlace, counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    """PERFORMANCE: two requests a second; what it does as it begins is over after the first."""
    async with far.shadow() as shadows, working(shadows):
        await asyncio.sleep(1.2)
        with counter.counting(monkeypatch) as cost:
            await asyncio.sleep(3)
    stays_within("idle", cost.each(3))


@pytest.mark.parametrize("when", [None, HOUR], ids=["ready", "scheduled"])
@pytest.mark.parametrize("backlog", [20_000, pytest.param(100_000, marks=pytest.mark.slow)])
async def test_no_call_costs_more_where_many_wait(
    far: ServerPlace, counter: Counter, monkeypatch: pytest.MonkeyPatch, when: timedelta | None, backlog: int
) -> None:
    """INV 43: neither in commands nor in requests, and so no script does more."""
    costs = [await _of_some(far, counter, monkeypatch, waiting, when) for waiting in (1_000, backlog)]
    few, many = (cost.each(500) for cost in costs)
    assert many.commands <= few.commands * 1.03 + 0.1
    assert many.trips <= few.trips * 1.03 + 0.01
    assert many.received <= few.received * 1.03 + 2


async def _of_some(
    far: ServerPlace, counter: Counter, monkeypatch: pytest.MonkeyPatch, waiting: int, when: timedelta | None
) -> Cost:
    """Return what it costs to add and to run 500 calls while others wait."""
    ran = 0

    async def counted(number: int, text: str) -> None:
        nonlocal ran
        del number, text
        ran += 1
        if ran >= 500:
            worker.stop()

    async with far.shadow() as shadows:
        await place(shadows, waiting, counted, when=when)
        async with Worker(shadows, concurrency=SLOTS) as worker:
            with counter.counting(monkeypatch) as cost:
                await place(shadows, 500, counted)
                await worker.run_forever()
        await shadows.clear()
    return cost


@pytest.mark.parametrize(("name", "when"), [("now", None), ("later", HOUR)])
async def test_a_waiting_call_takes_little_memory(
    far: ServerPlace, counter: Counter, name: str, when: timedelta | None
) -> None:
    """PERFORMANCE: in one key, and few bytes; also of those that wait for their time."""
    async with far.shadow() as shadows:
        await warmed(shadows)
        before, keys = counter.memory(), counter.keys()
        await place(shadows, 8_000, when=when)
        taken, made = (counter.memory() - before) / 8_000, (counter.keys() - keys) / 8_000
        await shadows.clear()
    assert taken <= LIMITS["memory"][name]
    assert made <= LIMITS["memory"]["keys"]
