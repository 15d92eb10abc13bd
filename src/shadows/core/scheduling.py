"""When a call is due, in whole milliseconds, and what an acceptable ``when`` is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import attrs

from shadows.errors import ConfigurationError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = datetime(9999, 12, 31, tzinfo=UTC)
"""There are no later datetimes, whatever the horizon."""
_MILLISECOND = timedelta(milliseconds=1)
HORIZON = timedelta(days=3653)
"""How far ahead a call may be scheduled unless the shadow says otherwise: ten years."""


@attrs.frozen
class Due:
    """When a call may start: ``at`` an instant (ms since the epoch), ``after`` a while (ms), or at once
    when both are None.

    The broker's clock decides about both, so ``after`` counts from the moment when the broker places the
    call.
    """

    at: int | None = None
    after: int | None = None


AT_ONCE = Due()


def milliseconds(span: timedelta) -> int:
    """Return whole milliseconds, rounded up: a call may start late by less than one, never early."""
    return -(-span // _MILLISECOND)


def epoch_milliseconds(instant: datetime) -> int:
    """Return the milliseconds since 1970 of an aware datetime, rounded up."""
    return milliseconds(instant - _EPOCH)


def instant(ms: int) -> datetime:
    """Return the aware UTC datetime of ``ms`` milliseconds since 1970."""
    return _EPOCH + timedelta(milliseconds=ms)


def moment(when: Due | datetime | timedelta | None) -> Due:
    """Return what a time means that a task or its handler decided on; what is past means at once.

    Raises:
        ConfigurationError: a naive datetime, or no time at all.
    """
    match when:
        case Due():
            return when
        case None:
            return AT_ONCE
        case timedelta():
            return Due(after=milliseconds(when)) if when > timedelta(0) else AT_ONCE
        case datetime():
            _refuse_naive(when)
            return Due(at=max(0, epoch_milliseconds(when)))
        case _:
            raise _no_time(when)


def due(when: datetime | timedelta | None, *, now: datetime, horizon: timedelta = HORIZON, strict: bool = False) -> Due:
    """Return what ``when=`` means: None is at once, a timedelta counts from now, a datetime must carry its zone.

    ``now`` is only used to judge whether a datetime lies beyond the horizon or in the past.  A time in the past
    means at once, unless ``strict``.

    Raises:
        ConfigurationError: naive datetime, beyond the horizon, in the past and strict, or no time at all.
    """
    match when:
        case None:
            return AT_ONCE
        case timedelta():
            _check(when, ahead=when, now=now, horizon=horizon, strict=strict)
            return Due(after=milliseconds(when)) if when > timedelta(0) else AT_ONCE
        case datetime():
            _refuse_naive(when)
            _check(when, ahead=when - now, now=now, horizon=horizon, strict=strict)
            return Due(at=max(0, epoch_milliseconds(when)))
        case _:
            raise _no_time(when)


def refuse_no_time(when: object) -> None:
    """Refuse at once what can be no time, before anything else is known of a call.

    Raises:
        ConfigurationError: it is neither a datetime, a timedelta nor None.
    """
    if when is not None and not isinstance(when, datetime | timedelta):
        raise _no_time(when)


def _refuse_naive(when: datetime) -> None:
    if when.utcoffset() is None:
        msg = (
            f"when={when!r} is naive; use a timezone-aware datetime, such as datetime.now(timezone.utc), or a timedelta"
        )
        raise ConfigurationError(msg)


def _no_time(when: object) -> ConfigurationError:
    return ConfigurationError(
        f"when={when!r} is of type {type(when).__name__}; give an aware datetime, a timedelta, or None for at once "
        f"(arguments of the task stand in parentheses of their own: add(task)(arguments))"
    )


def _check(when: datetime | timedelta, *, ahead: timedelta, now: datetime, horizon: timedelta, strict: bool) -> None:
    if ahead > horizon:
        msg = (
            f"when={when!r} lies beyond the horizon of {horizon.days} days; schedule it nearer, "
            f"or raise Shadow(horizon=...)"
        )
        raise ConfigurationError(msg)
    if ahead > _LAST - now:
        msg = f"when={when!r} lies beyond the year 9999, the last that a datetime can tell; schedule it nearer"
        raise ConfigurationError(msg)
    if strict and ahead < timedelta(0):
        msg = f"when={when!r} lies in the past, which strict_when=True refuses; leave it out to run at once"
        raise ConfigurationError(msg)
