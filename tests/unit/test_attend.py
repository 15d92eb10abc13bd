from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from shadows.adapters.memory import open_backend
from shadows.adapters.observers.log import LogObserver
from shadows.engine.attend import Attender
from shadows.errors import BrokerUnavailable, NotAllowed
from shadows.ports.backend import Terms
from tests.contract.acts import worker
from tests.front.acts import comes_true
from tests.unit.trouble import Trouble

if TYPE_CHECKING:
    import pytest

    from shadows.ports.broker import Broker
    from shadows.ports.presence import Presence


async def test_what_keeps_a_worker_from_the_list_is_told_and_so_is_its_end(caplog: pytest.LogCaptureFixture) -> None:
    """INV 33: unless it is the absence of the server, which the pump tells for each of its tries."""
    caplog.set_level("INFO")
    presence = Trouble(cast("Broker", open_backend("attending", Terms()).presence))
    presence.before("check_in", NotAllowed("no right to be listed"), BrokerUnavailable("away"))
    attender = Attender(cast("Presence", presence), worker(), ["task"], 10_000, 0.01, LogObserver("shop"))
    forgotten, bugs = asyncio.Event(), list[Exception]()
    task = asyncio.create_task(attender.attend(forgotten, bugs.append))
    await comes_true(lambda: "the broker is back" in caplog.text)
    assert "the broker is away (no right to be listed); try 2" in caplog.text
    assert caplog.text.count("the broker is away") == 1
    presence.before("check_in", bug := ValueError("a bug"))
    forgotten.set()
    await task
    assert bugs == [bug]
