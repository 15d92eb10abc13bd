from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from shadows.adapters.observers.log import LogObserver
from shadows.adapters.observers.together import together
from shadows.errors import BrokerUnavailable
from tests.unit.workplace import lease

if TYPE_CHECKING:
    import pytest

    from shadows.ports.broker import Lease

AWAY = BrokerUnavailable("away")


class Partial:
    """Hears of one thing."""

    def __init__(self, heard: list[str], name: str) -> None:
        self.heard = heard
        self.name = name

    def lost(self, lease: Lease) -> None:
        self.heard.append(f"{self.name} {lease.key}")


def test_one_observer_alone_stays_what_it_is() -> None:
    """Nobody pays for listeners who are not there."""
    alone = LogObserver("shop")
    assert together(alone) is alone


def test_what_only_the_first_hears_goes_straight_to_it() -> None:
    """Without a detour."""
    first = LogObserver("shop")
    assert together(first, Partial([], "a")).recovered == first.recovered


def test_each_hears_what_it_has_a_method_for(caplog: pytest.LogCaptureFixture) -> None:
    """The last one first, and the first one last: what it logs may then name the span that another has begun."""
    heard: list[str] = []
    several = together(LogObserver("shop"), Partial(heard, "a"), Partial(heard, "b"))
    several.lost(lease())
    several.disrupted(AWAY, 1, 0.5)
    assert heard == ["b k", "a k"]
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]


def test_an_observer_that_fails_disturbs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """A broken exporter must not end a worker; that it is broken is told."""

    class Broken:
        def lost(self, lease: Lease) -> None:
            raise RuntimeError(lease.key)

    heard: list[str] = []
    several = together(LogObserver("shop"), Partial(heard, "a"), Broken())
    several.lost(lease())
    assert heard == ["a k"]
    told = [(record.name, record.levelno) for record in caplog.records]
    assert told == [("shadows.telemetry", logging.ERROR), ("shadows.worker", logging.WARNING)]
