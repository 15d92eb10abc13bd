"""The patterns for perpetual tasks run as printed (seed 004), on memory, a Redis and a Valkey.

Nobody waits for their minutes: the next occurrence is looked at, and brought forward.  On the virtual clock the
minutes do pass, as printed: test_printed_times.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shadows import ExecutionState, Shadow
from tests.system.conftest import until
from tests.system.reading import HANDLING_AN_ORDER, SEEDS, HttpClient, Notebook, Orders
from tests.system.workers import Remembering, at_work, bring_forward, occurs, seconds_between

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.system.reading import Reader

pytestmark = pytest.mark.skipif(not SEEDS.is_dir(), reason=f"{SEEDS} is not there")

API = "https://api.example.com"


async def test_basic_perpetual_tasks(reader: Callable[[str], Reader], capsys: pytest.CaptureFixture[str]) -> None:
    """Scheduled once, it runs again five minutes after it started, also after it found the service down."""
    typing, notes = reader("004"), Notebook()
    typing.names.update(notes.functions("send_alert"), http_client=HttpClient([200, 503]))
    async with Shadow() as shadow, at_work(shadow):
        remembering = typing.names["shadows"] = Remembering(shadow)
        await typing.types(0)
        (first,) = remembering.placed
        second = await occurs(shadow, first.key)
        await first.sync()
        assert first.state is ExecutionState.COMPLETED
        assert seconds_between(first.started_at, second.when) == pytest.approx(300, abs=1)
        assert capsys.readouterr().out == f"✓ {API} is healthy\n"
        await bring_forward(shadow, second)
        third = await occurs(shadow, first.key)
        assert capsys.readouterr().out == f"✗ {API} failed health check: status 503\n"
        assert notes.calls == [("send_alert", f"Service {API} is down")]
        assert third.args == (API,)
        await shadow.cancel(third.key)
        assert (await shadow.snapshot()).total_tasks == 0


async def test_automatic_startup(reader: Callable[[str], Reader], capsys: pytest.CaptureFixture[str]) -> None:
    """A worker starts it without any call; its key is its name."""
    typing, notes = reader("004"), Notebook()
    typing.names["cleanup_old_records"] = notes.function("cleanup_old_records", 3)
    async with Shadow() as shadow:
        typing.names["shadows"] = shadow
        await typing.types(1)
        assert await shadow.get_execution("background_cleanup") is None
        async with at_work(shadow):
            following = await occurs(shadow, "background_cleanup")
            taken = (await shadow.snapshot()).taken
        assert seconds_between(taken, following.when) == pytest.approx(3600, abs=20)
        assert following.function_name == "background_cleanup"
    assert capsys.readouterr().out == "Cleaned up 3 old records\n"


async def test_self_canceling_tasks(reader: Callable[[str], Reader], capsys: pytest.CaptureFixture[str]) -> None:
    """It looks every 30 seconds until the deployment has failed, tells so, and has no next occurrence."""
    typing, notes = reader("004"), Notebook()
    typing.names["check_deployment_status"] = notes.function("check_deployment_status", "rolling", "failed")
    typing.names["notify_deployment_finished"] = notes.function("notify_deployment_finished")
    await typing.types(2)
    async with Shadow() as shadow, at_work(shadow):
        first = await shadow.add(typing.names["monitor_deployment"], key="deployment-7")("7")
        again = await occurs(shadow, "deployment-7")
        await first.sync()
        assert seconds_between(first.started_at, again.when) == pytest.approx(30, abs=1)
        last = await bring_forward(shadow, again)
        assert await last.get_result(timeout=20) is None
        assert (await shadow.snapshot()).total_tasks == 0
    assert notes.calls[-1] == ("notify_deployment_finished", "7", "failed")
    assert capsys.readouterr().out == "Deployment 7 status: rolling\n"


async def test_dynamic_parameters(reader: Callable[[str], Reader], capsys: pytest.CaptureFixture[str]) -> None:
    """A run chooses the arguments and the time of the next one, which has them; the one after starts from there."""
    typing, notes = reader("004"), Notebook()
    typing.names["check_api_load"] = notes.function("check_api_load", 0.9, 0.2)
    await typing.types(3)
    async with Shadow() as shadow, at_work(shadow):
        first = await shadow.add(typing.names["adaptive_rate_limiter"], key="limiter")(API)
        second = await occurs(shadow, "limiter")
        await first.sync()
        assert second.args == (API, 50)
        assert seconds_between(first.started_at, second.when) == pytest.approx(30, abs=1)
        second = await bring_forward(shadow, second)
        third = await occurs(shadow, "limiter")
        await second.sync()
        assert third.args == (API, 55)
        assert seconds_between(second.started_at, third.when) == pytest.approx(60, abs=1)
    assert capsys.readouterr().out.splitlines() == [
        "High load detected, reducing rate to 50 req/min",
        "Normal load, increasing rate to 55 req/min",
    ]


async def test_error_resilience(reader: Callable[[str], Reader], capsys: pytest.CaptureFixture[str]) -> None:
    """It always has a next occurrence, a quarter of an hour later, whether it succeeds or fails."""
    typing, notes = reader("004"), Notebook()
    down = ConnectionError("the source is down")
    typing.names["sync_data_from_source"] = notes.function("sync_data_from_source", down, None)
    await typing.types(4)
    async with Shadow() as shadow, at_work(shadow):
        first = await shadow.add(typing.names["resilient_sync"], key="sync")(API)
        second = await occurs(shadow, "sync")
        await first.sync()
        assert first.state is ExecutionState.FAILED
        assert seconds_between(first.started_at, second.when) == pytest.approx(900, abs=1)
        with pytest.raises(ConnectionError, match="the source is down"):
            await first.get_result(timeout=20)
        assert capsys.readouterr().out == ""
        second = await bring_forward(shadow, second)
        third = await occurs(shadow, "sync")
        await second.sync()
        assert second.state is ExecutionState.COMPLETED
        assert seconds_between(second.started_at, third.when) == pytest.approx(900, abs=1)
    assert capsys.readouterr().out == f"Successfully synced data from {API}\n"


async def test_find_and_flood_pattern(reader: Callable[[str], Reader], capsys: pytest.CaptureFixture[str]) -> None:
    """One perpetual task finds the work, and a call for each order does it."""
    typing, notes = reader("004"), Notebook()
    typing.names.update(notes.functions(*HANDLING_AN_ORDER), database=Orders([1, 2, 3]))
    await typing.types(5)
    async with Shadow() as shadow, at_work(shadow):
        first = await shadow.add(typing.names["find_pending_orders"], key="finder")()
        following = await occurs(shadow, "finder")
        await first.sync()
        assert seconds_between(first.started_at, following.when) == pytest.approx(60, abs=1)

        async def only_the_finder_is_left() -> bool:
            return (await shadow.snapshot()).total_tasks == 1

        await until(only_the_finder_is_left)
    assert sorted(notes.calls) == sorted((name, order) for name in HANDLING_AN_ORDER for order in (1, 2, 3))
    assert capsys.readouterr().out == "Queued 3 orders for processing\n"
