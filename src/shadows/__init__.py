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

A name is imported when it is first asked for, so that ``import shadows`` costs next to nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shadows import tasks, testing
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
        NotAuthentic,
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
    from shadows.sync_shadow import SyncShadow
    from shadows.worker import Worker

__all__ = [  # noqa: RUF022 - grouped as a newcomer meets them
    # the front doors
    "Shadow",
    "StrikeList",
    "SyncShadow",
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
    # what tests need
    "testing",
    # errors
    "BrokenKey",
    "BrokerError",
    "BrokerFull",
    "BrokerUnavailable",
    "ConfigurationError",
    "CycleError",
    "ExecutionCancelled",
    "NotAllowed",
    "NotAuthentic",
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

if not TYPE_CHECKING:  # pragma: no branch - to a type checker, a module with a `__getattr__` has every name
    _HOMES = {
        name: home
        for home, names in {
            "agenda": "Agenda",
            "core.disposition": "Disposition",
            "core.lifecycle": "ExecutionState",
            "core.strikes": "Strike",
            "core.version": "__version__",
            "current": "CurrentExecution CurrentShadow CurrentWorker",
            "dependencies.context": "TaskKey TaskLogger",
            "dependencies.cron": "Cron",
            "dependencies.depends": "CallArgument Depends Shared TaskArgument",
            "dependencies.gates": "ConcurrencyLimit Cooldown Debounce RateLimit",
            "dependencies.logged": "Logged",
            "dependencies.perpetual": "Perpetual",
            "dependencies.process": "in_process",
            "dependencies.progress": "ExecutionProgress Progress",
            "dependencies.retry": "ExponentialRetry Retry",
            "dependencies.timeout": "Timeout",
            "errors": "BrokenKey BrokerError BrokerFull BrokerUnavailable ConfigurationError CycleError "
            "ExecutionCancelled NotAllowed NotAuthentic OutOfMemory OutcomeUnknown PayloadTooLarge ProcessDied "
            "ResultUnavailable "
            "SerializationError ShadowsError TaskFailed Undecodable UnknownTask UnsupportedServer",
            "execution": "Execution TaskCall",
            "letters": "DeadLetter",
            "ports.broker": "Cancellation",
            "shadow": "Shadow",
            "snapshot": "RunningExecution Snapshot WorkerInfo",
            "strike_list": "StrikeList",
            "sync_shadow": "SyncShadow",
            "worker": "Worker",
        }.items()
        for name in names.split()
    }
    """the module that each name comes from; a test holds it against the imports above"""

    def __getattr__(name: str) -> object:
        from importlib import import_module  # noqa: PLC0415 - as late as all else

        if name in ("tasks", "testing"):
            return import_module(f"shadows.{name}")  # which the import itself makes an attribute of this module
        if name not in _HOMES:
            raise AttributeError(f"module 'shadows' has no attribute {name!r}", name=name, obj=import_module("shadows"))
        found = globals()[name] = getattr(import_module(f"shadows.{_HOMES[name]}"), name)
        return found

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
