"""Worker: takes the calls of a shadow and runs them."""

from __future__ import annotations

import asyncio
import os
import socket
from contextvars import Context
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self, Unpack

import attrs

from shadows.adapters.clock import SystemClock
from shadows.adapters.codecs.cloudpickle import CloudpickleCodec
from shadows.adapters.observers.log import LogObserver
from shadows.core.health import NOT_RUNNING, Health
from shadows.core.holder import Holder, holder
from shadows.core.quota import Quota
from shadows.core.settings import WorkerOptions, worker_options
from shadows.dependencies.context import in_context
from shadows.dependencies.keeping import Keeping
from shadows.dependencies.running import Workplace
from shadows.dependencies.tasks import Tasks, everywhere, fallback
from shadows.engine.attend import Attender
from shadows.engine.ballast import Ballast
from shadows.engine.drain import drain
from shadows.engine.elsewhere import Elsewhere
from shadows.engine.farewell import tell_what_is_left
from shadows.engine.leftovers import Leftovers
from shadows.engine.loop import Loop
from shadows.engine.measure import Measurer
from shadows.engine.run import Runner
from shadows.engine.seed import Seeder
from shadows.engine.tend import tending
from shadows.errors import BrokerUnavailable, OutOfMemory
from shadows.shadow import Shadow

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator, Iterable, Mapping
    from types import TracebackType

    from shadows.adapters.observers.telemetry import Telemetry
    from shadows.core.arguments import WorkerArguments
    from shadows.core.settings import Leftover
    from shadows.dependencies.plan import Plan
    from shadows.ports.backend import Backend
    from shadows.ports.observer import Observer


@attrs.define
class _Entered:
    """What exists while a worker is entered."""

    holder: Holder
    backend: Backend
    elsewhere: Elsewhere
    workplace: Workplace


class Worker:
    """Runs the calls of a shadow whose tasks are registered with it.

    An explicit argument wins over the environment (``SHADOW_WORKER_CONCURRENCY``, ...), and that over the
    default.  Several workers may live in one process.

    Args:
        shadow: whose calls; it must be entered, and stay so.
        name: for people; may repeat.  Default: host and process id.
        concurrency: how many calls run at the same time; default 10.
        redelivery_timeout: the length of a lease: after so long without a sign of life a call goes to
            another worker.  It is renewed
            four times in that, so it need not exceed the longest task; default 5 min.
        reconnection_delay: the longest pause between two tries to reach the server; default 5 s.
        minimum_check_interval: the pause after the second and later of several looks that found nothing;
            default 100 ms.
        scheduling_resolution: how often to look by itself while a call is due within a second; default 250
            ms.
        schedule_automatic_tasks: start the tasks that declare it, each under its own name, and start them again
            when they were lost; default true.
        fallback_task: a function, or ``"module:attribute"``, that runs the calls of tasks which are not registered
            here, with their arguments; default none: they are put back for a worker that knows them.
        dependencies: what each task of this worker has besides what it declares itself: a list of dependencies, or
            a mapping that gives them names.
        max_deliveries: leases of one attempt that may be lost before it becomes a dead letter; default 5.
        drain_timeout: how long running bodies may go on after a stop; default 30 s.
        dependency_timeout: what setting up, or cleaning up, one dependency may take; then it has failed; default
            30 s.
        task_processes: how many processes run tasks at most; default one for each processor.
        leftover_tasks: what becomes of asyncio tasks that a body leaves behind: ``"cancel"``, ``"warn"`` or
            ``"keep"``; default ``"cancel"``, with a warning.
        enable_internal_instrumentation: let an instrumentation of the client library trace also what a worker does
            for itself, such as waiting; default false.

    Raises:
        ConfigurationError: an argument or an environment variable cannot work.
    """

    def __init__(
        self,
        shadow: Shadow,
        name: str | None = None,
        concurrency: int | None = None,
        redelivery_timeout: timedelta | None = None,
        reconnection_delay: timedelta | None = None,
        minimum_check_interval: timedelta | None = None,
        scheduling_resolution: timedelta | None = None,
        schedule_automatic_tasks: bool | None = None,  # noqa: FBT001 - the documented position
        *,
        fallback_task: Callable[..., Any] | str | None = None,
        dependencies: Mapping[str, Any] | Iterable[Any] | None = None,
        max_deliveries: int | None = None,
        drain_timeout: timedelta | None = None,
        dependency_timeout: timedelta | None = None,
        task_processes: int | None = None,
        leftover_tasks: Leftover | None = None,
        enable_internal_instrumentation: bool | None = None,
    ) -> None:
        explicit: Mapping[str, object] = {
            "name": name,
            "concurrency": concurrency,
            "redelivery_timeout": redelivery_timeout,
            "reconnection_delay": reconnection_delay,
            "minimum_check_interval": minimum_check_interval,
            "scheduling_resolution": scheduling_resolution,
            "schedule_automatic_tasks": schedule_automatic_tasks,
            "max_deliveries": max_deliveries,
            "drain_timeout": drain_timeout,
            "dependency_timeout": dependency_timeout,
            "fallback_task": fallback_task,
            "task_processes": task_processes,
            "leftover_tasks": leftover_tasks,
            "enable_internal_instrumentation": enable_internal_instrumentation,
        }
        self._shadow = shadow
        self._options = worker_options(explicit, os.environ, default_name=f"{socket.gethostname()}#{os.getpid()}")
        self._observer: Observer = LogObserver(shadow.name, self.name)
        instead = fallback(shadow.calls.registry, self._options.fallback_task)
        self._tasks = Tasks(shadow.calls.registry, everywhere(dependencies), instead)
        self._entered: _Entered | None = None
        self._loop: Loop | None = None
        self._pump: asyncio.Task[None] | None = None
        self._drains: list[asyncio.Task[None]] = []

    @property
    def name(self) -> str:
        """What people call this worker."""
        return self._options.name

    @property
    def options(self) -> WorkerOptions:
        """Every setting in force."""
        return self._options

    def health(self) -> Health:
        """Tell whether this worker lives, and whether it is ready to take work; any thread may ask."""
        loop = self._loop
        return NOT_RUNNING if loop is None else loop.health()

    def __repr__(self) -> str:
        return f"Worker({self._shadow!r}, name={self.name!r}, concurrency={self._options.concurrency})"

    async def __aenter__(self) -> Self:
        if self._entered is not None:
            msg = f"{self!r} is entered already"
            raise RuntimeError(msg)
        backend = self._shadow.backend().for_worker()
        self._tasks.enter()
        try:
            await backend.__aenter__()
        except BaseException:
            self._tasks.leave()
            raise
        identity = holder(self.name, self._options.redelivery_timeout, nonce=os.urandom(6).hex())
        opened = self._shadow.opened()
        elsewhere = Elsewhere.of(self._options, CloudpickleCodec())
        self._observer = opened.telemetry.of_worker(self.name, self._options.concurrency, self._shadow.clock)
        self._entered = _Entered(identity, backend, elsewhere, self._workplace(backend))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        entered, self._entered = self._entered, None
        if entered is None:
            return
        if self._loop is not None and self._pump is not None:
            await drain(self._loop, self._pump, self._options.drain_timeout)
        self._tasks.leave()
        try:
            await entered.workplace.keeping.close()
            await entered.backend.presence.check_out(entered.holder)
        except BrokerUnavailable:
            pass  # it fades by itself, a few heartbeats from now
        finally:
            await entered.elsewhere.close()
            await entered.backend.__aexit__(kind, error, trace)

    @classmethod
    async def run(
        cls,
        shadows_name: str | None = None,
        url: str | None = None,
        *,
        tasks: Iterable[Callable[..., Any] | str] | None = None,
        until_finished: bool = False,
        healthcheck_port: int | None = None,
        metrics_port: int | None = None,
        **arguments: Unpack[WorkerArguments],
    ) -> int:
        """Be a worker's whole process, as ``shadows worker`` is: ``sys.exit(asyncio.run(Worker.run(...)))``.

        It opens the shadow, serves the ports, and works until the first SIGTERM or SIGINT, which drains; a second
        one hands back at once.  The environment counts as it does for the command.

        Args:
            shadows_name: the shadow whose calls it runs.
            url: where its server is.
            tasks: functions, and paths such as ``"myapp.tasks:tasks"``.
            until_finished: end when nothing is left.
            healthcheck_port: where to serve ``/readyz``, ``/livez`` and ``/autoscale``; 0 is any that is free.
            metrics_port: where to serve ``/metrics``; may be the same.  Needs the extra ``metrics``.
            **arguments: everything that a worker takes.

        Returns:
            what the process should exit with: 0, or 130 or 143 if a second signal forced it.

        Raises:
            ConfigurationError: an argument or an environment variable cannot work, or a port cannot be had.
        """
        from shadows.process.work import heed, prepare  # noqa: PLC0415 - most workers are embedded and need no server

        shadow = Shadow(shadows_name, url)
        options = prepare(shadow, tasks, {"healthcheck_port": healthcheck_port, "metrics_port": metrics_port})
        return await heed(shadow, cls(shadow, **arguments), options, until_finished=until_finished)

    async def run_forever(self) -> None:
        """Work until ``stop`` is called or this coroutine is cancelled; either way running bodies are
        drained first.
        """
        await self._run(until_finished=False)

    async def run_until_finished(self) -> None:
        """Work until the shadow holds nothing scheduled, queued, parked or running.

        Calls of tasks that no worker knows, and dead letters, do not count.
        """
        await self._run(until_finished=True)

    async def run_at_most(self, iterations_by_key: Mapping[str, int]) -> None:
        """Work until nothing is left, but run each named key, or else task, at most so many times.

        First attempts by this worker are counted.  A call beyond its count ends cancelled, with the reason
        ``run_at_most``.
        """
        await self._run(until_finished=True, may_run=Quota.of(iterations_by_key).admits)

    def stop(self, within: timedelta | None = None) -> None:
        """Claim no more; the method that runs returns when the bodies that run have ended.

        With ``within`` it returns soon after that time at the latest: what has not ended by then is cancelled
        and handed back to other workers.  A second call may set an earlier end, but no later one.
        """
        if self._loop is None or self._pump is None:
            return
        self._loop.stop()
        if within is not None:
            # A body may call this; what it starts is not a part of that body.
            self._drains.append(asyncio.create_task(drain(self._loop, self._pump, within), context=Context()))

    async def _run(self, *, until_finished: bool, may_run: Callable[[str, str], bool] | None = None) -> None:
        entered = self._entered
        if entered is None:
            msg = f"{self!r} is not open; use it inside of: async with Worker(shadow) as worker"
            raise RuntimeError(msg)
        if self._loop is not None:
            msg = f"{self!r} is running already"
            raise RuntimeError(msg)
        ballast = Ballast()
        loop = self._loop = self._make_loop(entered, ballast, may_run)
        seeder = self._make_seeder(entered)
        loop.prepare = seeder.start
        if until_finished and may_run is None:
            seeder.warn()
        self._observer.working(entered.holder, self._shadow.calls.registry.chosen)
        for kind in self._tasks.lifecycles():
            await entered.workplace.keeping.living(kind)
        context = self._telemetry().hush(in_context(self._shadow, self))
        pump = asyncio.create_task(
            loop.run(until_finished=until_finished), name=f"shadows-pump-{self.name}", context=context
        )
        self._pump = pump
        chores = [
            asyncio.create_task(chore, name=f"shadows-{name}-{self.name}", context=context)
            for name, chore in self._chores(entered, loop, seeder)
        ]
        try:
            with tending(loop, entered.backend, SystemClock().monotonic):
                try:
                    await asyncio.wait({pump})
                except asyncio.CancelledError:
                    await drain(loop, pump, self._options.drain_timeout)
                    _raise_what_broke(loop, pump)
                    raise
                _raise_what_broke(loop, pump)
            if ballast.is_gone:
                raise OutOfMemory(f"a task has used up the memory of {self!r}; what ran was handed back")
            if until_finished:
                await tell_what_is_left(entered.backend.broker, self._observer)
        finally:
            pump.cancel()  # it has ended, unless we were cancelled even more often
            for chore in chores:
                chore.cancel()
            await asyncio.wait(chores)
            seeder.close()
            loop.leftovers.look_now(loop.goes_on)
            while self._drains:
                self._drains.pop().cancel()
            self._loop = self._pump = None
            self._observer.stopped(entered.holder)

    def _make_loop(self, entered: _Entered, ballast: Ballast, may_run: Callable[[str, str], bool] | None) -> Loop:
        def exhausted() -> None:
            if not (ballast.is_gone or ballast.suffices()):
                self.stop(within=timedelta(0))

        shadow, observer = self._shadow, self._observer
        runner = Runner(
            self._tasks.plans,
            shadow.calls.wire,
            shadow.opened().access.outcomes,
            entered.elsewhere,
            observer,
            entered.workplace,
            self._tasks.fallback,
            exhausted=exhausted,
        )
        runner.strikes = shadow.opened().striker.strikes
        runner.shelf = shadow.opened().access.shelf
        if may_run is not None:
            runner.counts = may_run
        leftovers = Leftovers(entered.workplace, self._options.leftover_tasks, observer)
        loop = Loop(
            entered.backend.broker,
            entered.holder,
            self._options,
            runner,
            leftovers,
            observer,
            shadow.calls.options.presence_horizon,
        )
        runner.gatekeeper.ask = loop.admissions.ask
        return loop

    def _workplace(self, backend: Backend) -> Workplace:
        shadow = self._shadow
        seconds = self._options.dependency_timeout.total_seconds()
        keeping = Keeping(in_context(shadow, self), seconds, self._observer.untidy)
        workplace = keeping.workplace = Workplace(
            shadow, self, shadow.clock, keeping, shadow.opened().handle, backend.broker.report
        )
        return workplace

    def _make_seeder(self, entered: _Entered) -> Seeder:
        automatic: Mapping[str, Plan] = self._tasks.plans if self._options.schedule_automatic_tasks else {}
        shadow = self._shadow
        wire, broker = shadow.calls.wire, entered.backend.broker
        return Seeder(automatic, wire, broker, self._observer, shadow.calls.registry.watchers)

    def _chores(
        self, entered: _Entered, loop: Loop, seeder: Seeder
    ) -> Generator[tuple[str, Coroutine[None, None, None]]]:
        attender = Attender(
            entered.backend.presence,
            entered.holder,
            self._shadow.calls.registry.plans,
            self._shadow.calls.options.presence_horizon,
            self._options.reconnection_delay.total_seconds(),
            self._observer,
        )
        yield "attendance", attender.attend(loop.forgotten, loop.fail)
        yield "seeding", seeder.go_on(loop.fail)
        if self._telemetry().meters is not None and not entered.backend.renews_on_loop:  # virtual time would never rest
            measurer = Measurer(entered.backend.broker, self._observer, loop.fail)
            yield "depths", measurer.depths()
            yield "lag", measurer.lag()

    def _telemetry(self) -> Telemetry:
        return self._shadow.opened().telemetry.of(internal=self._options.enable_internal_instrumentation)


def _raise_what_broke(loop: Loop, pump: asyncio.Task[None]) -> None:
    """Raise what ended the pump, if it broke; one that was cancelled only did not end within the limit of a stop."""
    broke = None if pump.cancelled() else pump.exception()
    if broke is not None:
        loop.cut()
        raise broke
