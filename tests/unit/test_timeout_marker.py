from __future__ import annotations

import asyncio
import contextlib
import threading
from datetime import timedelta
from typing import Any

import pytest

from shadows.dependencies.timeout import Timeout
from shadows.errors import ConfigurationError
from tests.unit.workplace import running

SHORT, LONG = timedelta(milliseconds=5), timedelta(minutes=1)


async def for_ever() -> None:
    """Wait for what never happens."""
    await asyncio.Event().wait()


async def run(limit: Timeout, body: Any = for_ever) -> Any:
    """Run a body under the timeout of a run."""
    return await limit.run("the execution", body, (), {})


def fresh(base: timedelta = SHORT) -> Timeout:
    """Return the timeout of one run."""
    return Timeout(base).for_run(running())


async def test_a_body_that_is_over_its_time_has_failed_with_a_timeout_error() -> None:
    """SEMANTICS, the table: the text says how long it had, and the cause shows where it was."""
    timeout = fresh()
    with pytest.raises(TimeoutError, match=r"the body did not end within 5ms, which is its Timeout") as over:
        await run(timeout)
    assert isinstance(over.value.__cause__, asyncio.CancelledError)
    assert timeout.expired()
    assert timeout.remaining() == timedelta(0)


async def test_a_body_within_its_time_is_not_touched() -> None:
    """It returns what it returns, and raises what it raises, also a TimeoutError of its own."""
    timeout = fresh(LONG)

    async def answer() -> int:
        assert timedelta(seconds=50) < timeout.remaining() <= LONG
        return 42

    async def own() -> None:
        raise TimeoutError("somebody else's")

    assert await run(timeout, answer) == 42
    with pytest.raises(TimeoutError, match="somebody else's"):
        await run(fresh(LONG), own)
    assert not timeout.expired()
    timeout.extend()
    await asyncio.sleep(0)  # too late to matter, and harmless


async def test_a_body_that_swallows_its_end_has_failed_all_the_same() -> None:
    """What it makes of the cancel does not count; what it raised instead is kept as the cause."""

    async def swallow() -> int:
        try:
            await for_ever()
        except asyncio.CancelledError:
            return 42
        raise AssertionError

    async def stumble() -> None:
        try:
            await for_ever()
        finally:
            raise ValueError("in the clean-up")

    with pytest.raises(TimeoutError, match="did not end"):
        await run(fresh(), swallow)
    with pytest.raises(TimeoutError, match="did not end") as over:
        await run(fresh(), stumble)
    assert isinstance(over.value.__cause__, ValueError)


async def test_a_cancel_by_somebody_else_is_told_apart() -> None:
    """INV 30: also when the time is over before the body has ended."""
    timeout, cancelled = fresh(LONG), asyncio.Event()

    async def slow() -> None:
        try:
            await for_ever()
        finally:
            timeout._limit.reschedule(0)  # type: ignore[union-attr]  # pyright: ignore[reportOptionalMemberAccess]
            with contextlib.suppress(asyncio.CancelledError):
                await for_ever()
            cancelled.set()

    body = asyncio.create_task(run(timeout, slow))
    await asyncio.sleep(0)
    body.cancel()
    with pytest.raises(asyncio.CancelledError):
        await body
    assert cancelled.is_set()
    assert timeout.expired()


async def test_a_body_may_extend_its_time() -> None:
    """PARITY: by as much as it says, else by the base."""
    timeout = fresh(timedelta(seconds=10))

    async def body() -> list[timedelta]:
        timeout.extend(LONG)
        first = timeout.remaining()
        timeout.extend()
        await asyncio.sleep(0)
        assert timeout._limit is not None
        assert timeout._limit.when() == timeout._deadline
        return [first, timeout.remaining()]

    first, second = await run(timeout, body)
    assert timedelta(seconds=69) < first <= timedelta(seconds=70)
    assert timedelta(seconds=79) < second <= timedelta(seconds=80)


async def test_the_end_of_an_extended_time_comes_all_the_same() -> None:
    """And the text says how long it had in all."""
    timeout = fresh()

    async def body() -> None:
        timeout.extend(timedelta(milliseconds=7))
        await for_ever()

    with pytest.raises(TimeoutError, match="within 12ms"):
        await run(timeout, body)


async def test_a_thread_may_extend_its_time() -> None:
    """A ``def`` task runs beside the loop."""
    timeout = fresh(LONG)

    async def body() -> timedelta:
        await asyncio.to_thread(timeout.extend, LONG)
        assert timeout._limit is not None
        assert timeout._limit.when() == timeout._deadline
        return timeout.remaining()

    assert await run(timeout, body) > LONG


async def test_too_late_is_too_late() -> None:
    """A body that is being cancelled cannot extend its time any more."""
    timeout, seen = fresh(), list[bool]()

    async def body() -> None:
        try:
            await for_ever()
        finally:
            seen.append(timeout.expired())
            timeout.extend(LONG)
            await asyncio.sleep(0)

    with pytest.raises(TimeoutError):
        await run(timeout, body)
    assert seen == [True]


def test_outside_of_a_run_it_only_tells_its_base() -> None:
    """A test may call the task as a plain function; what it does to the declared marker stays there."""
    declared = Timeout(LONG)
    declared.extend()
    assert (declared.base, declared.remaining(), declared.expired()) == (LONG, LONG, False)
    assert repr(declared) == "Timeout(1m)"
    assert declared.for_run(running()) is not declared


def test_wrong_durations_are_refused_where_they_are_written() -> None:
    """FAULT 17: a limit of zero is none."""
    with pytest.raises(ConfigurationError, match=r"Timeout base=.*is zero"):
        Timeout(timedelta(0))
    with pytest.raises(ConfigurationError, match=r"by=.*is negative"):
        Timeout(LONG).extend(-SHORT)


def test_threads_are_left_alone_when_there_is_no_loop() -> None:
    """Nothing is scheduled anywhere."""
    thread = threading.Thread(target=Timeout(LONG).extend)
    thread.start()
    thread.join()
