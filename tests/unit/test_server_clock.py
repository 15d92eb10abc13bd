"""Facts in, judgement out: what was read when, and whether that can be one clock that goes on."""

from __future__ import annotations

import pytest

from shadows.engine.server_clock import ServerClock

HOUR = 3_600_000


def looked(*looks: tuple[int, float, float]) -> list[float]:
    """Return the jumps that are told for these looks: theirs in ms, ours in s before and after."""
    told: list[float] = []
    clock = ServerClock(told.append)
    for look in looks:
        clock.look(*look)
    return told


@pytest.mark.parametrize(("jump", "least"), [(HOUR, 3599.0), (-HOUR, -3599.0), (3_000, 2.0), (-3_000, -2.0)])
def test_a_jump_is_told_once_and_never_too_far(jump: int, least: float) -> None:
    """FAULT 76: each trip took a second, so that much of it is in doubt."""
    told = looked((5_000, 0.0, 1.0), (6_500 + jump, 1.0, 2.0), (7_500 + jump, 2.0, 3.0))
    assert len(told) == 1
    assert abs(told[0]) >= abs(least) - 1
    assert abs(told[0]) <= abs(jump)
    assert told[0] * jump > 0


@pytest.mark.parametrize(
    "looks",
    [
        [(5_000, 0.0, 0.1), (65_000, 60.0, 60.1)],
        [(5_000, 0.0, 600.0), (605_000, 600.0, 600.1)],  # the answer lay there while a body blocked the event loop
        [(5_000, 0.0, 0.1), (605_000, 0.1, 600.0), (606_000, 601.0, 601.1)],
        [(5_000, 0.0, 0.1), (6_400, 1.0, 1.1), (7_800, 2.0, 2.1)],  # slewed, as time servers do it
        [(0, 0.0, 0.1), (HOUR, 1.0, 1.1)],
        [(HOUR, 1.0, 1.1), (0, 1.2, 1.3)],
    ],
)
def test_what_can_be_one_clock_is_no_jump(looks: list[tuple[int, float, float]]) -> None:
    """FAULT 76: slow trips, blocked loops and small corrections, and brokers that do not tell."""
    assert looked(*looks) == []
