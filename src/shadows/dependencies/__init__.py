"""What tasks declare as defaults of their parameters, and how a run gets it.

For the authors of dependencies: build on :class:`Dependency`, or on one of those that decide: :class:`Runtime`,
:class:`FailureHandler`, :class:`CompletionHandler`, which answer with one of :mod:`decision`'s values.
"""

from __future__ import annotations

from shadows.core import decision
from shadows.core.decision import Decision
from shadows.dependencies.context import current_execution, current_shadow, current_worker
from shadows.dependencies.dependency import (
    AdmissionBlocked,
    CompletionHandler,
    Dependency,
    FailureHandler,
    Runtime,
    TaskOutcome,
)

__all__ = [
    "AdmissionBlocked",
    "CompletionHandler",
    "Decision",
    "Dependency",
    "FailureHandler",
    "Runtime",
    "TaskOutcome",
    "current_execution",
    "current_shadow",
    "current_worker",
    "decision",
]
