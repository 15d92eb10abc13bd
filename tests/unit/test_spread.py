from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from shadows.core.spread import spread

S = timedelta(seconds=1)
NONE = timedelta(0)


def _never() -> float:
    raise AssertionError


def test_calls_are_spread_evenly_from_the_start_to_the_end() -> None:
    """PARITY "Agenda": the first at the start, the last at the end of the window, without dice."""
    assert spread(5, 60 * S, NONE, _never) == [NONE, 15 * S, 30 * S, 45 * S, 60 * S]
    assert spread(2, 60 * S, NONE, _never) == [NONE, 60 * S]
    assert spread(0, 60 * S, NONE, _never) == []


def test_one_call_comes_in_the_middle() -> None:
    """PARITY "Agenda"."""
    assert spread(1, 60 * S, NONE, _never) == [30 * S]


def test_jitter_moves_each_call_either_way_but_never_before_the_start() -> None:
    """PARITY "Agenda": dice of 0 move back by the whole jitter, dice of 1 forward."""
    assert spread(3, 60 * S, 10 * S, lambda: 0.0) == [NONE, 20 * S, 50 * S]
    assert spread(3, 60 * S, 10 * S, lambda: 0.75) == [5 * S, 35 * S, 65 * S]
    assert spread(1, 60 * S, 10 * S, lambda: 0.5) == [30 * S]


@given(st.integers(2, 400), st.integers(1, 10**7), st.integers(0, 10**6), st.floats(0, 1, exclude_max=True))
def test_no_call_is_farther_from_its_place_than_the_jitter(count: int, over: int, jitter: int, dice: float) -> None:
    """And all of them are there, in order where the dice agree."""
    window, most = timedelta(milliseconds=over), timedelta(milliseconds=jitter)
    even, moved = spread(count, window, NONE, _never), spread(count, window, most, lambda: dice)
    assert even[0] == NONE
    assert even[-1] == window
    assert even == sorted(even)
    assert all(abs(a - b) <= most and a >= NONE for a, b in zip(moved, even, strict=True))
