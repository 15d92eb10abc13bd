"""Background tasks for asyncio, on Redis, Valkey, or in memory: at least once, on time, each key once.

A task is a plain function::

    async def send_welcome(customer: int) -> str: ...

A service places calls of it, now or later, under a key that makes them idempotent::

    async with Shadow("mail", "redis://localhost:6379/0") as shadows:
        execution = await shadows.add(send_welcome, when=timedelta(minutes=5), key="welcome-42")(42)
        print(await execution.get_result(timeout=600))

Any number of workers, anywhere, run them::

    async with Shadow("mail") as shadows, Worker(shadows, concurrency=20) as worker:
        shadows.register(send_welcome)
        await worker.run_forever()
"""

from __future__ import annotations

from shadows import tasks
from shadows.agenda import Agenda
from shadows.core.disposition import Disposition
from shadows.core.lifecycle import ExecutionState
from shadows.core.strikes import Strike
from shadows.core.version import __version__
from shadows.current import CurrentExecution, CurrentShadow, CurrentWorker
from shadows.dependencies.context import TaskKey, TaskLogger
from shadows.dependencies.cron import Cron
from shadows.dependencies.depends import CallArgument, Depends, Shared, TaskArgument
from shadows.dependencies.gates import ConcurrencyLimit, Cooldown, Debounce, RateLimit
from shadows.dependencies.logged import Logged
from shadows.dependencies.perpetual import Perpetual
from shadows.dependencies.process import in_process
from shadows.dependencies.progress import ExecutionProgress, Progress
from shadows.dependencies.retry import ExponentialRetry, Retry
from shadows.dependencies.timeout import Timeout
from shadows.errors import (
    BrokenKey,
    BrokerError,
    BrokerFull,
    BrokerUnavailable,
    ConfigurationError,
    CycleError,
    ExecutionCancelled,
    NotAllowed,
    OutcomeUnknown,
    OutOfMemory,
    PayloadTooLarge,
    ProcessDied,
    ResultUnavailable,
    SerializationError,
    ShadowsError,
    TaskFailed,
    Undecodable,
    UnknownTask,
    UnsupportedServer,
)
from shadows.execution import Execution, TaskCall
from shadows.letters import DeadLetter
from shadows.ports.broker import Cancellation
from shadows.shadow import Shadow
from shadows.snapshot import RunningExecution, Snapshot, WorkerInfo
from shadows.strike_list import StrikeList
from shadows.worker import Worker

__all__ = [  # noqa: RUF022 - grouped as a newcomer meets them
    # the front doors
    "Shadow",
    "StrikeList",
    "Worker",
    "Agenda",
    # what they return
    "Cancellation",
    "DeadLetter",
    "Disposition",
    "Execution",
    "ExecutionProgress",
    "ExecutionState",
    "RunningExecution",
    "Snapshot",
    "Strike",
    "TaskCall",
    "WorkerInfo",
    # what tasks declare
    "CallArgument",
    "ConcurrencyLimit",
    "Cooldown",
    "Cron",
    "CurrentExecution",
    "CurrentShadow",
    "CurrentWorker",
    "Debounce",
    "Depends",
    "ExponentialRetry",
    "Logged",
    "Perpetual",
    "Progress",
    "RateLimit",
    "Retry",
    "Shared",
    "TaskArgument",
    "TaskKey",
    "TaskLogger",
    "Timeout",
    "in_process",
    # what every shadow knows
    "tasks",
    # errors
    "BrokenKey",
    "BrokerError",
    "BrokerFull",
    "BrokerUnavailable",
    "ConfigurationError",
    "CycleError",
    "ExecutionCancelled",
    "NotAllowed",
    "OutOfMemory",
    "OutcomeUnknown",
    "PayloadTooLarge",
    "ProcessDied",
    "ResultUnavailable",
    "SerializationError",
    "ShadowsError",
    "TaskFailed",
    "Undecodable",
    "UnknownTask",
    "UnsupportedServer",
    "__version__",
]
