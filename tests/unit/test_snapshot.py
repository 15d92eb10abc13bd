from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import attrs
import pytest

from shadows import ExecutionState, Shadow, Snapshot, WorkerInfo
from shadows.ports.broker import Order
from tests.contract.acts import worker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_numbers = itertools.count(1)
HOUR = timedelta(hours=1)


async def ship(order: int) -> None: ...


@pytest.fixture
async def shadows() -> AsyncIterator[Shadow]:
    async with Shadow(f"unit-{next(_numbers)}", "memory://snapshot") as entered:
        yield entered


async def test_a_look_at_an_empty_shadow(shadows: Shadow) -> None:
    """Everything is zero, and the time is the server's."""
    found = await shadows.snapshot()
    assert abs(found.taken - datetime.now(UTC)) < timedelta(seconds=10)
    assert found == Snapshot(found.taken, 0, 0, 0, 0, (), (), ())


async def test_a_look_tells_what_waits_what_runs_and_who_works(shadows: Shadow) -> None:
    """Those with a time come first, then those that are ready; a running one names its worker."""
    broker, who = shadows.backend().broker, worker("packer")
    await shadows.add(ship, key="runs")(1)
    (lease,) = (await broker.claim(Order(who, 1))).leases
    await shadows.add(ship, key="ready")(2)
    await shadows.add(ship, key="later", when=HOUR)(3)
    await shadows.backend().presence.check_in(who, {"ship"}, horizon=10_000)
    found = await shadows.snapshot()
    assert (found.total_tasks, found.scheduled, found.queued, found.dead) == (3, 1, 1, 0)
    assert [(each.key, each.args, each.state) for each in found.future] == [
        ("later", (3,), ExecutionState.SCHEDULED),
        ("ready", (2,), ExecutionState.QUEUED),
    ]
    (running,) = found.running
    assert (running.execution.key, running.execution.args, running.worker) == ("runs", (1,), "packer")
    assert running.started == running.execution.started_at
    (present,) = found.workers
    assert (present.name, present.tasks, present.id) == ("packer", frozenset({"ship"}), who.id)
    assert await shadows.task_workers("ship") == [present]
    assert await shadows.task_workers("other") == []
    assert lease.key == "runs"


async def test_a_look_is_bounded_but_its_numbers_are_exact(shadows: Shadow) -> None:
    """INV 43: a shadow may hold a million calls."""
    await shadows.add_many([shadows.call(ship)(number) for number in range(5)])
    found = await shadows.snapshot(limit=2)
    assert (found.total_tasks, len(found.future)) == (5, 2)


async def test_a_look_shows_no_arguments(shadows: Shadow) -> None:
    """INV 45: it may be printed as a whole."""
    await shadows.add(ship)(424_242)
    assert "424242" not in repr(await shadows.snapshot())


def test_a_look_never_changes() -> None:
    """It is what it was at that time."""
    info = WorkerInfo("w", datetime.now(UTC), frozenset(), "w@1:5")
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        info.name = "other"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
