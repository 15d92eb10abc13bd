from __future__ import annotations

import contextlib
import pickle
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from shadows.core.scheduling import AT_ONCE, Due
from shadows.dependencies import TaskOutcome
from shadows.dependencies.marker import Marker
from shadows.dependencies.retry import ExponentialRetry, Retry, TryAgain
from shadows.errors import ConfigurationError
from tests.unit.workplace import running

S = timedelta(seconds=1)


def test_by_default_there_is_one_attempt() -> None:
    """``Retry()`` only tells the body its attempt."""
    retry = Retry()
    assert (retry.attempts, retry.attempt, retry.delay) == (1, 1, timedelta(0))
    assert retry.next_due(ValueError(), random=0.5) is None


def test_each_run_gets_its_own_copy_with_its_attempt() -> None:
    """The declared marker is shared by all runs and stays as it is."""
    declared = Retry(attempts=3, delay=S)
    third = declared.for_run(running(attempt=3))
    assert (third.attempt, third.attempts, third.delay) == (3, 3, S)
    assert declared.attempt == 1
    assert repr(third) == "Retry(attempt 3 of 3)"
    assert repr(Retry.forever()) == "Retry(attempt 1 of any number)"


def test_a_failure_is_followed_by_an_attempt_until_there_are_none() -> None:
    """The decision for the engine: when, or not at all."""
    declared = Retry(attempts=2, delay=S)
    assert declared.next_due(ValueError(), random=0.5) == Due(after=1000)
    assert declared.for_run(running(attempt=2)).next_due(ValueError(), random=0.5) is None
    assert Retry(attempts=2).next_due(ValueError(), random=0.5) == AT_ONCE


def test_forever_has_no_last_attempt_and_without_a_delay_waits_a_second() -> None:
    """FAULT 42: unless a delay is written, a failing task does not spin."""
    assert Retry.forever().for_run(running(attempt=10**6)).next_due(ValueError(), random=0.0) == Due(after=1000)
    assert Retry(attempts=None).next_due(ValueError(), random=0.5) == Due(after=1250)
    assert Retry.forever(timedelta(0)).next_due(ValueError(), random=0.5) == AT_ONCE
    assert Retry.forever(delay=5 * S).next_due(ValueError(), random=0.5) == Due(after=5000)
    assert Retry.forever().attempts is None


def test_an_exponential_retry_is_a_retry_whose_delay_doubles() -> None:
    """The defaults are 1 s and 64 s, and ``.delay`` tells what follows this attempt."""
    retry: Retry = ExponentialRetry(attempts=10)
    assert [retry.for_run(running(attempt=attempt)).delay for attempt in (1, 2, 3, 7, 8)] == [
        S,
        2 * S,
        4 * S,
        64 * S,
        64 * S,
    ]
    forever = ExponentialRetry.forever(2 * S, maximum_delay=3 * S)
    assert (forever.attempts, forever.minimum_delay, forever.maximum_delay) == (None, 2 * S, 3 * S)
    assert forever.for_run(running(attempt=2)).next_due(ValueError(), random=0.5) == Due(after=3000)
    assert type(forever.for_run(running(attempt=2))) is ExponentialRetry


def test_a_body_can_ask_for_its_next_attempt_after_a_while() -> None:
    """``after`` replaces the usual delay; what is past means at once."""
    retry = Retry(attempts=2, delay=5 * S)
    with pytest.raises(TryAgain) as asked:
        retry.after(timedelta(milliseconds=1.5))
    assert retry.next_due(asked.value, random=0.5) == Due(after=2)
    with pytest.raises(TryAgain) as asked:
        retry.after(-S)
    assert retry.next_due(asked.value, random=0.5) == AT_ONCE


def test_a_body_can_ask_for_its_next_attempt_at_a_time() -> None:
    """In any zone; long past counts as the beginning of time."""
    retry = Retry(attempts=2)
    with pytest.raises(TryAgain) as asked:
        retry.at(datetime(1970, 1, 1, 1, 0, 1, tzinfo=timezone(timedelta(hours=1))))
    assert retry.next_due(asked.value, random=0.5) == Due(at=1000)
    with pytest.raises(TryAgain) as asked:
        retry.at(datetime(1, 1, 1, tzinfo=UTC))
    assert retry.next_due(asked.value, random=0.5) == Due(at=0)


def test_asking_counts_as_an_attempt_like_any_other() -> None:
    """A body that asks in its last attempt has failed, and the error says so."""
    last = Retry(attempts=2).for_run(running(attempt=2))
    with pytest.raises(TryAgain, match="no attempts left") as asked:
        last.after(S)
    assert last.next_due(asked.value, random=0.5) is None


@pytest.mark.parametrize("attempts", [2, None])
def test_an_attempt_that_asks_and_gets_the_next_one_is_not_told_that_there_is_none(attempts: int | None) -> None:
    """Its worker logs the text beside "will be tried again"."""
    with pytest.raises(TryAgain, match=r"^the task asked to be tried again$"):
        Retry(attempts=attempts).for_run(running(attempt=1)).after(S)


def test_asking_passes_through_the_body_s_own_exception_handler() -> None:
    """``except Exception`` around the body's work must not swallow it."""

    def careless() -> None:
        with contextlib.suppress(Exception):
            Retry(attempts=2).after(S)

    with pytest.raises(TryAgain):
        careless()


def test_a_wrong_time_is_refused_where_it_is_written() -> None:
    """FAULT 14: a naive datetime is no time; nor is a number."""
    naive: Any = datetime(2030, 1, 1)  # noqa: DTZ001 - the point of the test
    with pytest.raises(ConfigurationError, match="naive; use a timezone-aware"):
        Retry().at(naive)
    wrong: Any = 5
    with pytest.raises(TypeError, match="when=5"):
        Retry().at(wrong)
    with pytest.raises(TypeError, match="delay=5"):
        Retry().after(wrong)


def test_a_wrong_declaration_is_refused_at_once() -> None:
    """FAULT 17: the constructor is where a mistake shows, not the first failure in production."""
    junk: Any = "5parsecs"
    with pytest.raises(ConfigurationError, match="Retry delay='5parsecs'"):
        Retry(3, junk)
    with pytest.raises(ConfigurationError, match="attempts=0"):
        Retry(0)
    with pytest.raises(ConfigurationError, match=r"minimum_delay=.*zero"):
        ExponentialRetry(3, timedelta(0))
    with pytest.raises(ConfigurationError, match="maximum_delay"):
        ExponentialRetry(3, 2 * S, S)


def test_a_retry_can_be_an_argument() -> None:
    """A caller may supply one, so it travels."""
    found = pickle.loads(pickle.dumps(Retry(3, S).for_run(running(attempt=2))))
    assert (found.attempt, found.attempts, found.delay) == (2, 3, S)


def test_a_plain_marker_is_the_same_in_every_run() -> None:
    """Only markers that hold something of a run make copies."""
    marker = Marker()
    assert marker.for_run(running(attempt=7)) is marker
    assert not marker.single


@pytest.mark.parametrize(
    ("retry", "again"),
    [
        (Retry(3), [ValueError, KeyError, TimeoutError, SystemExit]),
        (Retry(3, on=ValueError), [ValueError]),
        (Retry(3, on=(LookupError, TimeoutError)), [KeyError, TimeoutError]),
        (Retry(3, never_on=LookupError), [ValueError, TimeoutError, SystemExit]),
        (Retry(3, on=Exception, never_on=(KeyError, ValueError)), [TimeoutError]),
        (Retry.forever(on=KeyError), [KeyError]),
        (ExponentialRetry(3, on=OSError), [TimeoutError]),
        (ExponentialRetry.forever(never_on=BaseException), []),
    ],
)
async def test_some_exceptions_are_tried_again_and_others_never(retry: Retry, again: list[type[BaseException]]) -> None:
    """Issue 3: as ``except`` clauses, so a subclass counts; to ask for the next attempt is no matter of them."""
    mine = retry.for_run(running())
    kinds: list[type[BaseException]] = [ValueError, KeyError, TimeoutError, SystemExit]
    assert [kind for kind in kinds if mine.next_due(kind(), random=0.0) is not None] == again
    assert mine.next_due(TryAgain(Due(after=7)), random=0.0) == Due(after=7)
    outcome = TaskOutcome(timedelta(0), None, ValueError())
    assert (await mine.handle_failure("the execution", outcome) is not None) is (ValueError in again)


def test_jitter_is_added_to_each_delay() -> None:
    """Issue 3: up to so much, whatever the delay."""
    second = timedelta(seconds=1)
    assert Retry(3, second, jitter=second).next_due(ValueError(), random=0.5) == Due(after=1500)
    assert Retry(3, jitter=second).next_due(ValueError(), random=0.25) == Due(after=250)
    assert Retry.forever(jitter=timedelta(0)).next_due(ValueError(), random=0.5) == Due(after=1000)
    assert Retry.forever(second, jitter=second).next_due(ValueError(), random=0.0) == Due(after=1000)
    assert ExponentialRetry(3, second, jitter=second).next_due(ValueError(), random=0.5) == Due(after=1500)
    assert ExponentialRetry.forever(second, jitter=second).next_due(ValueError(), random=0.5) == Due(after=1500)
    with pytest.raises(ConfigurationError, match="jitter"):
        Retry(3, jitter=timedelta(seconds=-1))


@pytest.mark.parametrize("wrong", ["ValueError", ValueError(), (ValueError, 5), int, None])
def test_only_exception_types_can_be_tried_again(wrong: Any) -> None:
    """FAULT 17: a mistake shows where it is written."""
    with pytest.raises(TypeError, match="on="):
        Retry(3, on=wrong)
    with pytest.raises(TypeError, match="never_on="):
        ExponentialRetry(3, never_on=wrong)


class Persistent(Retry):
    """A user's own kind."""

    def __init__(self, note: str) -> None:
        super().__init__(attempts=5)
        self.note = note


def test_a_class_of_the_user_s_own_is_copied_whole() -> None:
    """With whatever attributes it has."""
    mine = Persistent("a note").for_run(running(attempt=2))
    assert (type(mine), mine.note, mine.attempt, mine.attempts) == (Persistent, "a note", 2, 5)
