from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadows.core.scheduling import AT_ONCE, HORIZON, Due, due, epoch_milliseconds, instant, milliseconds
from shadows.errors import ConfigurationError

NOW = datetime(2030, 1, 1, tzinfo=UTC)
S = timedelta(seconds=1)
EAST = timezone(timedelta(hours=23, minutes=59))
WEST = timezone(-timedelta(hours=23, minutes=59))
FOR_EVER = timedelta.max
LAST = datetime(9999, 12, 31)  # noqa: DTZ001 - Hypothesis wants it naive


class Nowhere(tzinfo):
    """A zone that does not know its offset, which makes a datetime naive all the same."""

    def utcoffset(self, _: datetime | None, /) -> None:
        return None

    dst = tzname = utcoffset


def test_without_a_time_a_call_is_due_at_once() -> None:
    """The most usual case, and also what strict users mean by it."""
    assert due(None, now=NOW) is AT_ONCE
    assert due(None, now=NOW, strict=True) is AT_ONCE
    assert Due() == AT_ONCE


def test_a_timedelta_counts_from_the_placement() -> None:
    """SEMANTICS, clock: the broker adds it to its own time."""
    assert due(90 * S, now=NOW) == Due(after=90_000)


def test_a_datetime_is_an_instant_in_whatever_zone() -> None:
    """The same moment in two zones is the same due time."""
    at = datetime(2030, 1, 1, 12, tzinfo=UTC)
    assert due(at, now=NOW) == due(at.astimezone(EAST), now=NOW) == Due(at=epoch_milliseconds(at))


def test_a_fraction_of_a_millisecond_is_late_and_never_early() -> None:
    """A call may start late by less than one millisecond."""
    assert milliseconds(timedelta(microseconds=1)) == 1
    assert milliseconds(timedelta(microseconds=1000)) == 1
    assert milliseconds(timedelta(microseconds=1001)) == 2
    assert milliseconds(timedelta(microseconds=-1)) == 0
    assert due(timedelta(microseconds=1), now=NOW) == Due(after=1)
    assert due(NOW + timedelta(microseconds=1), now=NOW) == Due(at=epoch_milliseconds(NOW) + 1)


@given(st.datetimes(timezones=st.just(UTC), max_value=LAST))
def test_an_instant_comes_back_within_its_millisecond(at: datetime) -> None:
    """No float has a part in it."""
    found = instant(epoch_milliseconds(at))
    assert timedelta(0) <= found - at < timedelta(milliseconds=1)
    assert found.utcoffset() == timedelta(0)


@pytest.mark.parametrize("when", [timedelta(0), -S, timedelta.min])
def test_a_delay_that_is_not_positive_means_at_once(when: timedelta) -> None:
    """FAULT 15: a computed delay may turn out negative."""
    assert due(when, now=NOW) == AT_ONCE


def test_a_time_in_the_past_is_kept_but_none_lies_before_1970() -> None:
    """FAULT 15: it runs now; year 1 makes no negative number, in any zone."""
    assert due(NOW - S, now=NOW) == Due(at=epoch_milliseconds(NOW) - 1000)
    assert due(datetime.min.replace(tzinfo=UTC), now=NOW) == Due(at=0)
    assert due(datetime.min.replace(tzinfo=EAST), now=NOW) == Due(at=0)


@pytest.mark.parametrize("when", [-S, timedelta.min, NOW - S, datetime.min.replace(tzinfo=EAST)])
def test_a_time_in_the_past_is_refused_where_that_was_asked_for(when: timedelta | datetime) -> None:
    """FAULT 15: ``strict_when`` raises, and says how to mean now."""
    with pytest.raises(ConfigurationError, match=r"lies in the past, which strict_when=True refuses; leave it out"):
        due(when, now=NOW, strict=True)


@pytest.mark.parametrize("when", [timedelta(0), S, NOW, NOW + S, NOW.astimezone(EAST)])
def test_this_very_moment_is_not_the_past(when: timedelta | datetime) -> None:
    """``timedelta(0)`` and ``now()`` are usual ways to say at once."""
    due(when, now=NOW, strict=True)


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("zone", [None, Nowhere()])
def test_a_naive_datetime_is_no_time(zone: tzinfo | None, strict: bool) -> None:  # noqa: FBT001 - a parameter
    """FAULT 14: nobody can know what it means."""
    with pytest.raises(ConfigurationError, match=r"naive; use a timezone-aware datetime, .* or a timedelta"):
        due(datetime(2031, 1, 1, tzinfo=zone), now=NOW, strict=strict)


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("when", [5, 5.0, float("nan"), True, "5s", "2030-01-01", date(2030, 1, 1), object()])
def test_what_is_no_time_at_all_is_refused_in_words(when: Any, strict: bool) -> None:  # noqa: FBT001 - a parameter
    """FAULT 17: a number might be seconds or an epoch; it is neither."""
    with pytest.raises(ConfigurationError, match=f"is of type {type(when).__name__}; give an aware datetime"):
        due(when, now=NOW, strict=strict)


def test_the_horizon_is_the_last_that_is_accepted() -> None:
    """FAULT 16: ten years ahead unless the shadow says otherwise."""
    assert timedelta(days=3652) < HORIZON < timedelta(days=3654)
    assert due(HORIZON, now=NOW) == Due(after=milliseconds(HORIZON))
    assert due(NOW + HORIZON, now=NOW) == Due(at=epoch_milliseconds(NOW + HORIZON))
    assert due(2 * S, now=NOW, horizon=2 * S) == Due(after=2000)


@pytest.mark.parametrize(
    "when", [HORIZON + S, NOW + HORIZON + S, timedelta.max, datetime.max.replace(tzinfo=UTC)], ids=repr
)
def test_what_lies_beyond_the_horizon_is_refused(when: timedelta | datetime) -> None:
    """FAULT 16: the text names the limit and the option."""
    with pytest.raises(ConfigurationError, match=r"beyond the horizon of 3653 days.*Shadow\(horizon="):
        due(when, now=NOW)


@pytest.mark.parametrize(
    "when",
    [
        timedelta.max,
        timedelta(days=3_000_000),
        datetime.max.replace(tzinfo=UTC),
        datetime.max.replace(tzinfo=WEST),
    ],
    ids=repr,
)
def test_no_horizon_reaches_beyond_what_a_datetime_can_tell(when: timedelta | datetime) -> None:
    """FAULT 16: a due time that cannot be shown would break everybody who looks at it; nothing overflows."""
    with pytest.raises(ConfigurationError, match="beyond the year 9999"):
        due(when, now=NOW, horizon=FOR_EVER)


@given(st.timedeltas() | st.datetimes(timezones=st.sampled_from([UTC, EAST, WEST])), st.booleans())
def test_whatever_is_accepted_can_be_shown_again(when: timedelta | datetime, strict: bool) -> None:  # noqa: FBT001
    """FAULT 16: any time is either refused in words, or a whole number of milliseconds that is a datetime."""
    try:
        found = due(when, now=NOW, horizon=FOR_EVER, strict=strict)
    except ConfigurationError:
        return
    assert found.at is None or found.after is None
    moment = epoch_milliseconds(NOW) + (found.after or 0) if found.at is None else found.at
    assert moment >= 0
    assert instant(moment).year <= 9999
