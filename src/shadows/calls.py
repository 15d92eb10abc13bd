"""Calls: from what a user writes to what can be placed, with every check that can be made before anything is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import attrs

from shadows import chance
from shadows.core.disposition import Disposition
from shadows.core.envelope import unpack
from shadows.core.lifecycle import ExecutionState
from shadows.core.names import task_key
from shadows.core.scheduling import AT_ONCE, Due, due, instant
from shadows.core.settings import ShadowOptions
from shadows.dependencies.registry import Registry
from shadows.dependencies.running import Running
from shadows.engine.wire import Wire
from shadows.errors import ConfigurationError, PayloadTooLarge, SerializationError, Undecodable
from shadows.execution import Access, Execution, TaskCall
from shadows.letters import DeadLetter
from shadows.ports.broker import Broker, Entry, OnLive, Placed, Placement
from shadows.ports.clock import Clock
from shadows.ports.letters import DeadLetter as Letter
from shadows.ports.looking import Part, Record

type When = datetime | timedelta | None

_DISPOSITIONS = {
    Placed.SCHEDULED: Disposition.SCHEDULED,
    Placed.ALREADY: Disposition.ALREADY_SCHEDULED,
    Placed.STRUCK: Disposition.STRUCK,
    Placed.BROKEN: Disposition.FAILED,
}


@attrs.frozen
class Said:
    """What a payload says."""

    task: str
    args: tuple[Any, ...] = attrs.field(repr=False, default=())
    kwargs: dict[str, Any] = attrs.field(repr=False, factory=dict[str, Any])
    unreadable: str = ""
    """why the arguments cannot be decoded here, if so"""


@attrs.frozen
class Calls:
    """Makes calls, what the broker needs of them, and handles on what became of them."""

    registry: Registry
    options: ShadowOptions
    wire: Wire
    clock: Clock
    allow_unknown: bool
    """place calls by the name of a task that is not registered here"""

    def make(
        self,
        function: Callable[..., Any] | str,
        when: When,
        key: str | None,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> TaskCall:
        """Return the call.

        Raises:
            TypeError, SerializationError, UnknownTask, ConfigurationError: it could never run.
        """
        name, called = self._task(function)
        if called is not None:
            self.registry.plans[name].bind(args, kwargs)
        chosen = chance.key() if key is None else task_key(key)
        payload = self._payload(name, chosen, args, kwargs, called)
        most = self.options.max_payload
        if len(payload) > most:
            msg = f"the arguments of {name} have {len(payload):,} bytes; {most:,} are allowed (max_payload)"
            raise PayloadTooLarge(msg)
        return TaskCall(name, args, kwargs, when, chosen, called, payload, key is not None)

    def of(self, execution: Execution[Any]) -> TaskCall:
        """Return the call of an execution, to be placed once more.

        Raises:
            ConfigurationError: what was called is not known in full.
            TypeError, SerializationError, UnknownTask: as by ``make``.
        """
        if not execution.whole:
            raise ConfigurationError(
                f"the arguments of the execution {execution.key!r} are not known here: they are kept while its run is "
                f"live, and longer of failed ones; place the call itself: shadows.add(task, key=...)(arguments)"
            )
        when = execution.when if execution.when is not None and execution.when > self.clock.now() else None
        task = execution.function or execution.function_name
        return self.make(task, when, execution.key, execution.args, dict(execution.kwargs))

    def entry(self, call: TaskCall, on_live: OnLive) -> Entry:
        """Return what the broker needs of one request to place the call; ``when`` is judged now."""
        return Entry(call.key, call.payload, self.due(call), self.request() if call.named else "", on_live)

    def due(self, call: TaskCall) -> Due:
        """Return when the call is due, judged now."""
        if call.when is None:
            return AT_ONCE
        options = self.options
        return due(call.when, now=self.clock.now(), horizon=options.horizon, strict=options.strict_when)

    def request(self) -> str:
        """Return a new id for one request, and for the run that it may become."""
        return chance.request_id()

    def placed(self, call: TaskCall, placement: Placement, access: Access) -> Execution[Any]:
        """Return a handle on the run that has the call's key now."""
        when = call.when
        return Execution(
            call.key,
            call.function_name,
            call.args,
            call.kwargs,
            self.clock.now() + max(when, timedelta(0)) if isinstance(when, timedelta) else when,
            _DISPOSITIONS[placement.placed],
            call.function,
            run=placement.run,
            access=access,
        )

    async def kept(self, key: str, broker: Broker, access: Access) -> Execution[Any] | None:
        """Return a handle on the run that has this key, with what it has reported; None if nothing is kept of it."""
        record = await broker.read(key, Part.PAYLOAD | Part.RESULT)
        if record is None:
            return None
        execution = self.found(record, access)
        execution.progress.take(await access.watcher.progress(record))
        return execution

    def found(self, record: Record, access: Access) -> Execution[Any]:
        """Return a handle on what was read; what cannot be decoded here is left out."""
        said = Said(record.task or "", unreadable="they are not kept")
        if record.payload is not None:
            said = self.said(record.payload, record.key, record.task or "")
        plan = self.registry.plans.get(said.task)
        function = None if plan is None else plan.function
        execution = Execution[Any](
            record.key,
            said.task,
            said.args,
            said.kwargs,
            None,
            Disposition.LOADED,
            function,
            run=record.run,
            access=access,
            whole=not said.unreadable,
        )
        execution.take(record)
        return execution

    def said(self, payload: bytes, key: str, task: str = "") -> Said:
        """Return what a payload says, as far as that can be decoded here; ``task`` is what is known of it anyway."""
        try:
            envelope = unpack(payload)
            task = envelope.task
            plan = self.registry.plans.get(task)
            return Said(task, *self.wire.arguments(envelope, key, None if plan is None else plan.function))
        except Undecodable as broken:
            return Said(task, unreadable=str(broken))

    def once_more(self, what: DeadLetter | Record, when: When) -> TaskCall | None:
        """Return a call that failed, to be placed at another time; None of a message that could not be read."""
        if what.key is None or what.payload is None:
            return None
        said = self.said(what.payload, what.key)
        plan = self.registry.plans.get(said.task)
        function = None if plan is None else plan.function
        return TaskCall(said.task, said.args, said.kwargs, when, what.key, function, what.payload, named=True)

    def letter(self, found: Letter) -> DeadLetter:
        """Return a dead letter as its readers see it."""
        said = Said("", unreadable="it is a message that nobody could read")
        if found.key is not None:
            said = self.said(found.payload, found.key)
        return DeadLetter(
            found.id,
            found.key,
            said.task,
            said.args,
            said.kwargs,
            found.reason,
            instant(found.died),
            found.attempt,
            found.deliveries,
            said.unreadable,
            found.payload,
        )

    def running(self, running: Running, access: Access) -> Execution[Any]:
        """Return a handle on a run while its body runs, from where it reports its progress."""
        return Execution[Any](
            running.key,
            running.task,
            running.args,
            running.kwargs,
            instant(running.due),
            Disposition.LOADED,
            running.plan.function,
            ExecutionState.RUNNING,
            running.attempt,
            started_at=instant(running.started),
            redelivered=running.redelivered,
            fence=running.fence,
            tell=lambda fields: running.report({**fields, "fence": str(running.fence)}),
            run=None,
            access=access,
        )

    def _payload(
        self,
        task: str,
        key: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        function: Callable[..., Any] | None,
    ) -> bytes:
        payload = self.wire.call(task, key, args, kwargs, function=function)
        if _in_debug_mode():
            self._read_back(payload, key)
        return payload

    def _read_back(self, payload: bytes, key: str) -> None:
        """Load at once what was written, so that the producer hears what a worker would meet."""
        try:
            self.wire.arguments(unpack(payload), key)
        except Undecodable as error:
            reason = error.__cause__ or error
            raise SerializationError(
                f"the value can be encoded but not read back ({type(reason).__name__}: {reason}); "
                "see to it that its class can be rebuilt from what its __reduce__ or __getstate__ returns"
            ) from error

    def _task(self, function: Callable[..., Any] | str) -> tuple[str, Callable[..., Any] | None]:
        if not isinstance(function, str):
            return self.registry.register(function), function
        if self.allow_unknown and function not in self.registry.plans:
            return function, None
        return function, self.registry.named(function).function


def _in_debug_mode() -> bool:
    """Whether asyncio looks for mistakes here; a call may also be made where no loop runs."""
    try:
        return asyncio.get_running_loop().get_debug()
    except RuntimeError:
        return False
