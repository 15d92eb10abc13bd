from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from shadows import ConfigurationError, Cron, ExecutionCancelled, ExecutionState, Retry
from shadows.core.cron import schedule
from tests.front.acts import DEADLINE, comes_true, finish, state_of, working

if TYPE_CHECKING:
    from shadows import Execution, Shadow
    from tests.front.places import Place

S = ExecutionState
BERLIN = ZoneInfo("Europe/Berlin")
DAYS = timedelta(days=1)


async def next_of(shadows: Shadow, key: str) -> Execution[Any]:
    """Return the handle of the run that waits under the key."""
    found = await shadows.get_execution(key)
    assert found is not None
    assert found.state is S.SCHEDULED
    return found


async def waits(shadows: Shadow, key: str) -> bool:
    return await state_of(shadows, key) == "scheduled"


async def test_it_starts_by_itself_and_waits_for_its_time(shadows: Shadow) -> None:
    """PARITY: automatic by default, under the task's name; the server's clock says when it is next."""
    ran: list[int] = []

    async def nightly(cron: Cron = Cron("30 2 * * *", tz="Europe/Berlin")) -> None:
        ran.append(1)

    shadows.register(nightly)
    before = (await shadows.snapshot(limit=0)).taken
    async with working(shadows):
        await comes_true(lambda: waits(shadows, "nightly"))
    after = (await shadows.snapshot(limit=0)).taken
    execution = await next_of(shadows, "nightly")
    times = schedule("30 2 * * *", BERLIN)
    assert execution.when in {times.after(before), times.after(after)}
    assert ran == []
    await shadows.cancel("nightly")


async def test_a_run_is_followed_by_the_next_time_on_the_clock(shadows: Shadow) -> None:
    """INV 25 and 27: placed by the settle, whether it returned or failed for good; Retry first."""
    attempts: list[int] = []

    async def report(cron: Cron = Cron("0 * * * *", automatic=False), retry: Retry = Retry(attempts=2)) -> None:
        attempts.append(retry.attempt)
        raise ValueError("no")

    execution = await shadows.add(report, key="k")()
    async with working(shadows):
        with pytest.raises(ValueError, match="no"):
            await execution.get_result(timeout=DEADLINE)
    await execution.sync()
    following = await next_of(shadows, "k")
    assert execution.completed_at is not None
    assert following.when == schedule("0 * * * *").after(execution.completed_at)
    assert attempts == [1, 2]
    await shadows.cancel("k")


async def test_many_times_that_were_missed_are_one_run(shadows: Shadow) -> None:
    """FAULT 26: all workers were down for days; one run catches up, and then it goes on with what is to come."""
    ran: list[datetime] = []

    async def hourly(cron: Cron = Cron("0 * * * *", automatic=False)) -> None:
        ran.append(datetime.now(UTC))

    execution = await shadows.add(hourly, when=datetime.now(UTC) - 3 * DAYS, key="k")()
    async with working(shadows):
        await execution.get_result(timeout=DEADLINE)
        await comes_true(lambda: waits(shadows, "k"))
    following = await next_of(shadows, "k")
    await execution.sync()
    assert execution.started_at is not None
    assert following.when is not None
    assert following.when > execution.started_at
    assert len(ran) == 1
    await shadows.cancel("k")


async def test_times_that_were_missed_can_be_left_out(shadows: Shadow) -> None:
    """FAULT 26: with `catch_up=False` no run catches up; it ends cancelled, reason `missed`, and is followed."""
    ran: list[int] = []

    async def hourly(cron: Cron = Cron("0 * * * *", automatic=False, catch_up=False)) -> None:
        ran.append(1)

    execution = await shadows.add(hourly, when=datetime.now(UTC) - 3 * DAYS, key="k")()
    punctual = await shadows.add(hourly, key="now")()
    async with working(shadows):
        with pytest.raises(ExecutionCancelled) as missed:
            await execution.get_result(timeout=DEADLINE)
        await punctual.get_result(timeout=DEADLINE)
    assert missed.value.reason == "missed"
    assert ran == [1]
    await execution.sync()
    assert (execution.state, execution.error) == (S.CANCELLED, "missed")
    assert execution.completed_at is not None
    for key in ("k", "now"):
        following = await next_of(shadows, key)
        assert following.when is not None
        assert timedelta(0) < following.when - execution.completed_at <= timedelta(hours=1)
        await shadows.cancel(key)


async def test_a_changed_expression_takes_effect_at_the_next_deploy(place: Place) -> None:
    """INV 28."""

    def version(expression: str) -> Any:
        async def nightly(cron: Cron = Cron(expression)) -> None: ...

        return nightly

    async with place.shadow() as old, place.shadow() as new:
        old.register(version("@yearly"))
        new.register(version("0 0 1 7 *"))
        async with working(old):
            await comes_true(lambda: waits(old, "nightly"))
        first = await next_of(old, "nightly")
        async with working(new):
            await comes_true(lambda: _differs(new, first.when))
        assert first.when is not None
        assert (first.when.month, first.when.day) == (1, 1)
        changed = await next_of(new, "nightly")
        assert changed.when is not None
        assert (changed.when.month, changed.when.day) == (7, 1)
        await new.cancel("nightly")


async def _differs(shadows: Shadow, when: datetime | None) -> bool:
    found = await shadows.get_execution("nightly")
    return found is not None and found.when != when


async def test_a_body_may_decide_about_the_next_run(shadows: Shadow) -> None:
    """As of Perpetual: it may have other arguments, another time, or not come."""
    noon = datetime.now(UTC).replace(microsecond=0) + 2 * DAYS

    async def report(day: str = "today", cron: Cron = Cron("@daily")) -> None:
        if day == "today":
            cron.perpetuate(day="tomorrow")
            cron.at(noon)
        else:
            cron.cancel()

    execution = await shadows.add(report, key="k")()
    async with working(shadows, schedule_automatic_tasks=False):
        await execution.get_result(timeout=DEADLINE)
    following = await next_of(shadows, "k")
    assert (following.kwargs, following.when) == ({"day": "tomorrow"}, noon)
    await shadows.replace(report, None, "k")(**following.kwargs)
    await finish(shadows, schedule_automatic_tasks=False)
    assert await state_of(shadows, "k") == "completed"


async def test_a_bad_declaration_never_gets_as_far_as_a_worker() -> None:
    """FAULT 25: a ConfigurationError, which is a ValueError, where the task is defined."""
    for expression, tz in (("0 0 31 2 *", "UTC"), ("0 0 * *", "UTC"), ("@daily", "Mars/Olympus")):
        with pytest.raises(ConfigurationError) as refused:
            Cron(expression, tz=tz)
        assert isinstance(refused.value, ValueError)
