"""How many workers a shadow could do with."""

from __future__ import annotations

import attrs


@attrs.frozen
class Demand:
    """What an autoscaler is told."""

    backlog: int
    """calls that are ready and wait for a worker"""
    oldest_age_s: float
    """seconds for which the oldest of them has been ready; 0 if there is none"""
    desired_workers: int
    """so many run at once all that is ready or runs now; at least one, for scheduled calls need one too"""


def demand(*, queued: int, running: int, oldest: int | None, now: int, concurrency: int) -> Demand:
    """Return the demand at ``now``, by the broker's clock, for workers with so many slots each.  Times are in ms."""
    age = 0.0 if oldest is None else max(0, now - oldest) / 1000
    return Demand(queued, age, max(1, -(-(queued + running) // concurrency)))
