from __future__ import annotations

import inspect

from shadows import Worker
from shadows.core.arguments import WorkerArguments


def test_a_whole_process_takes_what_a_worker_takes() -> None:
    """Whatever the constructor has, except the shadow, which the process opens itself."""
    taken = set(inspect.signature(Worker).parameters) - {"shadow"}
    assert set(WorkerArguments.__annotations__) == taken
