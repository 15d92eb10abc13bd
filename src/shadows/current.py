"""Markers for what a run belongs to: its shadow, its worker, and itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from shadows.dependencies.context import CurrentExecutionMarker, CurrentShadowMarker, CurrentWorkerMarker

if TYPE_CHECKING:
    from shadows.execution import Execution
    from shadows.shadow import Shadow
    from shadows.worker import Worker

# ruff: noqa: N802 - they read like the classes that they stand for


def CurrentShadow() -> Shadow:
    """Let the parameter have the shadow whose call runs, to add further calls, for example."""
    return cast("Shadow", CurrentShadowMarker())


def CurrentWorker() -> Worker:
    """Let the parameter have the worker that runs the call."""
    return cast("Worker", CurrentWorkerMarker())


def CurrentExecution() -> Execution[Any]:
    """Let the parameter have the run itself: its key, its attempt, its ``fence`` for writes of the task's own."""
    return cast("Execution[Any]", CurrentExecutionMarker())
