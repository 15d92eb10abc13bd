from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from shadows.dependencies.progress import ExecutionProgress, Ways
from shadows.errors import BrokerUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

NOW = datetime(2030, 1, 1, tzinfo=UTC)


class Told:
    """What was told, one at a time, and slowly."""

    def __init__(self) -> None:
        self.reports: list[Mapping[str, str]] = []
        self.away = False
        self.go = asyncio.Event()
        self.go.set()

    async def tell(self, fields: Mapping[str, str]) -> bool:
        await self.go.wait()
        if self.away:
            raise BrokerUnavailable("away")
        self.reports.append(fields)
        return True

    async def look(self) -> Mapping[str, str]:
        return {}

    async def events(self) -> AsyncGenerator[dict[str, Any]]:
        for each in ({"type": "state"}, {"type": "progress", "current": 1}):
            yield each

    def progress(self) -> ExecutionProgress:
        return ExecutionProgress("k", Ways(self.tell, self.look, self.events, lambda: NOW, asyncio.get_running_loop()))


async def test_a_report_tells_all_of_it() -> None:
    """So that one that was lost is made up for by the next; times are in ms, as everywhere at the broker."""
    told = Told()
    progress = told.progress()
    await progress.set_message("begun")
    await progress.increment(2)
    begun = {"total": "100", "message": "begun", "updated_at": "1893456000000"}
    assert told.reports == [begun, {**begun, "current": "2"}]
    assert progress.updated_at == NOW


async def test_of_many_reports_at_once_the_last_is_enough() -> None:
    """A task that counts faster than the broker answers does not wait for each number."""
    told = Told()
    progress = told.progress()
    told.go.clear()
    reports = [asyncio.ensure_future(progress.increment()) for _ in range(40)]
    await asyncio.sleep(0)
    told.go.set()
    await asyncio.gather(*reports)
    assert [each["current"] for each in told.reports] in (["40"], ["1", "40"])


async def test_what_could_not_be_told_is_told_with_the_next() -> None:
    """INV 33: the body does not fail because the broker is away."""
    told = Told()
    progress = told.progress()
    told.away = True
    await progress.increment()
    assert told.reports == []
    told.away = False
    await progress.set_message("back")
    assert [(each["current"], each["message"]) for each in told.reports] == [("1", "back")]


async def test_a_thread_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that does not answer holds up no `def` task."""
    monkeypatch.setattr("shadows.dependencies.progress.PATIENCE", 0.01)
    told = Told()
    progress = told.progress()
    told.go.clear()
    reporting = threading.Thread(target=progress.increment)
    reporting.start()
    await asyncio.to_thread(reporting.join)
    assert told.reports == []
    told.go.set()
    await progress.set_total(5)
    assert told.reports[-1]["current"] == "1"


async def test_its_subscription_passes_over_the_states() -> None:
    """And ends where the events of the run end."""
    assert [each async for each in Told().progress().subscribe()] == [{"type": "progress", "current": 1}]


async def test_what_is_no_number_is_read_as_none() -> None:
    """INV 15 and 47: a record of another version, or of somebody else's making, stops no reader."""
    progress = ExecutionProgress("k")
    progress.take({"current": "many", "total": "", "updated_at": "²", "message": ""})
    assert (progress.current, progress.total, progress.message, progress.updated_at) == (None, 100, None, None)
    assert progress.event()["type"] == "progress"
