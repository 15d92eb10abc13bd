"""The programs that newcomers are shown run as printed, on memory, a Redis and a Valkey.

They are the Python blocks of the two introductions that shadows was asked for, which lie beside the checkout
(`../shared/seeds`).  Where that folder is missing, our own versions of them in the docs are still run, by
test_docs.py.
"""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from shadows import ExecutionState, Perpetual, Shadow, Worker
from shadows.cli import main
from tests.system.conftest import until
from tests.system.reading import SEEDS, App, HttpClient, Notebook, blocks
from tests.system.workers import at_work, bring_forward, occurs, seconds_between, working

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.system.reading import Reader

pytestmark = pytest.mark.skipif(not SEEDS.is_dir(), reason=f"{SEEDS} is not there")


async def send_reminder(customer_id: int, message: str) -> None:
    """Stand for a task of the reader's own."""


async def test_at_a_glance(reader: Callable[[str], Reader], capsys: pytest.CaptureFixture[str]) -> None:
    """001: a call for now and one for three seconds later; the worker runs both, and ends."""
    typing = reader("001")
    await typing.types(0)
    await typing.types(1)
    lines = capsys.readouterr().out.splitlines()
    moment = r"at \d{4}-\d\d-\d\d \d\d:\d\d:(\d\d\.\d+)!"
    first = re.fullmatch(f"Hello, rohit {moment}", lines[0])
    second = re.fullmatch(f"what'sgood, rahul {moment}", lines[1])
    assert first is not None
    assert second is not None
    assert 2.5 < (float(second[1]) - float(first[1])) % 60 < 3.5


async def test_retry_with_exponential_backoff(
    reader: Callable[[str], Reader], capsys: pytest.CaptureFixture[str]
) -> None:
    """001: the first failure is followed by another attempt a second later."""
    typing = reader("001")
    typing.names["http_client"] = HttpClient([503])
    await typing.types(2)
    async with working() as shadow:
        await shadow.add(typing.names["flaky_api_call"])("http://somewhere")
    assert capsys.readouterr().out == "api call succeeded on attempt 2\n"


async def test_idempotent_scheduling_with_custom_keys(
    reader: Callable[[str], Reader], capsys: pytest.CaptureFixture[str]
) -> None:
    """001: the second call under one key is ignored."""
    typing = reader("001")
    typing.names["order_id"] = 99
    await typing.types(5)
    async with working(typing.names["process_order"]):
        pass
    assert capsys.readouterr().out == "processing order 99\n"


async def test_pytest_integration(reader: Callable[[str], Reader]) -> None:
    """001: the fixture and the test that it shows."""
    typing = reader("001")
    done: list[tuple[str, int]] = []

    async def process_order(order_id: int) -> None:
        async with Shadow(name=fixture.name) as shadows:
            await shadows.add(send_confirmation)(order_id)
        done.append(("processed", order_id))

    async def send_confirmation(order_id: int) -> None:
        done.append(("confirmed", order_id))

    typing.names.update(
        process_order=process_order,
        send_confirmation=send_confirmation,
        order_is_processed=lambda order_id: ("processed", order_id) in done,
        confirmation_was_sent=lambda order_id: ("confirmed", order_id) in done,
    )
    await typing.types(6)
    shadows = typing.names["test_shadows"]
    generator = getattr(shadows, "__wrapped__", None) or shadows._get_wrapped_function()
    fixtures = generator()
    fixture = await anext(fixtures)
    await typing.names["test_order_processing"](fixture)
    assert [one async for one in fixtures] == []


async def test_perpetual_tasks_with_self_cancellation(
    reader: Callable[[str], Reader], capsys: pytest.CaptureFixture[str]
) -> None:
    """001: it looks every 30 seconds until the deployment is done; then there is no next time."""
    typing, notes = reader("001"), Notebook()
    typing.names["check_deployment_status"] = notes.function("check_deployment_status", "rolling", "completed")
    typing.names["notify_deployment_finished"] = notes.function("notify_deployment_finished")
    await typing.types(3)
    async with Shadow() as shadow, at_work(shadow):
        first = await shadow.add(typing.names["monitor_deployment"], key="deployment-7")("7")
        again = await occurs(shadow, "deployment-7")
        await first.sync()
        assert seconds_between(first.started_at, again.when) == pytest.approx(30, abs=1)
        last = await bring_forward(shadow, again)
        assert await last.get_result(timeout=20) is None
        assert (await shadow.snapshot()).total_tasks == 0
    assert notes.calls[-1] == ("notify_deployment_finished", "7", "completed")
    assert capsys.readouterr().out == "deployment 7 status: rolling\n"


async def test_task_chaining_with_dependency_injection(
    reader: Callable[[str], Reader], capsys: pytest.CaptureFixture[str]
) -> None:
    """001: a task places the two that follow it, through the shadow that it is given."""
    typing, notes = reader("001"), Notebook()
    typing.names.update(notes.functions("send_notification", "update_analytics"))
    await typing.types(4)
    async with working() as shadow:
        await shadow.add(typing.names["process_user_data"])(7)
    assert capsys.readouterr().out == "processing user 7\n"
    assert sorted(notes.calls) == [("send_notification", 7, "processing completed"), ("update_analytics", 7)]


async def test_controlling_perpetual_tasks(reader: Callable[[str], Reader]) -> None:
    """001: it runs three times, and the worker ends."""
    typing = reader("001")

    async def health_check_service(
        service_url: str, perpetual: Perpetual = Perpetual(every=timedelta(milliseconds=50))
    ) -> None:
        typing.names["health_check_call_count"] += 1

    typing.names.update(health_check_service=health_check_service, health_check_call_count=0)
    await typing.types(7)
    async with Shadow() as shadow:
        await typing.names["test_perpetual_monitoring"](shadow)
        assert (await shadow.snapshot()).total_tasks == 0


async def test_your_first_shadow(reader: Callable[[str], Reader], capsys: pytest.CaptureFixture[str]) -> None:
    """003: one call waits for a worker, one for tomorrow."""
    typing = reader("003")
    await typing.types(0)
    async with Shadow(name="emails") as shadow, Worker(shadow) as worker:
        shadow.register(typing.names["send_welcome_email"])
        work = asyncio.create_task(worker.run_forever())

        async def only_tomorrow_is_left() -> bool:
            return (await shadow.snapshot()).total_tasks == 1

        await until(only_tomorrow_is_left)
        worker.stop()
        await work
        seen = await shadow.snapshot()
        assert (seen.total_tasks, seen.scheduled) == (1, 1)
        due = seen.future[0].when
        assert due is not None
        assert timedelta(hours=23, minutes=59) < due - seen.taken < timedelta(hours=24)
        assert await shadow.clear() == 1
    assert capsys.readouterr().out == "Welcome, Alice! (customer 12345)\n"


async def test_understanding_task_keys(reader: Callable[[str], Reader], capsys: pytest.CaptureFixture[str]) -> None:
    """003: calls without a key are all run; of those under one key, the first."""
    typing = reader("003")
    await typing.types(0)
    async with Shadow(name="emails") as emails:
        await emails.clear()
    await typing.types(1)
    await typing.types(2)
    async with working(typing.names["send_notification"], typing.names["process_order"]):
        pass
    said = capsys.readouterr().out.splitlines()
    assert sorted(said) == [
        "Processing order 12345",
        "Sending to user 123: Thank you for your purchase",
        "Sending to user 123: Welcome!",
        "Sending to user 456: Your order shipped",
    ]


async def test_the_same_request_twice(reader: Callable[[str], Reader], capsys: pytest.CaptureFixture[str]) -> None:
    """003: a web handler that is called twice places one call."""
    typing = reader("003")
    app = typing.names["app"] = App()
    await typing.types(2)
    await typing.types(3)
    handler = app.handlers["/orders/{order_id}/process"]
    async with working(typing.names["process_order"]) as shadow:
        typing.names["shadows"] = shadow
        await shadow.cancel("process-order-12345")  # of block 2
        for _ in range(2):
            assert await handler(5) == {"status": "scheduled"}
    assert capsys.readouterr().out == "Processing order 5\n"


async def test_a_reminder_is_moved_and_cancelled(reader: Callable[[str], Reader]) -> None:
    """003: replace changes the time and the arguments; cancel removes it, and it never runs."""
    typing = reader("003")
    typing.names.update(customer_id=7, send_reminder=send_reminder)
    async with working(send_reminder) as shadow:
        typing.names["shadows"] = shadow
        await typing.types(4)
        ended = await shadow.get_execution("reminder-7")
        assert ended is not None
        assert ended.state is ExecutionState.CANCELLED


async def test_workers(reader: Callable[[str], Reader], capsys: pytest.CaptureFixture[str]) -> None:
    """003: the worker processes until it is interrupted."""
    typing = reader("003")
    work = asyncio.create_task(typing.types(5))
    async with Shadow(allow_unknown=True) as shadow:
        order = await shadow.add("process_order")(1)
        notification = await shadow.add("send_notification")("hi")
        await order.get_result(timeout=20)
        await notification.get_result(timeout=20)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert sorted(capsys.readouterr().out.splitlines()) == ["Notification: hi", "Processing order 1"]


async def test_basic_error_handling(reader: Callable[[str], Reader], capsys: pytest.CaptureFixture[str]) -> None:
    """003: after a failure the next attempt waits for five seconds; a success tells its attempt."""
    typing = reader("003")
    typing.names["http_client"] = HttpClient([500])
    await typing.types(6)
    task = typing.names["flaky_api_call"]
    async with working() as shadow, Worker(shadow) as worker:
        failing = await shadow.add(task)("http://somewhere")
        work = asyncio.create_task(worker.run_forever())

        async def another_attempt_waits() -> bool:
            await failing.sync()
            return failing.attempt == 2

        await until(another_attempt_waits)
        taken = (await shadow.snapshot()).taken
        assert failing.state is ExecutionState.SCHEDULED
        assert failing.when is not None
        assert 4 < (failing.when - taken).total_seconds() <= 5.001  # rounded up
        await shadow.cancel(failing.key)
        await (await shadow.add(task)("http://somewhere")).get_result(timeout=20)
        worker.stop()
        await work
    assert capsys.readouterr().out == "Success on attempt 1\n"


def test_the_command_line_of_the_introduction(
    reader: Callable[[str], Reader],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """003: the file tasks.py, and the worker that is started with it."""
    reader("003")
    file, command = (block for block in blocks("003", "bash") if "tasks" in block)
    (tmp_path / "tasks.py").write_text(file)
    monkeypatch.chdir(tmp_path)

    async def add() -> None:
        async with Shadow(allow_unknown=True) as shadow:
            await shadow.add("process_order")(3)

    asyncio.run(add())
    words = command.split()
    assert words[:2] == ["shadows", "worker"]
    assert main([*words[1:], "--until-finished"]) == 0
    assert "Processing order 3" in capsys.readouterr().out


async def test_the_documented_keys_exist_with_their_types(real_place: str, shadow_name: str) -> None:
    """Seed 000 lists them; its "set with timestamps" is a sorted set."""

    async def index(text: str) -> None:
        """Wait for nothing."""

    async with Shadow(shadow_name, real_place) as shadow, shadow.redis() as client:

        async def kind(key: str) -> str:
            answer: bytes = await client.type(f"{shadow_name}:{key}")
            return answer.decode()

        await shadow.add(index, when=timedelta(hours=1), key="tomorrow")("x" * 100)
        await shadow.add(index)("now")
        await shadow.strike("something else")
        assert await kind("stream") == "stream"
        assert await kind("queue") == "zset"
        assert await kind("tomorrow") == "hash"
        assert await kind("runs:tomorrow") == "hash"
        assert await kind("strikes") == "stream"
        async with Worker(shadow, name="here") as worker:
            work = asyncio.create_task(worker.run_forever())
            await until(shadow.workers)
            here = await shadow.workers()
            assert await kind("workers") == "zset"
            assert await kind(f"worker-tasks:{here[0].id}") == "set"
            worker.stop()
            await work
        assert await shadow.clear() == 1
