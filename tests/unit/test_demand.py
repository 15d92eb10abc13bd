from __future__ import annotations

import pytest

from shadows.core.demand import Demand, demand


@pytest.mark.parametrize(
    ("queued", "running", "desired"), [(0, 0, 1), (1, 0, 1), (10, 0, 1), (10, 1, 2), (0, 11, 2), (995, 5, 100)]
)
def test_so_many_workers_as_have_a_slot_for_each_call(queued: int, running: int, desired: int) -> None:
    """What runs counts too, or busy workers would be taken away; one stays, to make scheduled calls ready."""
    found = demand(queued=queued, running=running, oldest=None, now=5_000, concurrency=10)
    assert found == Demand(queued, 0.0, desired)


def test_the_age_is_in_seconds_and_never_negative() -> None:
    """Both times are the broker's own."""
    assert demand(queued=1, running=0, oldest=3_500, now=5_000, concurrency=10).oldest_age_s == 1.5
    assert demand(queued=1, running=0, oldest=5_001, now=5_000, concurrency=10).oldest_age_s == 0
