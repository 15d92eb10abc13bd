"""Whether a failed attempt is followed by another, and when: decided without a clock or dice of its own."""

from __future__ import annotations

from datetime import timedelta

import attrs

from shadows.errors import ConfigurationError

UNLIMITED_DELAY = timedelta(seconds=1)
"""What unlimited attempts wait when nobody wrote a delay: an instant failure must not become a hot loop."""
UNLIMITED_JITTER = timedelta(milliseconds=500)

_ZERO = timedelta(0)


@attrs.frozen
class RetryPolicy:
    """How often, and how long after a failure.  Use :func:`fixed` or :func:`exponential` to build one.

    The delay doubles from ``minimum`` up to ``maximum``; a fixed delay is one whose two bounds are equal.
    """

    attempts: int | None
    """the total number, the first one included; None is unlimited"""
    minimum: timedelta
    maximum: timedelta
    jitter: timedelta = _ZERO
    """up to so much is added to each delay"""

    def delay_after(self, attempt: int, *, random: float) -> timedelta | None:
        """Return how long to wait after ``attempt`` (from 1), or None to give up; ``random`` is in [0, 1)."""
        if self.attempts is not None and attempt >= self.attempts:
            return None
        return self.pause(attempt) + self.jitter * random

    def pause(self, attempt: int) -> timedelta:
        """Return what lies between ``attempt`` and the next, without jitter."""
        doublings = attempt - 1
        # Asked in this order, no power grows beyond what a timedelta holds, however many attempts there were.
        if not self.minimum or doublings >= (self.maximum // self.minimum).bit_length():
            return self.maximum
        return min(self.maximum, self.minimum * (1 << doublings))


def fixed(attempts: int | None = 1, delay: timedelta | None = None, jitter: timedelta | None = None) -> RetryPolicy:
    """Return the policy that waits the same ``delay`` each time.

    Without a written delay there is none, but unlimited attempts wait for 1 s with jitter.

    Raises:
        ConfigurationError: fewer attempts than one, or a negative delay or jitter.
        TypeError: attempts that are no whole number.
    """
    _check_attempts(attempts)
    if delay is None:
        if attempts is None:
            return RetryPolicy(
                None, UNLIMITED_DELAY, UNLIMITED_DELAY, UNLIMITED_JITTER if jitter is None else _checked(jitter)
            )
        delay = _ZERO
    if delay < _ZERO:
        raise ConfigurationError(f"delay={delay!r} is negative; use timedelta(0) to try again at once")
    return RetryPolicy(attempts, delay, delay, _checked(jitter))


def exponential(
    attempts: int | None, minimum: timedelta, maximum: timedelta, jitter: timedelta | None = None
) -> RetryPolicy:
    """Return the policy whose delay doubles from ``minimum`` until it reaches ``maximum``.

    Raises:
        ConfigurationError: fewer attempts than one, no positive minimum, a maximum below it, or a negative jitter.
        TypeError: attempts that are no whole number.
    """
    _check_attempts(attempts)
    if minimum <= _ZERO:
        msg = f"minimum_delay={minimum!r} cannot be doubled; use a positive one, such as timedelta(seconds=1)"
        raise ConfigurationError(msg)
    if maximum < minimum:
        msg = f"maximum_delay={maximum!r} is below minimum_delay={minimum!r}; raise the one or lower the other"
        raise ConfigurationError(msg)
    return RetryPolicy(attempts, minimum, maximum, _checked(jitter))


def _checked(jitter: timedelta | None) -> timedelta:
    if jitter is None:
        return _ZERO
    if jitter < _ZERO:
        raise ConfigurationError(f"jitter={jitter!r} is negative; use timedelta(0) for none")
    return jitter


def _check_attempts(attempts: object) -> None:
    if attempts is None:
        return
    if not isinstance(attempts, int) or isinstance(attempts, bool):
        msg = f"attempts={attempts!r} must be a whole number, or None for no limit"
        raise TypeError(msg)
    if attempts < 1:
        msg = f"attempts={attempts} allows none, the first one included; use 1 or more, or None for no limit"
        raise ConfigurationError(msg)
