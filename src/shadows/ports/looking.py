"""What a look at a broker brings: the record of a key, or a survey of all."""

from __future__ import annotations

import enum

import attrs

from shadows.core.lifecycle import ExecutionState

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shadows.core.gates import Debounce, Rate, Slots

FEW = 5
"""The most holders of slots that a look names."""


class Part(enum.Flag):
    """What a read brings besides the small values of the record."""

    NOTHING = 0
    PAYLOAD = enum.auto()
    RESULT = enum.auto()
    WATCH = enum.auto()
    """from this step on, publish this record's events (see the event bus)"""
    STANDING = enum.auto()


@attrs.frozen
class Standing:
    """What a waiting call waits for, besides its time and a worker."""

    gate: Slots | Rate | Debounce | None = None
    """in whose line it stands, or whose moment or quiet it waits for"""
    before: int = 0
    """the calls that stand before it in that line"""
    inside: int = 0
    """the calls that have the slots, or the tokens in the present window"""
    holders: tuple[str, ...] = ()
    """the keys of a few of those that have the slots"""
    strike: str = ""
    """the name of the strike at which it is held"""
    unknown_since: int | None = None
    """ms since the epoch, since when every worker that took it has not known its task"""


@attrs.frozen
class Record:
    """What the broker keeps for a key."""

    key: str
    state: ExecutionState
    run: str
    attempt: int
    due: int | None = None
    """ms; of live runs"""
    fence: int | None = None
    holder: str | None = None
    """the holder's id"""
    started: int | None = None
    ended: int | None = None
    task: str | None = None
    """of ended runs"""
    reason: str | None = None
    deliveries: int = 0
    """of running calls"""
    cancel_requested: bool = False
    successor: str | None = None
    """the run id of the successor, if the running call has one"""
    payload: bytes | None = attrs.field(repr=False, default=None)
    """if asked for: of live, failed and dead runs"""
    result: bytes | None = attrs.field(repr=False, default=None)
    """if asked for: of ended runs that have an outcome"""
    letter: str | None = None
    """the id of the dead letter that it became"""
    standing: Standing | None = None
    """if asked for: of waiting calls"""

    @property
    def occurrence(self) -> bool:
        """Whether the broker placed this run by itself (``follow``, ``seed``); its id is then ``#`` and a number."""
        return self.run.startswith("#")


@attrs.frozen
class Counts:
    """Exact numbers at one moment."""

    scheduled: int
    queued: int
    running: int
    parked: int
    unknown: int
    """of those: waiting for a worker that knows their task"""
    dead: int


@attrs.frozen
class Survey:
    """A bounded look at a shadow."""

    taken: int
    """ms since the epoch"""
    counts: Counts
    oldest: int | None
    """ms since the epoch: from when the oldest call has been ready that nobody has taken yet, due ones included; None
    if there is none
    """
    records: tuple[Record, ...]
    """waiting and running calls with their payloads: due first, then in the order in which they became
    ready
    """
