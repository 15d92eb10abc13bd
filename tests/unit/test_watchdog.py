from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING

import pytest

from shadows.adapters.observers.log import LogObserver
from shadows.dependencies.context import current_execution
from shadows.engine import ballast
from shadows.engine.ballast import Ballast
from shadows.engine.watchdog import Watchdog
from tests.front.acts import comes_true
from tests.unit.workplace import running

if TYPE_CHECKING:
    from collections.abc import Callable


class House:
    """A watchdog over this loop, with a clock that a test may stop."""

    def __init__(self, caplog: pytest.LogCaptureFixture, *, abandon: float = 60.0) -> None:
        self.caplog = caplog
        self.held = ["token", "another's"]
        self.jump = 0.0
        self.looks = self.times = 0
        self.dog = Watchdog(asyncio.get_running_loop(), self.tokens, LogObserver("house"), self.now, 0.16, abandon)

    @property
    def told(self) -> list[str]:
        """Levels of what it said."""
        return [record.levelname for record in self.caplog.records if "has blocked" in record.getMessage()]

    def tokens(self) -> list[str]:
        self.looks += 1
        return self.held

    def now(self) -> float:
        self.times += 1
        return time.monotonic() + self.jump


def block(until: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not until() and time.monotonic() < end:
        time.sleep(0.005)


async def test_the_loop_is_asked_only_while_something_runs(caplog: pytest.LogCaptureFixture) -> None:
    """An idle worker is not woken eight times a second."""
    house = House(caplog)
    house.held = []
    with house.dog:
        await comes_true(lambda: house.looks >= 3)
        assert house.dog.blocked_for == 0
        house.held = ["token"]
        looks = house.looks
        await comes_true(lambda: house.looks >= looks + 3)  # it is asked anew only after it has answered
    assert house.told == []


@pytest.mark.parametrize("known", [True, False])
async def test_a_block_is_told_once_and_once_more_when_the_others_are_left_alone(
    caplog: pytest.LogCaptureFixture, *, known: bool
) -> None:
    """FAULT 33: from then on the culprit's lease alone is renewed, or none if nobody knows whose fault it is."""
    house = House(caplog, abandon=0.4)
    renewed: list[list[str]] = []

    def renew() -> None:
        for count in (1, 2):
            block(lambda count=count: len(house.told) == count)  # type: ignore[misc]
            renewed.append([*house.dog.renewable()])

    async def body() -> None:
        block(lambda: len(renewed) == 2)

    if known:
        current_execution.of_run.set(running())
    renewing = threading.Thread(target=renew)
    with house.dog:
        renewing.start()
        await asyncio.create_task(body())
        renewing.join()
        assert renewed == [["token", "another's"], ["token"] if known else []]
        await comes_true(lambda: house.dog.blocked_for < 0.1)
        assert house.dog.renewable() == ["token", "another's"]
    assert house.told == ["WARNING", "ERROR"]


async def test_a_machine_that_slept_is_not_taken_for_a_body_that_blocked(caplog: pytest.LogCaptureFixture) -> None:
    """Nor is a body that kept the interpreter to itself: by now it is elsewhere, and its stack would mislead."""
    house = House(caplog)
    with house.dog:
        await comes_true(lambda: house.looks >= 2)
        block(lambda: house.dog._asked is not None)
        house.jump, times = 100.0, house.times
        block(lambda: house.times > times)
    assert house.told == []


async def test_a_loop_that_was_closed_is_watched_no_longer(caplog: pytest.LogCaptureFixture) -> None:
    """A program may close its loop without leaving the worker."""
    house = House(caplog)
    other = asyncio.new_event_loop()
    other.close()
    house.dog.loop = other
    with house.dog:
        await comes_true(lambda: not house.dog._thread.is_alive())


def test_ballast_is_thrown_off_when_there_is_no_more_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """FAULT 35: what was put aside is what the worker hands back with."""
    aside = Ballast()
    assert aside.suffices()
    assert not aside.is_gone
    monkeypatch.setattr(ballast, "ROOM", 1 << 62)
    assert not aside.suffices()
    assert aside.is_gone
