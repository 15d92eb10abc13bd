"""The patterns for logging and debugging run as printed (seed 004), on memory, a Redis and a Valkey."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

import pytest

from shadows import ExecutionState, Shadow, Worker
from tests.system.reading import SEEDS, Notebook, blocks
from tests.system.workers import Remembering, working

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.system.reading import Reader

pytestmark = pytest.mark.skipif(not SEEDS.is_dir(), reason=f"{SEEDS} is not there")


@pytest.fixture(autouse=True)
def everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Hear all that the library says."""
    caplog.set_level(logging.DEBUG)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Give what was logged, with the traces of errors."""
    formatter = logging.Formatter()
    return [formatter.format(record) for record in caplog.records]


def promised(block: int) -> str:
    """Give the line of the log that a printed program announces at its end."""
    found = re.search(r"^# Log output will show:\n# (.+)$", blocks("004")[block], re.MULTILINE)
    assert found is not None
    return found[1]


async def test_argument_logging(reader: Callable[[str], Reader], caplog: pytest.LogCaptureFixture) -> None:
    """What is annotated appears in the log of the run, as printed; what is not never does."""
    typing = reader("004")
    await typing.types(9)
    card = "4111-1111"
    async with working() as shadow:
        pay = shadow.add(typing.names["process_payment"])
        await pay("12345", credit_card=card, amount=150.0, trace_id="abc-123")
    said = lines(caplog)
    assert promised(9) == "process_payment('12345', credit_card=..., amount=150.0, trace_id='abc-123')"
    assert any(promised(9) in line for line in said), said
    assert not any(card in line for line in said)


async def test_collection_length_logging(reader: Callable[[str], Reader], caplog: pytest.LogCaptureFixture) -> None:
    """Of large collections, the log shows how many items they have."""
    typing = reader("004")
    await typing.types(9)  # which imports what this one uses
    await typing.types(10)
    users = [f"user-{number}" for number in range(150)]
    async with working() as shadow:
        update = shadow.add(typing.names["bulk_update_users"])
        await update(users, metadata=dict.fromkeys(users[:5], "x"), options={"a", "b", "c"})
    said = lines(caplog)
    assert promised(10) == "bulk_update_users([len 150], metadata={len 5}, options={len 3})"
    assert any(promised(10) in line for line in said), said
    assert not any("user-1" in line for line in said)


async def test_task_context_logging(reader: Callable[[str], Reader], caplog: pytest.LogCaptureFixture) -> None:
    """What a task says goes to its own logger, with its own `extra` and what the run is: task, key and worker."""
    typing, notes = reader("004"), Notebook()
    typing.names.update(notes.functions("extract_data", "transform_data"))
    typing.names["load_data"] = notes.function("load_data", None, ValueError("no space"))
    await typing.types(11)
    pipeline = typing.names["complex_data_pipeline"]
    async with Shadow() as shadow, Worker(shadow, name="worker-7") as worker:
        await shadow.add(pipeline, key="good-key")("set-1")
        await worker.run_until_finished()
        failing = await shadow.add(pipeline, key="bad-key")("set-2")
        await worker.run_until_finished()
        await failing.sync()
        assert failing.state is ExecutionState.FAILED
    own = [record for record in caplog.records if record.name == "shadows.task.complex_data_pipeline"]
    spoken = [record for record in own if record.funcName == "complex_data_pipeline"]
    progress = ["Starting data pipeline", "Data extraction completed", "Data transformation completed"]
    assert [(record.levelname, record.getMessage()) for record in spoken] == [
        *(("INFO", said) for said in (*progress, "Data loading completed", *progress)),
        ("ERROR", "Pipeline failed"),
    ]
    assert [vars(record)["dataset_id"] for record in (spoken[0], spoken[4])] == ["set-1", "set-2"]
    assert vars(spoken[-1])["error"] == "no space"
    for record, key in zip(spoken, ["good-key"] * 4 + ["bad-key"] * 4, strict=True):
        context = {value for value in vars(record).values() if isinstance(value, str)}
        assert {"complex_data_pipeline", key, "worker-7"} <= context


async def test_built_in_utility_tasks(reader: Callable[[str], Reader], caplog: pytest.LogCaptureFixture) -> None:
    """A trace is logged; a failure fails, with its text, and stops nothing."""
    typing = reader("004")
    async with working() as shadow:
        remembering = typing.names["shadows"] = Remembering(shadow)
        await typing.types(12)
    async with Shadow() as shadow:
        found = [await shadow.get_execution(one.key) for one in remembering.placed]
        ended = [one for one in found if one is not None]
        states = [ExecutionState.COMPLETED, ExecutionState.COMPLETED, ExecutionState.FAILED]
        assert [one.state for one in ended] == states
        assert [one.function_name for one in ended] == ["trace", "trace", "fail"]
        with pytest.raises(Exception, match="Testing error notification system"):
            await ended[-1].get_result(timeout=20)
    said = lines(caplog)
    assert sum("System startup completed" in line for line in said) == 1
    assert sum("Processing batch 123" in line for line in said) == 1
    assert any("Testing error notification system" in line for line in said)
