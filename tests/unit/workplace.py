"""A workplace without a shadow or a worker, and what is known of a run there."""

from __future__ import annotations

from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import attrs

from shadows.adapters.clock import SystemClock
from shadows.dependencies.keeping import Keeping
from shadows.dependencies.plan import plan
from shadows.dependencies.running import Running, Workplace
from shadows.dependencies.setup import Setup
from shadows.ports.broker import Lease

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

REPORTS: list[Mapping[str, str]] = []
"""Progress that runs of a test have reported."""


async def report(lease: Lease, progress: Mapping[str, str]) -> bool:
    """Note it; the lease holds unless its fence is 0."""
    REPORTS.append(progress)
    return lease.fence > 0


@attrs.frozen
class Named:
    """Stands for a shadow or a worker."""

    name: str


@attrs.frozen
class Handle:
    """Stands for an execution."""

    key: str


UNTIDY: list[tuple[str, BaseException]] = []
"""What a workplace could not close."""


def workplace(*, seconds: float = 5.0) -> Workplace:
    """Return a workplace where setting up or cleaning up a dependency may take so many seconds."""
    keeping = Keeping(copy_context(), seconds, lambda what, error: UNTIDY.append((what, error)))
    keeping.workplace = made = Workplace(
        Named("shadow"), Named("worker"), SystemClock(), keeping, lambda running: Handle(running.key), report
    )
    return made


def lease(payload: bytes = b"", *, attempt: int = 1, deliveries: int = 1) -> Lease:
    """Return the lease of a call with the key `k`."""
    return Lease("k", "token", 7, attempt, payload, deliveries, 1_000, 2_000)


def running(
    *args: Any,
    attempt: int = 1,
    task: str = "task",
    function: Callable[..., Any] | None = None,
    place: Workplace | None = None,
    **kwargs: Any,
) -> Running:
    """Return what is known of a run with these arguments."""
    made = plan(_anything if function is None else function)
    return Running(place or workplace(), lease(attempt=attempt), task, made, args, kwargs)


async def set_up(run: Running, *, seconds: float = 5.0) -> Setup:
    """Take all steps of a run on the loop."""
    made = Setup(run.plan.arrangement(run.args, run.kwargs), run, run.workplace.keeping, seconds)
    await made.open()
    return made


async def filled(run: Running) -> dict[str, Any]:
    """Return the keyword arguments that the body of a run gets, with its dependencies; they are not closed."""
    return (await set_up(run)).fill(run.kwargs)


async def _anything(*args: Any, **kwargs: Any) -> None: ...
