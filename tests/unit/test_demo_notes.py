from __future__ import annotations

from typing import Any, cast

from shadows import Disposition, Execution, ExecutionState
from shadows.cli.demo import _note


async def test_a_call_that_is_ready_waits_for_a_worker() -> None:
    """In the demo itself that state is mostly too short to be seen."""
    ready = Execution[Any](
        "k",
        "greet",
        (),
        {},
        None,
        Disposition.SCHEDULED,
        None,
        ExecutionState.QUEUED,
        run="1",
        access=cast("Any", None),
    )
    assert await _note(ready) == "waits for a worker"
