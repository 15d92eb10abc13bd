from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import pytest

from shadows.adapters.memory.backend import open_backend
from shadows.core.lifecycle import ExecutionState
from shadows.engine.watch import Watcher
from shadows.errors import ExecutionCancelled, ResultUnavailable
from shadows.ports.backend import Terms
from tests.contract.acts import call, done, place, settle, take_one, worker

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from shadows.ports.event_bus import EventBus


class Costly:
    """An event bus that nobody may use."""

    loses_hints = True

    @asynccontextmanager
    async def listen(self, key: str) -> AsyncGenerator[None]:
        """Refuse."""
        pytest.fail(f"there was no need to listen for {key}")
        yield


async def test_what_is_there_already_needs_no_subscription() -> None:
    """SEMANTICS, three connections: only while somebody waits; results are often awaited one after the other."""
    async with open_backend("watched", Terms()) as backend:
        broker = backend.broker
        watcher = Watcher(broker, cast("EventBus", Costly()), 1.0)
        await place(broker, call("done", run="one"), call("cancelled", run="two", after=1))
        assert await settle(broker, who := worker(), await take_one(broker, who), done(b"result")) == "settled"
        await broker.cancel("cancelled")
        ended = await watcher.end_of("done", "one")
        assert (ended.state, ended.result) == (ExecutionState.COMPLETED, b"result")
        with pytest.raises(ExecutionCancelled):
            await watcher.end_of("cancelled", "two")
        with pytest.raises(ExecutionCancelled, match="superseded"):
            await watcher.end_of("done", "another")
        with pytest.raises(ResultUnavailable):
            await watcher.end_of("nothing", "three")
