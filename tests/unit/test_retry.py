from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadows.core.retry import exponential, fixed
from shadows.errors import ConfigurationError

S = timedelta(seconds=1)


def test_attempts_counts_the_first_one_too() -> None:
    """``attempts=5`` gives four delays, and then it gives up."""
    policy = fixed(5, S)
    assert [policy.delay_after(attempt, random=0.5) for attempt in range(1, 7)] == [S, S, S, S, None, None]


def test_without_a_written_delay_the_next_attempt_follows_at_once() -> None:
    """A limited number of attempts needs no pause."""
    assert fixed(2).delay_after(1, random=0.9) == timedelta(0)
    assert fixed().delay_after(1, random=0.9) is None


def test_unlimited_attempts_without_a_written_delay_wait_a_second_with_jitter() -> None:
    """FAULT 42: an instant failure must not become a hot loop; a written delay counts, even 0."""
    policy = fixed(None)
    assert policy.delay_after(10**9, random=0.0) == S
    assert policy.delay_after(1, random=0.999) == timedelta(seconds=1.4995)
    assert fixed(None, timedelta(0)).delay_after(1, random=0.5) == timedelta(0)
    assert fixed(None, 3 * S).delay_after(1, random=0.5) == 3 * S


def test_an_exponential_delay_doubles_from_its_minimum_to_its_maximum() -> None:
    """And stays there, whether or not the maximum is a power of two of the minimum."""
    policy = exponential(None, S, 10 * S)
    found = [policy.delay_after(attempt, random=0.5) for attempt in range(1, 8)]
    assert found == [S, 2 * S, 4 * S, 8 * S, 10 * S, 10 * S, 10 * S]


def test_the_millionth_attempt_overflows_nothing() -> None:
    """FAULT 16: no power grows beyond what a timedelta can hold."""
    assert exponential(None, timedelta(microseconds=1), timedelta.max).delay_after(10**6, random=0.0) == timedelta.max
    assert exponential(10**6 + 1, S, S).delay_after(10**6, random=0.0) == S


@given(
    st.timedeltas(min_value=timedelta(microseconds=1)),
    st.timedeltas(min_value=timedelta(0)),
    st.integers(1, 200),
)
def test_a_delay_is_the_doubled_minimum_or_the_maximum(minimum: timedelta, more: timedelta, attempt: int) -> None:
    """The short cut that avoids large powers gives the same as plain arithmetic."""
    maximum = timedelta.max if minimum > timedelta.max - more else minimum + more
    micro = timedelta(microseconds=1)
    plain = min((minimum // micro) << (attempt - 1), maximum // micro) * micro
    assert exponential(None, minimum, maximum).delay_after(attempt, random=0.5) == plain


@pytest.mark.parametrize("attempts", [0, -1])
@pytest.mark.parametrize("make", [fixed, lambda attempts: exponential(attempts, S, S)])
def test_fewer_attempts_than_one_are_refused(make: Any, attempts: int) -> None:
    """The message says that the first attempt is included."""
    with pytest.raises(ConfigurationError, match=rf"attempts={attempts} .*first one included"):
        make(attempts)


@pytest.mark.parametrize("attempts", [True, 2.0, "3"])
def test_attempts_must_be_a_whole_number(attempts: Any) -> None:
    """FAULT 17: a boolean is no number, nor is a float or a text."""
    with pytest.raises(TypeError, match=r"attempts=.* must be a whole number"):
        fixed(attempts)


def test_delays_that_contradict_each_other_are_refused() -> None:
    """FAULT 17: negative, nothing to double, or a maximum below the minimum."""
    with pytest.raises(ConfigurationError, match=r"delay=.*negative"):
        fixed(3, -S)
    with pytest.raises(ConfigurationError, match=r"minimum_delay=.*positive"):
        exponential(3, timedelta(0), S)
    with pytest.raises(ConfigurationError, match=r"maximum_delay=.*below minimum_delay"):
        exponential(3, 2 * S, S)


def test_jitter_is_added_to_each_delay() -> None:
    """Up to so much; a negative one could lead into the past."""
    assert fixed(3, S, 2 * S).delay_after(1, random=0.25) == timedelta(seconds=1.5)
    assert fixed(None, None, S).delay_after(1, random=0.5) == timedelta(seconds=1.5)
    assert exponential(None, S, 10 * S, 2 * S).delay_after(2, random=0.5) == timedelta(seconds=3)
    with pytest.raises(ConfigurationError, match=r"jitter=.*is negative"):
        fixed(3, S, -S)
    with pytest.raises(ConfigurationError, match=r"jitter=.*is negative"):
        fixed(None, None, -S)
    with pytest.raises(ConfigurationError, match=r"jitter=.*is negative"):
        exponential(3, S, S, -S)
