from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from shadows import ConfigurationError, ExecutionState, tasks
from tests.front.acts import finish

if TYPE_CHECKING:
    from shadows import Shadow


async def test_every_shadow_knows_the_standard_tasks(shadows: Shadow, caplog: pytest.LogCaptureFixture) -> None:
    """PARITY: ``tasks.trace``, ``fail`` and ``sleep``, by function and by name."""
    caplog.set_level(logging.INFO, "shadows.task")
    assert dict(shadows.tasks) == {"trace": tasks.trace, "fail": tasks.fail, "sleep": tasks.sleep}
    traced = await shadows.add(tasks.trace)("halfway there")
    failed = await shadows.add("fail")("on purpose")
    slept = [await shadows.add(tasks.sleep)(span) for span in (0, 0.001, timedelta(milliseconds=1))]
    await finish(shadows)
    assert ("shadows.task.trace", "halfway there") in [(line.name, line.getMessage()) for line in caplog.records]
    with pytest.raises(RuntimeError, match="on purpose"):
        await failed.get_result()
    for execution in (traced, *slept):
        await execution.sync()
        assert execution.state is ExecutionState.COMPLETED


async def test_a_negative_sleep_is_refused(shadows: Shadow) -> None:
    """FAULT 17: zero is allowed, less is not."""
    execution = await shadows.add(tasks.sleep)(-1)
    await finish(shadows)
    with pytest.raises(ConfigurationError, match="seconds=-1 is negative"):
        await execution.get_result()


async def test_a_task_of_the_user_takes_the_name_of_a_standard_one(shadows: Shadow) -> None:
    """Whoever calls their own task ``sleep`` gets their own; the standard one then needs another name."""

    async def sleep() -> str:
        return "mine"

    assert len(tasks.standard_tasks) == 3
    execution = await shadows.add(sleep)()
    await finish(shadows)
    assert await execution.get_result() == "mine"
    with pytest.raises(ConfigurationError, match="two tasks would be named 'sleep'"):
        await shadows.add(tasks.sleep)(1)
    shadows.register(tasks.sleep, names=["doze"])
    again = await shadows.add("doze")(0)
    await finish(shadows)
    assert await again.get_result() is None
