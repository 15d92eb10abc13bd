from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadows.core.cron import WORDS, Schedule, schedule
from shadows.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

NEW_YORK = ZoneInfo("America/New_York")
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def times(schedule: Schedule, since: str, count: int) -> list[str]:
    """Return the next ``count`` times as the clocks of the zone show them, with their offsets."""
    moment, found = datetime.fromisoformat(since), list[str]()
    for _ in range(count):
        moment = schedule.after(moment)
        found.append(moment.astimezone(schedule.zone).strftime("%m-%d %H:%M %z"))
    return found


def test_the_next_time_is_strictly_later_and_aware() -> None:
    """A run that starts exactly on its time is followed by the next one, not by itself."""
    found = schedule("*/5 * * * *").after(datetime(2030, 1, 1, 10, 5, tzinfo=UTC))
    assert found == datetime(2030, 1, 1, 10, 10, tzinfo=UTC)
    assert found.utcoffset() == timedelta(0)
    just_before = datetime(2030, 1, 1, 10, 4, 59, 999_999, tzinfo=UTC)
    assert schedule("*/5 * * * *").after(just_before) == datetime(2030, 1, 1, 10, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("30 2 * * 1-5", ["01-01 02:30", "01-02 02:30", "01-03 02:30", "01-04 02:30", "01-07 02:30"]),
        ("0 9 1 * *", ["01-01 09:00", "02-01 09:00", "03-01 09:00", "04-01 09:00", "05-01 09:00"]),
        ("0 0 13 * FRI", ["01-04 00:00", "01-11 00:00", "01-13 00:00", "01-18 00:00", "01-25 00:00"]),
        ("0 0 29 feb *", ["02-29 00:00", "02-29 00:00"]),
        ("0 12 L * *", ["01-31 12:00", "02-28 12:00", "03-31 12:00"]),
        ("0,30 */12 * * *", ["01-01 00:00", "01-01 00:30", "01-01 12:00", "01-01 12:30", "01-02 00:00"]),
        ("  0   0  * * 7 ", ["01-06 00:00", "01-13 00:00"]),
        ("@monthly", ["01-01 00:00", "02-01 00:00"]),
        ("@Weekly", ["01-06 00:00", "01-13 00:00"]),
        ("@hourly", ["01-01 00:00", "01-01 01:00"]),
    ],
)
def test_five_fields_or_a_word_say_when(expression: str, expected: list[str]) -> None:
    """PARITY: five fields with lists, ranges, steps and names, and the @ words; 2030 begins on a Tuesday."""
    found = times(schedule(expression), "2029-12-31T23:59:59+00:00", len(expected))
    assert [each.removesuffix(" +0000") for each in found] == expected


def test_the_words_are_what_everybody_knows() -> None:
    """PARITY: each is the same as its five fields."""
    assert {word: schedule(word).expression for word in WORDS} == WORDS
    assert schedule("@daily") == schedule("@midnight") == schedule("0 0 * * *")
    assert schedule("@daily") != schedule("@daily", NEW_YORK)


def test_a_fixed_hour_that_the_clocks_jump_over_comes_when_they_have_jumped() -> None:
    """INV 27, FAULT 25: 02:30 does not exist in New York on 10 March 2030, and that date has its run all the same."""
    nightly = schedule("30 2 * * *", NEW_YORK)
    assert times(nightly, "2030-03-09T00:00:00-05:00", 3) == [
        "03-09 02:30 -0500",
        "03-10 03:00 -0400",
        "03-11 02:30 -0400",
    ]


def test_times_that_the_clocks_jump_over_together_come_once() -> None:
    """INV 27: four quarters of an hour that did not exist are one run, also where 03:00 itself is on the schedule."""
    often = schedule("*/15 2,3 * * *", NEW_YORK)
    assert times(often, "2030-03-10T00:00:00-05:00", 5) == [
        f"03-10 03:{minute} -0400" for minute in ("00", "15", "30", "45")
    ] + ["03-11 02:00 -0400"]


def test_a_fixed_hour_that_the_clocks_show_twice_comes_the_first_time() -> None:
    """INV 27: 01:30 is on the clocks of New York twice on 3 November 2030."""
    nightly = schedule("30 1 * * *", NEW_YORK)
    assert times(nightly, "2030-11-02T12:00:00-04:00", 2) == ["11-03 01:30 -0400", "11-04 01:30 -0500"]
    assert times(nightly, "2030-11-03T01:10:00-05:00", 1) == ["11-04 01:30 -0500"]
    assert times(schedule("*/30 1 * * *", NEW_YORK), "2030-11-03T00:00:00-04:00", 3) == [
        "11-03 01:00 -0400",
        "11-03 01:30 -0400",
        "11-04 01:00 -0500",
    ]


@pytest.mark.parametrize("hours", ["*", "*/1", "0-23"])
def test_a_wildcard_hour_goes_by_elapsed_time(hours: str) -> None:
    """SEMANTICS "Cron": an hourly run comes every 60 minutes, whatever the clocks do."""
    hourly = schedule(f"30 {hours} * * *", NEW_YORK)
    for since in ("2030-03-09T20:30:00-05:00", "2030-11-02T20:30:00-04:00"):
        moment = datetime.fromisoformat(since)
        for _ in range(30):
            following = hourly.after(moment)
            assert following - moment == HOUR
            moment = following


def test_a_wildcard_hour_comes_as_often_as_the_clocks_show_it() -> None:
    """Every second hour: 02:00 is jumped over in spring in New York, and comes twice in autumn in Berlin."""
    assert times(schedule("0 */2 * * *", NEW_YORK), "2030-03-10T00:00:00-05:00", 2) == [
        "03-10 04:00 -0400",
        "03-10 06:00 -0400",
    ]
    assert times(schedule("0 */2 * * *", ZoneInfo("Europe/Berlin")), "2030-10-27T00:00:00+02:00", 3) == [
        "10-27 02:00 +0200",
        "10-27 02:00 +0100",
        "10-27 04:00 +0100",
    ]


def test_a_zone_that_shifts_by_half_an_hour_is_a_zone_like_any_other() -> None:
    """On Lord Howe Island 02:00 becomes 02:30 in spring, and 02:00 becomes 01:30 in autumn."""
    island = ZoneInfo("Australia/Lord_Howe")
    assert times(schedule("15 2 * * *", island), "2030-10-05T12:00:00+10:30", 2) == [
        "10-06 02:30 +1100",
        "10-07 02:15 +1100",
    ]
    assert times(schedule("45 1 * * *", island), "2030-04-06T12:00:00+11:00", 2) == [
        "04-07 01:45 +1100",
        "04-08 01:45 +1030",
    ]
    assert times(schedule("45 * * * *", island), "2030-04-07T01:00:00+11:00", 3) == [
        "04-07 01:45 +1100",
        "04-07 01:45 +1030",
        "04-07 02:45 +1030",
    ]
    assert times(schedule("0 */2 * * *", island), "2030-04-07T00:30:00+11:00", 2) == [
        "04-07 02:00 +1030",
        "04-07 04:00 +1030",
    ]


def test_a_day_whose_midnight_does_not_exist_begins_later() -> None:
    """In Havana the clocks jump from midnight to one."""
    havana = ZoneInfo("America/Havana")
    assert times(schedule("@daily", havana), "2030-03-09T12:00:00-05:00", 2) == [
        "03-10 01:00 -0400",
        "03-11 00:00 -0400",
    ]


ZONES = [
    "Africa/Cairo",
    "Africa/Casablanca",
    "America/Havana",
    "America/New_York",
    "America/Nuuk",
    "America/Sao_Paulo",
    "Antarctica/Troll",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Europe/Dublin",
    "Europe/Moscow",
    "Pacific/Apia",
]
CHANGES = {
    ("Pacific/Apia", datetime(2011, 12, 30, tzinfo=UTC)),  # a whole day was left out
    ("America/Sao_Paulo", datetime(2018, 11, 4, tzinfo=UTC)),
    ("Europe/Moscow", datetime(2014, 10, 25, 12, tzinfo=UTC)),
}


def changes(zone: str) -> list[datetime]:
    """Return days around which the clocks of the zone are changed, and one on which they may not be."""
    found = [moment for name, moment in CHANGES if name == zone]
    moment = datetime(2030, 1, 1, tzinfo=UTC)
    offset = moment.astimezone(ZoneInfo(zone)).utcoffset()
    for day in range(1, 366):
        here = (moment + day * DAY).astimezone(ZoneInfo(zone))
        if here.utcoffset() != offset:
            offset = here.utcoffset()
            found.append(here.astimezone(UTC) - DAY)
    return [*found, moment]


AROUND = {zone: changes(zone) for zone in ZONES}
LOOKED = 2.5 * DAY


def brute(fields: tuple[set[int], set[int], bool], zone: ZoneInfo, since: datetime) -> Iterator[datetime]:
    """Yield the matching times by looking at the clocks every minute.

    A fixed time comes when they show it or a later one for the first time.
    """
    minutes, hours, wildcard = fields
    passed = max((since - n * MINUTE).astimezone(zone).replace(tzinfo=None) for n in range(27 * 60))
    for step in range(1, LOOKED // MINUTE):
        moment = since + step * MINUTE
        wall = moment.astimezone(zone).replace(tzinfo=None)
        if wildcard:
            if wall.minute in minutes and wall.hour in hours:
                yield moment
        elif wall > passed:
            skipped = (passed + n * MINUTE for n in range(1, (wall - passed) // MINUTE + 1))
            if any(each.minute in minutes and each.hour in hours for each in skipped):
                yield moment
            passed = wall


MINUTES = {"*": set(range(60)), "0": {0}, "*/20": {0, 20, 40}, "7,45": {7, 45}, "59": {59}}
HOURS = {
    "*": (set(range(24)), True),
    "*/2": (set(range(0, 24, 2)), True),
    "0": ({0}, False),
    "2": ({2}, False),
    "0-3": ({0, 1, 2, 3}, False),
    "1,23": ({1, 23}, False),
}


@settings(deadline=None)
@given(
    st.sampled_from([(zone, around) for zone in ZONES for around in AROUND[zone]]),
    st.integers(-18 * 60, 30 * 60),
    st.sampled_from(sorted(MINUTES)),
    st.sampled_from(sorted(HOURS)),
)
def test_it_is_what_a_look_at_the_clocks_every_minute_finds(
    place: tuple[str, datetime], offset: int, minute: str, hour: str
) -> None:
    """INV 27: in twelve zones, around each change of their clocks, from whatever moment."""
    zone, since = ZoneInfo(place[0]), place[1] + offset * MINUTE
    coming, moment, found = schedule(f"{minute} {hour} * * *", zone), since, list[datetime]()
    while len(found) < 100 and (moment := coming.after(moment)) < since + LOOKED:
        found.append(moment)
    assert found == [*brute((MINUTES[minute], *HOURS[hour]), zone, since)][:100]


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("0 0 31 2 *", "never comes: no month 2 has a day 31"),
        ("0 0 31 4,6 *", "never comes: no month 4,6 has a day 31"),
        ("0 0 */30 2 MON#5", "never comes: its day of the month and its day of the week do not meet"),
        ("", "needs five fields, not 0: minute"),
        ("* * * *", "needs five fields, not 4: minute hour day-of-month month day-of-week; write for example '30"),
        ("0 0 0 * * *", "needs five fields, not 6"),
        ("1 " * 60, "needs five fields, not 60"),
        ("0 9 * * " + "1," * 400, "is too long; write at most 500"),
        ("60 * * * *", r"its minute is '60'; write 0 to 59"),
        ("* 24 * * *", r"its hour is '24'; write 0 to 23"),
        ("* * 0 * *", "its day-of-month is '0'"),
        ("* * * JUNE *", "its month is 'JUNE'"),
        ("* * * * 8", "its day-of-week is '8'"),
        ("*/0 * * * *", "cannot be read: its minute is"),
        ("5-1 * * * *", "cannot be read: its minute is"),
        ("² * * * *", "cannot be read: its minute is"),
        ("@reboot", "is no word that cron knows; write one of @yearly, "),
        ("@", "is no word"),
        ("rubbish\n", "needs five fields, not 1"),
    ],
)
def test_a_bad_expression_is_refused_with_what_to_write(expression: str, says: str) -> None:
    """FAULT 25: one line that names the expression, the field and the remedy."""
    with pytest.raises(ConfigurationError, match=says) as refused:
        schedule(expression)
    assert str(refused.value).startswith("Cron expression '")
    assert "\n" not in str(refused.value)


def test_an_expression_that_is_no_text_is_refused() -> None:
    """FAULT 17: and the text says what it is."""
    wrong: Any = 5
    with pytest.raises(TypeError, match=r"must be a string, such as '.*', not int"):
        schedule(wrong)


def test_any_tzinfo_will_do() -> None:
    """A fixed offset is a zone whose clocks are never changed."""
    fixed = schedule("0 12 * * *", timezone(timedelta(hours=5, minutes=45)))
    assert times(fixed, "2030-01-01T00:00:00+00:00", 1) == ["01-01 12:00 +0545"]
