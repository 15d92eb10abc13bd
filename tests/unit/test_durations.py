from __future__ import annotations

import contextlib
import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadows.core.durations import duration, text
from shadows.errors import ConfigurationError

D = timedelta


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("10m", D(minutes=10)),
        ("5s", D(seconds=5)),
        ("100ms", D(milliseconds=100)),
        ("1h", D(hours=1)),
        ("1h30m", D(minutes=90)),
        ("1h 30m", D(minutes=90)),
        (" 2d ", D(days=2)),
        ("1w2d3h4m5s6ms", D(weeks=1, days=2, hours=3, minutes=4, seconds=5, milliseconds=6)),
        ("1.5s", D(milliseconds=1500)),
        ("0.001ms", D(microseconds=1)),
        ("500", D(seconds=500)),
        ("0.25", D(milliseconds=250)),
        ("1:30", D(seconds=90)),
        ("90:00", D(minutes=90)),
        ("01:02:03", D(hours=1, minutes=2, seconds=3)),
        ("100:00:00.5", D(hours=100, milliseconds=500)),
        (500, D(seconds=500)),
        (0.1, D(milliseconds=100)),
        (D(days=1), D(days=1)),
    ],
)
def test_a_duration_can_be_written_in_each_documented_way(written: object, meant: timedelta) -> None:
    """One parser serves the command line, the environment and the constructors."""
    assert duration(written, option="delay") == meant


@pytest.mark.parametrize(
    "junk",
    [
        *[
            "5parsecs",
            "",
            " ",
            "s",
            "m5",
            "5 m 5",
            "1m1h",
            "5S",
            "1.h",
            ".5s",
            "1e3",
            "٣s",
            "1:2:3:4",
            "1:60",
            "1:60:00",
        ],
        *["-5", "-5s", "--5", "+5", "nan", "inf", "1" * 41, "9" * 39, "9" * 30 + "d", "5s\n5s"],
        *[math.nan, math.inf, -math.inf, -1, -0.5, 10**400, 1e300, True, False, None, b"5s", [5], 5j, D(-1)],
    ],
    ids=lambda junk: repr(junk)[:12],
)
def test_anything_else_is_refused_in_one_line_that_names_option_value_and_an_example(junk: object) -> None:
    """FAULT 17: NaN, infinite, boolean, negative, overflowing, ``5parsecs``: one validator, one line."""
    with pytest.raises(ConfigurationError, match=r"^SHADOW_DELAY=.*for example 10m, 5s, 100ms") as caught:
        duration(junk, option="SHADOW_DELAY", zero=True)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("nothing", ["0", "0s", "0:00", 0, 0.0, D(0), "0h0m", 1e-9])
def test_zero_is_accepted_only_where_it_means_something(nothing: object) -> None:
    """FAULT 17: zero is for ``delay``, ``every``, ``execution_ttl`` and ``sleep``; elsewhere a duration is positive."""
    assert duration(nothing, option="delay", zero=True) == D(0)
    with pytest.raises(ConfigurationError, match="is zero"):
        duration(nothing, option="timeout")


def test_a_negative_text_is_called_negative() -> None:
    """The message says what is wrong, and not only that something is."""
    with pytest.raises(ConfigurationError, match="'-5s' is negative"):
        duration("-5s", option="delay")


@pytest.mark.parametrize(
    ("span", "written"),
    [
        (D(0), "0s"),
        (D(minutes=90), "1h30m"),
        (D(days=3653), "3653d"),
        (D(milliseconds=250), "250ms"),
        (D(seconds=1, microseconds=1), "1s0.001ms"),
        (D(microseconds=1500), "1.5ms"),
        (D(seconds=-90), "-1m30s"),
    ],
)
def test_a_duration_is_written_in_its_usual_short_form(span: timedelta, written: str) -> None:
    """What people read in messages and listings is what they would have typed."""
    assert text(span) == written


@given(st.timedeltas(min_value=D(0)))
def test_what_is_written_reads_back_as_the_same(span: timedelta) -> None:
    """Down to the microsecond, and up to the longest there is."""
    assert duration(text(span), option="any", zero=True) == span


@given(st.text(max_size=50))
def test_no_text_whatever_gets_an_error_of_another_kind(written: str) -> None:
    """FAULT 17: junk is a ConfigurationError, never a crash of the parser."""
    with contextlib.suppress(ConfigurationError):
        assert duration(written, option="any", zero=True) >= D(0)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("5min", "5m"),
        ("2 hours 30 minutes", "2h30m"),
        ("1 hour, 5 secs.", "1h5s"),
        ("1 day and 90 Minutes", "1d1h30m"),
        ("1.5 hours", "1h30m"),
        ("250 millis", "250ms"),
        ("10M", "10m"),
        ("5parsecs", ""),
        ("5 minutes from now", ""),
        ("0 minutes", ""),
        ("-5 minutes", ""),
        ("9" * 20 + " weeks", ""),
        ("5 minutes" + " " * 50 + "1 second", ""),
    ],
)
def test_other_words_for_a_duration_are_understood_but_not_taken(written: str, meant: str) -> None:
    """There is one way to write it; the error knows it."""
    with pytest.raises(ConfigurationError) as refused:
        duration(written, option="any")
    assert refused.value.instead == meant
    assert not meant or text(duration(meant, option="any")) == meant
