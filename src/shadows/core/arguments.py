"""What a worker may be told, for functions that pass it on."""

from __future__ import annotations

from typing import Any, TypedDict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import timedelta

    from shadows.core.settings import Leftover


class WorkerArguments(TypedDict, total=False):
    """The arguments of a worker by name, as its constructor explains them."""

    name: str | None
    concurrency: int | None
    redelivery_timeout: timedelta | None
    reconnection_delay: timedelta | None
    minimum_check_interval: timedelta | None
    scheduling_resolution: timedelta | None
    schedule_automatic_tasks: bool | None
    fallback_task: Callable[..., Any] | str | None
    dependencies: Mapping[str, Any] | Iterable[Any] | None
    max_deliveries: int | None
    drain_timeout: timedelta | None
    dependency_timeout: timedelta | None
    task_processes: int | None
    leftover_tasks: Leftover | None
    enable_internal_instrumentation: bool | None
