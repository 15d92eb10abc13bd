"""SyncShadow: the client for code without an event loop, such as Django, Flask and scripts.

It is the asynchronous client on an event loop of its own, in one background thread, and holds no rules.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Awaitable, Callable, Iterable, Mapping
from copy import copy
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self, Unpack, overload

from shadows.core.durations import duration
from shadows.core.strikes import Comparison, Conditions, Strike
from shadows.engine.thread_loop import ThreadLoop
from shadows.execution import Execution, TaskCall
from shadows.ports.broker import Cancellation
from shadows.shadow import Shadow
from shadows.snapshot import Snapshot, WorkerInfo
from shadows.wiring import ShadowArguments

if TYPE_CHECKING:
    from types import TracebackType

    from shadows.calls import When
    from shadows.letters import DeadLetter


class SyncArguments(ShadowArguments, total=False):
    """The arguments of a shadow by name, as its constructor explains them; a virtual clock needs the test's loop."""

    heartbeat_interval: timedelta | None
    missed_heartbeats: int | None
    execution_ttl: timedelta | None
    result_storage: Any
    enable_internal_instrumentation: bool | None
    allow_unknown: bool
    connection_pool: Any
    credential_provider: Any


class SyncShadow:
    """A ``Shadow`` for code without an event loop.

    ::

        shadows = SyncShadow("shop")  # at the top of a module; nothing is opened yet
        execution = shadows.add(charge, key="charge-42")(42)
        print(shadows.get_result(execution, timeout=60))

    It opens itself when it is first used, in any thread, and many threads may use it at once.  A forked process
    opens one of its own.  It is closed when the process ends, by ``close()``, or as a context manager.

    Args:
        name: the shadow's, as for ``Shadow``.
        url: where its server is, as for ``Shadow``.
        patience: how long any call but ``get_result`` may take at most; default 30 s.  Placing has its own
            ``add_deadline`` (5 s) besides.
        **options: everything else that ``Shadow`` takes.

    Raises:
        ConfigurationError: an argument or an environment variable cannot work.
    """

    def __init__(
        self,
        name: str | None = None,
        url: str | None = None,
        *,
        patience: timedelta | float = timedelta(seconds=30),
        **options: Unpack[SyncArguments],
    ) -> None:
        self._shadow = Shadow(name, url, **options)
        self._patience = duration(patience, option="patience").total_seconds()
        self._state = _State(self._shadow)
        weakref.finalize(self, self._state.close)  # also at the end of the process

    @property
    def name(self) -> str:
        """What the shadow is called on its server."""
        return self._shadow.name

    @property
    def url(self) -> str:
        """Where its server is, as it was given."""
        return self._shadow.url

    @property
    def tasks(self) -> Mapping[str, Callable[..., Any]]:
        """The registered functions by name."""
        return self._shadow.tasks

    def labels(self) -> Mapping[str, str]:
        """Return what tells this shadow from others in metrics, spans and logs: ``shadows.name``."""
        return self._shadow.labels()

    def __repr__(self) -> str:
        return f"Sync{self._shadow!r}"

    def __enter__(self) -> Self:
        self._state.opened(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect, and end the thread.  It cannot be used any more; to close it again changes nothing."""
        self._state.close()

    def run[R](self, ask: Callable[[Shadow], Awaitable[R]], *, timeout: timedelta | float | None = None) -> R:
        """Do what else a ``Shadow`` is good for: ``shadows.run(lambda shadow: agenda.scatter(shadow, over=day))``.

        Args:
            ask: gets the entered ``Shadow``, in its event loop; what it returns is awaited there.
            timeout: how long to wait; default: the ``patience`` of this client.

        Raises:
            TimeoutError: it took longer, and was cancelled.
            RuntimeError: an event loop runs in this thread, which would stand still meanwhile; or this is closed.
        """
        wait = self._patience if timeout is None else duration(timeout, option="timeout").total_seconds()
        return self._run(ask, wait)

    # Tasks

    def register(
        self, function: Callable[..., Any], names: Iterable[str] | None = None, *, process: bool = False
    ) -> None:
        """Make a task known here, as ``Shadow.register`` does; ``add(function)`` does it by itself."""
        self._shadow.register(function, names, process=process)

    def register_collection(self, path: str) -> None:
        """Register what ``"module:attribute"`` or ``"module"`` names."""
        self._shadow.register_collection(path)

    # Placing calls

    @overload
    def add[**P, R](
        self, function: Callable[P, Awaitable[R]], when: When = None, key: str | None = None
    ) -> Callable[P, Execution[R]]: ...
    @overload
    def add[**P, R](
        self, function: Callable[P, R], when: When = None, key: str | None = None
    ) -> Callable[P, Execution[R]]: ...
    @overload
    def add(self, function: str, when: When = None, key: str | None = None) -> Callable[..., Execution[Any]]: ...
    def add(
        self, function: Callable[..., Any] | str, when: When = None, key: str | None = None
    ) -> Callable[..., Execution[Any]]:
        """Return a function that places a call: ``shadows.add(task, when=..., key=...)(arguments)``.

        It means, and raises, what ``Shadow.add`` does.
        """

        def place(*args: Any, **kwargs: Any) -> Execution[Any]:
            return self._ask(lambda shadow: shadow.add(function, when, key)(*args, **kwargs))

        return place

    @overload
    def replace[**P, R](
        self, function: Callable[P, Awaitable[R]], when: When, key: str
    ) -> Callable[P, Execution[R]]: ...
    @overload
    def replace[**P, R](self, function: Callable[P, R], when: When, key: str) -> Callable[P, Execution[R]]: ...
    @overload
    def replace(self, function: str, when: When, key: str) -> Callable[..., Execution[Any]]: ...
    def replace(self, function: Callable[..., Any] | str, when: When, key: str) -> Callable[..., Execution[Any]]:
        """Like ``add``, but the call takes the place of a waiting one with this key, in one step."""

        def place(*args: Any, **kwargs: Any) -> Execution[Any]:
            return self._ask(lambda shadow: shadow.replace(function, when, key)(*args, **kwargs))

        return place

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
        return self._shadow.call(function, when, key)

    def add_many(self, calls: Iterable[TaskCall], chunk_size: int = 1000) -> list[Execution[Any]]:
        """Place many calls, ``chunk_size`` of them in a round trip, and return their executions in order."""
        made = list(calls)  # in this thread, which may hold what they are made of
        return self._ask(lambda shadow: shadow.add_many(made, chunk_size))

    def replace_many(self, calls: Iterable[TaskCall], chunk_size: int = 1000) -> list[Execution[Any]]:
        """Like ``add_many``, but each call takes the place of a waiting one with its key."""
        made = list(calls)
        return self._ask(lambda shadow: shadow.replace_many(made, chunk_size))

    def schedule[R](self, execution: Execution[R]) -> Execution[R]:
        """Place the call of an execution once more: the same task, arguments and key."""
        return self._ask(lambda shadow: shadow.schedule(execution))

    def cancel(self, key: str) -> Cancellation:
        """Cancel the live run of this key, wherever it is."""
        return self._ask(lambda shadow: shadow.cancel(key))

    def clear(self) -> int:
        """Cancel every waiting call and return how many there were; running ones go on."""
        return self._ask(lambda shadow: shadow.clear())

    # What became of them

    def get_result[R](
        self,
        execution: Execution[R],
        timeout: timedelta | float | None = None,
        deadline: datetime | None = None,
    ) -> R:
        """Wait until the run has ended, and return its result or raise its exception, as ``Execution.get_result``.

        Args:
            execution: what ``add`` or ``get_execution`` returned.
            timeout: how long to wait; for ever when neither this nor a deadline is given.
            deadline: until when to wait, timezone-aware.
        """
        return self._run(lambda _: execution.get_result(timeout, deadline), None)

    def sync(self, execution: Execution[Any]) -> None:
        """Bring ``state``, ``progress`` and what goes with them up to date."""
        self._ask(lambda _: execution.sync())

    def get_execution(self, key: str) -> Execution[Any] | None:
        """Return a handle on the key's run, live or ended; None if nothing is kept of it."""
        return self._ask(lambda shadow: shadow.get_execution(key))

    # Strikes

    def strike(
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
        """Stop calls without a deploy, as ``Shadow.strike`` does."""
        self._ask(
            lambda shadow: shadow.strike(
                function, parameter, operator, value, where=where, until=until, reason=reason, hold=hold
            )
        )

    def restore(
        self,
        function: Callable[..., Any] | str | None = None,
        parameter: str | None = None,
        operator: Comparison = "==",
        value: object = None,
        *,
        where: Conditions | None = None,
        pace: timedelta | None = None,
    ) -> bool:
        """Lift exactly this strike; tell whether it was in force."""
        return self._ask(lambda shadow: shadow.restore(function, parameter, operator, value, where=where, pace=pace))

    def strikes(self) -> list[Strike]:
        """Return the strikes in force, oldest first."""
        return self._ask(lambda shadow: shadow.strikes())

    # Dead letters

    def dead_letters(self, limit: int = 100, before: str | None = None) -> list[DeadLetter]:
        """Return calls that could not be run, newest first; a next page lies ``before`` the id of the last one."""
        return self._ask(lambda shadow: shadow.dead_letters(limit, before))

    def replay(self, what: DeadLetter | str, when: When = None) -> Execution[Any] | None:
        """Run a dead letter, or the failed run that a key had last, once more."""
        return self._ask(lambda shadow: shadow.replay(what, when))

    def discard(self, *letters: DeadLetter | str) -> int:
        """Throw dead letters away, with their arguments, and return how many there were."""
        return self._ask(lambda shadow: shadow.discard(*letters))

    # Looking

    def snapshot(self, limit: int = 1000) -> Snapshot:
        """Look at the shadow: exact numbers, and up to ``limit`` of its calls."""
        return self._ask(lambda shadow: shadow.snapshot(limit))

    def workers(self) -> list[WorkerInfo]:
        """Return the workers that are here."""
        return self._ask(lambda shadow: shadow.workers())

    def task_workers(self, name: str) -> list[WorkerInfo]:
        """Return the workers that are here and know the task of this name."""
        return self._ask(lambda shadow: shadow.task_workers(name))

    def _ask[R](self, ask: Callable[[Shadow], Awaitable[R]]) -> R:
        return self._run(ask, self._patience)

    def _run[R](self, ask: Callable[[Shadow], Awaitable[R]], wait: float | None) -> R:
        loop, shadow = self._state.opened(self)

        async def asked() -> R:
            return await ask(shadow)

        return loop.run(asked, wait, repr(self))


class _State:
    """What is open in this process, for as many threads as there are."""

    def __init__(self, shadow: Shadow) -> None:
        self._unopened = shadow
        """never entered: each process enters a copy"""
        self._open: tuple[ThreadLoop, Shadow] | None = None
        self._closed = False
        self._lock = threading.Lock()
        _states.add(self)

    def opened(self, who: object) -> tuple[ThreadLoop, Shadow]:
        """Return the loop and the shadow that is entered there."""
        ThreadLoop.refuse_loops(who)
        with self._lock:
            if self._closed:
                raise RuntimeError(f"{who!r} is closed; make another one")
            if self._open is None:
                loop, shadow = ThreadLoop.start(), copy(self._unopened)
                try:
                    loop.run(shadow.__aenter__, None, repr(who))
                except BaseException:
                    loop.stop()
                    raise
                self._open = loop, shadow
            return self._open

    def close(self) -> None:
        """Leave the shadow, and end the thread."""
        with self._lock:
            self._closed = True
            if self._open is None:
                return
            (loop, shadow), self._open = self._open, None
        loop.close(lambda: shadow.__aexit__(None, None, None))

    def forget(self) -> None:
        """In a forked process there is no such thread; and whoever held the lock is not here either."""
        if self._open is not None:
            self._open[0].abandon()
        self._open, self._lock = None, threading.Lock()


_states: weakref.WeakSet[_State] = weakref.WeakSet()


def _forget() -> None:
    for state in [*_states]:
        state.forget()


if hasattr(os, "register_at_fork"):  # pragma: no branch - not on Windows, where nobody forks
    os.register_at_fork(after_in_child=_forget)
