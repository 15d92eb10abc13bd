"""When a cron expression comes next: by the clock on the wall of its zone, through every change of the offset."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

import attrs
from cronsim import CronSim, CronSimError

from shadows.core.names import shown
from shadows.errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

WORDS: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}

_FIELDS: Final = {
    "minute": "0 to 59",
    "hour": "0 to 23",
    "day-of-month": "1 to 31, or L for the last",
    "month": "1 to 12, or JAN to DEC",
    "day-of-week": "0 (Sunday) to 7, or SUN to SAT",
}
_HOUR, _MONTH = 1, 3
_HOURS_OF_A_DAY = 24
_LONGEST = 500
"""Characters; every minute, hour and day written out have fewer."""
_SOME_DAY = datetime(2024, 1, 1)  # noqa: DTZ001 - the time on a wall, which is in no zone
_MINUTE = timedelta(minutes=1)
_ZERO = timedelta(0)


@attrs.frozen
class Schedule:
    """An expression and the zone whose clocks it goes by.  Use :func:`schedule` to build one.

    A fixed hour comes once on each date: a time that the clocks jump over comes when they have jumped, and one that
    they show twice comes the first time.  With a wildcard hour (one that begins with ``*``, or names all of them) it
    comes as often as the clocks show such a time, so that an hourly schedule goes by elapsed time.
    """

    expression: str
    """five fields, separated by single spaces"""
    zone: tzinfo
    every_hour: bool
    """whether the hour is a wildcard"""
    _fields: CronSim = attrs.field(repr=False, eq=False, alias="fields")

    def after(self, moment: datetime) -> datetime:
        """Return the first time later than ``moment``, aware, in UTC."""
        here = moment.astimezone(self.zone)
        wall = here.replace(tzinfo=None, fold=0)
        times, time = self._walls(wall - _comes_again(here)), wall
        coming: list[datetime] = []
        while time <= wall or not coming:  # before that, a time that the clocks show again may come sooner
            time = next(times)
            coming += [each for each in self._instants(time) if each > moment]
        return min(coming)

    def _walls(self, later_than: datetime) -> Iterator[datetime]:
        """Yield the times on the wall that match, in their order."""
        fields = copy.copy(self._fields)
        fields.dt = later_than.replace(microsecond=0)
        return fields

    def _instants(self, wall: datetime) -> list[datetime]:
        """Return when the clocks of the zone show this time: once, twice or never."""
        first, second = (wall.replace(tzinfo=self.zone, fold=fold).astimezone(UTC) for fold in (0, 1))
        if first > second:  # the clocks jump over it
            return [] if self.every_hour else [self._behind_the_gap(wall)]
        return [first, second] if self.every_hour and first < second else [first]

    def _behind_the_gap(self, wall: datetime) -> datetime:
        while _gap(wall.replace(tzinfo=self.zone)):
            wall += _MINUTE
        return wall.replace(tzinfo=self.zone).astimezone(UTC)


def schedule(expression: str, zone: tzinfo = UTC) -> Schedule:
    """Return the schedule of five fields (minute, hour, day of month, month, day of week), or of a word such as
    ``@daily``.

    Raises:
        ConfigurationError: it cannot be read, or never comes; the text says which field, and what to write.
        TypeError: it is no text.
    """
    if not isinstance(expression, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        msg = f"a cron expression must be a string, such as '0 2 * * *', not {type(expression).__name__}"
        raise TypeError(msg)
    written = expression.strip()
    if written.startswith("@"):
        fields = WORDS.get(written.lower(), "").split()
        if not fields:
            raise _refused(expression, f"is no word that cron knows; write one of {', '.join(WORDS)}")
    else:
        fields = written.upper().split()
    if len(written) > _LONGEST:
        raise _refused(expression, f"is too long; write at most {_LONGEST} characters, with ranges and steps")
    if len(fields) != len(_FIELDS):
        names = " ".join(_FIELDS)
        why = f"needs five fields, not {len(fields)}: {names}; write for example '30 2 * * 1-5', or @daily"
        raise _refused(expression, why)
    parsed = _parsed(expression, fields)
    if next(copy.copy(parsed), None) is None:
        raise _refused(expression, "never comes: its day of the month and its day of the week do not meet")
    every_hour = fields[_HOUR].startswith("*") or len(parsed.hours) == _HOURS_OF_A_DAY
    return Schedule(" ".join(fields), zone, every_hour, parsed)


def _parsed(expression: str, fields: list[str]) -> CronSim:
    try:
        return CronSim(" ".join(fields), _SOME_DAY)
    except CronSimError as error:
        name = str(error).removeprefix("Bad ")
        position = [*_FIELDS].index(name)
        if name == "day-of-month" and _reads([*fields[:_MONTH], "*", fields[-1]]):
            raise _refused(expression, f"never comes: no month {fields[_MONTH]} has a day {fields[position]}") from None
        why = f"cannot be read: its {name} is {shown(fields[position])}; write {_FIELDS[name]}, or *, */2, 1-5 or 1,3"
        raise _refused(expression, why) from None


def _reads(fields: list[str]) -> bool:
    try:
        CronSim(" ".join(fields), _SOME_DAY)
    except CronSimError:
        return False
    return True


def _comes_again(here: datetime) -> timedelta:
    """Return how far the clocks will be put back over this time, which they show for the first time."""
    return max(_ZERO, -_gap(here)) if here.fold == 0 else _ZERO


def _gap(here: datetime) -> timedelta:
    """Return by how much the clocks jump over this time; negative when they show it twice."""
    before, after = (here.replace(fold=fold).utcoffset() or _ZERO for fold in (0, 1))
    return after - before


def _refused(expression: str, why: str) -> ConfigurationError:
    return ConfigurationError(f"Cron expression {shown(expression)} {why}")
