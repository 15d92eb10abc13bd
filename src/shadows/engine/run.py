"""Run: from a lease to a verdict.  One clause for each way in which a call can go."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import attrs

from shadows.core import verdict
from shadows.core.envelope import unpack
from shadows.core.scheduling import Due
from shadows.dependencies.context import current_execution
from shadows.dependencies.dependency import TaskOutcome
from shadows.dependencies.running import Running
from shadows.dependencies.setup import Setup
from shadows.engine.admit import Gatekeeper, Stopped
from shadows.engine.attempt import Attempt
from shadows.engine.conclude import Concluder
from shadows.engine.shelf import Shelf
from shadows.engine.strikes import Strikes
from shadows.errors import ExecutionCancelled, NotAuthentic, Undecodable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shadows.core.strikes import Strike
    from shadows.core.verdict import Verdict
    from shadows.dependencies.plan import Plan
    from shadows.dependencies.running import Workplace
    from shadows.engine.attempt import Attempt
    from shadows.engine.elsewhere import Elsewhere
    from shadows.engine.outcomes import Outcomes
    from shadows.engine.wire import Wire
    from shadows.ports.broker import Lease
    from shadows.ports.observer import Observer


NO_TIME: Final = timedelta(0)
STRUCK_PAUSE: Final = 1_000
"""ms that lie between two occurrences which a strike skips, at least."""


def _everything(key: str, task: str) -> bool:  # noqa: ARG001 - the signature of a count
    return True


def _nothing() -> None: ...


@attrs.define
class Runner:
    """Runs bodies.  It asks nobody but the gates, and tells nobody but the observer: its answer is the verdict."""

    tasks: Mapping[str, Plan]
    wire: Wire
    outcomes: Outcomes
    elsewhere: Elsewhere
    observer: Observer
    workplace: Workplace
    fallback: Plan | None = None
    """runs the calls of tasks that are not known here"""
    counts: Callable[[str, str], bool] = _everything
    """whether a first attempt of this key and task may still run here"""
    gatekeeper: Gatekeeper = attrs.field(init=False)
    exhausted: Callable[[], None] = _nothing
    """hears that there was not enough memory for a body"""
    strikes: Strikes = attrs.field(
        default=attrs.Factory(lambda self: Strikes(self.tasks, self.wire, self.observer), takes_self=True)
    )
    shelf: Shelf = attrs.field(
        default=attrs.Factory(lambda self: Shelf(None, self.outcomes, seconds=0, patience=0), takes_self=True)
    )
    """where outcomes go that shall not lie in the broker"""
    _concluder: Concluder = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._concluder = Concluder(self.outcomes)
        self.gatekeeper = Gatekeeper(self.observer, self._concluder)

    async def run(self, attempt: Attempt) -> Verdict | None:
        """Return what becomes of the lease; None when it is not ours to settle any more."""
        read = self._read(attempt.lease)
        if not isinstance(read, Running):
            return read
        if self._may_stop(read):
            stopped = await self._stops(attempt, read)
            if stopped is not None:
                return stopped.judged
        lease, task, plan = read.lease, read.task, read.plan
        current_execution.of_run.set(read)
        self.observer.started(task, lease, read)
        if plan.plain:
            try:
                if plan.is_async:  # without a detour: most tasks are of this kind
                    result, error = await plan.function(*read.args, **read.kwargs), None
                else:
                    result, error = await self.elsewhere.run(attempt, plan, read.args, read.kwargs, None), None
            except BaseException as raised:  # noqa: BLE001 - whatever a body raises is its failure, and ends nothing else
                result, error = None, raised
            judged = self._concluder.ended(attempt, task, result, error)
        else:
            judged, error = await self._run_with_dependencies(attempt, plan, read)
        if isinstance(error, MemoryError):
            self.exhausted()
        if judged is not None and self.shelf.takes(judged):
            judged = await self.shelf.keep(attempt, judged, self.observer)
        if judged is None:
            self.observer.superseded(task, lease, error)
        else:
            self.observer.ended(task, lease, judged, error)
        return judged

    def _read(self, lease: Lease) -> Running | Verdict:
        """Return what was called, or why nobody can tell here."""
        try:
            envelope = unpack(lease.payload)
            plan = self.tasks.get(envelope.task, self.fallback)
            if plan is None:
                self.wire.verify(envelope, lease.key)  # what nobody has sealed shall not wait for somebody who knows it
                return self._refused(envelope.task, lease, verdict.unknown(lease.payload, attempt=lease.attempt))
            function = None if plan is self.fallback else plan.function
            args, kwargs = self.wire.arguments(envelope, lease.key, function)
        except Undecodable as broken:
            if isinstance(broken, NotAuthentic):
                self.observer.distrusted("call", lease.key, broken)
            return self._refused("?", lease, _unreadable(lease, broken))
        return Running(self.workplace, lease, envelope.task, plan, args, kwargs)

    def _may_stop(self, running: Running) -> bool:
        """Tell whether there is anything to ask before the body; for most calls there is not, and they are many."""
        conditional = running.plan.conditional or self.strikes.in_force
        return conditional or running.lease.dropped != "" or self.counts is not _everything

    async def _stops(self, attempt: Attempt, running: Running) -> Stopped | None:
        """Return what becomes of a call that does not run now, or at all; None lets it begin."""
        lease, task, plan = running.lease, running.task, running.plan
        strike = self.strikes.judge(task, running.args, running.kwargs)
        if strike is not None:
            return Stopped(await self._struck(attempt, running, strike))
        if plan.recurring is not None and plan.recurring.skips(running):
            return Stopped(await self.skip(attempt, running, "missed"))
        if plan.gates or lease.dropped:
            stopped = await self.gatekeeper.stops(attempt, plan.gates, task, running.args, running.kwargs)
            if stopped is not None and stopped.dropped:
                return Stopped(await self.skip(attempt, running, stopped.dropped))
            if stopped is not None:
                return stopped
        if lease.attempt == 1 and lease.deliveries == 1 and not self.counts(lease.key, task):
            return Stopped(self._refused(task, lease, verdict.cancelled(task, reason="run_at_most")))
        return None

    async def skip(self, attempt: Attempt, running: Running, reason: str) -> Verdict | None:
        """Return the verdict on a run that is dropped before its body; its next occurrence follows all the same."""
        setup = self._setup(running)
        error: BaseException | None = ExecutionCancelled(running.key, reason)
        try:
            await setup.open(only_deciders=True)
        except BaseException as raised:  # noqa: BLE001 - whatever a dependency raises ends nothing else
            error = raised
        outcome = TaskOutcome(NO_TIME, None, error)
        judged, _ = await self._concluder.dropped(attempt, running, reason, outcome, setup)
        if judged is not None:
            self.observer.skipped(running.task, running.lease, judged)
        return judged

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
        setup: Setup,
    ) -> object:
        if plan.is_async:
            return await plan.function(*args, **kwargs)
        return await self.elsewhere.run(attempt, plan, args, kwargs, setup)

    def _refused(self, task: str, lease: Lease, judged: Verdict) -> Verdict:
        self.observer.refused(task, lease, judged)
        return judged

    async def _struck(self, attempt: Attempt, running: Running, strike: Strike) -> Verdict | None:
        """The call ends, or, where the strike holds, waits on."""
        lease, task = running.lease, running.task
        if strike.hold:
            self.observer.held(task, lease.key, strike)
            position = self.strikes.position
            return verdict.held(
                lease.payload, attempt=lease.attempt, strike=strike.name, strikes=position, due=lease.due
            )
        self.observer.stricken(task, lease.key, strike)
        return _not_at_once(await self.skip(attempt, running, "strike"), lease)


def _unreadable(lease: Lease, broken: Undecodable) -> Verdict:
    if broken.temporary:
        return verdict.unknown(lease.payload, attempt=lease.attempt)
    return verdict.dead(lease.payload, attempt=lease.attempt, reason="undecodable")


def _not_at_once(judged: Verdict | None, lease: Lease) -> Verdict | None:
    """Let the next occurrence of a struck call wait a little: one that follows at once would be struck at once."""
    if judged is None or judged.follow is None:
        return judged
    due = judged.follow.due
    if (due.after or 0) >= STRUCK_PAUSE or (due.at or 0) >= lease.started + STRUCK_PAUSE:
        return judged
    return attrs.evolve(judged, follow=attrs.evolve(judged.follow, due=Due(after=STRUCK_PAUSE)))
