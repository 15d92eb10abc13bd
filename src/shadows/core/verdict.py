"""What becomes of a lease.  Each legal outcome has a constructor of its own, so an illegal mix cannot be
written.
"""

from __future__ import annotations

import enum

import attrs

from shadows.core.lifecycle import ExecutionState
from shadows.core.scheduling import AT_ONCE, Due


class Kind(enum.StrEnum):
    """What settle does with the call; the values travel to the broker."""

    END = "end"
    """the run is over: close its record, keep its result"""
    AGAIN = "again"
    """place the next attempt, or the next occurrence"""
    BACK = "back"
    """hand back: it never started, or must start afresh; no attempt and no delivery is used up"""
    HOLD = "hold"
    """park it at a strike, until that is restored"""
    UNKNOWN = "unknown"
    """put back with a growing delay for a worker that knows the task; after ``unknown_task_ttl`` bury it"""
    BURY = "bury"
    """make it a dead letter"""


@attrs.frozen
class Occurrence:
    """What follows a run that has ended: a new run under the same key, at its first attempt."""

    payload: bytes = attrs.field(repr=False)
    due: Due
    """a time that is past means at once: missed occurrences are not caught up"""
    definition: str = ""
    """names the schedule that decided ``due``; see ``seed`` of the broker"""


@attrs.frozen
class Verdict:
    """The outcome of one lease.  Use the functions of this module to build one."""

    kind: Kind
    state: ExecutionState = ExecutionState.QUEUED
    reason: str = ""
    """a word that explains the state: ``cancelled``, ``worker-lost``, ``cancel_ignored``; at most 64 bytes"""
    task: str = ""
    """the task's name, kept in the ended record"""
    due: Due = AT_ONCE
    attempt: int = 1
    body: bytes = attrs.field(repr=False, default=b"")
    """the encoded outcome of a run that ended, else the payload of what is placed"""
    follow: Occurrence | None = None
    """of a run that ended: its next occurrence"""
    last: bool = False
    """of a run that ended: by the task's own decision nothing follows it, and seeds place nothing either until
    a worker starts anew
    """

    strikes: str = ""
    """of a hold: the position in the strike log that it was judged with"""

    @property
    def is_bare(self) -> bool:
        """Whether it tells nothing but that the run has completed."""
        kept = self.body or self.reason or self.last
        return self.state is ExecutionState.COMPLETED and self.follow is None and not kept


def completed(
    task: str, result: bytes = b"", *, reason: str = "", follow: Occurrence | None = None, last: bool = False
) -> Verdict:
    """The body returned; ``result`` is empty when it returned None."""
    return Verdict(Kind.END, ExecutionState.COMPLETED, reason, task, body=result, follow=follow, last=last)


def failed(
    task: str, error: bytes, *, reason: str = "", follow: Occurrence | None = None, last: bool = False
) -> Verdict:
    """The body raised, and will not be tried again; its payload is kept as long as its record, for a
    replay.
    """
    return Verdict(Kind.END, ExecutionState.FAILED, reason, task, body=error, follow=follow, last=last)


def cancelled(task: str, *, reason: str = "cancelled", follow: Occurrence | None = None) -> Verdict:
    """The run is over without an outcome, on somebody's decision."""
    return Verdict(Kind.END, ExecutionState.CANCELLED, reason, task, follow=follow)


def again(payload: bytes, *, attempt: int, due: Due = AT_ONCE) -> Verdict:
    """Place the next attempt: same run, same payload, when ``due``."""
    return Verdict(Kind.AGAIN, attempt=attempt, due=due, body=payload)


def handed_back(payload: bytes, *, attempt: int) -> Verdict:
    """Give the call back at once, as if it had never been claimed."""
    return Verdict(Kind.BACK, attempt=attempt, body=payload)


def held(payload: bytes, *, attempt: int, strike: str, strikes: str, due: int) -> Verdict:
    """Keep it at the strike of this name; ``due`` is when it was due.  No attempt and no delivery is used up."""
    parked, when = ExecutionState.PARKED, Due(at=due)
    return Verdict(Kind.HOLD, parked, strike, due=when, attempt=attempt, body=payload, strikes=strikes)


def unknown(payload: bytes, *, attempt: int) -> Verdict:
    """Nobody here knows the task: wait 1 s, doubling to 60 s, for a worker that does."""
    return Verdict(Kind.UNKNOWN, attempt=attempt, body=payload)


def dead(payload: bytes, *, attempt: int, reason: str) -> Verdict:
    """It can never run: make it a dead letter for ``reason``."""
    return Verdict(Kind.BURY, ExecutionState.FAILED, reason, attempt=attempt, body=payload)
