from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadows.core.backoff import FIRST, is_longer, pause

LONGEST = 5.0


@pytest.mark.parametrize(("failures", "seconds"), [(1, 0.05), (2, 0.1), (3, 0.2), (7, 3.2), (8, 5.0), (9, 5.0)])
def test_the_pause_doubles_until_it_is_as_long_as_it_may_be(failures: int, seconds: float) -> None:
    """FAULT 54: a server that is away is asked ever more rarely, but never more rarely than was said."""
    assert pause(failures, longest=LONGEST, random=0.0) == pytest.approx(seconds)


def test_clients_that_lost_one_server_do_not_come_back_as_one() -> None:
    """FAULT 81: up to a half of each pause is left off at random."""
    assert pause(1, longest=LONGEST, random=0.5) == pytest.approx(FIRST * 0.75)
    assert pause(100, longest=LONGEST, random=0.999) == pytest.approx(LONGEST / 2, rel=0.01)


def test_a_pause_shorter_than_the_first_is_kept() -> None:
    """Whoever asks for 10 ms at most gets no 50."""
    assert pause(1, longest=0.01, random=0.0) == 0.01


@given(st.integers(1, 10**9), st.floats(0.001, 3600), st.floats(0, 1, exclude_max=True))
def test_no_number_of_failures_makes_it_leave_its_bounds(failures: int, longest: float, random: float) -> None:
    """FAULT 16: a server may be away for a week; 2 to the power of that fits into no float."""
    found = pause(failures, longest=longest, random=random)
    assert min(longest, FIRST) / 2 <= found <= longest


@pytest.mark.parametrize("random", [0.0, 0.5, 0.999])
def test_a_pause_is_longer_than_the_one_before_until_it_is_the_longest(random: float) -> None:
    """Whatever was left off at random: 50 ms, 100, 200, ... 3.2 s are steps, and 5 s is one once."""
    steps = [n for n in range(1, 30) if is_longer(n, pause(n, longest=LONGEST, random=random))]
    assert steps[:7] == [1, 2, 3, 4, 5, 6, 7]
    assert steps[7:] in ([], [8])
    assert not is_longer(10**9, LONGEST)
