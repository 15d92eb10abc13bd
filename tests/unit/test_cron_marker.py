from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import attrs
import pytest

from shadows.core import decision
from shadows.core.scheduling import Due, epoch_milliseconds
from shadows.dependencies.cron import Cron
from shadows.dependencies.dependency import TaskOutcome
from shadows.dependencies.perpetual import Perpetual
from shadows.dependencies.registry import Registry
from shadows.errors import ConfigurationError
from tests.unit.workplace import running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shadows.dependencies.running import Running

S, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


def at(written: str) -> int:
    """Return the ms since the epoch of a time in UTC."""
    return epoch_milliseconds(datetime.fromisoformat(f"2030-01-01T{written}+00:00"))


def ran(due: str, started: str, *, attempt: int = 1, deliveries: int = 1) -> Running:
    """Return what is known of a run."""
    found = running(attempt=attempt)
    found.lease = attrs.evolve(found.lease, due=at(due), started=at(started), deliveries=deliveries)
    return found


async def test_a_run_is_followed_by_the_next_time_on_the_clock() -> None:
    """INV 27: cron does not count from the start of the run, so it does not drift."""
    cron = Cron("*/5 * * * *").for_run(ran("10:05:00.000", "10:05:02.500"))
    wanted = await cron.on_complete("the execution", TaskOutcome(3 * S))
    assert wanted == decision.follow(Due(at=at("10:10:00")), definition=cron.definition)


@pytest.mark.parametrize(
    ("due", "started", "spent", "following"),
    [
        ("10:05:00", "10:05:00", 0, "10:10:00"),  # at its own time: never that one again
        ("10:05:00", "10:04:59.999", 0, "10:10:00"),
        ("10:05:00", "10:05:00", 300, "10:15:00"),
        ("10:05:00", "10:05:00", 299.999, "10:10:00"),
        ("10:05:00", "10:05:00", 1000, "10:25:00"),
        ("10:05:00", "12:33:00", 1, "12:35:00"),
    ],
)
async def test_times_that_were_missed_are_not_caught_up(due: str, started: str, spent: float, following: str) -> None:
    """FAULT 26: the next one is later than now and than the run's own, never a burst."""
    cron = Cron("*/5 * * * *", automatic=False).for_run(ran(due, started))
    wanted = await cron.on_complete("the execution", TaskOutcome(spent * S))
    assert wanted == decision.follow(Due(at=at(following)))


async def test_the_body_may_decide_otherwise() -> None:
    """As with Perpetual: cancel, after, at and other arguments."""
    cron = Cron("@daily", automatic=False).for_run(ran("00:00:00", "00:00:00"))
    cron.after(MINUTE)
    assert await cron.on_complete("the execution", TaskOutcome(S)) == decision.follow(Due(after=60_000))
    cron.cancel()
    assert await cron.on_complete("the execution", TaskOutcome(S)) == decision.last()


def test_a_run_that_missed_its_time_is_left_out_only_if_asked() -> None:
    """FAULT 26: by default one run catches up; with ``catch_up=False`` none that starts a minute late or more does."""
    late, punctual = ran("10:05:00", "10:06:00.001"), ran("10:05:00", "10:06:00")
    assert not Cron("*/5 * * * *").skips(late)
    strict = Cron("*/5 * * * *", catch_up=False)
    assert strict.skips(late)
    assert not strict.skips(punctual)


def test_what_has_begun_is_not_left_out() -> None:
    """A retry, or a redelivery after a crash, is late for another reason."""
    strict = Cron("*/5 * * * *", catch_up=False)
    assert not strict.skips(ran("10:05:00", "11:00:00", attempt=2))
    assert not strict.skips(ran("10:05:00", "11:00:00", deliveries=2))


def test_it_starts_at_its_next_time() -> None:
    """An automatic cron, which is the default, does not start at once."""
    cron = Cron("@daily", tz="Europe/Berlin")
    assert cron.automatic
    assert cron.first(datetime(2030, 1, 1, 12, tzinfo=UTC)) == Due(at=at("23:00:00"))


def test_it_names_its_schedule() -> None:
    """INV 28: equal schedules have one name, however they are written; the zone is part of it."""
    daily = Cron("@daily")
    assert daily.definition == Cron(" 0  0 * * * ", automatic=False, catch_up=False).definition
    names = {Cron("@daily", tz=zone).definition for zone in ("UTC", "Europe/Berlin", "Europe/Paris")}
    assert len({*names, Cron("@hourly").definition}) == 4
    assert Cron("@daily", tz=ZoneInfo("UTC")).definition == daily.definition
    assert (daily.expression, daily.tz) == ("0 0 * * *", UTC)
    assert repr(Cron("@hourly", tz="Europe/Berlin")) == "Cron('0 * * * *', tz=Europe/Berlin)"


def test_one_task_has_one_schedule() -> None:
    """The one that settles a run places its next occurrence; two would place it twice."""

    async def task(cron: Cron = Cron("@daily"), perpetual: Perpetual = Perpetual()) -> None: ...

    with pytest.raises(ConfigurationError, match="'cron' and 'perpetual'"):
        Registry().register(task)


def test_an_automatic_cron_requires_no_arguments() -> None:
    """PARITY: and it is automatic by default."""

    async def task(city: str, cron: Cron = Cron("@daily")) -> None: ...

    async def by_hand(city: str, cron: Cron = Cron("@daily", automatic=False)) -> None: ...

    with pytest.raises(ConfigurationError, match=r"requires 'city'; .*Cron\(\.\.\., automatic=False\)"):
        Registry().register(task)
    Registry().register(by_hand)


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../etc/passwd", "Europe", "/etc", "Europe/Berlin\0", "a" * 300])
def test_an_unknown_zone_is_refused_at_the_declaration(name: str) -> None:
    """FAULT 25: with what to write."""
    with pytest.raises(ConfigurationError, match=r"names no time zone; write one such as 'Europe/Berlin'"):
        Cron("@daily", tz=name)


@pytest.fixture
def _no_zones() -> Iterator[None]:
    """Take the time zone data away."""
    zoneinfo.reset_tzpath(to=[])
    zoneinfo.ZoneInfo.clear_cache()
    yield
    zoneinfo.reset_tzpath()


@pytest.mark.usefixtures("_no_zones")
def test_missing_time_zone_data_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """FAULT 25: a slim container has none; the text says what to install."""
    monkeypatch.setitem(__import__("sys").modules, "tzdata", None)
    with pytest.raises(ConfigurationError, match=r"no time zone data; install it \(pip install tzdata\)"):
        Cron("@daily", tz="Europe/Berlin")
    assert Cron("@daily").tz is UTC


def test_what_is_no_zone_is_refused() -> None:
    """FAULT 17; a zone of pytz has another way to tell offsets, and would be wrong by minutes."""
    wrong: Any = 5
    with pytest.raises(TypeError, match="tz=5 must be a tzinfo"):
        Cron("@daily", tz=wrong)

    class Pytz(ZoneInfo):
        def localize(self) -> None: ...

    with pytest.raises(ConfigurationError, match=r"pytz.*write tz='Europe/Berlin' instead"):
        Cron("@daily", tz=Pytz("Europe/Berlin"))


def test_a_bad_expression_is_refused_at_the_declaration() -> None:
    """FAULT 25: not when a worker starts."""
    with pytest.raises(ConfigurationError, match="never comes"):
        Cron("0 0 31 2 *")
