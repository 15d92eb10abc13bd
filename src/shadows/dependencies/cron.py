"""Running by the clock: ``cron: Cron = Cron("0 2 * * *", tz="Europe/Berlin")`` as a parameter of a task."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime, timedelta, tzinfo

from shadows.core.cron import Schedule, schedule
from shadows.core.perpetual import definition
from shadows.core.scheduling import Due, epoch_milliseconds, instant
from shadows.dependencies.recurring import Recurring
from shadows.errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shadows.dependencies.running import Running

PUNCTUAL = timedelta(minutes=1)
"""A run that starts later than this after its time has missed it."""


class Cron(Recurring):
    """Run at the times of a cron expression: five fields, or a word such as ``@daily``.

    They are times on the clocks of ``tz``, a tzinfo or the name of a zone.  A fixed hour has one run on each date,
    also when the clocks are changed.  By default workers start the task by themselves, under its own name as its key.

    When no worker was there at the time of a run, it starts as soon as there is one, and only once however many times
    were missed; with ``catch_up=False`` it is left out.
    """

    __slots__ = ("_catch_up", "_schedule")

    def __init__(
        self,
        expression: str,
        automatic: bool = True,  # noqa: FBT001, FBT002 - the documented position
        tz: tzinfo | str = UTC,
        *,
        catch_up: bool = True,
    ) -> None:
        super().__init__(automatic=automatic)
        self._schedule = schedule(expression, zone(tz))
        self._catch_up = catch_up

    @property
    def expression(self) -> str:
        """The five fields."""
        return self._schedule.expression

    @property
    def tz(self) -> tzinfo:
        """Whose clocks it goes by."""
        return self._schedule.zone

    @property
    def definition(self) -> str:
        """A short name for the expression and its zone."""
        return definition("cron", self.expression, self.tz)

    def first(self, now: datetime) -> Due:
        """Return its next time."""
        return _due(self._schedule, now)

    def following(self, running: Running, spent: timedelta) -> Due:
        """Return its next time after the end of this run, which is never its own."""
        return _due(self._schedule, max(instant(running.due), instant(running.started) + spent))

    def skips(self, running: Running) -> bool:
        """Tell whether this run has missed its time and is to be left out."""
        if self._catch_up or running.attempt > 1 or running.redelivered or running.lease.admitted:
            return False  # a run that waited at a gate was there in time
        return instant(running.started) - instant(running.due) > PUNCTUAL

    def __repr__(self) -> str:
        return f"Cron({self.expression!r}, tz={self.tz})"


def _due(times: Schedule, after: datetime) -> Due:
    return Due(at=epoch_milliseconds(times.after(after)))


def zone(tz: tzinfo | str) -> tzinfo:
    """Return the time zone that somebody wrote.

    Raises:
        ConfigurationError: there is none of this name here, or its kind cannot tell when clocks are changed.
        TypeError: it is no time zone at all.
    """
    if isinstance(tz, str):
        try:
            return zoneinfo.ZoneInfo(tz)
        except (LookupError, OSError, ValueError):
            raise ConfigurationError(_unknown(tz)) from None
    if not isinstance(tz, tzinfo):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"tz={tz!r} must be a tzinfo, such as ZoneInfo('Europe/Berlin'), or the name of a zone")
    if hasattr(tz, "localize"):
        msg = f"tz={tz!r} is a zone of pytz, whose offsets have to be asked for by hand; write tz={str(tz)!r} instead"
        raise ConfigurationError(msg)
    return tz


def _unknown(name: str) -> str:
    if not zoneinfo.available_timezones():
        return (
            f"tz={name!r} cannot be looked up: this machine has no time zone data; "
            f"install it (pip install tzdata), or use timezone.utc"
        )
    return f"tz={name!r} names no time zone; write one such as 'Europe/Berlin', or 'UTC'"
