"""Elsewhere: where plain functions run, so that the event loop does not wait for them."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Self

import attrs

from shadows.engine.processes import Processes
from shadows.engine.threads import Threads

if TYPE_CHECKING:
    from shadows.core.settings import WorkerOptions
    from shadows.dependencies.plan import Plan
    from shadows.dependencies.setup import Setup
    from shadows.engine.attempt import Attempt
    from shadows.ports.codec import Codec


@attrs.frozen
class Elsewhere:
    """The threads and the processes of one worker."""

    threads: Threads
    processes: Processes
    _executor: ThreadPoolExecutor

    @classmethod
    def of(cls, options: WorkerOptions, codec: Codec) -> Self:
        """Return those of a worker with these options, with a thread for each slot; nothing is started yet."""
        executor = ThreadPoolExecutor(options.concurrency, thread_name_prefix=f"shadows-{options.name}")
        threads = Threads(executor)
        return cls(threads, Processes(codec, threads, options.task_processes or _processors()), executor)

    async def run(
        self, attempt: Attempt, plan: Plan, args: tuple[Any, ...], kwargs: dict[str, Any], setup: Setup | None = None
    ) -> object:
        """Call the plan's function, which is a plain one, where it is to run; ``setup`` takes its last steps there."""
        if plan.in_process:
            return await self.processes.run(attempt, plan, args, kwargs, setup)
        return await self.threads.run(attempt, plan.function, args, kwargs, setup)

    async def close(self) -> None:
        """End what can be ended; a thread that does not return is left to itself."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        if self.processes.were_used:
            await asyncio.to_thread(self.processes.close)


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
