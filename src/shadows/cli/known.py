"""Which tasks the workers that are here know: a name that none of them knows is most likely a typo."""

from __future__ import annotations

import difflib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shadows.snapshot import WorkerInfo


def doubt(task: str, workers: Iterable[WorkerInfo]) -> str:
    """Return what there is to say of a task's name; nothing if a worker knows it, or none is here to ask."""
    known = {name for worker in workers for name in worker.tasks}
    if not known or task in known:
        return ""
    near = difflib.get_close_matches(task, known, n=3)
    hint = f"; did you mean {', '.join(near)}?" if near else ""
    return f"no worker that is here knows a task {task!r}{hint}"


def note(words: str) -> None:
    """Tell people something that does not stand in the way."""
    if words:
        print(f"note: {words}", file=sys.stderr)
