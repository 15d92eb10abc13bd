"""The state of one shadow: plain dicts under one lock, and the time of the step that holds it."""

from __future__ import annotations

import heapq
import threading
from collections import OrderedDict
from contextlib import contextmanager

import attrs

from shadows.adapters.memory.bells import RINGS, Bells
from shadows.adapters.memory.doors import MOVES, Doors, Standing
from shadows.adapters.memory.event_bus import Listeners
from shadows.adapters.memory.silence import Ear
from shadows.adapters.memory.struck import Strikes
from shadows.core.lifecycle import ExecutionState
from shadows.errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from shadows.core.holder import Holder
    from shadows.ports.letters import DeadLetter
    from shadows.ports.presence import Attendance

REMEMBERED = 60_000
"""ms for which a run whose record is gone is remembered"""


@attrs.frozen
class Successor:
    """What takes the key when the running call is over."""

    run: str
    payload: bytes = attrs.field(repr=False)
    due: int


@attrs.define(eq=False)
class Run:
    """The record of a key, with the payload of the call."""

    key: str
    run: str
    payload: bytes = attrs.field(repr=False)
    state: ExecutionState = ExecutionState.QUEUED
    attempt: int = 1
    due: int = 0
    token: str = ""
    """names the message while it is queued or running"""
    ready_since: int = 0
    """when it was queued last"""
    lost: int = 0
    """leases of this attempt that ended without settle or hand-back"""
    fence: int | None = None
    holder: str | None = None
    started: int | None = None
    ended: int | None = None
    expires: int | None = None
    task: str = ""
    reason: str = ""
    result: bytes = attrs.field(default=b"", repr=False)
    letter: str = ""
    """the id of the dead letter that it became"""
    cancel_requested: bool = False
    watched: bool = False
    successor: Successor | None = None
    definition: str = ""
    """names the schedule that decided when it is due"""
    unknown_since: int | None = None
    """when it first met a worker that does not know its task"""
    progress: dict[str, str] = attrs.field(factory=dict[str, str], repr=False)
    standing: Standing = attrs.field(factory=Standing)
    """how it stands with its gates"""


@attrs.define(eq=False)
class Schedule:
    """What is known of a key that seeds keep alive."""

    definitions: list[str] = attrs.field(factory=list[str])
    """the latest few, the one that was first seen last in front"""
    stopped: bool = False
    """somebody decided against its last run"""


@attrs.define(eq=False)
class Hold:
    """A lease that is out."""

    run: Run
    holder: Holder
    fence: int
    renewed: int


@attrs.frozen
class Letter:
    """A dead letter and when it is thrown away."""

    letter: DeadLetter
    expires: int


@attrs.define(eq=False, repr=False)
class Store:
    """Everything that is kept under one name, for whoever is inside :meth:`step`."""

    runs: dict[str, Run] = attrs.field(factory=dict[str, Run])
    past: dict[tuple[str, str], Run] = attrs.field(factory=dict[tuple[str, str], Run])
    """(run, key) -> the record of an ended run whose key has gone on to the next occurrence"""
    schedules: dict[str, Schedule] = attrs.field(factory=dict[str, Schedule])
    queue: list[tuple[int, bytes]] = attrs.field(factory=list[tuple[int, bytes]])
    """the scheduled calls by due time, then by the bytes of the key; always sorted"""
    ready: OrderedDict[str, Run] = attrs.field(factory=OrderedDict[str, Run])
    """token -> call, oldest first"""
    held: dict[str, Hold] = attrs.field(factory=dict[str, Hold])
    """token -> lease"""
    doors: Doors = attrs.field(factory=Doors)
    """what is behind the gates, and who waits at them"""
    unknown: set[str] = attrs.field(factory=set[str])
    """keys of the calls that wait for a worker that knows their task"""
    untold: dict[str, None] = attrs.field(factory=dict[str, None])
    """tokens of the leases whose holder has not yet heard of a cancel, in the order of the requests"""
    letters: OrderedDict[str, Letter] = attrs.field(factory=OrderedDict[str, Letter])
    requests: OrderedDict[tuple[str, str], int] = attrs.field(factory=OrderedDict[tuple[str, str], int])
    """runs whose record is gone -> since when; oldest first"""
    attendance: dict[str, Attendance] = attrs.field(factory=dict[str, "Attendance"])
    strikes: Strikes = attrs.field(factory=Strikes)
    at_strikes: dict[str, tuple[int, str]] = attrs.field(factory=dict[str, "tuple[int, str]"])
    """keys of the calls that are held -> the fence under which they came, and the strike"""
    keeper: object = None
    """the virtual clock that it goes by; None where time is real"""
    listeners: Listeners = attrs.field(factory=Listeners)
    bells: Bells = attrs.field(factory=Bells)
    ear: Ear = attrs.field(factory=Ear)
    lingering: set[str] = attrs.field(factory=set[str])
    """ids of the holders whose claims wait for as long as nothing happens: they are here, though they send no
    heartbeats"""
    recovered: dict[str, int] = attrs.field(factory=dict[str, int])
    """by holder: the number of its latest order to recover"""
    hopeful: set[str] = attrs.field(factory=set[str])
    """ids of the holders that were told last that something is left to do"""
    now: int = 0
    """whole ms, rounded down: what every decision of this step goes by"""
    now_us: int = 0
    arrived: int = 0
    """calls that became ready in this step"""
    sooner: bool = False
    """in this step a call was scheduled ahead of all others"""
    _expiries: list[tuple[int, str, str]] = attrs.field(factory=list[tuple[int, str, str]])
    _last_number: int = 0
    _last_fence: int = 0
    _lock: threading.Lock = attrs.field(factory=threading.Lock)

    def __repr__(self) -> str:
        live = f"scheduled={len(self.queue)}, queued={len(self.ready)}, running={len(self.held)}"
        return f"<Store {live}, dead={len(self.letters)}>"

    @contextmanager
    def step(self, clock: Callable[[], float]) -> Generator[None]:
        """Do one indivisible step: alone, at one moment, with what has expired out of the way."""
        with self._lock:
            self.now_us = round(clock() * 1000)
            self.now = self.now_us // 1000
            self._prune()
            self.doors.moves = MOVES
            try:
                yield
            finally:
                self._wake()

    @property
    def left(self) -> int:
        """How many calls are left to do for somebody who is here."""
        waiting = len(self.queue) + len(self.doors.parked) + len(self.ready)
        return waiting + len(self.held) - len(self.unknown)

    def next_fence(self) -> int:
        """Return a fence that was never given before; on servers too they go up with the clock, in microseconds."""
        self._last_fence = max(self._last_fence, self.now_us) + 1
        return self._last_fence

    def next_id(self) -> str:
        """Return the name of a new message or dead letter; names sort by age."""
        self._last_number += 1
        return f"{self._last_number:020}"

    def expire(self, run: Run, ttl: int) -> None:
        """Keep this record for ``ttl`` ms more."""
        run.expires = self.now + ttl
        heapq.heappush(self._expiries, (run.expires, run.key, run.run))

    def due_in(self) -> float | None:
        """Return the seconds until the next scheduled call is due."""
        return max(0, self.queue[0][0] * 1000 - self.now_us) / 1_000_000 if self.queue else None

    def _wake(self) -> None:
        rings = min(self.arrived, len(self.ready), RINGS)
        self.bells.ring(max(rings, self.sooner))
        self.arrived, self.sooner = 0, False
        for sleeper in self.bells.sleepers:
            sleeper.reconsider()

    def _prune(self) -> None:
        while self._expiries and self._expiries[0][0] <= self.now:
            expires, key, name = heapq.heappop(self._expiries)
            run, past = self.runs.get(key), self.past.get((name, key))
            if run is not None and run.expires == expires:
                del self.runs[key]
            if past is not None and past.expires == expires:
                del self.past[name, key]
        while self.letters and next(iter(self.letters.values())).expires <= self.now:
            self.letters.popitem(last=False)
        while self.requests and self.now - next(iter(self.requests.values())) >= REMEMBERED:
            self.requests.popitem(last=False)


_stores: dict[str, Store] = {}
_stores_lock = threading.Lock()


def store_named(name: str, keeper: object = None) -> Store:
    """Return the store of this name, which a process has once: as long as it lives, or as long as the virtual
    clock that keeps it.

    Raises:
        ConfigurationError: the store goes by another clock.
    """
    with _stores_lock:
        store = _stores.setdefault(name, Store(keeper=keeper))
    if store.keeper is not keeper:
        theirs, ours = ("the real time" if who is None else repr(who) for who in (store.keeper, keeper))
        msg = f"memory://{name} goes by {theirs} already, not by {ours}; give both the same clock, or another name"
        raise ConfigurationError(msg)
    return store


def forget_stores(keeper: object) -> None:
    """Forget everything that went by this virtual clock."""
    with _stores_lock:
        for name in [name for name, store in _stores.items() if store.keeper is keeper]:
            del _stores[name]


def forget_store(name: str) -> None:
    """Forget what is kept under this name; who has it open keeps it."""
    with _stores_lock:
        _stores.pop(name, None)
