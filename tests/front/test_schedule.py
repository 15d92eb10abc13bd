"""``shadows.schedule(execution)``: the call of an execution, placed once more (PARITY)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from shadows import ConfigurationError, Disposition, ExecutionState, UnknownTask
from tests.front.acts import HOUR, finish, state_of

if TYPE_CHECKING:
    from shadows import Shadow
    from tests.front.places import Place

ran: list[tuple[str, int]] = []


async def say(word: str, times: int = 1) -> str:
    ran.append((word, times))
    return word * times


async def fail() -> None:
    raise ValueError("no")


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    ran.clear()


async def test_the_call_of_an_execution_runs_once_more(shadows: Shadow) -> None:
    """The same task, key and arguments; each handle answers for its own run."""
    first = await shadows.add(say, key="k")("word", times=2)
    await finish(shadows)
    assert await first.get_result() == "wordword"
    second = await shadows.schedule(first)
    assert (second.key, second.args, second.kwargs) == ("k", ("word",), {"times": 2})
    assert second.disposition is Disposition.SCHEDULED
    assert await state_of(shadows, "k") == "queued"  # when it was due is past
    await finish(shadows)
    assert await second.get_result() == "wordword"
    assert ran == [("word", 2)] * 2


async def test_a_live_key_is_left_alone(shadows: Shadow) -> None:
    """As by ``add``."""
    first = await shadows.add(say, key="k", when=HOUR)("word")
    second = await shadows.schedule(first)
    assert second.disposition is Disposition.ALREADY_SCHEDULED
    await shadows.cancel("k")


async def test_it_is_due_when_the_execution_says(shadows: Shadow) -> None:
    """Also when that one was cancelled meanwhile."""
    when = datetime.now(UTC) + HOUR
    first = await shadows.add(say, key="k", when=when)("word")
    await shadows.cancel("k")
    second = await shadows.schedule(first)
    await second.sync()
    assert second.state is ExecutionState.SCHEDULED
    assert second.when is not None
    assert abs(second.when - when) < timedelta(seconds=1)
    await shadows.cancel("k")


async def test_an_execution_that_was_found_can_be_scheduled_elsewhere(shadows: Shadow, place: Place) -> None:
    """Its arguments were read with it; the other shadow has a run of its own."""
    shadows.register(say)
    await shadows.add(say, key="k", when=HOUR)("word")
    found = await shadows.get_execution("k")
    assert found is not None
    await shadows.cancel("k")
    again = await shadows.schedule(found)
    assert (again.args, again.function) == (("word",), say)
    await shadows.cancel("k")


async def test_a_failed_one_is_kept_whole(shadows: Shadow) -> None:
    """As long as its record."""
    await shadows.add(fail, key="k")()
    await finish(shadows)
    found = await shadows.get_execution("k")
    assert found is not None
    assert (await shadows.schedule(found)).disposition is Disposition.SCHEDULED
    await shadows.cancel("k")


async def test_nothing_runs_without_its_arguments(shadows: Shadow) -> None:
    """Of a run that has completed none are kept: it must not run with the defaults instead."""

    async def greet(name: str = "nobody") -> None:
        ran.append((name, 0))

    await shadows.add(greet, key="k")("me")
    await finish(shadows)
    found = await shadows.get_execution("k")
    assert found is not None
    with pytest.raises(ConfigurationError, match="the arguments of the execution 'k' are not known here"):
        await shadows.schedule(found)
    assert ran == [("me", 0)]


async def test_a_task_that_is_not_registered_is_told(place: Place) -> None:
    """A handle may come from a client that knows more."""
    async with place.shadow(allow_unknown=True) as shadows, place.shadow() as other:
        execution = await shadows.add("elsewhere", key="k", when=HOUR)(1)
        await shadows.cancel("k")
        with pytest.raises(UnknownTask, match="elsewhere"):
            await other.schedule(execution)
        assert (await shadows.schedule(execution)).disposition is Disposition.SCHEDULED
        await shadows.cancel("k")


def test_labels_tell_a_shadow_from_others(place: Place) -> None:
    """As metrics and spans do."""
    assert place.shadow().labels() == {"shadows.name": place.name}
