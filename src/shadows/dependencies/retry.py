"""Trying again: ``retry: Retry = Retry(attempts=3)`` as a parameter of a task."""

from __future__ import annotations

import copy
from datetime import datetime, timedelta
from random import random
from typing import Any, ClassVar, NoReturn, Self

from shadows.core import decision
from shadows.core.durations import duration
from shadows.core.retry import RetryPolicy, exponential, fixed
from shadows.core.scheduling import AT_ONCE, Due, milliseconds, moment
from shadows.dependencies.dependency import FailureHandler, TaskOutcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shadows.core.decision import Decision
    from shadows.dependencies.running import Running


class TryAgain(BaseException):
    """A body asks for its next attempt.

    It is no Exception, so that the body's own ``except Exception`` lets it pass.
    """

    def __init__(self, due: Due, *, left: bool = True) -> None:
        super().__init__("the task asked to be tried again" + ("" if left else ", and had no attempts left"))
        self.due = due


type Errors = type[BaseException] | tuple[type[BaseException], ...]
"""As ``except`` takes them."""


class Retry(FailureHandler):
    """Try again, after the same delay each time.

    Args:
        attempts: their total number, the first one included; None is unlimited.
        delay: what lies between two attempts; unless it is written, the next one follows at once, or, when they are
            unlimited, after 1 s with jitter.
        jitter: up to so much is added to each delay.
        on: try again only after these exceptions; by default after any.
        never_on: but never after these.

    Raises:
        ConfigurationError: a number or a time that cannot work.
        TypeError: ``on`` or ``never_on`` are no exception types.
    """

    __slots__ = ("_attempt", "_never_on", "_on", "_policy")
    travels: ClassVar[bool] = True

    _attempt: int
    _policy: RetryPolicy
    _on: Errors
    _never_on: Errors

    def __init__(
        self,
        attempts: int | None = 1,
        delay: timedelta | None = None,
        *,
        jitter: timedelta | None = None,
        on: Errors = BaseException,
        never_on: Errors = (),
    ) -> None:
        written = None if delay is None else duration(delay, option="Retry delay", zero=True)
        self._declare(fixed(attempts, written, _span(jitter)), on, never_on)

    def _declare(self, policy: RetryPolicy, on: Errors, never_on: Errors) -> None:
        self._policy = policy
        self._on = _types("on", on)
        self._never_on = _types("never_on", never_on)
        self._attempt = 1

    @classmethod
    def forever(
        cls,
        delay: timedelta | None = None,
        *,
        jitter: timedelta | None = None,
        on: Errors = BaseException,
        never_on: Errors = (),
    ) -> Self:
        """Return one that tries until it succeeds."""
        return cls(None, delay, jitter=jitter, on=on, never_on=never_on)

    @property
    def attempt(self) -> int:
        """Which attempt this is, from 1."""
        return self._attempt

    @property
    def attempts(self) -> int | None:
        """How many there are at most, the first one included; None is unlimited."""
        return self._policy.attempts

    @property
    def delay(self) -> timedelta:
        """What lies between this attempt and the next, without jitter."""
        return self._policy.pause(self._attempt)

    def after(self, delay: timedelta) -> NoReturn:
        """End this attempt and ask for the next one after ``delay``; it counts like any other."""
        if not isinstance(delay, timedelta):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"delay={delay!r} must be a timedelta, such as timedelta(seconds=30)")
        raise self._asked(moment(delay))

    def at(self, when: datetime) -> NoReturn:
        """End this attempt and ask for the next one at ``when``, an aware time; it counts like any other."""
        if not isinstance(when, datetime):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"when={when!r} must be a timezone-aware datetime")
        raise self._asked(moment(when))

    def _asked(self, due: Due) -> TryAgain:
        return TryAgain(due, left=self.attempts is None or self._attempt < self.attempts)

    def for_run(self, running: Running) -> Self:
        """Return the copy for one run, which knows its attempt."""
        if type(self) not in {Retry, ExponentialRetry}:
            mine = copy.copy(self)
        else:  # whose slots are known: five times as quick
            mine = object.__new__(type(self))
            mine._policy, mine._on, mine._never_on = self._policy, self._on, self._never_on
        mine._attempt = running.attempt
        return mine

    async def handle_failure(self, execution: Any, outcome: TaskOutcome) -> Decision | None:
        """Ask for the next attempt, while there is one."""
        del execution
        due = self.next_due(outcome.exception, random=random())  # noqa: S311 - jitter, no secret
        return None if due is None else decision.retry(due)

    def next_due(self, error: BaseException | None, *, random: float) -> Due | None:
        """Return when the next attempt may start after this one raised ``error``; None if it was the last.

        ``random`` is in [0, 1).
        """
        delay = self._policy.delay_after(self._attempt, random=random)
        if delay is None:
            return None
        if isinstance(error, TryAgain):
            return error.due
        if not isinstance(error, self._on) or isinstance(error, self._never_on):
            return None
        return Due(after=milliseconds(delay)) if delay else AT_ONCE

    def __repr__(self) -> str:
        return f"{type(self).__name__}(attempt {self._attempt} of {self.attempts or 'any number'})"


class ExponentialRetry(Retry):
    """Try again, after a delay that doubles from ``minimum_delay`` until it reaches ``maximum_delay``.

    The other arguments are those of :class:`Retry`.
    """

    __slots__ = ()

    def __init__(
        self,
        attempts: int | None = 1,
        minimum_delay: timedelta = timedelta(seconds=1),
        maximum_delay: timedelta = timedelta(seconds=64),
        *,
        jitter: timedelta | None = None,
        on: Errors = BaseException,
        never_on: Errors = (),
    ) -> None:
        policy = exponential(
            attempts,
            duration(minimum_delay, option="ExponentialRetry minimum_delay"),
            duration(maximum_delay, option="ExponentialRetry maximum_delay"),
            _span(jitter),
        )
        self._declare(policy, on, never_on)

    @classmethod
    def forever(
        cls,
        delay: timedelta | None = None,
        maximum_delay: timedelta = timedelta(seconds=64),
        *,
        jitter: timedelta | None = None,
        on: Errors = BaseException,
        never_on: Errors = (),
    ) -> Self:
        """Return one that tries until it succeeds; ``delay`` is the first and shortest one, by default 1 s."""
        first = timedelta(seconds=1) if delay is None else delay
        return cls(None, first, maximum_delay, jitter=jitter, on=on, never_on=never_on)

    @property
    def minimum_delay(self) -> timedelta:
        """What follows the first attempt."""
        return self._policy.minimum

    @property
    def maximum_delay(self) -> timedelta:
        """What no delay exceeds."""
        return self._policy.maximum


def _span(jitter: timedelta | None) -> timedelta | None:
    return None if jitter is None else duration(jitter, option="Retry jitter", zero=True)


def _types(option: str, errors: Errors) -> Errors:
    types: list[Any] = [*errors] if isinstance(errors, tuple) else [errors]
    if not all(isinstance(each, type) and issubclass(each, BaseException) for each in types):
        raise TypeError(f"{option}={errors!r} must be an exception type, or a tuple of them, as in an except clause")
    return errors
