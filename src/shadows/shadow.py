"""Shadow: the client.  It composes the parts and holds no rules."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self, Unpack, overload

from shadows.adapters.clock import SystemClock
from shadows.adapters.open import Connection
from shadows.calls import Calls, When
from shadows.core.holder import name_of
from shadows.core.names import task_key
from shadows.core.scheduling import instant, refuse_no_time
from shadows.core.settings import SHADOW, shadow_options
from shadows.core.strikes import Comparison, Conditions, Strike
from shadows.dependencies.collection import collection
from shadows.dependencies.registry import Registry
from shadows.execution import Execution, TaskCall
from shadows.opened import Opened
from shadows.ports.broker import Cancellation, OnLive
from shadows.snapshot import Snapshot, WorkerInfo, taken
from shadows.tasks import standard_tasks
from shadows.wiring import wire_of

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from types import TracebackType

    from shadows.adapters.memory.virtual_clock import VirtualClock
    from shadows.letters import DeadLetter
    from shadows.ports.backend import Backend
    from shadows.ports.clock import Clock
    from shadows.wiring import ShadowArguments


class Shadow:
    """The client of one shadow: a named collection of calls on one server.

    Everybody who uses the same ``name`` on the same ``url`` shares its calls.  An explicit argument wins
    over the environment (``SHADOW_NAME``, ``SHADOW_URL``, ...), and that over the default.

    Args:
        name: letters, digits, ``.``, ``_`` and ``-``, at most 64; default ``"shadows"``.
        url: where the server is; default ``redis://localhost:6379/0``.  ``memory://name`` lives in this process.
        heartbeat_interval: how often workers show that they live; default 2 s.
        missed_heartbeats: after so many a worker counts as gone; default 5.
        execution_ttl: how long the record and the result of an ended run are kept; default 15 min; 0: not at all.
        result_storage: a store of py-key-value-aio, or the ``"module:attribute"`` of one, where results and exceptions
            lie instead of on the server; the workers and those who wait must have the same.
        allow_unknown: let ``add("name")`` place calls of tasks that are not registered here.
        clock: a :class:`shadows.testing.VirtualClock` to go by instead of the real time; only with ``memory://``.
        enable_internal_instrumentation: let instrumentations of the client library trace all trips; default false.
        connection_pool: a redis-py asyncio pool whose parameters are used instead of ``url``.
        credential_provider: a redis-py credential provider.
        **options: limits, codecs and secrets, as :class:`shadows.wiring.ShadowArguments` explains them.

    Raises:
        ConfigurationError: an argument or an environment variable cannot work.
    """

    def __init__(
        self,
        name: str | None = None,
        url: str | None = None,
        heartbeat_interval: timedelta | None = None,
        missed_heartbeats: int | None = None,
        execution_ttl: timedelta | None = None,
        *,
        result_storage: Any = None,
        enable_internal_instrumentation: bool | None = None,
        allow_unknown: bool = False,
        clock: VirtualClock | None = None,
        connection_pool: Any = None,
        credential_provider: Any = None,
        **options: Unpack[ShadowArguments],
    ) -> None:
        given = locals()
        explicit = {option: given[option] for option in SHADOW if option in given} | options
        self._options = shadow_options(explicit, os.environ)
        self._connection = Connection(self._options.url, self.name, connection_pool, credential_provider, clock)
        self._registry = Registry.offering(standard_tasks)
        time = clock or SystemClock()
        self._calls = Calls(self._registry, self._options, wire_of(self._options, time), time, allow_unknown)
        self._open: Opened | None = None

    @property
    def name(self) -> str:
        """What this shadow is called on its server."""
        return self._options.name

    @property
    def url(self) -> str:
        """Where its server is, as it was given."""
        return self._options.url

    @property
    def execution_ttl(self) -> timedelta:
        """How long the record and the result of an ended run are kept."""
        return self._options.execution_ttl

    @property
    def tasks(self) -> Mapping[str, Callable[..., Any]]:
        """The registered functions by name; ``trace``, ``fail`` and ``sleep`` are always among them."""
        return {name: plan.function for name, plan in self._registry.plans.items()}

    def labels(self) -> Mapping[str, str]:
        """Return what tells this shadow from others in metrics, spans and logs: ``shadows.name``."""
        return {"shadows.name": self.name}

    def __repr__(self) -> str:
        return f"Shadow(name={self.name!r}, url={self._connection.shown!r})"

    async def __aenter__(self) -> Self:
        if self._open is not None:
            raise RuntimeError(f"{self!r} is entered already; use one Shadow for each context")
        self._open = await Opened.open(self._connection, self._calls)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        opened, self._open = self._open, None
        if opened is not None:
            await opened.close(kind, error, trace)

    # Tasks

    def register(
        self, function: Callable[..., Any], names: Iterable[str] | None = None, *, process: bool = False
    ) -> None:
        """Make a task known here, under its own name or under ``names``; ``add(function)`` does it by itself.
        With ``process``, as with ``@in_process``, workers run it in a process of its own.

        Raises:
            ConfigurationError: it has no usable name, another function has it, its dependencies contradict each
                other, or it cannot run in another process.
        """
        self._registry.register(function, names, process=process)

    def register_collection(self, path: str) -> None:
        """Register what ``"module:attribute"`` or ``"module"`` names: some functions, one, or all of a module.

        Raises:
            ConfigurationError: there is no such thing, or it holds something else.
        """
        for function in collection(path):
            self._registry.register(function)

    def override(self, function: Callable[..., Any], instead: Callable[..., Any]) -> AbstractContextManager[None]:
        """Let another function stand for one that tasks depend on, inside of a ``with`` block of a test.

        It counts for ``Depends`` and ``Shared``, at any depth, in the runs that workers of this client begin meanwhile.

        Raises:
            TypeError: one of them is no function.
        """
        return self._registry.overrides.override(function, instead)

    # Placing calls

    @overload
    def add[**P, R](
        self, function: Callable[P, Awaitable[R]], when: When = None, key: str | None = None
    ) -> Callable[P, Coroutine[Any, Any, Execution[R]]]: ...
    @overload
    def add[**P, R](
        self, function: Callable[P, R], when: When = None, key: str | None = None
    ) -> Callable[P, Coroutine[Any, Any, Execution[R]]]: ...
    @overload
    def add(
        self, function: str, when: When = None, key: str | None = None
    ) -> Callable[..., Coroutine[Any, Any, Execution[Any]]]: ...
    def add(
        self, function: Callable[..., Any] | str, when: When = None, key: str | None = None
    ) -> Callable[..., Coroutine[Any, Any, Execution[Any]]]:
        """Return a function that places a call: ``await shadows.add(task, when=..., key=...)(arguments)``.

        While a run with this key is live, nothing is changed, and ``disposition`` says so.

        Args:
            function: the task, or its registered name.
            when: an aware datetime, or a timedelta from now; None is at once.  The server's clock decides.
            key: identifies the work; a random one when left out.

        Raises:
            TypeError: the task cannot be called with these arguments.
            SerializationError: an argument cannot travel; the text says where it lies.
            UnknownTask: no task has this name.
            ConfigurationError: the time or the key cannot work.
            BrokerUnavailable, OutcomeUnknown: the server was away for longer than ``add_deadline``.
        """
        return self._placer(function, when, key, OnLive.KEEP)

    @overload
    def replace[**P, R](
        self, function: Callable[P, Awaitable[R]], when: When, key: str
    ) -> Callable[P, Coroutine[Any, Any, Execution[R]]]: ...
    @overload
    def replace[**P, R](
        self, function: Callable[P, R], when: When, key: str
    ) -> Callable[P, Coroutine[Any, Any, Execution[R]]]: ...
    @overload
    def replace(self, function: str, when: When, key: str) -> Callable[..., Coroutine[Any, Any, Execution[Any]]]: ...
    def replace(
        self, function: Callable[..., Any] | str, when: When, key: str
    ) -> Callable[..., Coroutine[Any, Any, Execution[Any]]]:
        """Like ``add``, but the call takes the place of a waiting one with this key, in one step.

        If that one is running, the call becomes its successor: it starts when the running body has ended.
        """
        return self._placer(function, when, key, OnLive.REPLACE)

    @overload
    def call[**P](
        self, function: Callable[P, Any], when: When = None, key: str | None = None
    ) -> Callable[P, TaskCall]: ...
    @overload
    def call(self, function: str, when: When = None, key: str | None = None) -> Callable[..., TaskCall]: ...
    def call(
        self, function: Callable[..., Any] | str, when: When = None, key: str | None = None
    ) -> Callable[..., TaskCall]:
        """Return a function that makes a call for ``add_many`` or ``replace_many``, checked as by ``add``."""
        refuse_no_time(when)

        def make(*args: Any, **kwargs: Any) -> TaskCall:
            return self._calls.make(function, when, key, args, kwargs)

        return make

    async def add_many(self, calls: Iterable[TaskCall], chunk_size: int = 1000) -> list[Execution[Any]]:
        """Place many calls, ``chunk_size`` of them in a round trip, and return their executions in order; each stands
        alone, and has its own disposition.
        """
        return await self.opened().place_many(calls, chunk_size, OnLive.KEEP)

    async def replace_many(self, calls: Iterable[TaskCall], chunk_size: int = 1000) -> list[Execution[Any]]:
        """Like ``add_many``, but each call takes the place of a waiting one with its key."""
        return await self.opened().place_many(calls, chunk_size, OnLive.REPLACE)

    async def schedule[R](self, execution: Execution[R]) -> Execution[R]:
        """Place the call of an execution once more: the same task, arguments and key, when it says, or at once if that
        is past.  Return the execution that has the key then, as ``add`` does; the one handed in stays as it is.

        Raises:
            ConfigurationError: its arguments are not known here, for its run has ended or was placed by somebody else.
            TypeError, SerializationError, UnknownTask, BrokerUnavailable, OutcomeUnknown: as by ``add``.
        """
        return await self.opened().place(self._calls.of(execution), OnLive.KEEP)

    async def cancel(self, key: str) -> Cancellation:
        """Cancel the live run of this key, wherever it is; a running body gets ``asyncio.CancelledError``.

        Returns:
            CANCELLED: it was waiting, and will never start.  REQUESTED: it is running.  NOT_LIVE: there is
                none.
        """
        return await self.opened().cancel(task_key(key))

    async def clear(self) -> int:
        """Cancel every waiting call and return how many there were; running ones go on."""
        return await self.opened().clear()

    # Strikes

    async def strike(
        self,
        function: Callable[..., Any] | str | None = None,
        parameter: str | None = None,
        operator: Comparison = "==",
        value: object = None,
        *,
        where: Conditions | None = None,
        until: datetime | timedelta | None = None,
        reason: str | None = None,
        hold: bool = False,
    ) -> None:
        """Stop calls without a deploy: of a task, of any task by an argument, or both.

        New calls are not placed (their disposition is STRUCK), waiting ones end cancelled when they come due.

        Args:
            function: a task, or the name of one, known here or not; None is every task.
            parameter: whose argument is compared, however it was passed.
            operator: how: ``==``, ``!=``, ``<``, ``<=``, ``>``, ``>=``, or ``between``.
            value: with what; for ``between`` a pair of bounds.
            where: several conditions, all of which must hold: ``{"amount": (">", 1000), "country": ("==", "NL")}``.
            until: when it ends by itself, by the server's clock.
            reason: for people, in the list of strikes and in logs.
            hold: keep waiting calls until the strike is restored, instead of dropping them.
        """
        opened = self.opened()
        asked = opened.striker.asked(function, parameter, operator, value, where, reason=reason, hold=hold)
        await opened.strike(asked, until)

    async def restore(
        self,
        function: Callable[..., Any] | str | None = None,
        parameter: str | None = None,
        operator: Comparison = "==",
        value: object = None,
        *,
        where: Conditions | None = None,
        pace: timedelta | None = None,
    ) -> bool:
        """Lift exactly this strike; tell whether it was in force.  What it held is let go in order, ``pace`` apart."""
        opened = self.opened()
        return await opened.restore(opened.striker.asked(function, parameter, operator, value, where), pace)

    async def strikes(self) -> list[Strike]:
        """Return the strikes in force, oldest first."""
        return await self.opened().striker.load()

    async def wait_for_strikes_loaded(self) -> None:
        """Read the strikes now.  Nothing needs it: whatever is placed or claimed is judged by the server's own list."""
        await self.strikes()

    # Dead letters

    async def dead_letters(self, limit: int = 100, before: str | None = None) -> list[DeadLetter]:
        """Return calls that could not be run, newest first; a next page lies ``before`` the id of the last one."""
        return await self.opened().dead_letters(limit, before or "")

    async def replay(self, what: DeadLetter | str, when: When = None) -> Execution[Any] | None:
        """Run a dead letter, or the failed run that a key had last, once more: as a new run of the same call.

        While another run of the key is live, or a strike forbids it, the ``disposition`` says so, and nothing is lost.
        None: there is no such letter (any more), or nothing is kept that could be run.
        """
        (execution,) = await self.opened().replay([what], when)
        return execution

    async def discard(self, *letters: DeadLetter | str) -> int:
        """Throw dead letters away, with their arguments, and return how many there were; a letter or its id."""
        return await self.opened().discard(letters)

    # Looking

    async def get_execution(self, key: str) -> Execution[Any] | None:
        """Return a handle on the key's run, live or ended; None if nothing is kept of it."""
        opened = self.opened()
        return await self._calls.kept(task_key(key), opened.backend.broker, opened.access)

    async def snapshot(self, limit: int = 1000) -> Snapshot:
        """Look at the shadow: exact numbers, and up to ``limit`` of its calls."""
        opened = self.opened()
        survey = await opened.backend.broker.survey(limit)
        executions = [(record, self._calls.found(record, opened.access)) for record in survey.records]
        return taken(survey, executions, await self.workers())

    async def workers(self) -> list[WorkerInfo]:
        """Return the workers that are here."""
        roster = await self.opened().backend.presence.roster(horizon=self._options.presence_horizon)
        return [WorkerInfo(name_of(one.holder), instant(one.last_seen), one.tasks, one.holder) for one in roster]

    async def task_workers(self, name: str) -> list[WorkerInfo]:
        """Return the workers that are here and know the task of this name."""
        return [worker for worker in await self.workers() if name in worker.tasks]

    def redis(self) -> Any:
        """Return a redis-py asyncio client of the same server, for commands of your own; close it yourself.

        Raises:
            ConfigurationError: there is no server behind ``memory://``.
        """
        return self.opened().backend.client()

    # For the worker, which is the other front door

    @property
    def calls(self) -> Calls:
        """What makes calls here: it knows the registered tasks and the codecs."""
        return self._calls

    @property
    def clock(self) -> Clock:
        """What tells the time here."""
        return self._calls.clock

    def backend(self) -> Backend:
        """Return what this shadow is connected to."""
        return self.opened().backend

    def opened(self) -> Opened:
        """Return what exists while it is entered; raise RuntimeError outside of its context."""
        if self._open is None:
            raise RuntimeError(f"{self!r} is not open; use it inside of: async with Shadow(...) as shadows")
        return self._open.here(self)

    def _placer(
        self, function: Callable[..., Any] | str, when: When, key: str | None, on_live: OnLive
    ) -> Callable[..., Coroutine[Any, Any, Execution[Any]]]:
        refuse_no_time(when)

        def place(*args: Any, **kwargs: Any) -> Coroutine[Any, Any, Execution[Any]]:
            return self.opened().place(self._calls.make(function, when, key, args, kwargs), on_live)

        return place
