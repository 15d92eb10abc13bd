"""Run: from a lease to a verdict.  One clause for each way in which a call can go."""

from __future__ import annotations

import asyncio
import contextvars
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import attrs

from shadows.core import verdict
from shadows.core.envelope import unpack
from shadows.dependencies.dependency import TaskOutcome
from shadows.dependencies.plan import Resolved
from shadows.dependencies.running import Running
from shadows.engine.attempt import Attempt, Stop
from shadows.engine.conclude import Concluder
from shadows.errors import Undecodable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Executor

    from shadows.core.envelope import Envelope
    from shadows.core.verdict import Verdict
    from shadows.dependencies.plan import Plan
    from shadows.dependencies.running import Workplace
    from shadows.engine.outcomes import Outcomes
    from shadows.ports.broker import Lease
    from shadows.ports.codec import Codec
    from shadows.ports.observer import Observer


def _everything(key: str, task: str) -> bool:  # noqa: ARG001 - the signature of a count
    return True


@attrs.define
class Runner:
    """Runs bodies.  It asks nobody and tells nobody but the observer: its answer is the verdict."""

    tasks: Mapping[str, Plan]
    codecs: Mapping[str, Codec]
    outcomes: Outcomes
    threads: Executor
    observer: Observer
    workplace: Workplace
    counts: Callable[[str, str], bool] = _everything
    """whether a first attempt of this key and task may still run here"""
    _concluder: Concluder = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._concluder = Concluder(self.outcomes)

    async def run(self, attempt: Attempt) -> Verdict | None:
        """Return what becomes of the lease; None when it is not ours to settle any more."""
        lease = attempt.lease
        try:
            envelope = unpack(lease.payload)
            plan = self.tasks.get(envelope.task)
            if plan is None:
                return self._refused(envelope.task, lease, verdict.unknown(lease.payload, attempt=lease.attempt))
            args, kwargs = self._arguments(envelope)
        except Undecodable as broken:
            return self._refused("?", lease, _unreadable(lease, broken))
        task = envelope.task
        if lease.attempt == 1 and lease.deliveries == 1 and not self.counts(lease.key, task):
            return self._refused(task, lease, verdict.cancelled(task, reason="run_at_most"))
        running = Running(self.workplace, lease, task, plan.function, args, kwargs)
        self.observer.started(task, lease)
        if plan.markers:
            judged, error = await self._run_with_dependencies(attempt, plan, running)
        else:
            result, error = await self._body(attempt, plan, args, kwargs)
            judged = self._concluder.ended(attempt, task, result, error)
        if judged is not None:
            self.observer.ended(task, lease, judged, error)
        return judged

    async def _run_with_dependencies(
        self, attempt: Attempt, plan: Plan, running: Running
    ) -> tuple[Verdict | None, BaseException | None]:
        began = self.workplace.clock.monotonic()
        resolved, result, error = Resolved(running.kwargs), None, None
        try:
            resolved = plan.resolve(running)
            if resolved.runtime is None:
                result, error = await self._body(attempt, plan, running.args, resolved.kwargs)
            else:

                async def call(*args: Any, **kwargs: Any) -> Any:
                    return await self._call(attempt, plan, args, kwargs)

                result = await resolved.runtime.run(running.execution, call, running.args, resolved.kwargs)
        except BaseException as broken:  # noqa: BLE001 - whatever they raise is the run's failure
            error = broken
        spent = timedelta(seconds=self.workplace.clock.monotonic() - began)
        outcome = TaskOutcome(spent, result, error)
        return await self._concluder.decided(attempt, running, outcome, resolved.on_failure, resolved.on_complete)

    async def _body(
        self, attempt: Attempt, plan: Plan, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[object, BaseException | None]:
        try:
            return await self._call(attempt, plan, args, kwargs), None
        except BaseException as error:  # noqa: BLE001 - whatever a body raises is its failure, and ends nothing else
            return None, error

    async def _call(self, attempt: Attempt, plan: Plan, args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
        if plan.is_async:
            return await plan.function(*args, **kwargs)
        return await self._in_thread(attempt, plan.function, args, kwargs)

    def _arguments(self, envelope: Envelope) -> tuple[tuple[Any, ...], dict[str, Any]]:
        codec = self.codecs.get(envelope.codec)
        if codec is None:
            msg = f"encoded by a codec {envelope.codec!r} that is not configured here"
            raise Undecodable(msg, temporary=True)
        decoded = codec.decode(envelope.arguments)
        match decoded:
            case [tuple(), dict()]:
                return cast("tuple[tuple[Any, ...], dict[str, Any]]", decoded)
            case _:
                msg = "the arguments are no pair of positional and keyword ones"
                raise Undecodable(msg)

    def _refused(self, task: str, lease: Lease, judged: Verdict) -> Verdict:
        self.observer.refused(task, lease, judged)
        return judged

    async def _in_thread(
        self, attempt: Attempt, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> object:
        """Run a plain function in a thread.  A thread cannot be cancelled: until it returns, the attempt
        goes on.
        """
        context = contextvars.copy_context()

        def body() -> tuple[object, BaseException | None]:  # a future cannot carry StopIteration
            try:
                return context.run(function, *args, **kwargs), None
            except BaseException as error:  # noqa: BLE001 - raised again on the loop
                return None, error

        returned = asyncio.get_running_loop().run_in_executor(self.threads, body)
        cancelled: asyncio.CancelledError | None = None
        while True:
            try:
                result, error = await asyncio.shield(returned)
                break
            except asyncio.CancelledError as asked:
                if attempt.stop is Stop.SHUTDOWN or returned.cancelled():
                    raise
                cancelled = asked
        if cancelled is not None:
            raise cancelled
        if error is not None:
            raise error
        return result


def _unreadable(lease: Lease, broken: Undecodable) -> Verdict:
    if broken.temporary:
        return verdict.unknown(lease.payload, attempt=lease.attempt)
    return verdict.dead(lease.payload, attempt=lease.attempt, reason="undecodable")
