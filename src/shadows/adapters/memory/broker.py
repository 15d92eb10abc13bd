"""The broker port over one store: each verb is one step under its lock."""

from __future__ import annotations

import asyncio
from functools import partial

import attrs

from shadows.adapters.memory import admitting, claiming, reading, replaying, scheduling, seeding, settling
from shadows.adapters.memory.bells import Sleeper
from shadows.adapters.memory.presence import linger, stop_lingering
from shadows.adapters.memory.strikes import refuse_if_moved
from shadows.ports.looking import Part

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from shadows.adapters.memory.store import Store
    from shadows.core.gates import Gate
    from shadows.core.holder import Holder
    from shadows.core.verdict import Verdict
    from shadows.ports.admission import Admission
    from shadows.ports.backend import Terms
    from shadows.ports.broker import Cancellation, Claim, Entry, Lease, Order, Placement, Settlement
    from shadows.ports.letters import DeadLetter, Replay, Replayed
    from shadows.ports.looking import Record, Survey
    from shadows.ports.seeding import Seed, Seeding


@attrs.frozen
class MemoryBroker:
    """The verbs; see :class:`shadows.ports.broker.Broker` for what each promises."""

    store: Store
    terms: Terms
    clock: Callable[[], float]

    async def schedule(self, entries: Sequence[Entry], *, repeated: bool = False, strikes: str = "") -> list[Placement]:
        """Place each entry, in order."""
        with self._step():
            refuse_if_moved(self.store, strikes)
            return [scheduling.schedule(self.store, entry, repeated=repeated) for entry in entries]

    async def seed(self, seeds: Sequence[Seed], *, restart: bool) -> list[Seeding]:
        """Keep the calls of automatic tasks alive."""
        with self._step():
            return [seeding.seed(self.store, one, restart=restart) for one in seeds]

    async def fallow(self, keys: Sequence[str], *, patience: float) -> None:
        """Wait until nothing is live under one of these keys, and then for the next look at them."""
        sleeper, bells = Sleeper("", hungry=False), self.store.bells
        began = sleeper.loop.time()

        def next_look() -> float | None:
            if not any(seeding.is_fallow(self.store, key) for key in keys):
                return None
            passed = round(sleeper.loop.time() - began, 6)
            return -passed % patience if passed else patience

        sleeper.next_look = next_look
        with self._step():
            bells.sleepers.append(sleeper)
        try:
            await asyncio.wait([sleeper.future])
        finally:
            with self._step():
                bells.leave(sleeper)

    async def claim(self, order: Order, *, patience: float = 0) -> Claim:
        """Wait, if there is patience and nothing to do; then lease calls to the holder."""
        if patience > 0:
            await self._wait(order, patience)
        with self._step():
            return claiming.claim(self.store, self.terms, order)

    async def ring(self, holder: Holder) -> None:
        """End the wait of this holder's patient claim, now or the next one."""
        with self._step():
            if not self.store.bells.ring_for(holder.id):
                self.store.bells.unheard.add(holder.id)

    async def admit(self, holder: Holder, asked: Sequence[tuple[Lease, Sequence[Gate]]]) -> list[Admission]:
        """Ask for each lease, in order, whether its body may run.  The fence alone says whose lease it is."""
        del holder
        with self._step():
            return [admitting.admit(self.store, self.terms, lease, gates) for lease, gates in asked]

    async def settle(self, holder: Holder, done: Sequence[tuple[Lease, Verdict]]) -> list[Settlement]:
        """Carry out each verdict.  The fence alone says whose lease it is; ``holder`` adds nothing."""
        del holder
        with self._step():
            return self._settle(done)

    async def turn(self, done: Sequence[tuple[Lease, Verdict]], order: Order) -> tuple[list[Settlement], Claim]:
        """Settle, then claim, as one step.

        Others run first, as they would while a server is asked: a task that follows itself at once never waits.
        """
        await asyncio.sleep(0)
        with self._step():
            return self._settle(done), claiming.claim(self.store, self.terms, order)

    def renew(self, holder: Holder, tokens: Sequence[str]) -> frozenset[str]:
        """Start these leases anew; return those that the holder has lost."""
        with self._step():
            return settling.renew(self.store, holder, tokens)

    async def cancel(self, key: str) -> Cancellation:
        """End a waiting call, or have a running one's holder told."""
        with self._step():
            return scheduling.cancel(self.store, self.terms, key)

    async def read(self, key: str, parts: Part = Part.NOTHING, *, run: str | None = None) -> Record | None:
        """Return what is kept for the key, or for one run of it."""
        with self._step():
            return reading.read(self.store, key, parts, run)

    async def survey(self, limit: int) -> Survey:
        """Count everything and list what comes first."""
        with self._step():
            return reading.survey(self.store, limit)

    async def clear(self) -> int:
        """End all calls that wait."""
        with self._step():
            return scheduling.clear(self.store, self.terms)

    async def report(self, lease: Lease, progress: Mapping[str, str]) -> bool:
        """Merge the progress, if the lease still holds."""
        with self._step():
            return settling.report(self.store, lease, progress)

    async def progress(self, key: str) -> dict[str, str]:
        """Return the progress of the key's run."""
        with self._step():
            run = self.store.runs.get(key)
            return {} if run is None else dict(run.progress)

    async def dead(self, *, limit: int, before: str = "") -> list[DeadLetter]:
        """List dead letters, newest first."""
        with self._step():
            return replaying.dead(self.store, limit, before)

    async def letter(self, letter: str) -> DeadLetter | None:
        """Return one dead letter."""
        with self._step():
            return replaying.find(self.store, letter)

    async def replay(self, replays: Sequence[Replay], *, repeated: bool = False, strikes: str = "") -> list[Replayed]:
        """Place each call once more, in order."""
        with self._step():
            refuse_if_moved(self.store, strikes)
            return [replaying.replay(self.store, one, repeated=repeated) for one in replays]

    async def discard(self, letters: Sequence[str]) -> list[bool]:
        """Throw these dead letters away."""
        with self._step():
            return [replaying.discard(self.store, one) for one in letters]

    def _step(self) -> AbstractContextManager[None]:
        return self.store.step(self.clock)

    def _settle(self, done: Sequence[tuple[Lease, Verdict]]) -> list[Settlement]:
        return [settling.settle(self.store, self.terms, lease, verdict) for lease, verdict in done]

    async def _wait(self, order: Order, patience: float) -> None:
        sleeper, bells = Sleeper(order.holder.id, hungry=order.limit > 0), self.store.bells
        with self._step():
            rung = order.holder.id in bells.unheard
            bells.unheard.discard(order.holder.id)
            if rung or claiming.has_news(self.store, order):
                return
            bells.sleepers.append(sleeper)
            due_in = self.store.due_in()
            lingers = self.store.keeper is not None and claiming.may_linger(self.store, order)
            if lingers:
                sleeper.next_look = partial(claiming.next_look, self.store, order)
                linger(self.store, order.holder)
        if sleeper.hungry and due_in is not None:
            patience = min(patience, due_in)
        try:
            await asyncio.wait([sleeper.future], timeout=None if lingers else patience)
        except asyncio.CancelledError:
            self._pass_on(sleeper)
            raise
        finally:
            with self._step():
                bells.leave(sleeper)
                stop_lingering(self.store, order.holder)

    def _pass_on(self, sleeper: Sleeper) -> None:
        """Let another one hear what woke this claim, which does not come: it may have been a placement."""
        with self._step():
            if sleeper.rung:
                self.store.bells.ring(1)
