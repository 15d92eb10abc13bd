from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from shadows.adapters.observers.log import LogObserver
from shadows.engine import insist
from shadows.engine.attempt import Attempt, Stop
from tests.unit.workplace import lease

if TYPE_CHECKING:
    import pytest


async def test_a_body_that_ends_when_it_is_cancelled_is_left_in_peace(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """FAULT 32: the second look finds nothing to tell of."""
    caplog.set_level(logging.DEBUG, "shadows")
    monkeypatch.setattr(insist, "GRACE", 0.001)
    attempt = Attempt(lease())
    attempt.task = asyncio.create_task(asyncio.sleep(60))
    insist.cancel(attempt, Stop.CANCELLED, LogObserver("house"))
    insist.cancel(Attempt(lease()), Stop.LOST, LogObserver("house"))  # it has no task yet
    await asyncio.wait({attempt.task})
    await asyncio.sleep(0.01)
    assert caplog.records == []
