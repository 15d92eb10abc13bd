"""What tests of applications say about the calls of a shadow, on every backend."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from shadows.testing import assert_no_tasks, assert_task_count, assert_task_not_scheduled, assert_task_scheduled
from tests.front.acts import HOUR, working

if TYPE_CHECKING:
    from shadows import Shadow
    from tests.front.places import Place

DAY = timedelta(days=1)


async def greet(name: str, *, loudly: bool = False, **more: object) -> None: ...


async def other() -> None: ...


class Mailer:
    async def send(self, to: str) -> None: ...


async def test_a_call_is_found_by_what_is_said_of_it(shadows: Shadow) -> None:
    """PARITY, testing: positional arguments as a whole, named ones in part, the key; the first one that fits."""
    await shadows.add(greet, when=DAY, key="g")("Ada", loudly=True, colour="red")
    await shadows.add(greet, when=DAY)("Bob")
    found = await assert_task_scheduled(shadows, greet, args=["Ada"], kwargs={"loudly": True}, key="g")
    assert (found.key, found.kwargs) == ("g", {"loudly": True, "colour": "red"})
    await assert_task_scheduled(shadows, greet)
    await assert_task_scheduled(shadows, "greet", args=("Bob",), kwargs={})
    await assert_task_scheduled(shadows, greet, kwargs={"name": "Bob"})
    asking: list[dict[str, Any]] = [
        {"args": ["Bob"], "kwargs": {"loudly": False}},
        {"args": []},
        {"kwargs": {"loudly": True}, "args": ["Bob"]},
        {"kwargs": {"size": 1}},
        {"key": "other"},
    ]
    for asked in asking:
        await assert_task_not_scheduled(shadows, greet, **asked)
        with pytest.raises(AssertionError, match=r"no call of greet with .* waits or runs"):
            await assert_task_scheduled(shadows, greet, **asked)


async def test_names_do_not_matter_when_the_function_is_the_same(shadows: Shadow) -> None:
    """Registered under another name, or a method that is another object each time."""
    mailer = Mailer()
    shadows.register(greet, names=["hello"])
    await shadows.add("hello", when=DAY)("Ada")
    await assert_task_scheduled(shadows, greet)
    await shadows.add(mailer.send, when=DAY)("Ada")
    await assert_task_scheduled(shadows, mailer.send, args=["Ada"])


async def test_a_message_shows_what_is_there(shadows: Shadow) -> None:
    """With its arguments, for that is what the test is about; shortened, and no more than a few."""
    with pytest.raises(AssertionError, match=r"no call of other waits or runs; Shadow\(.*\) holds none$"):
        await assert_task_scheduled(shadows, other)
    await shadows.add(greet, when=DAY, key="ada")("Ada", loudly=True)
    await shadows.add(greet, key="long")("x" * 1000)
    with pytest.raises(AssertionError) as told:
        await assert_task_scheduled(shadows, other, key="k")
    lines = str(told.value).splitlines()
    assert lines[0].startswith("no call of other with key='k' waits or runs; Shadow(")
    assert lines[0].endswith(" holds:")
    [scheduled, queued] = sorted(lines[1:])
    assert scheduled.startswith("  greet('Ada', loudly=True)  key='ada'  scheduled for 2")
    assert queued.startswith("  greet('xxxx")
    assert queued.endswith("xxx...)  key='long'  queued")
    assert len(queued) < 120
    await shadows.add_many(shadows.call(other)() for _ in range(30))
    with pytest.raises(
        AssertionError, match=r"(?s)^1 times a call of greet with key='ada' waits or runs, not 0; .*"
    ) as told:
        await assert_task_not_scheduled(shadows, greet, key="ada")
    assert str(told.value).splitlines()[-1] == "  ... and 12 more"


async def test_calls_are_counted(shadows: Shadow) -> None:
    """All of them, or those of one task; more than are looked at first."""
    await assert_no_tasks(shadows)
    await shadows.add_many(shadows.call(other, when=DAY)() for _ in range(1001))
    await shadows.add(greet, when=DAY)("Ada")
    await assert_task_count(shadows, count=1002)
    await assert_task_count(shadows, other, count=1001)
    await assert_task_count(shadows, "greet", count=1)
    await assert_task_count(shadows, "nothing", count=0)
    with pytest.raises(AssertionError, match="1 calls of greet wait or run, not 2"):
        await assert_task_count(shadows, greet, count=2)
    with pytest.raises(AssertionError, match="1002 calls wait or run, not 0"):
        await assert_no_tasks(shadows)


async def test_a_call_that_runs_counts_and_one_that_has_ended_does_not(shadows: Shadow, place: Place) -> None:
    """Whoever asserts what was placed need not know whether a worker was quick."""
    began, goes_on = asyncio.Event(), asyncio.Event()

    async def body(number: int) -> None:
        began.set()
        await goes_on.wait()

    async with working(shadows):
        execution = await shadows.add(body)(7)
        await began.wait()
        await assert_task_scheduled(shadows, body, args=[7])
        await assert_task_count(shadows, count=1)
        goes_on.set()
        await execution.get_result(timeout=HOUR)
        await assert_no_tasks(shadows)
