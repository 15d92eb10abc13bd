"""The one parser for durations: of the command line, the environment and every constructor."""

from __future__ import annotations

import re
from datetime import timedelta

from shadows.core.names import shown
from shadows.errors import ConfigurationError

_EXAMPLES = "10m, 5s, 100ms, 1h30m, 2d, 90 (seconds), mm:ss or hh:mm:ss"
_LONGEST_TEXT = 40
_SIXTY = 60
_TENTHS = 10
_COARSE = ((86_400, 3600), (3600, 60))
"""From how many seconds on a rough span is rounded to which unit."""
_ZERO = timedelta(0)
_UNITS = {
    "w": timedelta(weeks=1),
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}
_NUMBER = r"([0-9]+(?:\.[0-9]+)?)"
_IN_WORDS = re.compile(rf"{_NUMBER}\s*([a-z]+)\.?(?:\s*,|\s+and\b)?\s*")
_WORDS = {
    "w": ("week", "weeks"),
    "d": ("day", "days"),
    "h": ("hr", "hrs", "hour", "hours"),
    "m": ("min", "mins", "minute", "minutes"),
    "s": ("sec", "secs", "second", "seconds"),
    "ms": ("msec", "msecs", "milli", "millis", "millisecond", "milliseconds"),
}
"""What people write for the units."""
_WITH_UNITS = re.compile(" ?".join(rf"(?:{_NUMBER}{unit}(?![a-z]))?" for unit in _UNITS))
_NEGATIVE = re.compile(r"-\s*[0-9]")
_SECONDS = re.compile(_NUMBER)
_WITH_COLONS = re.compile(r"(?:([0-9]+):)?([0-9]+):([0-9]{1,2}(?:\.[0-9]+)?)")


def duration(value: object, *, option: str, zero: bool = False) -> timedelta:
    """Return the duration that somebody wrote for ``option``; ``zero`` says whether there may be none.

    A timedelta, a number of seconds, or text: ``10m``, ``1h30m``, ``100ms``, ``2d``, ``1w``, ``500``
    (seconds), or ``mm:ss``, ``hh:mm:ss``.

    Raises:
        ConfigurationError: in one line: the option, the value, and what can be written instead.
    """
    found = _read(value, option)
    if found < _ZERO:
        raise _refused(option, value, "is negative")
    if not found and not zero:
        raise _refused(option, value, "is zero")
    return found


def text(span: timedelta) -> str:
    """Return the shortest usual form, such as ``1h30m``; :func:`duration` reads it back unless negative."""
    if span < _ZERO:
        return f"-{text(-span)}"
    seconds = span.seconds
    parts = {"d": span.days, "h": seconds // 3600, "m": seconds // _SIXTY % _SIXTY, "s": seconds % _SIXTY}
    written = [f"{count}{unit}" for unit, count in parts.items() if count]
    if span.microseconds:
        whole, rest = divmod(span.microseconds, 1000)
        written.append(f"{whole}.{rest:03}".rstrip("0") + "ms" if rest else f"{whole}ms")
    return "".join(written) or "0s"


def rough(span: timedelta) -> str:
    """Return a span as people say it: its two largest units, and tenths of a second below ten."""
    seconds = max(span, _ZERO).total_seconds()
    if seconds < _TENTHS:
        return f"{seconds:.1f}s"
    coarse = next((unit for longest, unit in _COARSE if seconds >= longest), 1)
    return text(timedelta(seconds=round(seconds / coarse) * coarse))


def _read(value: object, option: str) -> timedelta:
    try:
        match value:
            case timedelta():
                return value
            case int() | float() if not isinstance(value, bool):
                return timedelta(seconds=value)
            case str():
                return _parse(value.strip(), option)
            case _:
                raise _refused(option, value, f"is a {type(value).__name__}, no duration")
    except OverflowError:
        raise _refused(option, value, "is too long") from None
    except ValueError as error:
        if isinstance(error, ConfigurationError):
            raise
        raise _refused(option, value, "is no duration") from None  # NaN


def _parse(written: str, option: str) -> timedelta:
    if len(written) <= _LONGEST_TEXT:
        if _SECONDS.fullmatch(written):
            return _number(written) * _UNITS["s"]
        if written and (found := _WITH_UNITS.fullmatch(written)):
            spans = zip(found.groups(), _UNITS.values(), strict=True)
            return sum((_number(count) * unit for count, unit in spans if count), _ZERO)
        if found := _WITH_COLONS.fullmatch(written):
            hours, minutes, seconds = (_number(count or "0") for count in found.groups())
            if seconds < _SIXTY and (found[1] is None or minutes < _SIXTY):
                return hours * _UNITS["h"] + minutes * _UNITS["m"] + seconds * _UNITS["s"]
        if _NEGATIVE.match(written):
            raise _refused(option, written, "is negative")
    raise _refused(option, written, "is no duration")


def _number(digits: str) -> int | float:
    return float(digits) if "." in digits else int(digits)


def _meant(written: str) -> str:
    """Return how we write what somebody has put in other words, such as ``15 minutes``; empty if it is none."""
    units = {word: unit for unit, words in _WORDS.items() for word in (unit, *words)}
    written, place, spans = written.strip().lower(), 0, _ZERO
    while found := _IN_WORDS.match(written, place):
        if found[2] not in units:
            return ""
        try:
            spans += _number(found[1]) * _UNITS[units[found[2]]]
        except OverflowError:
            return ""
        place = found.end()
    return text(spans) if spans and place == len(written) else ""


def _refused(option: str, value: object, why: str) -> ConfigurationError:
    written = shown(value) if isinstance(value, str) else shown(repr(value))[1:-1]
    message = f"{option}={written} {why}; write for example {_EXAMPLES}"
    instead = _meant(value) if isinstance(value, str) and len(value) <= _LONGEST_TEXT else ""
    return ConfigurationError(message, source=option, value=str(value), instead=instead)
