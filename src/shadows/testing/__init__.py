"""What tests of applications need: assertions, tasks that run at once, and a clock that jumps.

The fixtures of the pytest plugin (``shadow``, ``worker``, ``virtual_clock``) are there wherever pytest and this package
are installed.  The exam for other backends is :mod:`shadows.testing.exam`.
"""

from __future__ import annotations

from shadows.adapters.memory.virtual_clock import VirtualClock
from shadows.testing.assertions import (
    assert_no_tasks,
    assert_task_count,
    assert_task_not_scheduled,
    assert_task_scheduled,
)
from shadows.testing.inline import inline

__all__ = [
    "VirtualClock",
    "assert_no_tasks",
    "assert_task_count",
    "assert_task_not_scheduled",
    "assert_task_scheduled",
    "inline",
]
