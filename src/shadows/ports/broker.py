"""The broker port: the verbs of a task's life.  One method is one indivisible decision.

Only bytes and plain values cross it; functions, pickles and clocks stay above.  Times are whole
milliseconds by the broker's own clock.  Plural methods treat each item alone: one broken record never stops
the others.

Every method raises :class:`~shadows.errors.BrokerUnavailable` (or a subclass) when the broker cannot serve
it now, and may be repeated then: repeating ``schedule`` or ``replay`` with the same ``run`` ids, ``settle``,
``cancel``, ``discard``, ``renew`` and ``report`` changes nothing that the first one did; after a broken
``claim`` or ``turn`` the next claim passes ``known``.

Words: a *run* is one execution's identity; *live* means scheduled, queued, parked or running; a *waiting*
    call is live and not running.
"""

from __future__ import annotations

import enum
from typing import Protocol

import attrs

from shadows.core.scheduling import AT_ONCE, Due
from shadows.ports.letters import DeadLetter, Replay, Replayed
from shadows.ports.looking import Part, Record, Survey

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shadows.core.gates import Gate
    from shadows.core.holder import Holder
    from shadows.core.verdict import Verdict
    from shadows.ports.admission import Admission
    from shadows.ports.seeding import Seed, Seeding
    from shadows.ports.strike_log import News

BATCH = 200
"""The most calls that one script handles; adapters split a larger batch, which is then not one step."""


class OnLive(enum.StrEnum):
    """What an entry does when its key is taken by a live run."""

    KEEP = "keep"
    REPLACE = "replace"


@attrs.frozen
class Entry:
    """One call to place.

    ``run`` identifies the request: repeating it gets the first answer.  It is empty for a key that was
    generated for this one call, because the key itself does the same service.
    """

    key: str
    payload: bytes = attrs.field(repr=False)
    due: Due = AT_ONCE
    run: str = ""
    on_live: OnLive = OnLive.KEEP
    struck: bool = False
    """a strike forbids it: it is not placed, but a repeated request still gets its first answer"""


class Placed(enum.StrEnum):
    """The answer to one entry."""

    SCHEDULED = "scheduled"
    """it is placed, as the key's run or as the successor of the running one"""
    ALREADY = "already"
    """a live run has this key; nothing was changed"""
    STRUCK = "struck"
    """a strike forbids it; nothing was changed, and the key is as free as before"""
    BROKEN = "broken"
    """the key's record holds something else; nothing was changed"""


@attrs.frozen
class Placement:
    """The answer to one entry, and the run that now has the key (the successor's, if it became one)."""

    placed: Placed
    run: str


@attrs.frozen
class Lease:
    """The right to run and settle one attempt."""

    key: str
    token: str
    """names the message at the broker; a redelivery has the same one"""
    fence: int
    """never given twice in a shadow's existence; only its holder can settle"""
    attempt: int
    payload: bytes = attrs.field(repr=False)
    deliveries: int
    """how many leases this attempt has had, this one included; above 1 it is a redelivery"""
    due: int
    """ms since the epoch when the call was due"""
    started: int
    """ms since the epoch when it was claimed"""
    admitted: bool = False
    """it holds its gates already: it was woken, its moment has come, or its last lease was lost"""
    dropped: str = ""
    """why a gate has dropped it, if so: it is to be settled as cancelled"""


@attrs.frozen
class Order:
    """What a holder asks of a claim."""

    holder: Holder
    limit: int
    """at most so many leases, 0 to BATCH; 0 only looks after the holder's affairs"""
    max_deliveries: int = 5
    sweep: str = ""
    """where to go on looking for expired leases, "-" from the start, "" not at all; a sweep is also a
    heartbeat
    """
    horizon: int = 10_000
    """ms without a heartbeat after which a worker counts as gone"""
    known: tuple[str, ...] | None = None
    """after a broken trip: the tokens the holder knows that it holds; what else is its own comes back
    first, and cancels of what it knows are told again.  No other claim of this holder may be under way
    then"""
    recovery: int = 0
    """goes up from one order of a holder that tells what is ``known`` to the next: one that a network delivers
    after a later one does nothing, for what it does not know was given since
    """
    hear: bool = True
    """take the messages out of the holder's inbox; false while another claim of this holder waits for them"""
    strikes: str = ""
    """the holder's position in the strike log"""
    count: bool = True
    """tell how many calls are left"""


@attrs.frozen
class Claim:
    """The answer to an order."""

    leases: tuple[Lease, ...]
    due_in: float | None
    """seconds until the next scheduled call is due, by the broker's clock; None when nothing is scheduled"""
    sweep: str
    """where the next sweep goes on; "-" when this one saw everything"""
    more: bool
    """more calls may be ready: look again at once"""
    left: int | None
    """live calls of the shadow, the running ones included, calls of unknown tasks excluded; None if not asked for"""
    cancels: tuple[tuple[str, int], ...]
    """key and fence of running calls of this holder whose cancellation somebody asked for"""
    enrolled: bool
    """false when a heartbeat found that presence has forgotten this holder; it should check in again"""
    strikes: News | None = None
    """what the strike log says beyond the order's position: each lease is to be judged by this list or a later one"""
    now: int = 0
    """the broker's clock in ms; 0 where it is not told"""


class Settlement(enum.StrEnum):
    """The answer to one settled lease."""

    SETTLED = "settled"
    CANCELLED = "cancelled"
    """a retry or hand-back of a call whose cancel was requested: it ended cancelled instead"""
    BURIED = "buried"
    """it became a dead letter"""
    SUPERSEDED = "superseded"
    """the lease was lost, or settled before; nothing was changed"""
    BROKEN = "broken"
    """the record holds something else; the message was removed"""


class Cancellation(enum.StrEnum):
    """The answer to a cancel."""

    CANCELLED = "cancelled"
    """it was waiting, and will never start"""
    REQUESTED = "requested"
    """it is running; its holder was told"""
    NOT_LIVE = "not_live"


class Broker(Protocol):
    """The verbs.  ``tests/contract`` has a file for each."""

    async def schedule(self, entries: Sequence[Entry], *, repeated: bool = False, strikes: str = "") -> list[Placement]:
        """Place each entry, in order, and wake sleeping workers.

        A key that is not live starts clean: nothing of an ended run under it (result, progress, TTL)
        remains.  An entry whose time has come is ready at once; another waits, and lies in no worker's way.

        A live key is untouched with ``OnLive.KEEP``.  With ``REPLACE`` a waiting run ends (its waiters are
        woken; its ``run`` has gone) and the entry takes its place in one step.  Of a *running* key the
        entry becomes the successor: it takes the key when the running lease is settled, lost for good or
        buried, at its ``due``.  A second replace overwrites the successor.  ``KEEP`` on a running key whose
        cancel was requested, and which has no successor, also becomes the successor.

        ``repeated`` says that the same entries were sent before and the answer was lost: an entry whose
        ``run`` (or, when that is empty, whose key) has been placed answers SCHEDULED and changes nothing,
        also when its run has ended since.

        ``strikes`` is the position in the strike log that ``struck`` was decided with.  When the log has gone
        on since, nothing is placed: StrikesMoved is raised, with what is new.  No entries at all ask only that.
        """
        ...

    async def seed(self, seeds: Sequence[Seed], *, restart: bool) -> list[Seeding]:
        """Make sure that something waits or runs under each key.

        Where nothing is live, the call is placed: a new run, whose id the broker makes; the record of an
        ended run of the key is then kept among the past ones (see ``read``).  But not if somebody, or the
        task, decided against its last run (it was cancelled, or its cancel requested, or its verdict was
        ``last``) and nothing was live there since, unless ``restart``.

        What is live is left as it is, except that a call which has not begun and was placed under a definition
        gets the due and the payload of a seed with a newer one, in one step.  Of the definitions of a key the
        newest is the one that was first seen last; the broker remembers the latest few.
        """
        ...

    async def fallow(self, keys: Sequence[str], *, patience: float) -> None:
        """Wait for the moment at which somebody who calls ``seed`` for these keys every ``patience`` seconds, from now
        on, would first find something to place.

        A broker that cannot tell waits for ``patience`` seconds.
        """
        ...

    async def claim(self, order: Order, *, patience: float = 0) -> Claim:
        """Move what is due to the ready calls (a bounded step), then lease up to ``order.limit`` calls to
        the holder.

        First its own that it does not know of (``order.known``), without counting a delivery; then, with
        ``order.sweep``, calls whose lease expired: those idle for longer than *their* holder's lease length
        (a bounded step; never the holder's own); then ready calls, oldest first.  Each lease is marked
        running and gets a new fence in this step.

        Not leased but cleaned up here: stale messages (removed), calls whose cancel was requested (ended
        ``cancelled``), calls with more than ``max_deliveries`` deliveries (dead letter ``worker-lost``),
        unreadable entries and entries whose record is of the wrong type (dead letter ``undecodable``, raw).
        An entry without a record is leased, its record rebuilt.  An entry of a newer format version is left
        for a newer worker.

        With patience (seconds) it waits first until something may be ready or this holder has a message; it
        may wake for nothing.  A waiting claim is not to be cancelled: end it with ``ring``.
        """
        ...

    async def ring(self, holder: Holder) -> None:
        """End the wait of this holder's patient claim, now or the next one."""
        ...

    async def admit(self, holder: Holder, asked: Sequence[tuple[Lease, Sequence[Gate]]]) -> list[Admission]:
        """Ask for each lease whether its body may run now: debounces first, then cooldowns, slots, rates.

        One step asks all gates of a call, and takes nothing before all are open.
        Who lacks a slot is parked in line, by the fence under which the attempt first asked; whose moment is
        later is scheduled for it.  Either way the lease is given up, and no attempt and no delivery is used.
        The step that ends the attempt frees its slots and makes those ready who wait longest (a bounded number,
        the next claims do the rest).  A redelivery holds what its attempt took; a retry takes slots and
        tokens anew, while debounces and cooldowns are passed once in a run.
        """
        ...

    async def settle(self, holder: Holder, done: Sequence[tuple[Lease, Verdict]]) -> list[Settlement]:
        """Carry out each verdict and release its lease; once per lease, in one step with what follows from
        it.

        It counts only while the record is running under the lease's fence (or, where the record was
        evicted, while the holder has the message); else it is SUPERSEDED and a message that belongs to
        nobody is removed.

        END closes the record: state, reason, task, ``ended``; the outcome is stored under the same
        lifetime; waiters are told last.  A failed one keeps its payload.  With a lifetime of 0 nothing
        remains.  With ``follow`` the same step gives the key to the next occurrence: a new run at its first
        attempt, whose id the broker makes (see ``Record.occurrence``).  The record of the run that ended is
        then kept among the past ones, with its outcome and for the same lifetime (see ``read``); its
        progress goes, and its watchers hear of its end alone.  A successor, or a cancel that was requested
        before, drops ``follow``.  AGAIN places the next attempt, BACK the same one at once; both end
        ``cancelled`` if that was requested.  HOLD parks it at a strike if the strike log is still where the
        verdict's ``strikes`` says, else it is like BACK.  UNKNOWN places it after 1 s, doubling to 60 s, counted,
        and buries it as ``unknown-task`` when that has gone on for ``unknown_task_ttl``.  BURY makes it a dead letter.

        A successor is placed in the same step, whatever the verdict; a next attempt is then dropped.
        """
        ...

    async def turn(self, done: Sequence[tuple[Lease, Verdict]], order: Order) -> tuple[list[Settlement], Claim]:
        """Settle, then claim, as one step and one trip: what a busy worker sends."""
        ...

    def renew(self, holder: Holder, tokens: Sequence[str]) -> frozenset[str]:
        """Start the leases of these tokens anew and return those that this holder no longer has.

        Not a coroutine: it blocks, and is called from a thread of its own, so that a body that blocks the
        event loop keeps its lease. It never takes a lost lease back, and counts no delivery.
        """
        ...

    async def cancel(self, key: str) -> Cancellation:
        """End a waiting call for good, or mark a running one and tell its holder.  Drops a successor.
        Leaves nothing of an unknown key.
        """
        ...

    async def read(self, key: str, parts: Part = Part.NOTHING, *, run: str | None = None) -> Record | None:
        """Return what is kept for the key, as of one moment; None if nothing is.

        With ``run``, when the key's record is another run's or gone: the past record of that run, if its end
        was followed by the next occurrence and it is still kept.
        """
        ...

    async def survey(self, limit: int) -> Survey:
        """Return exact counts and up to ``limit`` waiting or running calls; bounded steps, so the list may
        blur while work goes on.
        """
        ...

    async def clear(self) -> int:
        """End all calls that wait now (``cancelled``, reason ``cleared``) and return how many; running ones
        are untouched.
        """
        ...

    async def report(self, lease: Lease, progress: Mapping[str, str]) -> bool:
        """Merge these fields into the run's progress if the lease still holds; else change nothing and
        return False.
        """
        ...

    async def progress(self, key: str) -> dict[str, str]:
        """Return the progress fields of the key's run; empty if it has none."""
        ...

    async def dead(self, *, limit: int, before: str = "") -> list[DeadLetter]:
        """Return up to ``limit`` dead letters, newest first, older than the id ``before``."""
        ...

    async def letter(self, letter: str) -> DeadLetter | None:
        """Return the dead letter of this id, None if there is none."""
        ...

    async def replay(self, replays: Sequence[Replay], *, repeated: bool = False, strikes: str = "") -> list[Replayed]:
        """Place each call once more, in order, and wake sleeping workers.

        It begins anew: a new run, first attempt, no deliveries; nothing of the run that failed remains under its key.
        The step that places it removes its dead letter, so it is never run twice for one letter, and never lost.
        While another run of the key is live, nothing is changed.  ``repeated`` and ``strikes`` are as for ``schedule``.
        """
        ...

    async def discard(self, letters: Sequence[str]) -> list[bool]:
        """Throw away the dead letters of these ids, with their arguments; tell for each whether there was one.

        The record of the run goes on to say why it failed, for as long as it is kept.
        """
        ...
