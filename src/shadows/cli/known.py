"""What is known of names and keys: one that nobody knows is most likely a typo."""

from __future__ import annotations

import difflib
import sys
from typing import TYPE_CHECKING

from shadows.cli.complaints import Complaint
from shadows.cli.exits import Code
from shadows.cli.printing import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shadows.shadow import Shadow
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
        print(f"note: {printable(words)}", file=sys.stderr)


def no_call(key: str, shadow: Shadow) -> Complaint:
    """Return what there is to say of a key that nobody knows."""
    what = f"the shadow {shadow.name} has no call {key!r}"
    cause = "it never had, or what became of it is not kept any more; --shadows and --url say where to look"
    return Complaint(Code.NOT_FOUND, what, cause=cause, remedy="shadows snapshot")
