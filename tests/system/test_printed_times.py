"""The printed minutes and hours pass (seeds 001, 002 and 004): on the virtual clock of memory."""

from __future__ import annotations

import asyncio
import inspect
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import attrs
import pytest

from shadows import Retry, Shadow, Worker
from shadows.testing import VirtualClock
from tests.system.reading import HANDLING_AN_ORDER, SEEDS, HttpClient, Notebook, Orders, Reader, Response
from tests.system.workers import Remembering

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

pytestmark = pytest.mark.skipif(not SEEDS.is_dir(), reason=f"{SEEDS} is not there")

API = "https://api.example.com"


@asynccontextmanager
async def quick_days() -> AsyncGenerator[tuple[VirtualClock, Shadow, Worker]]:
    """Have a worker at work in memory, on a clock that knows no waiting."""
    async with (
        VirtualClock() as clock,
        Shadow("clockwork", f"memory://{uuid4().hex}", clock=clock) as shadow,
        Worker(shadow) as worker,
    ):
        yield clock, shadow, worker


@asynccontextmanager
async def working(worker: Worker) -> AsyncGenerator[None]:
    """Let the worker run until the block ends."""
    work = asyncio.create_task(worker.run_forever())
    try:
        yield
    finally:
        worker.stop(within=timedelta(seconds=2))
        await work


@attrs.define
class CountingClient(HttpClient):
    """Stand for an HTTP client that counts its requests in the name that 001 looks at."""

    names: dict[str, object] = attrs.field(factory=dict[str, object])

    async def get(self, url: str) -> Response:
        """Count and answer."""
        self.names["health_check_call_count"] = int(str(self.names.get("health_check_call_count", 0))) + 1
        return await HttpClient.get(self, url)


async def test_a_health_check_runs_every_five_minutes(capsys: pytest.CaptureFixture[str]) -> None:
    """An hour of it is one run at once and twelve more."""
    typing, notes = Reader("004", ""), Notebook()
    typing.names.update(notes.functions("send_alert"), http_client=HttpClient([200, 503]))
    async with quick_days() as (clock, shadow, worker), working(worker):
        typing.names["shadows"] = shadow
        await typing.types(0)
        await clock.advance(minutes=61)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 13
    assert [line[0] for line in lines] == ["✓", "✗", *"✓" * 11]
    assert len(notes.calls) == 1


async def test_a_clean_up_starts_by_itself_and_runs_every_hour(capsys: pytest.CaptureFixture[str]) -> None:
    """A day of it is one run when the worker starts and 24 more."""
    typing, notes = Reader("004", ""), Notebook()
    typing.names["cleanup_old_records"] = notes.function("cleanup_old_records", 0)
    async with quick_days() as (clock, shadow, worker):
        typing.names["shadows"] = shadow
        await typing.types(1)
        async with working(worker):
            await clock.advance(hours=24, minutes=1)
    assert capsys.readouterr().out == "Cleaned up 0 old records\n" * 25


async def test_a_monitor_ends_when_its_deployment_does(capsys: pytest.CaptureFixture[str]) -> None:
    """It looks at 0, 30 and 60 seconds; then the worker has nothing left to do."""
    typing, notes = Reader("004", ""), Notebook()
    typing.names["check_deployment_status"] = notes.function("check", "new", "rolling", "completed")
    typing.names["notify_deployment_finished"] = notes.function("notify")
    await typing.types(2)
    async with quick_days() as (clock, shadow, worker):
        began = clock.now()
        await shadow.add(typing.names["monitor_deployment"])("7")
        await worker.run_until_finished()
        assert (clock.now() - began).total_seconds() == pytest.approx(60, abs=2)
    assert [name for name, *_ in notes.calls] == ["check", "check", "check", "notify"]
    assert capsys.readouterr().out.splitlines() == ["Deployment 7 status: new", "Deployment 7 status: rolling"]


async def test_a_limiter_looks_more_often_while_the_load_is_high(capsys: pytest.CaptureFixture[str]) -> None:
    """High load: again after 30 seconds, down to 30 a minute; normal load: again after a minute, up to 120."""
    typing, notes = Reader("004", ""), Notebook()
    typing.names["check_api_load"] = notes.function("check_api_load", *[0.9] * 4, 0.1)
    await typing.types(3)
    async with quick_days() as (clock, shadow, worker), working(worker):
        await shadow.add(typing.names["adaptive_rate_limiter"])(API)
        await clock.advance(seconds=4 * 30 + 2 * 60 + 10)
    rates = [int(line.split()[-2]) for line in capsys.readouterr().out.splitlines()]
    assert rates == [50, 40, 30, 30, 35, 40, 45]


async def test_a_sync_goes_on_whatever_happens(capsys: pytest.CaptureFixture[str]) -> None:
    """Three failures in a row delay nothing: it runs at each quarter of an hour."""
    typing, notes = Reader("004", ""), Notebook()
    down = ConnectionError("the source is down")
    typing.names["sync_data_from_source"] = notes.function("sync", down, down, down, None)
    await typing.types(4)
    async with quick_days() as (clock, shadow, worker), working(worker):
        await shadow.add(typing.names["resilient_sync"])(API)
        await clock.advance(hours=1, minutes=1)
    assert len(notes.calls) == 5
    assert capsys.readouterr().out == f"Successfully synced data from {API}\n" * 2


async def test_a_finder_looks_every_minute(capsys: pytest.CaptureFixture[str]) -> None:
    """What it found is done at once; the next looks find nothing."""
    typing, notes = Reader("004", ""), Notebook()
    typing.names.update(notes.functions(*HANDLING_AN_ORDER), database=Orders([1, 2]))
    await typing.types(5)
    async with quick_days() as (clock, shadow, worker), working(worker):
        await shadow.add(typing.names["find_pending_orders"])()
        await clock.advance(seconds=130)
    assert len(notes.calls) == 6
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()] == ["2", "0", "0"]


async def test_a_health_check_is_run_three_times() -> None:
    """001 controls the health check of 004, which would go on for ever; its minutes pass."""
    patterns, typing = Reader("004", ""), Reader("001", "")
    patterns.names["http_client"] = CountingClient(names=typing.names)
    await typing.types(7)
    async with quick_days() as (clock, shadow, _):
        patterns.names["shadows"] = remembering = Remembering(shadow)
        await patterns.types(0)
        (scheduled,) = remembering.placed
        await shadow.cancel(scheduled.key)
        typing.names["health_check_service"] = patterns.names["health_check_service"]
        began = clock.now()
        await typing.names["test_perpetual_monitoring"](shadow)
        assert 600 <= (clock.now() - began).total_seconds() < 902  # the fourth may be ended when it is due
        assert (await shadow.snapshot()).total_tasks == 0


async def test_retries_come_at_the_printed_times() -> None:
    """002: three attempts with five seconds between them; five with doubling delays; one a minute without end."""
    typing = Reader("002", "")
    await typing.types(12)
    attempts: dict[str, list[float]] = {"api_call": [], "database_sync": [], "financial_transaction": []}
    async with quick_days() as (clock, shadow, worker), working(worker):
        began = clock.now()
        for name, times in attempts.items():
            declared = inspect.signature(typing.names[name]).parameters["retry"].default

            async def fails(retry: Retry = declared, times: list[float] = times) -> None:
                times.append((clock.now() - began).total_seconds())
                raise ConnectionError

            shadow.register(fails, names=[f"{name}_that_fails"])
            await shadow.add(f"{name}_that_fails")()
        await clock.advance(hours=1, seconds=30)
    assert attempts["api_call"] == pytest.approx([0, 5, 10], abs=2)
    assert attempts["database_sync"] == pytest.approx([0, 30, 90, 210, 450], abs=3)
    assert attempts["financial_transaction"] == pytest.approx([60 * minute for minute in range(61)], abs=20)
