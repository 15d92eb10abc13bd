"""What a shadow is connected to while it is entered."""

from __future__ import annotations

import asyncio
import os
from contextlib import nullcontext
from contextvars import Context
from typing import TYPE_CHECKING, Any, Self, assert_never

import attrs

from shadows.adapters.observers import telemetry
from shadows.adapters.open import Connection, open_backend
from shadows.core.names import task_key
from shadows.core.scheduling import milliseconds
from shadows.engine.add import Producer, sound
from shadows.engine.outcomes import Outcomes
from shadows.engine.replay import Replayer
from shadows.engine.shelf import Shelf
from shadows.engine.strikes import Striker, Strikes
from shadows.engine.watch import Watcher
from shadows.execution import Access
from shadows.ports.backend import Terms
from shadows.ports.broker import BATCH, Placed, Placement
from shadows.ports.follower import Asked, Asking, Sending
from shadows.ports.letters import Replay, Replayed
from shadows.ports.looking import Part
from shadows.wiring import storage_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime, timedelta
    from types import TracebackType

    from shadows.adapters.observers.telemetry import Telemetry
    from shadows.calls import Calls, When
    from shadows.core.strikes import Strike
    from shadows.dependencies.running import Running
    from shadows.execution import Execution, TaskCall
    from shadows.letters import DeadLetter
    from shadows.ports.backend import Backend
    from shadows.ports.broker import Cancellation, OnLive
    from shadows.ports.follower import Follower
    from shadows.ports.looking import Record


@attrs.define
class Opened:
    """A backend, and the parts of the engine that work on it for one client."""

    calls: Calls
    backend: Backend
    producer: Producer
    access: Access
    striker: Striker
    replayer: Replayer
    telemetry: Telemetry
    follower: Follower | None
    loop: asyncio.AbstractEventLoop
    pid: int
    afterwards: Callable[[Sequence[Execution[Any]]], Awaitable[None]] | None = None
    """what is done with calls that were placed, before whoever placed them goes on: for tests"""

    @classmethod
    async def open(cls, connection: Connection, calls: Calls) -> Self:
        """Connect."""
        options = calls.options
        terms = Terms(
            execution_ttl=milliseconds(options.execution_ttl),
            dead_letter_ttl=milliseconds(options.dead_letter_ttl),
            unknown_task_ttl=milliseconds(options.unknown_task_ttl),
            wait_replicas=options.wait_replicas,
        )
        outcomes, patience = Outcomes(calls.wire, options.max_result), options.result_deadline.total_seconds()
        shelf = Shelf(storage_of(options), outcomes, options.execution_ttl.total_seconds(), patience)
        backend = open_backend(connection, terms)
        await backend.__aenter__()
        deadline = options.add_deadline.total_seconds()
        watcher = Watcher(backend.broker, backend.event_bus, deadline)
        loop = asyncio.get_running_loop()
        heard = telemetry.find(options.name, calls.registry.plans, internal=options.enable_internal_instrumentation)
        strikes = Strikes(calls.registry.plans, calls.wire, heard.of_client())
        return cls(
            calls,
            backend,
            Producer(backend.broker, deadline, strikes, lambda: heard.hush(Context())),
            Access(watcher, outcomes, calls.clock, loop, keeps_records=terms.execution_ttl > 0, shelf=shelf),
            Striker(backend.strike_log, strikes, calls.registry, deadline),
            Replayer(backend.broker, deadline, strikes),
            heard,
            heard.follower(),
            loop,
            os.getpid(),
        )

    async def place(self, call: TaskCall, on_live: OnLive) -> Execution[Any]:
        """Place one call and return its execution."""
        entry = self.calls.entry(call, on_live)
        if self.follower is None:
            placement = await self.producer.add(entry, call)
        else:
            with self.follower.placing([entry]) as sending:
                placement = await self.producer.add(sending.entries[0], call)
                sending.placements = [placement]
        execution = self.calls.placed(call, placement, self.access)
        if self.afterwards is not None:
            await self.afterwards([execution])
        return execution

    async def place_many(self, calls: Iterable[TaskCall], chunk_size: int, on_live: OnLive) -> list[Execution[Any]]:
        """Place many, ``chunk_size`` of them in a trip, and return their executions in order."""
        calls = list(calls)
        entries = [self.calls.entry(call, on_live) for call in calls]
        with nullcontext(Sending(entries)) if self.follower is None else self.follower.placing(entries) as sending:
            sending.placements = placements = await self.producer.add_many(
                sending.entries, calls, chunk_size=max(chunk_size, BATCH)
            )
        pairs = zip(calls, placements, strict=True)
        executions = [self.calls.placed(call, placement, self.access) for call, placement in pairs]
        if self.afterwards is not None:
            await self.afterwards(executions)
        return executions

    async def cancel(self, key: str) -> Cancellation:
        """Cancel the live run of this key, and tell what came of it."""
        with self._asking(Asked.CANCEL, key=key) as asking:
            asking.answer = cancellation = await self.backend.broker.cancel(key)
        return cancellation

    async def clear(self) -> int:
        """Cancel every waiting call, and return how many there were."""
        with self._asking(Asked.CLEAR) as asking:
            asking.answer = count = await self.backend.broker.clear()
        return count

    async def strike(self, asked: Strike, until: datetime | timedelta | None) -> None:
        """Put a strike in force."""
        with self._asking(Asked.STRIKE, task=asked.function):
            await self.striker.strike(asked, until)

    async def restore(self, asked: Strike, pace: timedelta | None) -> bool:
        """Lift exactly this strike, and tell whether it was in force."""
        with self._asking(Asked.RESTORE, task=asked.function) as asking:
            asking.answer = found = await self.striker.restore(asked, pace)
        return found

    def _asking(self, asked: Asked, **about: str | None) -> AbstractContextManager[Asking]:
        return nullcontext(Asking()) if self.follower is None else self.follower.asking(asked, **about)

    async def dead_letters(self, limit: int, before: str) -> list[DeadLetter]:
        """List dead letters, newest first."""
        return [self.calls.letter(one) for one in await self.backend.broker.dead(limit=limit, before=before)]

    async def dead_letter(self, which: str) -> DeadLetter | None:
        """Return the dead letter of this id, or else the one that the last run of this key has become."""
        found = await self.backend.broker.letter(which)
        if found is None and (record := await self.backend.broker.read(task_key(which))) is not None:
            found = await self.backend.broker.letter(record.letter or "")
        return None if found is None else self.calls.letter(found)

    async def replay(self, whats: Sequence[DeadLetter | str], when: When) -> list[Execution[Any] | None]:
        """Place failed calls once more: dead letters, or the last runs of these keys.  None where there is no such."""
        calls = [self.calls.once_more(found, when) if (found := await self._failed(what)) else None for what in whats]
        known = [(what, call) for what, call in zip(whats, calls, strict=True) if call is not None]
        replays = [
            Replay(call.key, self.calls.request(), "" if isinstance(what, str) else what.id, self.calls.due(call))
            for what, call in known
        ]
        answers = await self.replayer.replay(replays, [call for _, call in known])
        pairs = zip(known, replays, answers, strict=True)
        placed = iter([await self._replayed(call, one.run, answer) for (_, call), one, answer in pairs])
        return [None if call is None else next(placed) for call in calls]

    async def discard(self, letters: Iterable[DeadLetter | str]) -> int:
        """Throw these dead letters away, and return how many there were."""
        ids = [one if isinstance(one, str) else one.id for one in letters]
        return sum(await self.backend.broker.discard(ids))

    async def _failed(self, what: DeadLetter | str) -> DeadLetter | Record | None:
        return await self.backend.broker.read(task_key(what), Part.PAYLOAD) if isinstance(what, str) else what

    async def _replayed(self, call: TaskCall, run: str, answer: Replayed) -> Execution[Any] | None:
        match answer:
            case Replayed.GONE:
                return None
            case Replayed.ALREADY:
                record = await self.backend.broker.read(call.key)
                placement = Placement(Placed.ALREADY, "" if record is None else record.run)
            case Replayed.REPLAYED:
                placement = Placement(Placed.SCHEDULED, run)
            case Replayed.STRUCK | Replayed.BROKEN:
                placement = sound(call.key, Placement(Placed(answer.value), run))
            case _:
                assert_never(answer)
        return self.calls.placed(call, placement, self.access)

    def handle(self, running: Running) -> Execution[Any]:
        """Return a handle on a run while its body runs, on the loop or in a thread."""
        return self.calls.running(running, self.access)

    def here(self, who: object) -> Self:
        """Return this, in the process and the event loop in which it was opened; raise RuntimeError in others."""
        if self.pid != os.getpid():
            msg = f"{who!r} was opened by the process {self.pid}; open one of its own in each forked process"
            raise RuntimeError(msg)
        if self.loop is not asyncio.get_running_loop():
            msg = f"{who!r} was opened in another event loop; open one of its own in each loop"
            raise RuntimeError(msg)
        return self

    async def close(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Send what was handed in, and disconnect."""
        await self.producer.close()
        await self.access.shelf.close()
        await self.backend.__aexit__(kind, error, trace)
