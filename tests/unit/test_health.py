from __future__ import annotations

from shadows.core.health import DEAD_AFTER, GRACE, Signs


def test_a_loop_is_ready_from_its_first_answered_look_on() -> None:
    """INV 34: it could claim then; before, nobody knows."""
    signs = Signs(interval=1.0)
    assert signs.health(5.0).words == "starting"
    assert (signs.health(5.0).alive, signs.health(5.0).ready) == (True, False)
    signs.look(5.0)
    assert signs.health(5.0).ready
    assert signs.health(6.0 + GRACE).ready


def test_a_loop_that_has_not_looked_within_its_interval_is_not_ready() -> None:
    """INV 34: whatever the reason is; with a longer interval it has more time."""
    signs, slow = Signs(interval=1.0), Signs(interval=10.0)
    signs.look(5.0)
    slow.look(5.0)
    found = signs.health(9.0)
    assert (found.alive, found.ready, found.words) == (True, False, "the last look at the broker was 4.0 s ago")
    assert slow.health(9.0).ready


def test_a_loop_whose_broker_is_away_lives_and_is_not_ready() -> None:
    """INV 34: at once; and that it lives never depends on the server, however long the pause is."""
    signs = Signs(interval=1.0)
    signs.look(5.0)
    signs.rest(5.1, 3600.0)
    signs.away = True
    for now in (5.1, 3605.0):
        assert (signs.health(now).alive, signs.health(now).ready) == (True, False)
        assert signs.health(now).words == "the broker is away"


def test_a_loop_that_stops_is_not_ready() -> None:
    """INV 36: it claims no more, and lives until its bodies have ended."""
    signs = Signs(interval=1.0)
    signs.look(5.0)
    signs.stopping = True
    assert (signs.health(5.0).alive, signs.health(5.0).ready, signs.health(5.0).words) == (True, False, "stopping")


def test_a_loop_that_makes_no_trip_any_more_is_dead() -> None:
    """FAULT 33: after 30 s, for a body that blocks the event loop keeps the pump from it too."""
    signs = Signs(interval=1.0)
    signs.look(5.0)
    assert signs.health(5.0 + DEAD_AFTER - 0.1).alive
    found = signs.health(5.0 + DEAD_AFTER)
    assert (found.alive, found.ready) == (False, False)
    assert found.words == "the event loop or the pump hangs, for 30 s"
