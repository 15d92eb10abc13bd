from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from shadows import ConfigurationError, Cron, ExecutionState, Perpetual, Shadow, Worker
from shadows.adapters.memory.broker import MemoryBroker
from shadows.adapters.observers.log import LogObserver
from shadows.engine import seed
from tests.front.acts import DEADLINE, HOUR, comes_true, finish, heard, state_of, working

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.front.places import Place, ServerPlace
    from tests.front.proxy import Proxy

S = ExecutionState
SOON = timedelta(seconds=5)


@pytest.fixture
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let workers look after their automatic tasks every few milliseconds, also where they need not."""

    async def fallow(self: MemoryBroker, keys: Sequence[str], *, patience: float) -> None:
        del self, keys
        await asyncio.sleep(patience)

    monkeypatch.setattr(seed, "AGAIN", 0.01)
    monkeypatch.setattr(MemoryBroker, "fallow", fallow)


def cleanup_every(every: timedelta) -> tuple[Callable[..., Any], list[int]]:
    """Return a task that starts by itself, and what it has done."""
    ran: list[int] = []

    async def cleanup(perpetual: Perpetual = Perpetual(every=every, automatic=True)) -> None:
        ran.append(1)

    return cleanup, ran


async def _waits(shadows: Shadow) -> bool:
    return await state_of(shadows, "cleanup") == "scheduled"


async def test_an_automatic_task_starts_with_a_worker(shadows: Shadow) -> None:
    """PARITY: without anybody's call, under its own name as its key."""
    cleanup, ran = cleanup_every(HOUR)
    shadows.register(cleanup)
    async with working(shadows, within=SOON):
        await comes_true(lambda: _waits(shadows))
    execution = await shadows.get_execution("cleanup")
    assert execution is not None
    assert (execution.function_name, execution.args, execution.kwargs) == ("cleanup", (), {})
    assert ran == [1]
    await shadows.cancel("cleanup")


async def test_a_task_of_several_names_starts_under_each(shadows: Shadow) -> None:
    """Its key is its name, and each name is a task."""
    cleanup, ran = cleanup_every(HOUR)
    shadows.register(cleanup, names=["here", "there"])
    async with working(shadows, within=SOON):
        await comes_true(lambda: len(ran) == 2)
    for name in ("here", "there"):
        assert await state_of(shadows, name) == "scheduled"
        await shadows.cancel(name)


async def test_it_is_there_before_a_worker_finds_nothing_left(shadows: Shadow) -> None:
    """`run_until_finished` does not end before the automatic tasks have started."""
    ran: list[int] = []

    async def once(perpetual: Perpetual = Perpetual(automatic=True)) -> None:
        ran.append(1)
        perpetual.cancel()

    shadows.register(once)
    await finish(shadows)
    assert ran == [1]


async def test_workers_that_are_told_not_to_start_nothing(shadows: Shadow) -> None:
    """PARITY: `schedule_automatic_tasks=False`; and a task that is not automatic never starts by itself."""
    cleanup, ran = cleanup_every(HOUR)

    async def by_hand(perpetual: Perpetual = Perpetual(every=HOUR)) -> None: ...

    shadows.register(by_hand)
    await finish(shadows)
    shadows.register(cleanup)
    await finish(shadows, schedule_automatic_tasks=False)
    assert ran == []
    assert (await shadows.snapshot()).total_tasks == 0


@pytest.mark.usefixtures("_often")
async def test_one_that_is_live_is_left_alone(shadows: Shadow) -> None:
    """INV 26: neither a second worker, nor a look every minute, moves what waits; a cron does not drift."""
    cleanup, ran = cleanup_every(HOUR)

    async def nightly(cron: Cron = Cron("0 3 * * *", tz="Europe/Berlin")) -> None: ...

    shadows.register(cleanup)
    shadows.register(nightly)
    async with working(shadows, within=SOON):
        await comes_true(lambda: _waits(shadows))
        first = [(await shadows.get_execution(key)) for key in ("cleanup", "nightly")]
        async with working(shadows, within=SOON):
            await _seeded_again()
    again = [(await shadows.get_execution(key)) for key in ("cleanup", "nightly")]
    assert [each and each.when for each in again] == [each and each.when for each in first]
    assert ran == [1]
    for key in ("cleanup", "nightly"):
        await shadows.cancel(key)


async def _seeded_again() -> None:
    """Wait until the workers have looked a few times more at their automatic tasks."""
    looks = 0
    seeded = seed.Seeder.seed

    async def counting(self: seed.Seeder, *, restart: bool) -> None:
        nonlocal looks
        await seeded(self, restart=restart)
        looks += 1

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seed.Seeder, "seed", counting)
        await comes_true(lambda: looks >= 6)


@pytest.mark.usefixtures("_often")
async def test_one_that_was_lost_starts_again(shadows: Shadow) -> None:
    """INV 26: while workers run; here by a clear, as it might be by an eviction."""
    cleanup, ran = cleanup_every(HOUR)
    shadows.register(cleanup)
    async with working(shadows, within=SOON):
        await comes_true(lambda: _waits(shadows))
        assert await shadows.clear() >= 1  # it may be back before the clear is over
        await comes_true(lambda: len(ran) == 2)
        await comes_true(lambda: _waits(shadows))
    await shadows.cancel("cleanup")


@pytest.mark.usefixtures("_often")
async def test_one_that_was_forgotten_starts_again(far: ServerPlace) -> None:
    """INV 26, FAULT 52: the server lost everything."""
    cleanup, ran = cleanup_every(HOUR)
    async with far.shadow() as shadows:
        shadows.register(cleanup)
        async with working(shadows, within=SOON):
            await comes_true(lambda: _waits(shadows))
            far.curtain.ask("DEL", *map(far.curtain.key, far.curtain.keys()))
            await comes_true(lambda: len(ran) == 2)


@pytest.mark.usefixtures("_often")
async def test_one_that_was_cancelled_starts_again_with_the_next_worker(shadows: Shadow) -> None:
    """INV 30: workers that are here respect the decision, somebody's or the task's own."""
    cleanup, ran = cleanup_every(HOUR)
    ended: list[int] = []

    async def until_done(perpetual: Perpetual = Perpetual(automatic=True)) -> None:
        ended.append(1)
        perpetual.cancel()

    shadows.register(cleanup)
    shadows.register(until_done)
    async with working(shadows, within=SOON):
        await comes_true(lambda: _waits(shadows))
        await comes_true(lambda: len(ended) == 1)
        await shadows.cancel("cleanup")
        await _seeded_again()
        assert (ran, ended) == ([1], [1])
    async with working(shadows, within=SOON):
        await comes_true(lambda: (ran, ended) == ([1, 1], [1, 1]))
        await comes_true(lambda: _waits(shadows))
    await shadows.cancel("cleanup")


@pytest.mark.usefixtures("_often")
async def test_a_changed_schedule_takes_effect_at_the_next_deploy(place: Place) -> None:
    """INV 28: the newer definition replaces what waits, and an older worker that is still there does not undo it."""
    old_cleanup, old_ran = cleanup_every(HOUR)
    new_cleanup, new_ran = cleanup_every(2 * HOUR)
    async with place.shadow() as old, place.shadow() as new:
        old.register(old_cleanup)
        new.register(new_cleanup)
        async with working(old, within=SOON):
            await comes_true(lambda: _waits(old))
        async with working(new, within=SOON):
            await comes_true(lambda: len(new_ran) == 1)
            await comes_true(lambda: _waits(new))
            execution = await new.get_execution("cleanup")
            async with working(old, within=SOON):
                await _seeded_again()
        found = await new.get_execution("cleanup")
        assert execution is not None
        assert found is not None
        assert found.when == execution.when
        assert (len(old_ran), len(new_ran)) == (1, 1)
        await new.cancel("cleanup")


async def test_a_key_that_holds_something_else_is_told(far: ServerPlace, caplog: pytest.LogCaptureFixture) -> None:
    """FAULT 51: and the worker goes on with the others."""
    cleanup, ran = cleanup_every(HOUR)
    async with far.shadow() as shadows:
        shadows.register(cleanup, names=["broken", "sound"])
        far.curtain.ask("SET", far.curtain.key("runs:broken"), "something else")
        async with working(shadows, within=SOON):
            await comes_true(lambda: len(ran) == 1)
    assert "broken: the automatic task cannot be placed; its record holds something else" in caplog.messages


async def test_a_broker_that_is_away_at_the_start_is_waited_for(proxy: Proxy) -> None:
    """INV 33: the automatic tasks start when it is back, and before that the worker does not find itself finished."""
    ran: list[int] = []

    async def once(perpetual: Perpetual = Perpetual(automatic=True)) -> None:
        ran.append(1)
        perpetual.cancel()

    async with proxy.shadow() as shadows:
        shadows.register(once)
        faults = [proxy.lose_request("survey"), proxy.lose_reply("seed")]
        await finish(shadows, reconnection_delay=timedelta(milliseconds=20))
        for fault in faults:
            await heard(fault.happened)
    assert ran == [1]


@pytest.mark.usefixtures("_often")
async def test_a_broker_that_is_away_later_is_looked_for_again(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """INV 33: the look that failed is repeated soon."""
    cleanup, ran = cleanup_every(HOUR)
    async with proxy.shadow() as shadows, proxy.place.shadow() as direct:
        shadows.register(cleanup)
        async with working(shadows, within=SOON, reconnection_delay=timedelta(milliseconds=20)):
            await comes_true(lambda: _waits(direct))
            fault = proxy.lose_request("seed")
            await heard(fault.happened)
            await direct.clear()
            await comes_true(lambda: len(ran) == 2)
        await direct.cancel("cleanup")


async def test_a_stop_ends_the_wait_for_a_broker_that_is_away(proxy: Proxy) -> None:
    """INV 36: a worker that could not even start its tasks ends at once."""
    cleanup, _ = cleanup_every(HOUR)
    async with proxy.shadow() as shadows:
        shadows.register(cleanup)
        fault = proxy.lose_request("survey")
        async with Worker(shadows, reconnection_delay=HOUR) as worker:
            await proxy.down()
            run = asyncio.create_task(worker.run_forever())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.2):
                    await fault.happened.wait()
            worker.stop()
            async with asyncio.timeout(DEADLINE):
                await run
            await proxy.up()


async def test_what_is_no_absence_of_the_broker_ends_the_worker(
    shadows: Shadow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """INV 33: anything else is a bug, and is raised; no worker stops silently."""
    monkeypatch.setattr(seed, "AGAIN", 0.01)
    cleanup, _ = cleanup_every(HOUR)
    shadows.register(cleanup)

    async def break_down(self: seed.Seeder, *, restart: bool) -> None:
        if not restart:
            raise ZeroDivisionError("a bug")

    monkeypatch.setattr(seed.Seeder, "seed", break_down)
    async with Worker(shadows) as worker, asyncio.timeout(DEADLINE):
        with pytest.raises(ZeroDivisionError, match="a bug"):
            await worker.run_forever()


async def test_a_task_that_is_registered_later_starts_at_once(shadows: Shadow) -> None:
    """A worker that has nothing to look after does not look; it hears of what comes to be known."""
    cleanup, ran = cleanup_every(HOUR)

    async def by_hand(perpetual: Perpetual = Perpetual(every=HOUR)) -> None: ...

    async with working(shadows, within=SOON):
        await comes_true(lambda: bool(shadows.calls.registry.watchers))
        shadows.register(by_hand)
        shadows.register(cleanup)
        await comes_true(lambda: _waits(shadows))
    assert ran == [1]
    await shadows.cancel("cleanup")


async def test_somebody_in_a_hurry_is_answered_at_once(shadows: Shadow) -> None:
    """When a strike is lifted, nobody waits a minute for the automatic tasks that it held back."""
    looked = asyncio.Event()

    class Looking(seed.Seeder):
        async def seed(self, *, restart: bool) -> None:
            assert not restart
            looked.set()

    wire = shadows.calls.wire
    seeder = Looking({}, wire, shadows.backend().broker, LogObserver("shop"))
    going = asyncio.create_task(seeder.go_on(_never))
    seeder.hurry()
    await heard(looked)
    going.cancel()


def _never(bug: Exception) -> None:
    raise AssertionError from bug


async def test_an_automatic_task_that_requires_arguments_is_refused(shadows: Shadow) -> None:
    """PARITY: at registration, not when a worker starts."""

    async def greet(name: str, perpetual: Perpetual = Perpetual(automatic=True)) -> None: ...

    with pytest.raises(ConfigurationError, match="it requires 'name'"):
        shadows.register(greet)
    with pytest.raises(ConfigurationError, match="it requires 'name'"):
        await shadows.add(greet)("Ada")


async def test_a_worker_that_shall_end_says_that_an_automatic_task_keeps_it(
    shadows: Shadow, caplog: pytest.LogCaptureFixture
) -> None:
    """`run_until_finished` would go on for ever; `run_at_most` knows when it is enough."""
    cleanup, ran = cleanup_every(timedelta(0))
    shadows.register(cleanup)
    with caplog.at_level("WARNING", "shadows.worker"):
        async with Worker(shadows) as worker:
            await worker.run_at_most({"cleanup": 2})
        assert "another call" not in caplog.text
        async with Worker(shadows) as worker:
            running = asyncio.create_task(worker.run_until_finished())
            await comes_true(lambda: len(ran) > 5)
            worker.stop()
            await running
    assert "goes on until it is stopped: there is always another call of cleanup; run_at_most names" in caplog.text
    await shadows.clear()
