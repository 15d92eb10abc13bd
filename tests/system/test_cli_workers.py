"""`shadows workers ls`, `shadows workers for-task` and `shadows cancel`."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from shadows import ExecutionState, Shadow, Worker
from tests.system.conftest import attend, on

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.system.conftest import Said

    type Run = Callable[..., Said]


async def pay(customer_id: str) -> None:
    """Pay."""


# Workers


def test_no_worker_is_a_fact_and_no_mistake(shadows: Run, here: tuple[str, str]) -> None:
    """For programs it is an empty list."""
    assert shadows("workers", "ls").out == "no worker is here\n"
    assert json.loads(shadows("workers", "ls", "--json").out) == {"shadow": here[1], "workers": []}


def test_the_workers_that_are_here_are_listed_with_what_they_know(shadows: Run, here: tuple[str, str]) -> None:
    """However much that is, the table is no wider than a terminal."""
    many = [f"task_number_{n}" for n in range(30)]
    attend(*here, "worker-1", "pay")
    attend(*here, "worker-2", *many)
    said = shadows("workers", "ls")
    assert said.code == 0
    assert re.search(r"^worker-1 +\S+ ago +pay *$", said.out, re.MULTILINE), said.out
    assert all(task in said.out for task in many)
    assert max(map(len, said.out.splitlines())) <= 80
    data = json.loads(shadows("workers", "ls", "--json").out)
    assert [(one["name"], one["tasks"]) for one in data["workers"]] == [
        ("worker-1", ["pay"]),
        ("worker-2", sorted(many)),
    ]
    assert data["workers"][0]["id"].startswith("worker-1@")
    assert datetime.fromisoformat(data["workers"][0]["last_seen"]).utcoffset() == timedelta(0)


def test_the_workers_of_a_task_are_those_that_know_it(shadows: Run, here: tuple[str, str]) -> None:
    """A deploy is complete when they do."""
    attend(*here, "worker-1", "pay", "note")
    attend(*here, "worker-2", "note")
    said = shadows("workers", "for-task", "pay")
    assert said.code == 0
    assert "worker-1" in said.out
    assert "worker-2" not in said.out
    data = json.loads(shadows("workers", "for-task", "pay", "--json").out)
    assert (data["task"], [one["name"] for one in data["workers"]]) == ("pay", ["worker-1"])


def test_a_task_that_no_worker_knows_ends_with_3(shadows: Run, here: tuple[str, str]) -> None:
    """A typo is told from a worker that is missing; programs get their list all the same."""
    found = shadows("workers", "for-task", "pay")
    assert found.code == 3
    assert "no worker that is here knows a task 'pay'" in found.err
    assert "cause: no worker is here" in found.err
    attend(*here, "worker-1", "pay", "note")
    found = shadows("workers", "for-task", "pya")
    assert found.code == 3
    assert "'pya'; did you mean pay?" in found.err
    assert "shadows workers ls" in found.err
    found = shadows("workers", "for-task", "pya", "--json")
    assert (found.code, json.loads(found.out)["workers"]) == (3, [])


# Cancel


def test_a_waiting_call_is_cancelled(shadows: Run, here: tuple[str, str]) -> None:
    """It will never start; to say so twice is no success."""
    on(*here, lambda shadow: shadow.add(pay, key="pay-1", when=timedelta(hours=1))("Ada"))
    said = shadows("cancel", "pay-1")
    assert (said.code, said.out) == (0, "cancelled: pay-1 will not start\n")
    execution = on(*here, lambda shadow: shadow.get_execution("pay-1"))
    assert execution.state is ExecutionState.CANCELLED
    again = shadows("cancel", "pay-1")
    assert again.code == 4
    assert "'pay-1' has ended" in again.err
    assert "cancelled" in again.err


def test_a_running_call_is_asked_to_stop(shadows: Run, here: tuple[str, str]) -> None:
    """Its worker hears of it."""

    async def claimed(shadow: Shadow) -> Any:
        """Leave a call behind that somebody holds a lease on."""
        from shadows.core.holder import holder  # noqa: PLC0415
        from shadows.ports.broker import Order  # noqa: PLC0415

        await shadow.add(pay, key="pay-1")("Ada")
        return await shadow.backend().broker.claim(Order(holder("w", timedelta(minutes=1), nonce="n"), 1))

    on(*here, claimed)
    said = shadows("cancel", "pay-1", "--json")
    assert (said.code, json.loads(said.out)) == (0, {"shadow": here[1], "key": "pay-1", "outcome": "requested"})
    assert shadows("cancel", "pay-1").out == "asked its worker to stop: pay-1 is running\n"


def test_a_key_that_nobody_knows_ends_with_3(shadows: Run, here: tuple[str, str]) -> None:
    """Nothing is left behind of it; the shadow is named, for it is the usual mistake."""
    found = shadows("cancel", "nothing")
    assert found.code == 3
    assert f"the shadow {here[1]} has no call 'nothing'" in found.err
    assert "shadows snapshot" in found.err


@pytest.mark.parametrize("key", ["--strange", "with space", "stream"])
def test_any_key_can_be_named(shadows: Run, here: tuple[str, str], key: str) -> None:
    """Behind -- nothing is an option."""
    on(*here, lambda shadow: shadow.add(pay, key=key, when=timedelta(hours=1))("Ada"))
    assert shadows("cancel", "--", key).code == 0


def test_a_worker_that_ended_is_not_listed(shadows: Run, here: tuple[str, str]) -> None:
    """It checks out by itself."""

    async def work(shadow: Shadow) -> None:
        shadow.register(pay)
        async with Worker(shadow) as worker:
            await worker.run_until_finished()

    on(*here, work)
    assert shadows("workers", "ls").out == "no worker is here\n"
