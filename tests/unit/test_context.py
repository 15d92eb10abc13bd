from __future__ import annotations

import logging
from typing import Any

import pytest

from shadows import TaskKey, TaskLogger
from shadows.dependencies import current_execution
from tests.unit.workplace import filled, running


async def test_a_task_s_logger_adds_what_is_known_of_the_run(caplog: pytest.LogCaptureFixture) -> None:
    """Seed 004, task context logging: the call's own ``extra`` is merged, and wins."""

    async def work(log: logging.LoggerAdapter[logging.Logger] = TaskLogger(), key: str = TaskKey()) -> None: ...

    caplog.set_level(logging.INFO, "shadows")
    found = await filled(running(function=work, task="pipeline", attempt=2))
    log: logging.LoggerAdapter[logging.Logger] = found["log"]
    log.info("began", extra={"dataset": 5, "attempt": "mine"})
    log.warning("%s of %s", 1, 2)
    first, second = (vars(record) for record in caplog.records)
    assert (first["name"], first["message"], first["dataset"], first["attempt"]) == (
        "shadows.task.pipeline",
        "began",
        5,
        "mine",
    )
    facts = {"task": "pipeline", "key": "k", "worker": "worker", "shadow": "shadow", "attempt": 2}
    assert {name: second[name] for name in facts} == facts
    assert second["message"] == "1 of 2"
    assert found["key"] == "k"


def test_a_test_may_say_what_runs_here() -> None:
    """Like any context variable."""
    nobody: Any = current_execution.get(None)
    assert nobody is None
    token = current_execution.set("the execution")
    assert current_execution.get() == "the execution"
    current_execution.reset(token)
    with pytest.raises(LookupError):
        current_execution.get()
    assert current_execution.name == "shadows.current_execution"
