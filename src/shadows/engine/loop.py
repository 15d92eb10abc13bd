"""The loop: one pump makes every trip to the broker, and each body is one asyncio task.

A trip settles what ended since the last one and claims as many calls as there are free slots, both up to TRIP: a
worker with many slots then runs the first calls while the rest is still on its way.  When nothing ended and nothing is
known to be ready, the free slots are promised to one claim that waits at the door: the server runs it when the bell
rings, so a new call starts one trip sooner.  When all slots are taken, only the inbox is listened to.

Nobody cancels the pump or a claim: a lease whose answer is lost would be nobody's.  After a broken trip the next claim
says what this worker knows that it holds, and gets back the rest.
"""

from __future__ import annotations

import asyncio
import contextlib
from random import random
from typing import TYPE_CHECKING, Final

import attrs

from shadows.core import verdict
from shadows.core.backoff import pause
from shadows.core.health import Health, Signs
from shadows.engine import insist
from shadows.engine.admit import Admissions
from shadows.engine.attempt import Attempt, Stop
from shadows.engine.lateness import Lateness
from shadows.engine.server_clock import ServerClock
from shadows.engine.tend import RENEWALS
from shadows.errors import BrokerUnavailable
from shadows.ports.broker import Claim, Order, Settlement

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from shadows.core.holder import Holder
    from shadows.core.settings import WorkerOptions
    from shadows.core.verdict import Verdict
    from shadows.engine.leftovers import Leftovers
    from shadows.engine.run import Runner
    from shadows.ports.broker import Broker, Lease
    from shadows.ports.observer import Observer

TRIP: Final = 50
"""The most settlements, and the most leases, of one trip."""
PATIENCE: Final = 1.0
"""Seconds that an idle worker waits before it looks by itself."""
BEATS: Final = 4
"""The fewest heartbeats in the time after which a worker counts as gone."""


async def _nothing() -> None: ...


@attrs.define
class Loop:
    """One worker's pump."""

    broker: Broker
    holder: Holder
    options: WorkerOptions
    runner: Runner
    leftovers: Leftovers
    observer: Observer
    horizon: int
    """ms without a heartbeat after which a worker counts as gone"""

    prepare: Callable[[], Awaitable[None]] = attrs.field(default=_nothing)
    """what is to be done before the first look"""
    admissions: Admissions = attrs.field(init=False)
    """asks the gates for the bodies of this worker"""
    clock: ServerClock = attrs.field(init=False)
    lateness: Lateness = attrs.field(init=False)
    running: dict[int, Attempt] = attrs.field(factory=dict[int, Attempt], init=False)
    """by fence"""
    signs: Signs = attrs.field(init=False)
    """of life, for whoever watches this worker"""
    forgotten: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)
    """set when presence has forgotten this worker"""
    holding: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)
    """set while at least one body runs"""
    _ended: list[tuple[Lease, Verdict]] = attrs.field(factory=list["tuple[Lease, Verdict]"], init=False)
    _in_flight: list[tuple[Lease, Verdict]] = attrs.field(factory=list["tuple[Lease, Verdict]"], init=False)
    _let_go: set[int] = attrs.field(factory=set[int], init=False)
    _fences: dict[str, int] = attrs.field(factory=dict[str, int], init=False)
    """by token, of what runs: a server that forgot a lease of ours may give us the same message again"""
    _wake: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)
    _look: bool = attrs.field(default=True, init=False)
    _counts: bool = attrs.field(default=False, init=False)
    """whether to ask what is left, and to stop when nothing is"""
    _left: int | None = attrs.field(default=None, init=False)
    _door: asyncio.Task[None] | None = attrs.field(default=None, init=False)
    _promised: int = attrs.field(default=0, init=False)
    _timer: asyncio.TimerHandle | None = attrs.field(default=None, init=False)
    _patience: float = attrs.field(default=PATIENCE, init=False)
    _empty_looks: int = attrs.field(default=0, init=False)
    _sweep: str = attrs.field(default="-", init=False)
    _next_sweep: float = attrs.field(default=0.0, init=False)
    _recover: bool = attrs.field(default=False, init=False)
    _failures: int = attrs.field(default=0, init=False)
    _stopping: bool = attrs.field(default=False, init=False)
    _stopped: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)
    _listening: bool = attrs.field(default=False, init=False)
    _rung: bool = attrs.field(default=False, init=False)
    _bug: Exception | None = attrs.field(default=None, init=False)
    _errands: set[asyncio.Task[None]] = attrs.field(factory=set[asyncio.Task[None]], init=False)
    _aio: asyncio.AbstractEventLoop = attrs.field(factory=asyncio.get_running_loop, init=False)

    def __attrs_post_init__(self) -> None:
        self.signs = Signs(max(self._beat, self.options.minimum_check_interval.total_seconds()))
        self.clock = ServerClock(self.observer.clock_jumped)
        self.lateness = Lateness(self.holder.lease / 1000)
        self.admissions = Admissions(self.broker, self.holder, self.options.reconnection_delay.total_seconds())

    async def run(self, *, until_finished: bool) -> None:
        """Pump until ``stop`` was called and everything has ended, or, if asked, until nothing is left to do.

        Raises:
            BrokerError: other than BrokerUnavailable, which is ridden out.
        """
        self._counts = until_finished
        try:
            await self._prepare()
            await self._pump()
        finally:
            self.admissions.close()
            if self._timer is not None:
                self._timer.cancel()
            if self._door is not None:  # we ended otherwise, and nobody would take what it claims
                self._door.cancel()
        if self._bug is not None:
            raise self._bug

    async def _prepare(self) -> None:
        while not self._stopping:
            try:
                await self.prepare()
            except BrokerUnavailable as away:
                await self._ride_out(away)
            else:
                return

    async def _pump(self) -> None:
        while self._bug is None and not (self._stopping and not (self.running or self._ended or self._door)):
            free = 0 if self._stopping else min(TRIP, self.options.concurrency - len(self.running) - self._promised)
            look = self._look or (self._recover and self._door is None)
            if self._ended or (look and free > 0):
                await self._trip(free)
            elif self._left == 0 and not (self.running or self._stopping):
                self.stop()
            else:
                self._stand_at_the_door(free)
                self._wake.clear()
                await self._wake.wait()

    def stop(self) -> None:
        """Claim no more; ``run`` returns when the bodies that run have ended and are settled."""
        if not self._stopping:
            self._stopping = self.signs.stopping = True
            self._stopped.set()
            self.observer.stopping(self.holder, len(self.running))
            self._wake.set()

    def cut(self) -> None:
        """Cancel the bodies that still run; their calls are handed back when they end."""
        for attempt in list(self.running.values()):
            attempt.cancel(Stop.SHUTDOWN)

    def let_go(self) -> None:
        """Hand back the calls whose bodies did not end when they were cancelled, over their heads."""
        for attempt in self.running.values():
            self._hand_back(attempt.lease)
        self._let_go.update(self.running)
        self.running.clear()
        self._wake.set()

    def goes_on(self, lease: Lease) -> bool:
        """Whether the body of this lease runs still, be it over our head."""
        return lease.fence in self.running or lease.fence in self._let_go

    def held(self) -> list[str]:
        """Return the tokens of what this worker holds; called from the renewal thread too."""
        return [each.lease.token for each in [*self.running.values()] if each.stop is not Stop.LOST]

    def lose(self, tokens: frozenset[str]) -> None:
        """Cancel the bodies whose leases are gone."""
        for attempt in list(self.running.values()):
            if attempt.lease.token in tokens and attempt.stop is not Stop.LOST and not attempt.asking:
                self.observer.lost(attempt.lease)
                insist.cancel(attempt, Stop.LOST, self.observer)
                attempt.stop = Stop.LOST

    def health(self) -> Health:
        """Judge the signs of life as of now; may be called from any thread."""
        return self.signs.health(self._aio.time())

    def fail(self, bug: Exception) -> None:
        """Make ``run`` raise this: something beside it broke that it cannot do without."""
        self._bug = bug
        self._wake.set()

    # Trips

    async def _trip(self, free: int) -> None:
        self._in_flight, self._ended, self._look = self._ended[:TRIP], self._ended[TRIP:], False
        order, repeated, began = self._order(max(free, 0)), self._failures > 0, self._aio.time()
        try:
            if self._in_flight:
                settlements, claim = await self.broker.turn(self._in_flight, order)
                if not repeated:  # else the first one may have been carried out, and this answer tells nothing
                    self._report(settlements)
            else:
                claim = await self.broker.claim(order)
        except BrokerUnavailable as away:
            self._ended, self._look = self._in_flight + self._ended, True  # settling twice changes nothing
            await self._ride_out(away)
        else:
            self._take(claim, order, began)
        finally:
            self._in_flight = []

    def _report(self, settlements: list[Settlement]) -> None:
        for (lease, judged), settlement in zip(self._in_flight, settlements, strict=True):
            if settlement is not Settlement.SETTLED:
                self.observer.settled(lease, judged, settlement)
                self.runner.shelf.drop(judged)

    async def _ride_out(self, away: BrokerUnavailable) -> None:
        self._failures += 1
        self._recover = self.signs.away = True
        longest = self.options.reconnection_delay.total_seconds()
        wait = pause(self._failures, longest=longest, random=random())  # noqa: S311 - jitter, no secret
        self.observer.disrupted(away, self._failures, wait)
        await self._rest(wait)

    async def _rest(self, seconds: float) -> None:
        """Sleep; a stop in the middle wakes us, for there may be nothing left to wait for."""
        self.signs.rest(self._aio.time(), seconds)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await (asyncio.sleep(seconds) if self._stopping else self._stopped.wait())

    def _order(self, limit: int) -> Order:
        now, sweep, known = self._aio.time(), "", None
        if self._sweep != "-" or now >= self._next_sweep:
            sweep, self._next_sweep = self._sweep, now + min(self._beat, self.holder.lease / 1000 / RENEWALS)
        if self._recover and self._door is None and limit > 0:
            known = (*self.held(), *(lease.token for lease, _ in (*self._ended, *self._in_flight)))
        deliveries, strikes = self.options.max_deliveries, self.runner.strikes.position
        recovery, hear = round(now * 1000), not self._listening
        return Order(self.holder, limit, deliveries, sweep, self.horizon, known, recovery, hear, strikes, self._counts)

    def _take(self, claim: Claim, order: Order, began: float, patience: float = 0) -> None:
        """Start what was claimed and remember what else the answer tells."""
        now = self._aio.time()
        if self._failures:
            self._failures, self.signs.away = 0, False
            self.observer.recovered()
        self.signs.look(now)
        self.clock.look(claim.now, began, now)
        self.leftovers.look(now, self.goes_on)
        self._left = claim.left
        if claim.strikes is not None:  # first of all: the leases below are judged by it
            self.runner.strikes.hear(claim.strikes)
        if order.known is not None and not (claim.more and len(claim.leases) == order.limit):
            self._recover = False
        self._sweep = claim.sweep if order.sweep else self._sweep
        if not claim.enrolled:
            self.forgotten.set()
        self._look = self._look or claim.more
        self._note_due(claim.due_in)
        for key, fence in claim.cancels:
            attempt = self.running.get(fence)
            if attempt is not None and attempt.lease.key == key:
                insist.cancel(attempt, Stop.CANCELLED, self.observer)
        begin = self._hand_back if self.lateness.doubts(claim, now - began - patience) else self._start
        for lease in claim.leases:
            begin(lease)

    @property
    def _beat(self) -> float:
        """Seconds between two looks, and heartbeats, of an idle worker: so many that it is not taken for gone."""
        return min(PATIENCE, max(0.01, self.horizon / 1000 / BEATS))

    def _note_due(self, due_in: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._patience = self._beat
        if due_in is not None and not self._stopping:
            self._timer = self._aio.call_later(due_in, self._due)
            if due_in < PATIENCE:
                self._patience = min(self._beat, self.options.scheduling_resolution.total_seconds())

    def _due(self) -> None:
        """A scheduled call is due: whoever waits at the door may have it."""
        self._timer = None
        if self._promised:
            self._ring()
        else:
            self._look = True
            self._wake.set()

    # Bodies

    def _start(self, lease: Lease) -> None:
        attempt = Attempt(lease)
        if self._stopping:
            self._hand_back(lease)
            return
        before = self.running.get(self._fences.get(lease.token, 0))
        if before is not None:
            self.lose(frozenset({lease.token}))
        self.running[lease.fence], self._fences[lease.token] = attempt, lease.fence
        self.holding.set()
        if before is None or before.task is None:
            self._begin(attempt)
        else:
            before.task.add_done_callback(lambda _: self._begin(attempt))  # one key never has two bodies

    def _begin(self, attempt: Attempt) -> None:
        if attempt.stop is None and attempt.lease.fence in self.running:
            attempt.task = asyncio.Task(self._perform(attempt), loop=self._aio, eager_start=True)
        elif self._end(attempt):
            self._hand_back(attempt.lease)
            self._wake.set()

    def _hand_back(self, lease: Lease) -> None:
        self._ended.append((lease, verdict.handed_back(lease.payload, attempt=lease.attempt)))

    def _end(self, attempt: Attempt) -> bool:
        """Let the attempt be over; return whether it was not handed back over its head before."""
        lease = attempt.lease
        if self._fences.get(lease.token) == lease.fence:
            del self._fences[lease.token]
        return self.running.pop(lease.fence, None) is not None

    async def _perform(self, attempt: Attempt) -> None:
        try:
            judged = await self.runner.run(attempt)
        except Exception as bug:  # noqa: BLE001 - the runner raises nothing; if it does, the worker must say so
            self._bug, judged = bug, None
        self.leftovers.due = True
        if self._end(attempt):
            if judged is None:
                self._look = True
            else:
                self._ended.append((attempt.lease, judged))
        if not self.running:
            self.holding.clear()
        self._wake.set()

    # The door

    def _stand_at_the_door(self, free: int) -> None:
        """Wait for something to do.  A wait that began in other circumstances is ended, to begin anew."""
        if self._door is None:
            self._promised = max(free, 0)
            waiting = self._wait_at_the_door(self._order(self._promised))
            self._listening, self._rung = True, False
            self._door = asyncio.create_task(waiting, name=f"shadows-door-{self.holder.name}")
        elif self._stopping or self._recover or (free > 0 and not self._promised):
            self._ring()

    async def _wait_at_the_door(self, order: Order) -> None:
        began, patience = self._aio.time(), self._patience
        try:
            claim = await self.broker.claim(order, patience=patience)
        except BrokerUnavailable as away:
            self._listening, self._promised = False, 0
            await self._ride_out(away)
        except Exception as bug:  # noqa: BLE001 - the pump raises it
            self._bug = bug
        else:
            self._listening, self._promised = False, 0
            self._take(claim, order, began, patience)
            self._empty_looks = 0 if claim.leases or claim.cancels else self._empty_looks + 1
            rest = began + self.options.minimum_check_interval.total_seconds() - self._aio.time()
            if self._empty_looks > 1 and rest > 0 and not (self._stopping or self._rung):
                await self._rest(rest)
        finally:
            self._listening, self._promised, self._door = False, 0, None
            self._wake.set()

    def _ring(self) -> None:
        if self._listening and not self._rung:
            self._rung = True
            errand = asyncio.ensure_future(self._ring_now())
            self._errands.add(errand)
            errand.add_done_callback(self._errands.discard)

    async def _ring_now(self) -> None:
        try:
            await self.broker.ring(self.holder)
        except BrokerUnavailable:
            self._recover = True  # the wait ends by itself, with its patience
        except Exception as bug:  # noqa: BLE001 - the pump raises it
            self._bug = bug
            self._wake.set()
