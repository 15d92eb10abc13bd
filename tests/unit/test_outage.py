from __future__ import annotations

from bisect import bisect_right

from hypothesis import given
from hypothesis import strategies as st

from shadows.core.backoff import pause
from shadows.core.outage import MOST, WINDOW, Outage


def an_hour_away(longest: float, random: float, outage: Outage) -> list[float]:
    """Return when something is said of a server that is away for an hour and refuses at once."""
    now, failures, said = 0.0, 0, list[float]()
    while now < 3600:
        failures += 1
        wait = pause(failures, longest=longest, random=random)
        if outage.failed(now, failures, wait):
            said.append(now)
        now += wait
    return said


def test_the_first_failure_is_told_at_once_and_each_longer_pause_once() -> None:
    """FAULT 54: 50 ms, doubled until 5 s, are eight; from then on a line a minute reminds of it."""
    said = an_hour_away(5.0, 0.0, Outage())
    assert said[0] == 0
    assert len([at for at in said if at < WINDOW]) == 8
    assert 58 <= len([at for at in said if at >= WINDOW]) <= 60


def test_its_end_is_told_with_how_long_it_took() -> None:
    """One line, and none about what nobody had heard of."""
    outage = Outage()
    assert outage.ended(0.0) is None
    assert outage.failed(10.0, 1, 0.05)
    assert outage.failed(10.05, 2, 0.1)
    line = outage.ended(14.0)
    assert line is not None
    assert (line.seconds, line.untold) == (4.0, 0)
    assert outage.ended(15.0) is None


def test_a_server_that_comes_and_goes_is_told_of_a_few_times_and_then_counted() -> None:
    """FAULT 54: each that is told has its end told; how many were not is told with the next that is."""
    outage = Outage()
    told: list[tuple[float, int]] = []
    for second in range(70):
        line = outage.failed(float(second), 1, 0.05)
        if line is not None:
            told.append((second, line.untold))
            assert outage.ended(second + 0.5)
        else:
            assert outage.ended(second + 0.5) is None
    assert told[:6] == [(0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (5, 0)]
    assert told[6] == (61, 55)


def test_an_outage_that_began_untold_is_told_as_soon_as_there_is_room() -> None:
    """Nobody is to believe for longer than a minute that all is well."""
    outage = Outage()
    for second in range(6):
        assert outage.failed(float(second), 1, 0.05)
        assert outage.ended(second + 0.5)
    assert outage.failed(10.0, 1, 0.05) is None
    assert outage.failed(50.0, 20, 4.0) is None
    line = outage.failed(60.6, 21, 4.0)
    assert line is not None
    assert line.seconds == 50.6


@given(st.floats(0.01, 600), st.floats(0, 1, exclude_max=True), st.lists(st.tuples(st.booleans(), st.floats(0, 3))))
def test_no_minute_has_more_than_a_dozen_lines(longest: float, random: float, acts: list[tuple[bool, float]]) -> None:
    """FAULT 54: whatever the settings are and however the server behaves."""
    outage = Outage()
    said = an_hour_away(longest, random, outage)[-200:] if longest > 1 else []
    now, failures = 3600.0 + 2 * longest, 0
    for fails, after in acts * 5:
        now += after
        failures = failures + 1 if fails else 0
        wait = pause(max(failures, 1), longest=longest, random=random)
        if outage.failed(now, failures, wait) if fails else outage.ended(now):
            said.append(now)
    for i, at in enumerate(said):
        assert bisect_right(said, at + WINDOW - 0.001) - i <= MOST
