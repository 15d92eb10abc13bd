"""Run: from a lease to a verdict.  One clause for each way in which a call can go."""

from __future__ import annotations

import asyncio
import contextvars
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, cast

import attrs

from shadows.core import verdict
from shadows.core.envelope import unpack
from shadows.dependencies.context import current_execution
from shadows.dependencies.dependency import TaskOutcome
from shadows.dependencies.running import Running
from shadows.dependencies.setup import Setup
from shadows.engine.admit import Gatekeeper
from shadows.engine.attempt import Attempt, Stop
from shadows.engine.conclude import Concluder
from shadows.errors import ExecutionCancelled, Undecodable

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


NO_TIME: Final = timedelta(0)


def _everything(key: str, task: str) -> bool:  # noqa: ARG001 - the signature of a count
    return True


@attrs.define
class Runner:
    """Runs bodies.  It asks nobody but the gates, and tells nobody but the observer: its answer is the verdict."""

    tasks: Mapping[str, Plan]
    codecs: Mapping[str, Codec]
    outcomes: Outcomes
    threads: Executor
    observer: Observer
    workplace: Workplace
    fallback: Plan | None = None
    """runs the calls of tasks that are not known here"""
    counts: Callable[[str, str], bool] = _everything
    """whether a first attempt of this key and task may still run here"""
    gatekeeper: Gatekeeper = attrs.field(init=False)
    _concluder: Concluder = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._concluder = Concluder(self.outcomes)
        self.gatekeeper = Gatekeeper(self.observer, self._concluder)

    async def run(self, attempt: Attempt) -> Verdict | None:
        """Return what becomes of the lease; None when it is not ours to settle any more."""
        lease = attempt.lease
        try:
            envelope = unpack(lease.payload)
            plan = self.tasks.get(envelope.task, self.fallback)
            if plan is None:
                return self._refused(envelope.task, lease, verdict.unknown(lease.payload, attempt=lease.attempt))
            args, kwargs = self._arguments(envelope)
        except Undecodable as broken:
            return self._refused("?", lease, _unreadable(lease, broken))
        task = envelope.task
        if plan.gates or lease.dropped:
            stopped = await self.gatekeeper.stops(attempt, plan.gates, task, args, kwargs)
            if stopped is not None:
                if not stopped.dropped:
                    return stopped.judged
                return await self.skip(
                    attempt, Running(self.workplace, lease, task, plan, args, kwargs), stopped.dropped
                )
        if lease.attempt == 1 and lease.deliveries == 1 and not self.counts(lease.key, task):
            return self._refused(task, lease, verdict.cancelled(task, reason="run_at_most"))
        running = Running(self.workplace, lease, task, plan, args, kwargs)
        current_execution.of_run.set(running)
        if plan.recurring is not None and plan.recurring.skips(running):
            judged = await self.skip(attempt, running, "missed")
            return judged and self._refused(task, lease, judged)
        self.observer.started(task, lease, running)
        if plan.plain:
            try:
                result, error = await self._body(attempt, plan, args, kwargs), None
            except BaseException as raised:  # noqa: BLE001 - whatever a body raises is its failure, and ends nothing else
                result, error = None, raised
            judged = self._concluder.ended(attempt, task, result, error)
        else:
            judged, error = await self._run_with_dependencies(attempt, plan, running)
        if judged is not None:
            self.observer.ended(task, lease, judged, error)
        return judged

    async def skip(self, attempt: Attempt, running: Running, reason: str) -> Verdict | None:
        """Return the verdict on a run that is dropped before its body; its next occurrence follows all the same."""
        setup = self._setup(running)
        error: BaseException | None = ExecutionCancelled(running.key, reason)
        try:
            await setup.open(only_deciders=True)
        except BaseException as raised:  # noqa: BLE001 - whatever a dependency raises ends nothing else
            error = raised
        return (await self._concluder.dropped(attempt, running, reason, TaskOutcome(NO_TIME, None, error), setup))[0]

    async def _run_with_dependencies(
        self, attempt: Attempt, plan: Plan, running: Running
    ) -> tuple[Verdict | None, BaseException | None]:
        """Set up, run the body, clean up, and ask those who decide."""
        setup = self._setup(running)
        began = self.workplace.clock.monotonic()
        result: object = None
        error: BaseException | None = None
        try:
            await setup.open()
            kwargs = setup.fill(running.kwargs)
            if setup.runtime is None:
                result = await self._body(attempt, plan, running.args, kwargs, setup)
            else:

                async def body(*args: Any, **kwargs: Any) -> object:
                    return await self._body(attempt, plan, args, kwargs, setup)

                result = await setup.runtime.run(running.execution, body, running.args, kwargs)
        except BaseException as raised:  # noqa: BLE001 - whatever they raise is the run's failure, and ends nothing else
            error = raised
        if setup.opened:
            error = await setup.close(error)
        if error is None and setup.on_complete is None and not setup.opened:
            return self._concluder.ended(attempt, running.task, result), None
        outcome = TaskOutcome(timedelta(seconds=self.workplace.clock.monotonic() - began), result, error)
        judged, error = await self._concluder.decided(attempt, running, outcome, setup)
        for untidy in setup.untidy:
            self.observer.untidy(running.task, untidy)
        return judged, error

    def _setup(self, running: Running) -> Setup:
        keeping = self.workplace.keeping
        return Setup(running.plan.arrangement(running.args, running.kwargs), running, keeping, keeping.seconds)

    async def _body(
        self,
        attempt: Attempt,
        plan: Plan,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        setup: Setup | None = None,
    ) -> object:
        if plan.is_async:
            return await plan.function(*args, **kwargs)
        if setup is None:
            return await self._in_thread(attempt, plan.function, args, kwargs)
        loop = asyncio.get_running_loop()
        return await self._in_thread(attempt, setup.in_thread, (loop, plan.function, args, kwargs), {})

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
