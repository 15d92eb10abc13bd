"""What is said of runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from shadows import Disposition, Execution, ExecutionState, Shadow, Worker
from shadows.cli.notes import LONGEST, returned, standing
from shadows.core.durations import rough

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


def run(state: ExecutionState | None, **more: Any) -> Execution[Any]:
    """Give a handle on a run in this state."""
    made = Execution[Any](
        "k", "greet", (), {}, None, Disposition.LOADED, None, state, run="1", access=cast("Any", None)
    )
    for name, value in more.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize(
    ("execution", "said"),
    [
        (run(ExecutionState.SCHEDULED, when=NOW + timedelta(hours=2)), "due in 2h"),
        (run(ExecutionState.SCHEDULED), "due now"),
        (
            run(ExecutionState.SCHEDULED, when=NOW + timedelta(seconds=2), attempt=3),
            "attempt 2 failed; the next one is due in 2.0s",
        ),
        (run(ExecutionState.QUEUED), "waits for a worker"),
        (run(ExecutionState.PARKED), "waits at a gate, or is held by a strike"),
        (run(ExecutionState.RUNNING, worker="host#1", attempt=2), "attempt 2 on host#1"),
        (run(ExecutionState.COMPLETED, started_at=NOW, completed_at=NOW + timedelta(minutes=3)), "after 3m"),
        (run(ExecutionState.COMPLETED), ""),
        (run(ExecutionState.FAILED, error="ValueError: no"), "ValueError: no"),
        (run(ExecutionState.CANCELLED, error="strike"), "strike"),
        (run(None), "nothing is kept of it"),
    ],
)
def test_each_state_is_explained_in_a_few_words(execution: Execution[Any], said: str) -> None:
    """For people who have never seen the word."""
    assert standing(execution, NOW) == said


async def lengthy() -> str:
    """Return much."""
    return "x" * 1000


async def test_a_long_result_is_cut() -> None:
    """It would push everything else off the screen."""
    async with Shadow("notes", "memory://notes") as shadow, Worker(shadow) as worker:
        execution = await shadow.add(lengthy)()
        await worker.run_until_finished()
        said = await returned(execution)
    assert said == f"returned '{'x' * (LONGEST - 1)}..."


async def test_a_result_that_is_not_kept_is_told_as_such() -> None:
    """The run has completed all the same."""
    async with Shadow("notes", "memory://notes", execution_ttl=timedelta(0)) as shadow:
        execution = await shadow.add("trace")("hello")
        assert (await returned(execution)).startswith("its result cannot be read here: the result of")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-1, "0.0s"),
        (0.04, "0.0s"),
        (9.94, "9.9s"),
        (59.6, "1m"),
        (61, "1m1s"),
        (3599, "59m59s"),
        (3629, "1h"),
        (3 * 3600 + 25 * 60 + 40, "3h26m"),
        (26 * 3600 + 1800.5, "1d3h"),
        (35 * 86_400, "35d"),
    ],
)
def test_a_span_is_told_as_people_do(seconds: float, said: str) -> None:
    """In its two largest units."""
    assert rough(timedelta(seconds=seconds)) == said
