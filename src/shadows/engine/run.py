"""Run: from a lease to a verdict.  One clause for each way in which a call can go."""

from __future__ import annotations

import asyncio
import contextvars
from random import random
from typing import TYPE_CHECKING, Any, assert_never, cast

import attrs

from shadows.core import verdict
from shadows.core.envelope import unpack
from shadows.engine.attempt import Attempt, Stop
from shadows.errors import Undecodable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Executor

    from shadows.core.envelope import Envelope
    from shadows.core.scheduling import Due
    from shadows.core.verdict import Verdict
    from shadows.dependencies.plan import Plan
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
    counts: Callable[[str, str], bool] = _everything
    """whether a first attempt of this key and task may still run here"""

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
        self.observer.started(task, lease)
        try:
            kwargs = plan.resolve(lease.attempt, kwargs, args)
            if plan.is_async:
                result = await plan.function(*args, **kwargs)
            else:
                result = await self._in_thread(attempt, plan.function, args, kwargs)
        except BaseException as error:  # noqa: BLE001 - whatever a body raises is its failure, and ends nothing else
            return self._ended(task, lease, self._raised(attempt, task, plan, error), error)
        return self._ended(task, lease, self._returned(attempt, task, result), None)

    def _ended(self, task: str, lease: Lease, judged: Verdict | None, error: BaseException | None) -> Verdict | None:
        if judged is not None:
            self.observer.ended(task, lease, judged, error)
        return judged

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

    def _returned(self, attempt: Attempt, task: str, result: object) -> Verdict | None:
        match attempt.stop:
            case Stop.LOST:
                return None
            case None | Stop.SHUTDOWN:
                reason = ""
            case Stop.CANCELLED:
                reason = "cancel_ignored"
            case _:
                assert_never(attempt.stop)
        try:
            return verdict.completed(task, self.outcomes.of_result(result), reason=reason)
        except BaseException as broken:  # noqa: BLE001 - to encode a value runs code of its class
            return verdict.failed(task, self.outcomes.of_error(broken), reason=reason)

    def _raised(self, attempt: Attempt, task: str, plan: Plan, error: BaseException) -> Verdict | None:
        lease = attempt.lease
        ours = isinstance(error, asyncio.CancelledError)
        match attempt.stop:
            case Stop.LOST:
                return None
            case Stop.SHUTDOWN if ours:
                return verdict.handed_back(lease.payload, attempt=lease.attempt)
            case Stop.CANCELLED:
                if ours:
                    return verdict.cancelled(task)
                return verdict.failed(task, self.outcomes.of_error(error), reason="cancel_ignored")
            case None | Stop.SHUTDOWN:
                when = self._next_attempt(plan, lease.attempt, error)
                if when is None:
                    return verdict.failed(task, self.outcomes.of_error(error))
                return verdict.again(lease.payload, attempt=lease.attempt + 1, due=when)
            case _:
                assert_never(attempt.stop)

    def _next_attempt(self, plan: Plan, attempt: int, error: BaseException) -> Due | None:
        if plan.retry is None:
            return None
        return plan.retry.for_attempt(attempt).next_due(error, random=random())  # noqa: S311 - jitter, no secret

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
