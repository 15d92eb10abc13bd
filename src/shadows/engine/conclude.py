"""Conclude: from what a body did, and what its handlers want, to a verdict."""

from __future__ import annotations

import asyncio
import functools
from datetime import timedelta
from typing import TYPE_CHECKING, Any, assert_never

import attrs

from shadows.core import verdict
from shadows.core.decision import Decision, Then
from shadows.core.envelope import unpack
from shadows.core.scheduling import Due, milliseconds
from shadows.core.verdict import Occurrence
from shadows.dependencies.dependency import AdmissionBlocked, TaskOutcome
from shadows.engine.attempt import Stop
from shadows.errors import TaskFailed

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from shadows.core.verdict import Verdict
    from shadows.dependencies.running import Running
    from shadows.dependencies.setup import Setup
    from shadows.engine.attempt import Attempt
    from shadows.engine.outcomes import Outcomes


@attrs.frozen
class Concluder:
    """Concludes attempts.  Whatever a handler, a result or an exception does is its own run's failure."""

    outcomes: Outcomes

    def ended(
        self,
        attempt: Attempt,
        task: str,
        result: object = None,
        error: BaseException | None = None,
        follow: Occurrence | None = None,
        *,
        last: bool = False,
    ) -> Verdict | None:
        """Return the verdict on an attempt that nobody wants to go on; None when it is not ours to settle any more."""
        if attempt.stop is None and error is None and result is None and follow is None and not last:
            return _done(task)  # nearly every run of nearly every task
        lease, reason = attempt.lease, ""
        ours = isinstance(error, asyncio.CancelledError)
        match attempt.stop:
            case Stop.LOST:
                return None
            case Stop.SHUTDOWN if ours:
                return verdict.handed_back(lease.payload, attempt=lease.attempt)
            case Stop.CANCELLED if ours:
                return verdict.cancelled(task)
            case Stop.CANCELLED:
                reason = "cancel_ignored"
            case None | Stop.SHUTDOWN:
                pass
            case _:
                assert_never(attempt.stop)
        if error is None:
            try:
                data = self.outcomes.of_result(result, lease.key, lease.fence)
            except BaseException as broken:  # noqa: BLE001 - to encode a value runs code of its class
                error = broken
            else:
                return verdict.completed(task, data, reason=reason, follow=follow, last=last)
        data = self.outcomes.of_error(error, lease.key, lease.fence)
        return verdict.failed(task, data, reason=reason, follow=follow, last=last)

    async def decided(
        self, attempt: Attempt, running: Running, outcome: TaskOutcome, setup: Setup
    ) -> tuple[Verdict | None, BaseException | None]:
        """Ask those who decide, unless somebody stopped the attempt; return the verdict, and what the run raised."""
        blocked = outcome.exception
        if isinstance(blocked, AdmissionBlocked) and not _stopped(attempt, blocked):
            return await self._blocked(attempt, running, blocked, setup)
        decision: Decision | None = None
        handler = setup.on_failure
        if handler is not None and outcome.exception is not None and not _stopped(attempt, outcome.exception):
            decision, outcome = await _ask(handler.handle_failure(running.execution, outcome), outcome)
        if decision is None or decision.then not in {Then.RETRY, Then.FOLLOW}:
            decision, outcome = await self._over(attempt, running, outcome, setup)
        decision, outcome = await _closed(setup, decision, outcome)
        lease, follow, error = running.lease, None, outcome.exception
        match decision:
            case Decision(then=Then.RETRY):
                return verdict.again(lease.payload, attempt=lease.attempt + 1, due=decision.due), error
            case Decision(then=Then.FOLLOW):
                follow, error = self._next(running, decision, error)
            case _:
                pass
        last = decision is not None and decision.then is Then.LAST
        return self.ended(attempt, running.task, outcome.result, error, follow, last=last), error

    async def dropped(
        self, attempt: Attempt, running: Running, reason: str, outcome: TaskOutcome, setup: Setup
    ) -> tuple[Verdict | None, BaseException | None]:
        """Conclude a run that is dropped, not failed: its next occurrence follows all the same (INV 24)."""
        decision, outcome = await _closed(setup, *await self._over(attempt, running, outcome, setup))
        follow = None
        if decision is not None and decision.then is Then.FOLLOW:
            follow, _ = self._next(running, decision, None)
        if _stopped(attempt, outcome.exception):
            return self.ended(attempt, running.task, None, outcome.exception), outcome.exception
        return verdict.cancelled(running.task, reason=_short(reason), follow=follow), None

    async def _blocked(
        self, attempt: Attempt, running: Running, blocked: AdmissionBlocked, setup: Setup
    ) -> tuple[Verdict | None, BaseException | None]:
        """Being blocked is no failure, and uses up no attempt (INV 22)."""
        lease, outcome = running.lease, TaskOutcome(timedelta(0), None, blocked)
        if not blocked.reschedule:
            return await self.dropped(attempt, running, blocked.reason, outcome, setup)
        _, outcome = await _closed(setup, None, outcome)
        due = Due(after=milliseconds(blocked.retry_delay))
        return verdict.again(lease.payload, attempt=lease.attempt, due=due), outcome.exception

    async def _over(
        self, attempt: Attempt, running: Running, outcome: TaskOutcome, setup: Setup
    ) -> tuple[Decision | None, TaskOutcome]:
        handler = setup.on_complete
        if handler is None or _stopped(attempt, outcome.exception):
            return None, outcome
        return await _ask(handler.on_complete(running.execution, outcome), outcome)

    def _next(
        self, running: Running, decision: Decision, error: BaseException | None
    ) -> tuple[Occurrence, BaseException | None]:
        """Return what follows.  If its arguments cannot travel, the run has failed, and those of before go on."""
        lease, payload = running.lease, running.lease.payload
        if decision.args is not None:
            try:
                payload = self.outcomes.wire.call(
                    running.task,
                    lease.key,
                    decision.args,
                    dict(decision.kwargs or {}),
                    function=running.plan.function,
                    headers=unpack(payload).headers,
                )
            except BaseException as broken:  # noqa: BLE001 - to encode a value runs code of its class
                error = broken
        return Occurrence(payload, decision.due, decision.definition), error


@functools.lru_cache(maxsize=1024)
def _done(task: str) -> Verdict:
    """Return the verdict on a run that returned None; there is one for each task."""
    return verdict.completed(task)


def _short(reason: str) -> str:
    """Return as much of it as a record keeps beside its other small values."""
    return reason.encode()[:64].decode(errors="ignore")


def _stopped(attempt: Attempt, error: BaseException | None) -> bool:
    match attempt.stop:
        case None:
            return False
        case Stop.LOST | Stop.CANCELLED:
            return True
        case Stop.SHUTDOWN:
            return isinstance(error, asyncio.CancelledError)
        case _:
            assert_never(attempt.stop)


async def _closed(setup: Setup, decision: Decision | None, outcome: TaskOutcome) -> tuple[Decision | None, TaskOutcome]:
    """Close what those who decide had open; what goes wrong then is the run's failure, and it is not tried again."""
    error = await setup.close(outcome.exception, deciders=True)
    if error is outcome.exception:
        return decision, outcome
    again = decision is not None and decision.then is Then.RETRY
    return None if again else decision, attrs.evolve(outcome, exception=error)


async def _ask(answer: Awaitable[Any], outcome: TaskOutcome) -> tuple[Decision | None, TaskOutcome]:
    """Return a handler's decision, and the outcome as it changes it; its own failure is that of the run."""
    try:
        decision = await answer
        if decision is not None and not isinstance(decision, Decision):
            raise TypeError(f"a handler returned {decision!r}; it must return a Decision or None")  # noqa: TRY301
    except BaseException as broken:  # noqa: BLE001 - whatever it raises is the run's failure, and ends nothing else
        return None, attrs.evolve(outcome, exception=broken)
    if decision is not None and decision.then is Then.COMPLETE:
        return decision, attrs.evolve(outcome, exception=None)
    if decision is not None and decision.then is Then.FAIL and outcome.exception is None:
        return decision, attrs.evolve(outcome, exception=TaskFailed("its completion handler decided that it failed"))
    return decision, outcome
