"""The only state table: which state an execution may be in, and which may follow which."""

from __future__ import annotations

import enum


class ExecutionState(enum.StrEnum):
    """Where an execution is in its life; the values are what the broker stores."""

    SCHEDULED = "scheduled"
    """waits for its time"""
    QUEUED = "queued"
    """ready, waits for a worker"""
    PARKED = "parked"
    """waits at a gate for a slot"""
    RUNNING = "running"
    """a worker holds a lease on it"""
    COMPLETED = "completed"
    """its body returned"""
    FAILED = "failed"
    """its body raised for the last time, or it is a dead letter"""
    CANCELLED = "cancelled"
    """it will not run (again): cancelled, struck, dropped or superseded; ``reason`` says which"""

    @property
    def live(self) -> bool:
        """Whether the key is taken: the run has not ended."""
        return self in LIVE


_S = ExecutionState
LIVE = frozenset({_S.SCHEDULED, _S.QUEUED, _S.PARKED, _S.RUNNING})
ENDED = frozenset({_S.COMPLETED, _S.FAILED, _S.CANCELLED})

TRANSITIONS: dict[tuple[ExecutionState | None, str], frozenset[ExecutionState]] = {
    (None, "schedule"): frozenset({_S.SCHEDULED, _S.QUEUED}),
    (None, "seed"): frozenset({_S.SCHEDULED, _S.QUEUED}),
    (None, "replay"): frozenset({_S.SCHEDULED, _S.QUEUED}),
    (_S.SCHEDULED, "promote"): frozenset({_S.QUEUED}),
    (_S.SCHEDULED, "wake"): frozenset({_S.QUEUED}),
    (_S.SCHEDULED, "replace"): frozenset({_S.SCHEDULED, _S.QUEUED}),
    (_S.SCHEDULED, "seed"): frozenset({_S.SCHEDULED, _S.QUEUED}),
    (_S.SCHEDULED, "cancel"): frozenset({_S.CANCELLED}),
    (_S.QUEUED, "claim"): frozenset({_S.RUNNING, _S.PARKED, _S.SCHEDULED, _S.CANCELLED}),
    (_S.QUEUED, "replace"): frozenset({_S.SCHEDULED, _S.QUEUED}),
    (_S.QUEUED, "seed"): frozenset({_S.SCHEDULED, _S.QUEUED}),
    (_S.QUEUED, "cancel"): frozenset({_S.CANCELLED}),
    (_S.PARKED, "wake"): frozenset({_S.QUEUED, _S.PARKED, _S.SCHEDULED}),
    (_S.PARKED, "restore"): frozenset({_S.SCHEDULED, _S.QUEUED}),
    (_S.PARKED, "replace"): frozenset({_S.SCHEDULED, _S.QUEUED}),
    (_S.PARKED, "seed"): frozenset({_S.SCHEDULED, _S.QUEUED}),
    (_S.PARKED, "cancel"): frozenset({_S.CANCELLED}),
    (_S.RUNNING, "claim"): frozenset({_S.RUNNING, _S.FAILED, _S.CANCELLED}),
    (_S.RUNNING, "admit"): frozenset({_S.RUNNING, _S.PARKED, _S.SCHEDULED, _S.CANCELLED}),
    (_S.RUNNING, "replace"): frozenset({_S.RUNNING}),
    (_S.RUNNING, "cancel"): frozenset({_S.RUNNING}),
    (_S.RUNNING, "settle"): frozenset({*LIVE - {_S.RUNNING}, *ENDED}),
    (_S.COMPLETED, "schedule"): frozenset({_S.SCHEDULED, _S.QUEUED}),
    (_S.FAILED, "schedule"): frozenset({_S.SCHEDULED, _S.QUEUED}),
    (_S.CANCELLED, "schedule"): frozenset({_S.SCHEDULED, _S.QUEUED}),
    (_S.COMPLETED, "seed"): frozenset({_S.SCHEDULED, _S.QUEUED}),
    (_S.FAILED, "seed"): frozenset({_S.SCHEDULED, _S.QUEUED}),
    (_S.CANCELLED, "seed"): frozenset({_S.SCHEDULED, _S.QUEUED}),
    (_S.COMPLETED, "replay"): frozenset({_S.SCHEDULED, _S.QUEUED}),
    (_S.FAILED, "replay"): frozenset({_S.SCHEDULED, _S.QUEUED}),
    (_S.CANCELLED, "replay"): frozenset({_S.SCHEDULED, _S.QUEUED}),
}
"""For each state and verb, the states that may follow.  A pair that is not listed cannot happen.

``schedule`` or ``replay`` of a live key is not listed: it changes nothing; ``seed`` of a waiting one may change its
time.  A dead letter can be replayed whatever has become of its key since.
``claim`` of a running call is a redelivery; of a ready one whose moment at a gate has come it asks again.
``wake`` is what a call that ends does for those who wait at its gates, and a newer one for whom it drops.
"""


def may_follow(state: ExecutionState | None, verb: str) -> frozenset[ExecutionState]:
    """Return the states that ``verb`` may lead to from ``state`` (``None``: no record); raise KeyError for
    an unknown pair.
    """
    return TRANSITIONS[state, verb]
