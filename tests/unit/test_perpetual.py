from __future__ import annotations

from datetime import timedelta

from shadows.core.perpetual import definition, next_start
from shadows.core.scheduling import Due


def test_the_next_start_is_the_previous_one_and_the_interval() -> None:
    """INV 27: start to start, however long the body took."""
    assert next_start(1_000, timedelta(minutes=5)) == Due(at=301_000)
    assert next_start(1_000, timedelta(0)) == Due(at=1_000)
    assert next_start(1_000, timedelta(milliseconds=0.5)) == Due(at=1_001)


def test_a_definition_names_the_schedule_alike_everywhere() -> None:
    """INV 28: a worker of another deploy, on another machine, sees whether the schedule is still the same."""
    first = definition("cron", "0 2 * * *", "Europe/Berlin")
    assert first == "3106ea661109b2f7aa75aafa"
    assert first == definition("cron", "0 2 * * *", "Europe/Berlin")
    different = {definition("a", "bc"), definition("ab", "c"), definition("abc"), definition("a", "b", "c")}
    assert len(different) == 4
