from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from shadows import Agenda, ConfigurationError, Disposition, ExecutionState, OutcomeUnknown, SerializationError, Shadow
from tests.front.acts import HOUR, heard

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.front.proxy import Proxy

START = datetime(2026, 1, 1, tzinfo=UTC).replace(year=datetime.now(UTC).year + 1)
MINUTE = timedelta(minutes=1)


async def double(number: int, *, by: int = 2) -> int:
    return number * by


def of(count: int) -> Agenda:
    """Return an agenda of so many calls."""
    agenda = Agenda()
    for number in range(count):
        agenda.add(double)(number)
    return agenda


def test_an_agenda_is_a_list_of_calls() -> None:
    """PARITY: ``add``, ``len``, iteration, ``clear``; arguments never show in the repr."""
    agenda = Agenda()
    assert (len(agenda), [*agenda]) == (0, [])
    agenda.add(double)(1, by=3)
    agenda.add("double", key="k")(2)
    assert len(agenda) == 2
    assert [*agenda] == [(double, (1,), {"by": 3}), ("double", (2,), {})]
    assert repr(agenda) == "<Agenda of 2 calls>"
    agenda.clear()
    assert (len(agenda), [*agenda]) == (0, [])


async def test_calls_are_scattered_over_the_window(shadows: Shadow) -> None:
    """PARITY: evenly, in order, from the start to the end; each execution says when."""
    agenda = of(3)
    agenda.add("double", key="last")(7)
    executions = await agenda.scatter(shadows, over=HOUR, start=START)
    assert [each.when for each in executions] == [START + n * 20 * MINUTE for n in range(4)]
    for each in executions:
        await each.sync()
    assert [each.when for each in executions] == [START + n * 20 * MINUTE for n in range(4)]
    assert [each.args for each in executions] == [(0,), (1,), (2,), (7,)]
    assert executions[3].key == "last"
    assert len({each.key for each in executions}) == 4
    assert await shadows.clear() == 4


async def test_one_call_waits_in_the_middle_of_the_window(shadows: Shadow) -> None:
    """PARITY: so that many agendas of one call do not all start together."""
    (execution,) = await of(1).scatter(shadows, over=HOUR, start=START)
    assert execution.when == START + HOUR / 2
    await shadows.clear()


async def test_an_empty_agenda_places_nothing(shadows: Shadow) -> None:
    """There is nothing to spread."""
    assert await Agenda().scatter(shadows, over=HOUR) == []


async def test_the_window_begins_now_by_default(shadows: Shadow) -> None:
    """By the server's clock: the first call is ready at once, the others follow at their intervals."""
    first, second, third = await of(3).scatter(shadows, over=HOUR)
    for each in (first, second, third):
        await each.sync()
    assert first.state is ExecutionState.QUEUED
    assert first.when is not None
    assert second.when is not None
    assert third.when == second.when + HOUR / 2
    assert first.when <= second.when - HOUR / 2  # the clock of Redis 6.2 goes on while a script runs
    await shadows.clear()


async def test_jitter_moves_the_calls_but_none_before_the_start(shadows: Shadow) -> None:
    """PARITY."""
    executions = await of(40).scatter(shadows, over=39 * MINUTE, start=START, jitter=5 * MINUTE)
    moved = [each.when - START - n * MINUTE for n, each in enumerate(executions) if each.when is not None]
    assert len(moved) == 40
    assert max(abs(each) for each in moved) <= 5 * MINUTE
    assert len(set(moved)) > 20
    assert min(each.when for each in executions if each.when is not None) >= START
    await shadows.clear()


async def test_an_agenda_may_be_scattered_again(shadows: Shadow) -> None:
    """The list stays; calls whose keys nobody chose are new calls, and those with a key are known by it."""
    agenda = of(2)
    agenda.add(double, key="k")(7)
    await agenda.scatter(shadows, over=HOUR)
    again = await agenda.scatter(shadows, over=HOUR)
    assert [each.disposition for each in again] == [
        Disposition.SCHEDULED,
        Disposition.SCHEDULED,
        Disposition.ALREADY_SCHEDULED,
    ]
    assert (len(agenda), await shadows.clear()) == (3, 5)


@pytest.mark.parametrize(
    ("add", "error"),
    [
        (lambda agenda: agenda.add(double)(threading.Lock()), SerializationError),
        (lambda agenda: agenda.add(double)(), TypeError),
        (lambda agenda: agenda.add("duoble")(1), KeyError),
        (lambda agenda: agenda.add(double, key="")(1), ConfigurationError),
    ],
)
async def test_nothing_is_sent_unless_every_call_can_be(
    shadows: Shadow, add: Callable[[Agenda], Any], error: type[Exception]
) -> None:
    """INV 9: all input is validated before anything is sent, and the agenda still holds everything."""
    agenda = of(2)
    add(agenda)
    with pytest.raises(error):
        await agenda.scatter(shadows, over=HOUR)
    assert len(agenda) == 3
    assert (await shadows.snapshot()).total_tasks == 0


async def test_windows_that_cannot_be_are_refused(shadows: Shadow) -> None:
    """FAULTS 14 and 17."""
    agenda = of(2)
    with pytest.raises(ConfigurationError, match=r"over=.*is zero"):
        await agenda.scatter(shadows, over=timedelta(0))
    with pytest.raises(ConfigurationError, match=r"jitter=.*is negative"):
        await agenda.scatter(shadows, over=HOUR, jitter=-HOUR)
    with pytest.raises(ConfigurationError, match="naive"):
        await agenda.scatter(shadows, over=HOUR, start=datetime(2030, 1, 1))  # noqa: DTZ001 - the point of the test
    assert (await shadows.snapshot()).total_tasks == 0


async def test_a_scatter_that_failed_may_be_repeated(proxy: Proxy) -> None:
    """Nothing is lost and nothing placed twice, also where the server had done it and nobody heard of that."""
    agenda = of(3)
    async with proxy.shadow(add_deadline=timedelta(milliseconds=1)) as shadows:
        fault = proxy.lose_reply("schedule")
        with pytest.raises(OutcomeUnknown):
            await agenda.scatter(shadows, over=HOUR)
        await heard(fault.happened)
        assert len(agenda) == 3
    async with proxy.shadow() as shadows:
        executions = await agenda.scatter(shadows, over=HOUR)
        assert {each.disposition for each in executions} == {Disposition.ALREADY_SCHEDULED}
        assert await shadows.clear() == 3
