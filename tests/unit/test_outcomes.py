from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest

from shadows.adapters.codecs.cloudpickle import CloudpickleCodec
from shadows.core import outcome
from shadows.engine.outcomes import Outcomes
from shadows.engine.wire import Wire
from shadows.errors import PayloadTooLarge, SerializationError, TaskFailed, Undecodable

CODEC = CloudpickleCodec()
OUTCOMES = Outcomes(Wire.of(CODEC), largest=200)


class Fragile(Exception):
    def __init__(self, order: int, why: str) -> None:
        super().__init__(f"order {order}: {why}")


@pytest.mark.parametrize("result", [0, "", False, {"total": 12.5}, [None], datetime(2030, 1, 1, tzinfo=UTC)])
def test_a_result_comes_back_as_it_was(result: object) -> None:
    """Also one that is false."""
    data = OUTCOMES.of_result(result, "k", 7)
    assert OUTCOMES.result(data, "k", 7) == result
    assert type(OUTCOMES.result(data, "k", 7)) is type(result)
    assert (OUTCOMES.error(data, "k", 7), OUTCOMES.in_words(data, "k", 7)) == (None, None)


def test_none_takes_no_room() -> None:
    """Most tasks return nothing, and nothing is stored for them."""
    assert OUTCOMES.of_result(None, "k", 7) == b""


@pytest.mark.parametrize("nothing", [b"", None])
def test_nothing_stored_is_none(nothing: bytes | None) -> None:
    """Neither a result nor an error."""
    assert (OUTCOMES.result(nothing, "k", 7), OUTCOMES.error(nothing, "k", 7), OUTCOMES.in_words(nothing, "k", 7)) == (
        None,
        None,
        None,
    )


def test_a_result_that_is_too_large_is_refused_with_both_sizes() -> None:
    """FAULT 7: recorded as the failure of the run, which is not run again."""
    largest = b"x" * (200 - len(CODEC.encode(b"x")) + 1)
    assert OUTCOMES.result(OUTCOMES.of_result(largest, "k", 7), "k", 7) == largest
    with pytest.raises(PayloadTooLarge, match=r"the result has 201 bytes; 200 are allowed \(max_result\)"):
        OUTCOMES.of_result(largest + b"x", "k", 7)


@pytest.mark.parametrize("result", [threading.Lock(), (each for each in "generator")], ids=["lock", "generator"])
def test_a_result_that_cannot_travel_is_refused(result: object) -> None:
    """FAULT 38: in words."""
    with pytest.raises(SerializationError, match=r"the value is a .* which cannot travel"):
        OUTCOMES.of_result(result, "k", 7)


def test_an_exception_is_raised_where_it_is_waited_for() -> None:
    """With the worker's traceback as its cause."""
    data = OUTCOMES.of_error(ValueError("no such order"), "k", 7)
    with pytest.raises(ValueError, match="no such order") as caught:
        OUTCOMES.result(data, "k", 7)
    assert "no such order" in str(caught.value.__cause__)
    assert type(OUTCOMES.error(data, "k", 7)) is ValueError
    assert OUTCOMES.in_words(data, "k", 7) == "ValueError: no such order"


@pytest.mark.parametrize("error", [Fragile(7, "gone"), SystemExit(3), KeyboardInterrupt()], ids=repr)
def test_an_exception_that_must_not_be_rebuilt_is_named(error: BaseException) -> None:
    """INV 15, FAULT 30: it says what it was, and ends nobody who waits."""
    data = OUTCOMES.of_error(error, "k", 7)
    with pytest.raises(TaskFailed, match=type(error).__name__):
        OUTCOMES.result(data, "k", 7)
    words = OUTCOMES.in_words(data, "k", 7)
    assert words is not None
    assert type(error).__name__ in words


def test_an_exception_may_be_longer_than_a_result() -> None:
    """Its size is bounded where it is described; a failure is never lost for it."""
    data = OUTCOMES.of_error(ValueError("x" * 1000), "k", 7)
    assert len(data) > OUTCOMES.largest
    assert type(OUTCOMES.error(data, "k", 7)) is ValueError


@pytest.mark.parametrize("stored", [outcome.returned("j", b"{}"), outcome.raised("j", b"{}")])
def test_a_codec_that_is_not_configured_here_may_be_elsewhere(stored: outcome.Outcome) -> None:
    """FAULT 44: the error says that another process could read it."""
    with pytest.raises(Undecodable, match="a codec 'j' that is not configured here") as caught:
        OUTCOMES.result(outcome.pack(stored), "k", 7)
    assert caught.value.temporary


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"garbage", "not written by shadows"),
        (outcome.pack(outcome.raised("j", b"")), "a codec 'j' that is not configured"),
        (outcome.pack(outcome.raised("p", b"cut")), "cannot be loaded"),
        (outcome.pack(outcome.raised("p", CODEC.encode(5))), "holds no exception"),
    ],
)
def test_what_cannot_be_read_is_told_in_words(data: bytes, words: str) -> None:
    """FAULT 44, INV 15: whoever lists executions gets a text for each, and never an exception for one."""
    found = OUTCOMES.in_words(data, "k", 7)
    assert found is not None
    assert words in found
    with pytest.raises(Undecodable):
        OUTCOMES.error(data, "k", 7)


def test_of_a_result_that_lies_elsewhere_nothing_is_said() -> None:
    """Its record names it, and has words for failures only."""
    stored = outcome.pack(outcome.stored("-", "0" * 64 + "-7", b""))
    assert OUTCOMES.in_words(stored, "k", 7) is None
