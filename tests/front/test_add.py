from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from shadows import Disposition, Execution, ExecutionState, Shadow
from tests.front.acts import HOUR, SOON, finish, heard, state_of, working

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.front.places import Place


async def test_a_call_added_now_runs_with_its_arguments(shadows: Shadow) -> None:
    """INV 40: the result of the body comes back through the handle that ``add`` returned."""

    async def describe(name: str, *rest: int, size: int = 1, **more: str) -> str:
        return f"{name} {rest} {size} {more}"

    execution = await shadows.add(describe)("a", 1, 2, size=3, colour="red")
    assert execution.disposition is Disposition.SCHEDULED
    async with working(shadows):
        assert await execution.get_result(timeout=10) == "a (1, 2) 3 {'colour': 'red'}"


async def test_a_handle_says_what_was_called_but_never_shows_the_values(shadows: Shadow) -> None:
    """INV 45: neither the repr nor ``call_repr`` holds an argument; ``get_argument`` finds one by its parameter."""

    async def pay(account: str, amount: int, note: str = "") -> None: ...

    execution = await shadows.add(pay, when=HOUR, key="p")("DE-secret", 99, note="thanks")
    assert (execution.key, execution.function_name, execution.function) == ("p", "pay", pay)
    assert (execution.args, execution.kwargs) == (("DE-secret", 99), {"note": "thanks"})
    assert [execution.get_argument(name) for name in ("account", "amount", "note")] == ["DE-secret", 99, "thanks"]
    with pytest.raises(KeyError):
        execution.get_argument("nothing")
    assert execution.call_repr() == "pay(..., ..., note=...)"
    assert "secret" not in repr(execution)
    assert "secret" not in repr(shadows.call(pay)("DE-secret", 1))
    await shadows.cancel("p")


async def test_a_call_for_later_waits_for_its_time(shadows: Shadow) -> None:
    """SEMANTICS, clock: a timedelta counts from the placement, by the server's clock; until then it is scheduled."""

    async def greet() -> None: ...

    before = datetime.now(UTC)
    execution = await shadows.add(greet, when=HOUR, key="later")()
    await execution.sync()
    assert execution.state is ExecutionState.SCHEDULED
    assert execution.when is not None
    assert timedelta(milliseconds=-1) < execution.when - before - HOUR < timedelta(seconds=5)
    await shadows.cancel("later")


@pytest.mark.parametrize(
    "when",
    [
        lambda: SOON,
        lambda: datetime.now(UTC) + SOON,
        lambda: datetime.now(timezone(timedelta(hours=-7))) + SOON,
    ],
    ids=["timedelta", "datetime", "datetime elsewhere"],
)
async def test_nothing_runs_early(shadows: Shadow, when: Callable[[], timedelta | datetime]) -> None:
    """A scheduled call starts at its time or after it, in whatever zone that was written, and soon after."""

    async def greet() -> None: ...

    earliest = datetime.now(UTC) + SOON - timedelta(milliseconds=1)
    execution = await shadows.add(greet, when=when())()
    await finish(shadows)
    await execution.sync()
    assert execution.started_at is not None
    assert timedelta(0) <= execution.started_at - earliest < timedelta(seconds=5)


async def test_a_live_key_is_left_alone(shadows: Shadow) -> None:
    """INV 1, INV 2: scheduled, queued or running, the first call stays as it is, and the second one hears so."""
    began, go = asyncio.Event(), asyncio.Event()
    ran: list[tuple[str, int]] = []

    async def note(key: str, number: int) -> int:
        ran.append((key, number))
        if key == "running":
            began.set()
            await go.wait()
        return number

    await shadows.add(note, key="running")("running", 1)
    async with working(shadows, within=timedelta(seconds=10)):
        await heard(began)
        await shadows.add(note, when=HOUR, key="scheduled")("scheduled", 1)
        again = [await shadows.add(note, key=key)(key, 2) for key in ("running", "scheduled")]
        assert [each.disposition for each in again] == [Disposition.ALREADY_SCHEDULED] * 2
        assert await state_of(shadows, "scheduled") == "scheduled"
        go.set()
        assert await again[0].get_result(timeout=10) == 1  # the handle is one on the run that has the key
    assert ran == [("running", 1)]
    await shadows.cancel("scheduled")

    await shadows.add(note, key="queued")("queued", 1)
    second = await shadows.add(note, key="queued")("queued", 2)
    assert second.disposition is Disposition.ALREADY_SCHEDULED
    found = await shadows.get_execution("queued")
    assert found is not None
    assert (found.state, found.args) == (ExecutionState.QUEUED, ("queued", 1))
    await shadows.clear()


async def test_a_key_is_free_again_when_its_run_has_ended(shadows: Shadow) -> None:
    """INV 4, INV 5: the next run starts clean: nothing of the first one's result, attempt or error remains."""

    async def divide(number: int) -> float:
        return 1 / number

    failed = await shadows.add(divide, key="d")(0)
    await finish(shadows)
    with pytest.raises(ZeroDivisionError):
        await failed.get_result()
    again = await shadows.add(divide, key="d")(4)
    assert again.disposition is Disposition.SCHEDULED
    await again.sync()
    assert (again.state, again.error, again.attempt) == (ExecutionState.QUEUED, None, 1)
    await finish(shadows)
    assert await again.get_result() == 0.25


async def test_a_hundred_producers_of_one_key_place_one_call(shadows: Shadow, place: Place) -> None:
    """FAULT 23: exactly one of them is told that it was placed, and the body runs once."""
    ran: list[int] = []

    async def note(number: int) -> None:
        ran.append(number)

    async def produce(shadow: Shadow, number: int) -> Execution[None]:
        return await shadow.add(note, key="one")(number)

    async with place.shadow() as other:
        placed = await asyncio.gather(*(produce(shadow, n) for n in range(50) for shadow in (shadows, other)))
    assert [each.disposition for each in placed].count(Disposition.SCHEDULED) == 1
    await finish(shadows)
    assert len(ran) == 1


async def test_thousands_of_adds_at_once_all_arrive(shadows: Shadow) -> None:
    """FAULT 23: they share trips and one connection, and each one gets its own answer."""

    async def count(number: int) -> int:
        return number

    placed = await asyncio.gather(*(shadows.add(count)(number) for number in range(2500)))
    assert {each.disposition for each in placed} == {Disposition.SCHEDULED}
    assert len({each.key for each in placed}) == 2500
    assert (await shadows.snapshot(limit=10)).queued == 2500
    assert await shadows.clear() == 2500


async def test_a_task_is_called_by_name_too(shadows: Shadow) -> None:
    """A registered name stands for its function, in ``add`` and ``replace``, and one function may have several."""

    async def shout(text: str) -> str:
        return text.upper()

    shadows.register(shout, names=["shout", "old.name"])
    one = await shadows.add("shout")("a")
    two = await shadows.replace("old.name", None, "k")("b")
    assert (one.function, two.function_name) == (shout, "old.name")
    async with working(shadows):
        assert [await one.get_result(timeout=10), await two.get_result(timeout=10)] == ["A", "B"]


async def test_the_arguments_of_each_call_are_its_own(shadows: Shadow) -> None:
    """FAULT 39: what a body does to its arguments reaches neither its caller nor another run."""

    async def grow(numbers: list[int]) -> list[int]:
        numbers.append(0)
        return numbers

    numbers = [1]
    executions = [await shadows.add(grow)(numbers) for _ in range(2)]
    async with working(shadows):
        assert [await each.get_result(timeout=10) for each in executions] == [[1, 0], [1, 0]]
    assert numbers == [1]


async def test_two_shadows_on_one_server_never_meet(place: Place) -> None:
    """INV 8, FAULT 13: their calls, results and workers stay apart, also where one name begins with the other."""

    async def say(text: str) -> str:
        return text

    longer = Shadow(f"{place.name}.b", place.url)
    async with place.shadow() as shadows, longer:
        execution = await shadows.add(say, key="k")("mine")
        other = await longer.add(say, key="k")("theirs")
        assert other.disposition is Disposition.SCHEDULED
        await finish(shadows)
        assert await execution.get_result() == "mine"
        assert await state_of(longer, "k") == "queued"
        assert await shadows.clear() == 0
        async with working(longer):
            assert await shadows.workers() == []
            assert await other.get_result(timeout=10) == "theirs"
    place.sweep_too(longer.name)
