"""The programs of the two guides to production run as printed (seeds 000 and 002, the latter under our names)."""

from __future__ import annotations

import asyncio
import inspect
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from shadows import (
    ExecutionState,
    ExponentialRetry,
    Progress,
    ResultUnavailable,
    Retry,
    Shadow,
    Worker,
)
from tests.system.programs import PATIENCE
from tests.system.reading import SEEDS, Notebook
from tests.system.workers import at_work, occurs, seconds_between

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from tests.system.reading import Reader

pytestmark = pytest.mark.skipif(not SEEDS.is_dir(), reason=f"{SEEDS} is not there")


# Workers ----------------------------------------------------------------------------------------------------


async def double(number: int) -> int:
    """Stand for a task of the reader's own."""
    return 2 * number


async def worker_of(typing: Reader, program: Coroutine[Any, Any, None]) -> Worker:
    """Let a program that runs a worker for ever do one call, then stop it; give the worker."""
    async with Shadow() as shadow:
        shadow.register(double)
        typing.names["shadows"] = shadow
        running = asyncio.create_task(program)
        execution = await shadow.add(double)(21)
        assert await execution.get_result(timeout=PATIENCE) == 42
        await execution.sync()
        worker: Worker = typing.names["worker"]
        assert execution.worker == worker.name
        assert not running.done()
        worker.stop()
        await running
    return worker


async def test_redelivery_behavior(reader: Callable[[str], Reader]) -> None:
    """Both guides: a worker with leases of ten minutes works until it is stopped."""
    ours = reader("000")
    assert (await worker_of(ours, ours.types(0))).options.redelivery_timeout == timedelta(minutes=10)
    sibling = reader("002")
    assert (await worker_of(sibling, sibling.types(0))).options.redelivery_timeout == timedelta(minutes=10)


async def test_core_settings(reader: Callable[[str], Reader]) -> None:
    """Both guides: every setting of a worker has the printed name."""
    for_both = {
        "name": "worker-1",
        "concurrency": 20,
        "redelivery_timeout": timedelta(minutes=5),
        "reconnection_delay": timedelta(seconds=5),
        "minimum_check_interval": timedelta(milliseconds=100),
        "scheduling_resolution": timedelta(milliseconds=250),
        "schedule_automatic_tasks": True,
    }
    ours = reader("000")
    options = (await worker_of(ours, ours.types(1))).options
    assert {name: getattr(options, name) for name in for_both} == for_both
    sibling = reader("002")
    options = (await worker_of(sibling, sibling.types(1))).options
    assert {name: getattr(options, name) for name in for_both} == for_both


# Connections ------------------------------------------------------------------------------------------------


async def works_with(pool: Any) -> None:
    """Place and run a call through a shadow that was given this pool."""
    async with Shadow(name="orders", connection_pool=pool) as shadow, at_work(shadow):
        shadow.register(double)
        assert await (await shadow.add(double)(4)).get_result(timeout=PATIENCE) == 8
    await pool.disconnect()


@pytest.mark.filterwarnings("ignore:.*retry_on_timeout:DeprecationWarning")  # redis-py's word on the printed option
async def test_redis_connection_pools(real_reader: Callable[[str], Reader]) -> None:
    """Both guides: a pool of the reader's own."""
    ours = real_reader("000")
    await ours.types(2)
    assert ours.names["pool"].max_connections == 50
    await works_with(ours.names["pool"])
    sibling = real_reader("002")
    await sibling.types(2)
    await works_with(sibling.names["pool"])


async def test_authentication(reader: Callable[[str], Reader]) -> None:
    """Both guides: URLs with passwords are understood, and never shown."""
    ours = reader("000")
    await ours.types(3)
    assert "password" not in repr(Shadow(url=ours.names["shadows_url"]))
    sibling = reader("002")
    await sibling.types(4)
    shown = repr(Shadow(url=sibling.names["shadows_url"]))
    assert "mypassword" not in shown
    assert "redis.prod.com" in shown


# State and results ------------------------------------------------------------------------------------------


async def kept(shadow: Shadow, pattern: str) -> dict[str, float]:
    """Give the keys of that pattern on the server, and for how many seconds each is kept still."""
    async with shadow.redis() as client:
        names: list[bytes] = await client.keys(f"{shadow.name}:{pattern}")
        return {name.decode().removeprefix(f"{shadow.name}:"): await client.pttl(name) / 1000 for name in names}


async def test_execution_state_tracking(reader: Callable[[str], Reader], place: str) -> None:
    """002: records are kept a quarter of an hour after the end, which is the default."""
    typing = reader("002")
    await typing.types(5)
    as_printed: Shadow = typing.names["shadows"]
    assert as_printed.execution_ttl == Shadow().execution_ttl == timedelta(minutes=15)
    async with Shadow(name="orders", execution_ttl=as_printed.execution_ttl) as shadow, at_work(shadow):
        shadow.register(double)
        execution = await shadow.add(double)(4)
        assert await execution.get_result(timeout=PATIENCE) == 8
        await execution.sync()
        assert execution.state is ExecutionState.COMPLETED
        if not place.startswith("memory:"):
            (left,) = (await kept(shadow, f"runs:{execution.key}")).values()
            assert 880 < left <= 900


async def test_fire_and_forget_mode(reader: Callable[[str], Reader], place: str) -> None:
    """002: every event is processed, and no state, no result and no progress is left of it."""
    typing, done = reader("002"), list[str]()

    async def process_event(event: str, progress: Progress = Progress()) -> str:
        await progress.increment()
        done.append(event)
        return "a result that nobody gets"

    typing.names.update(process_event=process_event, events=["one", "two", "three"])
    await typing.types(6)
    async with Shadow(name="high-throughput", execution_ttl=timedelta(0)) as shadow, Worker(shadow) as worker:
        last = await shadow.add(process_event, key=f"last-{place}")("four")
        await worker.run_until_finished()
        assert sorted(done) == ["four", "one", "three", "two"]
        assert await shadow.get_execution(last.key) is None
        with pytest.raises(ResultUnavailable):
            await last.get_result(timeout=PATIENCE)
        if not place.startswith("memory:"):
            assert await kept(shadow, "runs:*") == await kept(shadow, "results:*") == {}
            assert not [name for name in await kept(shadow, "*") if "progress" in name or "four" in name]


async def test_ttl_management(reader: Callable[[str], Reader], place: str) -> None:
    """002: a result is there for an hour, for whoever asks."""
    typing, notes = reader("002"), Notebook()
    typing.names["generate_report"] = notes.function("generate_report", "the report")
    await typing.types(9)
    async with Shadow(execution_ttl=timedelta(hours=1)) as shadow, Worker(shadow) as worker:
        shadow.register(typing.names["generate_report"])
        await worker.run_until_finished()
    async with Shadow() as shadow:
        key = typing.names["execution"].key
        execution = await shadow.get_execution(key)
        assert execution is not None
        assert await execution.get_result(timeout=PATIENCE) == "the report"
        if not place.startswith("memory:"):
            times = [*(await kept(shadow, f"runs:{key}")).values(), *(await kept(shadow, f"results:{key}")).values()]
            assert times
            assert all(3500 < left <= 3600 for left in times)


async def test_none_returns(reader: Callable[[str], Reader], place: str) -> None:
    """002: None is what waiters get, and takes no room."""
    typing, notes = reader("002"), Notebook()
    typing.names.update(notes.functions("send_email"))
    await typing.types(10)
    async with Shadow() as shadow, at_work(shadow):
        execution = await shadow.add(typing.names["send_notification"])("user-1")
        assert await execution.get_result(timeout=PATIENCE) is None
        assert notes.calls == [("send_email", "user-1")]
        if not place.startswith("memory:"):
            assert await kept(shadow, f"results:{execution.key}") == {}


async def test_large_results(reader: Callable[[str], Reader]) -> None:
    """002: a large result comes back whole; the second version of the task returns where it lies."""
    typing, notes = reader("002"), Notebook()
    large = {"rows": "x" * 1_000_000}
    typing.names["expensive_computation"] = notes.function("expensive_computation", large)
    typing.names["store_in_s3"] = notes.function("store_in_s3", "s3://bucket/rows")
    async with Shadow() as shadow, at_work(shadow):
        await typing.types(11, until="# Store a reference")
        execution = await shadow.add(typing.names["process_large_dataset"])("set-1")
        assert await execution.get_result(timeout=PATIENCE) == large
        await typing.types(11)
        execution = await shadow.add(typing.names["process_large_dataset"])("set-2")
        assert await execution.get_result(timeout=PATIENCE) == "s3://bucket/rows"


# Error handling ---------------------------------------------------------------------------------------------


async def check_the_retries(typing: Reader) -> None:
    """Run the three printed tasks, and one of our own that fails under each of their declarations."""
    names = ("api_call", "database_sync", "financial_transaction")
    printed = [typing.names[name] for name in names]
    declared = [inspect.signature(task).parameters["retry"].default for task in printed]
    assert [one.attempts for one in declared] == [3, 5, None]
    assert isinstance(declared[1], ExponentialRetry)
    assert declared[1].maximum_delay == timedelta(minutes=10)
    async with Shadow() as shadow, at_work(shadow):
        for task in printed:
            assert await (await shadow.add(task)()).get_result(timeout=PATIENCE) is None
        for name, default, delay in zip(names, declared, (5, 30, 60), strict=True):

            async def fails(retry: Retry = default) -> None:
                raise ConnectionError

            shadow.register(fails, names=[f"{name}_that_fails"])
            await shadow.add(f"{name}_that_fails", key=name)()
            again = await occurs(shadow, name)
            taken = (await shadow.snapshot()).taken
            assert again.attempt == 2
            assert delay - 4 < seconds_between(taken, again.when) <= delay
            await shadow.cancel(name)


async def test_appropriate_retries(reader: Callable[[str], Reader]) -> None:
    """Both guides: the first failure is followed by another attempt after the printed delay."""
    ours = reader("000")
    await ours.types(4)
    await check_the_retries(ours)
    sibling = reader("002")
    await sibling.types(12)
    await check_the_retries(sibling)


class CriticalError(Exception):
    """Stand for an error of the reader's own."""


async def check_the_dead_letters(typing: Reader) -> None:
    """One order fails, which the task writes down and raises; the other is handled."""
    notes = Notebook()
    typing.names.update(notes.functions("send_to_dead_letter_queue"), CriticalError=CriticalError)
    typing.names["handle_order"] = notes.function("handle_order", CriticalError("no such customer"), None)
    async with Shadow() as shadow, Worker(shadow, concurrency=1) as worker:
        failing = await shadow.add(typing.names["process_order"])("order-1")
        handled = await shadow.add(typing.names["process_order"])("order-2")
        await worker.run_until_finished()
        with pytest.raises(CriticalError, match="no such customer"):
            await failing.get_result(timeout=PATIENCE)
        await handled.get_result(timeout=PATIENCE)
        assert (failing.state, handled.state) == (ExecutionState.FAILED, ExecutionState.COMPLETED)
    assert notes.calls == [
        ("handle_order", "order-1"),
        ("send_to_dead_letter_queue", "order-1", "no such customer"),
        ("handle_order", "order-2"),
    ]


async def test_dead_letter_handling(reader: Callable[[str], Reader]) -> None:
    """Both guides: a task puts what it cannot do aside, and fails; the worker goes on."""
    ours = reader("000")
    await ours.types(5)
    await check_the_dead_letters(ours)
    sibling = reader("002")
    await sibling.types(13)
    await check_the_dead_letters(sibling)
