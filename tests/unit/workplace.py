"""A workplace without a shadow or a worker, and what is known of a run there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shadows.adapters.clock import SystemClock
from shadows.dependencies.running import Running, Workplace
from shadows.ports.broker import Lease

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

REPORTS: list[Mapping[str, str]] = []
"""Progress that runs of a test have reported."""


async def report(lease: Lease, progress: Mapping[str, str]) -> bool:
    """Note it; the lease holds unless its fence is 0."""
    REPORTS.append(progress)
    return lease.fence > 0


def workplace(shadow: Any = "the shadow", worker: Any = "the worker", **more: Any) -> Workplace:
    """Return a workplace, whose runs have their key as their handle."""
    return Workplace(shadow, worker, SystemClock(), lambda running: f"the execution {running.key}", report, **more)


def lease(payload: bytes = b"", *, attempt: int = 1, deliveries: int = 1) -> Lease:
    """Return the lease of a call with the key `k`."""
    return Lease("k", "token", 7, attempt, payload, deliveries, 1_000, 2_000)


def running(
    *args: Any,
    attempt: int = 1,
    task: str = "task",
    function: Callable[..., Any] = print,
    place: Workplace | None = None,
    **kwargs: Any,
) -> Running:
    """Return what is known of a run with these arguments."""
    return Running(place or workplace(), lease(attempt=attempt), task, function, args, kwargs)
