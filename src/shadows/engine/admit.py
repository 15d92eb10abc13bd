"""Admit: ask the gates for bodies that are about to run, one trip for all that wait (group commit).

A body waits for its answer.  One that has to wait at a gate is not kept here: its call is given back with the
answer, and comes again when it may run.
"""

from __future__ import annotations

import asyncio
from random import random
from typing import TYPE_CHECKING, Any, Final, assert_never

import attrs

from shadows.core import verdict
from shadows.core.backoff import pause
from shadows.core.scheduling import Due
from shadows.errors import BrokerUnavailable
from shadows.ports.admission import Admission, Passage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from shadows.core.gates import Gate
    from shadows.core.holder import Holder
    from shadows.core.verdict import Verdict
    from shadows.dependencies.gates import GatesOfTask
    from shadows.engine.attempt import Attempt
    from shadows.engine.conclude import Concluder
    from shadows.ports.broker import Broker, Lease
    from shadows.ports.observer import Observer

TRIP: Final = 50
"""The most leases of one trip."""
A_MOMENT: Final = Due(after=1000)
"""When a call is tried again whose gates could not be asked."""


@attrs.frozen
class Stopped:
    """A call that does not run now."""

    judged: Verdict | None = None
    """what to settle; None when the lease was given up, or is to be settled as dropped"""
    dropped: str = ""
    """why a gate has dropped it, if one has"""


async def _everybody(lease: Lease, gates: Sequence[Gate]) -> Admission:  # noqa: ARG001 - how gates are asked
    return Admission(Passage.ADMITTED)


@attrs.define
class Gatekeeper:
    """Stands between a claimed call and its body."""

    observer: Observer
    concluder: Concluder
    ask: Callable[[Lease, Sequence[Gate]], Awaitable[Admission]] = _everybody

    async def stops(
        self, attempt: Attempt, gates: GatesOfTask, task: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Stopped | None:
        """Return what becomes of the call instead of running now; None lets it pass."""
        lease = attempt.lease
        if lease.dropped:
            return self._stopped(task, lease, Admission(Passage.DROPPED, lease.dropped))
        if lease.admitted:
            return None
        try:
            named = gates.of_call(task, args, kwargs)
        except BaseException as error:  # noqa: BLE001 - str(argument) runs the caller's code: it is the run's failure
            return self._ended(attempt, task, error)
        attempt.asking = True
        try:
            admission = await self.ask(lease, named)
        except asyncio.CancelledError as error:
            return self._ended(attempt, task, error)
        finally:
            attempt.asking = False
        return self._stopped(task, lease, admission)

    def _stopped(self, task: str, lease: Lease, admission: Admission) -> Stopped | None:
        match admission.passage:
            case Passage.ADMITTED:
                return None
            case Passage.DROPPED:
                stopped = Stopped(dropped=admission.reason)
            case Passage.BROKEN:
                stopped = Stopped(verdict.again(lease.payload, attempt=lease.attempt, due=A_MOMENT))
            case Passage.PARKED | Passage.DELAYED | Passage.CANCELLED | Passage.SUPERSEDED:
                stopped = Stopped()
            case _:
                assert_never(admission.passage)
        self.observer.blocked(task, lease, admission)
        return stopped

    def _ended(self, attempt: Attempt, task: str, error: BaseException) -> Stopped:
        judged = self.concluder.ended(attempt, task, None, error)
        if judged is not None:
            self.observer.ended(task, attempt.lease, judged, error)
        return Stopped(judged)


@attrs.frozen(eq=False)
class _Asking:
    lease: Lease
    gates: Sequence[Gate]
    answer: asyncio.Future[Admission]


@attrs.define(eq=False)
class Admissions:
    """One worker's trips to the gates."""

    broker: Broker
    holder: Holder
    longest: float
    """seconds of the longest pause between two tries to reach the broker"""
    _waiting: list[_Asking] = attrs.field(factory=list[_Asking], init=False)
    _trips: asyncio.Task[None] | None = attrs.field(default=None, init=False)

    async def ask(self, lease: Lease, gates: Sequence[Gate]) -> Admission:
        """Return what becomes of the call at its gates; a broker that is away is waited for.

        Raises:
            BrokerError: other than BrokerUnavailable.
        """
        asking = _Asking(lease, gates, asyncio.get_running_loop().create_future())
        self._waiting.append(asking)
        if self._trips is None:
            self._trips = asyncio.create_task(self._ask_for_all(), name=f"shadows-admit-{self.holder.name}")
        return await asking.answer

    def close(self) -> None:
        """Stop asking: nobody waits for an answer any more."""
        if self._trips is not None:
            self._trips.cancel()

    async def _ask_for_all(self) -> None:
        failures = 0
        try:
            while batch := self._next_batch():
                try:
                    answers = await self.broker.admit(self.holder, [(asking.lease, asking.gates) for asking in batch])
                except BrokerUnavailable:  # the pump tells of it; asking twice changes nothing
                    failures += 1
                    wait = pause(failures, longest=self.longest, random=random())  # noqa: S311 - jitter, no secret
                    await asyncio.sleep(wait)
                else:
                    failures = 0
                    self._answer(batch, answers)
        except Exception as bug:  # noqa: BLE001 - raised by whoever asked
            for asking in self._next_batch():
                asking.answer.set_exception(bug)
        finally:
            self._trips = None

    def _next_batch(self) -> list[_Asking]:
        """Return those who wait longest; who was cancelled meanwhile does not wait any more."""
        self._waiting = [asking for asking in self._waiting if not asking.answer.done()]
        return self._waiting[:TRIP]

    def _answer(self, batch: list[_Asking], answers: list[Admission]) -> None:
        for asking, answer in zip(batch, answers, strict=True):
            if not asking.answer.done():
                asking.answer.set_result(answer)
