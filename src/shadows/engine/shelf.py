"""Shelf: outcomes that lie in a result storage instead of the broker.

An outcome is stored first, under its key and fence; the verdict then names it, so the settle that counts decides
which outcome is the run's.  A settle that did not count leaves an outcome that nobody names: it is deleted, and
where nobody is left to do so, it expires.

The storage is not the broker, and may be away when that is not.  Meanwhile the attempt keeps its slot and its lease,
and nobody else waits; after ``patience`` the run ends without its outcome, for its body is not to run again.
"""

from __future__ import annotations

import asyncio
import hashlib
from contextvars import Context
from random import random
from typing import TYPE_CHECKING, Any, Final

import attrs

from shadows.core import outcome
from shadows.core.backoff import pause
from shadows.core.lifecycle import ExecutionState
from shadows.core.outcome import OutcomeKind
from shadows.core.verdict import Kind
from shadows.engine.attempt import Stop
from shadows.engine.outcomes import ELSEWHERE
from shadows.errors import ResultUnavailable, TaskFailed, Undecodable
from shadows.ports.result_storage import RefusedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from shadows.core.verdict import Verdict
    from shadows.engine.attempt import Attempt
    from shadows.engine.outcomes import Outcomes
    from shadows.ports.broker import Lease
    from shadows.ports.looking import Record
    from shadows.ports.observer import Observer
    from shadows.ports.result_storage import ResultStorage

TRY: Final = 5.0
"""Seconds after which one try is given up: a connection that hangs is no reason to wait for the others."""
PAUSE: Final = 2.0
"""The most seconds between two tries."""
LAST_MOMENT: Final = 0.5
"""Seconds that storing may still take when the worker has to leave: less than it gives its bodies to end."""
UNAVAILABLE: Final = "result_unavailable"
"""The reason of a run that has completed and whose result nobody has."""


@attrs.define(eq=False)
class Shelf:
    """Puts outcomes into the storage, and fetches them; of a client that has none, it says so when one is needed."""

    storage: ResultStorage | None
    outcomes: Outcomes
    seconds: float
    """how long the record of an ended run is kept; 0: not at all, and so nothing is stored"""
    patience: float
    """seconds for which a storage that is away is put up with"""
    _errands: set[asyncio.Task[Any]] = attrs.field(factory=set[asyncio.Task[Any]], init=False)

    def takes(self, judged: Verdict) -> bool:
        """Tell whether there is an outcome to store."""
        return self.storage is not None and judged.kind is Kind.END and judged.body != b""

    async def keep(self, attempt: Attempt, judged: Verdict, observer: Observer) -> Verdict | None:
        """Store the outcome, and return the verdict that names it; None when the run is not ours to settle any more.

        Nobody cancels this: it ends by itself, at the latest when its patience does, or the worker has to leave.
        """
        lease = attempt.lease
        if self.seconds <= 0:
            return attrs.evolve(judged, body=b"")
        attempt.over = True
        name = _name(lease)
        failed = judged.state is ExecutionState.FAILED
        words = self.outcomes.in_words(judged.body, lease.key, lease.fence) if failed else None
        putting = asyncio.create_task(self._put(name, judged.body), context=Context())
        await _ended(putting, attempt)
        if attempt.stop is Stop.LOST:
            self._run(self._drop(name, putting))
            return None
        if not putting.done():
            putting.cancel()
            why: Exception | None = TimeoutError("the worker had to leave")
        else:
            why = putting.result()
        if why is None:
            body = self.outcomes.stored(name, words, lease.key, lease.fence)
            return attrs.evolve(judged, body=body)
        observer.unstored(judged.task, lease, why)
        body = self.outcomes.lost(words or f"{type(why).__name__}: {why}", lease.key, lease.fence)
        return attrs.evolve(judged, body=body, reason=judged.reason or ("" if failed else UNAVAILABLE))

    def drop(self, judged: Verdict) -> None:
        """Delete what a verdict named that was not carried out."""
        if judged.kind is Kind.END and (name := outcome.stored_name(judged.body)):
            self._run(self._drop(name))

    async def fetch(self, key: str, record: Record) -> bytes | None:
        """Return the outcome of an ended run, wherever it lies.

        Raises:
            ResultUnavailable: it cannot be had, and why.
            TaskFailed: it was an exception that could not be stored.
            Undecodable: what there is of it cannot be read here.
        """
        if not record.result or (found := outcome.unpack(record.result)).kind not in ELSEWHERE:
            return record.result
        if found.kind is OutcomeKind.LOST:
            words = self.outcomes.words(found, key, record.fence)
            if record.state is ExecutionState.FAILED:
                raise TaskFailed(f"the execution {key!r} failed with {words}; the exception itself could not be stored")
            raise ResultUnavailable(f"the execution {key!r} has completed, but its result could not be stored: {words}")
        if self.storage is None:
            msg = (
                f"the result of {key!r} lies in a result storage, and this shadow was given none; "
                f"give it the one that its workers have: result_storage=, or SHADOW_RESULT_STORAGE"
            )
            raise ResultUnavailable(msg)
        return await self._get(self.storage, found.name, key)

    async def close(self) -> None:
        """See to it that what was begun has ended; what takes too long expires by itself."""
        if self._errands:
            _, late = await asyncio.wait(self._errands, timeout=TRY)
            for each in late:
                each.cancel()

    async def _put(self, name: str, data: bytes) -> Exception | None:
        """Return why it could not be stored, if so."""
        storage, seconds = self._storage(), self.seconds + self.patience
        try:
            await self._insist(lambda: storage.put(name, data, seconds))
        except Exception as error:  # noqa: BLE001 - whatever a store raises is no reason to run a body again
            return error
        return None

    async def _get(self, storage: ResultStorage, name: str, key: str) -> bytes:
        try:
            data = await self._insist(lambda: storage.get(name))
        except Undecodable:
            raise
        except Exception as error:
            msg = f"the result of {key!r} cannot be read from the result storage now: {type(error).__name__}: {error}"
            raise ResultUnavailable(msg) from error
        if data is None:
            msg = f"the result of {key!r} is not in the result storage any more: it has expired there, or was deleted"
            raise ResultUnavailable(msg)
        return data

    async def _drop(self, name: str, putting: asyncio.Task[Any] | None = None) -> None:
        """Delete it once it is there; what cannot be deleted expires."""
        if putting is not None:
            putting.cancel()
            await asyncio.wait({putting})
        storage = self._storage()
        try:
            await self._insist(lambda: storage.delete(name))
        except Exception:  # noqa: BLE001 - nobody needs it, and it does not stay for ever
            return

    async def _insist[T](self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask until there is an answer, or the patience is over; raise what went wrong last."""
        loop, failures = asyncio.get_running_loop(), 0
        deadline = loop.time() + self.patience
        while True:
            try:
                async with asyncio.timeout(min(TRY, max(0.0, deadline - loop.time()))):
                    return await ask()
            except (RefusedError, Undecodable):
                raise
            except Exception as error:
                failures += 1
                wait = pause(failures, longest=PAUSE, random=random())  # noqa: S311 - jitter, no secret
                if loop.time() + wait >= deadline:
                    raise _named(error) from error
            await asyncio.sleep(wait)

    def _storage(self) -> ResultStorage:
        if self.storage is None:
            raise AssertionError("nothing is stored without a storage")
        return self.storage

    def _run(self, errand: Any) -> None:
        task = asyncio.create_task(errand, context=Context())
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)


async def _ended(putting: asyncio.Task[Any], attempt: Attempt) -> None:
    """Wait for it, whoever cancels us; but not where the lease is lost, and but a moment where the worker leaves."""
    while attempt.stop is not Stop.LOST:
        limit = LAST_MOMENT if attempt.stop is Stop.SHUTDOWN else None
        try:
            await asyncio.wait({putting}, timeout=limit)
        except asyncio.CancelledError:
            continue
        return


def _name(lease: Lease) -> str:
    """Return a name for the outcome of this lease: whatever a key is made of, every store takes it, and no other
    server's run of the same key and fence has it too.
    """
    whose = f"{lease.token} {lease.started} {lease.key}".encode("utf-8", "surrogatepass")
    return f"{hashlib.sha256(whose).hexdigest()}-{lease.fence}"


def _named(error: Exception) -> Exception:
    """Return the error with a text: that of a try which took too long has none."""
    return TimeoutError("it does not answer") if isinstance(error, TimeoutError) and not str(error) else error
