"""The patterns for task chains run as printed (seed 004), on memory, a Redis and a Valkey."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import attrs
import pytest

from shadows import ExecutionState, Shadow
from tests.system.conftest import until
from tests.system.programs import PATIENCE
from tests.system.reading import SEEDS, Notebook
from tests.system.workers import at_work, bring_forward, working

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.system.reading import Reader

pytestmark = pytest.mark.skipif(not SEEDS.is_dir(), reason=f"{SEEDS} is not there")


async def test_sequential_processing(reader: Callable[[str], Reader]) -> None:
    """Each link places the next one with what it made; data that is not valid takes the other way."""
    typing, notes = reader("004"), Notebook()
    typing.names.update(notes.functions("handle_invalid_data", "transform_and_store"))
    typing.names["download_file"] = notes.function("download_file", "/good", "/bad")

    async def is_valid_data(file_path: str) -> bool:
        return file_path == "/good"

    typing.names["is_valid_data"] = is_valid_data
    await typing.types(13)
    for url in ("https://one", "https://two"):
        async with working() as shadow:
            for task in ("validate_data", "process_data", "handle_invalid_data"):
                shadow.register(typing.names[task])
            await shadow.add(typing.names["download_data"])(url)
    assert notes.calls == [
        ("download_file", "https://one"),
        ("transform_and_store", "/good"),
        ("download_file", "https://two"),
        ("handle_invalid_data", "/bad"),
    ]


async def test_fan_out_processing(reader: Callable[[str], Reader]) -> None:
    """The chunks are processed in parallel; what comes after them waits for its time, under its key."""
    typing, notes = reader("004"), Notebook()
    typing.names["split_dataset_into_chunks"] = notes.function("split", ["a", "b", "c"])
    typing.names.update(notes.functions("mark_chunk_complete", "finalize_dataset"))
    everybody = asyncio.Barrier(3)

    async def process_data_chunk(dataset_id: str, chunk_id: str) -> None:
        await asyncio.wait_for(everybody.wait(), PATIENCE)

    typing.names["process_data_chunk"] = process_data_chunk
    await typing.types(14)
    async with Shadow() as shadow, at_work(shadow):
        whole = await shadow.add(typing.names["process_large_dataset"])("ds")
        await whole.get_result(timeout=PATIENCE)

        async def only_the_end_is_left() -> bool:
            return (await shadow.snapshot()).total_tasks == 1

        await until(only_the_end_is_left)
        assert notes.calls[0] == ("split", "ds")
        assert sorted(notes.calls[1:]) == [("mark_chunk_complete", "ds", chunk) for chunk in "abc"]
        last, taken = await shadow.get_execution("finalize-ds"), (await shadow.snapshot()).taken
        assert last is not None
        assert last.state is ExecutionState.SCHEDULED
        assert last.when is not None
        assert timedelta(hours=1, minutes=59) < last.when - taken <= timedelta(hours=2, milliseconds=1)  # rounded up
        await (await bring_forward(shadow, last)).get_result(timeout=PATIENCE)
    assert notes.calls[-1] == ("finalize_dataset", "ds", 3)


@attrs.frozen
class Behavior:
    """What somebody's behavior says."""

    churn: bool = False
    upsell: bool = False
    satisfied: bool = False

    def indicates_churn_risk(self) -> bool:
        """Say whether they leave."""
        return self.churn

    def indicates_upsell_opportunity(self) -> bool:
        """Say whether they want more."""
        return self.upsell

    def indicates_satisfaction(self) -> bool:
        """Say whether they are content."""
        return self.satisfied


async def test_conditional_workflows(reader: Callable[[str], Reader]) -> None:
    """A task decides what follows: one campaign, the other, itself in 30 days, or nothing."""
    typing, notes = reader("004"), Notebook()
    typing.names.update(notes.functions("create_retention_campaign", "create_upsell_campaign"))
    behaviors = {
        "leaving": Behavior(churn=True),
        "keen": Behavior(upsell=True),
        "content": Behavior(satisfied=True),
        "quiet": Behavior(),
    }

    async def collect_user_behavior(user_id: str) -> Behavior:
        return behaviors[user_id]

    typing.names["collect_user_behavior"] = collect_user_behavior
    await typing.types(15)
    async with Shadow() as shadow, at_work(shadow):
        for user in behaviors:
            await (await shadow.add(typing.names["analyze_user_behavior"])(user)).get_result(timeout=PATIENCE)

        async def only_the_next_check_is_left() -> bool:
            return (await shadow.snapshot()).total_tasks == 1

        await until(only_the_next_check_is_left)
        following, taken = await shadow.get_execution("behavior-check-content"), (await shadow.snapshot()).taken
        assert following is not None
        assert following.state is ExecutionState.SCHEDULED
        assert following.args == ("content",)
        assert following.when is not None
        assert timedelta(days=29, hours=23) < following.when - taken <= timedelta(days=30, milliseconds=1)  # rounded up
        await shadow.clear()
    assert sorted(notes.calls) == [("create_retention_campaign", "leaving"), ("create_upsell_campaign", "keen")]
