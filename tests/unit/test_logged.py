from __future__ import annotations

from typing import Annotated, Any, NoReturn

import pytest

from shadows import Logged, Retry
from tests.unit.workplace import running


async def process_payment(
    customer_id: Annotated[str, Logged],
    credit_card: str,
    amount: Annotated[float, Logged()] = 0.0,
    trace_id: Annotated[str, Logged] = "unknown",
    retry: Retry = Retry(),
) -> None: ...


async def bulk_update_users(
    user_ids: Annotated[list[str], Logged(length_only=True)],
    metadata: Annotated[dict[str, str], Logged(length_only=True)],
    options: Annotated[set[str], Logged(length_only=True)],
) -> None: ...


async def anything(*args: Any, **kwargs: Any) -> None: ...


def shown(function: Any, *args: Any, **kwargs: Any) -> str:
    return str(running(*args, function=function, task=function.__name__, **kwargs))


def test_only_annotated_arguments_are_shown() -> None:
    """INV 45 and the guide to logging: word for word."""
    text = shown(process_payment, "12345", credit_card="4111", amount=150.0, trace_id="abc-123")
    assert text == "process_payment('12345', credit_card=..., amount=150.0, trace_id='abc-123')"
    assert shown(process_payment, "12345", "4111") == "process_payment('12345', ...)"


def test_of_a_collection_only_the_length_may_be_shown() -> None:
    """The guide to logging, word for word."""
    users, data, options = ["user"] * 150, dict.fromkeys("abcde", "x"), {"a", "b", "c"}
    text = shown(bulk_update_users, users, metadata=data, options=options)
    assert text == "bulk_update_users([len 150], metadata={len 5}, options={len 3})"


class Unprintable:
    def __repr__(self) -> NoReturn:
        raise ValueError("secret")

    def __len__(self) -> NoReturn:
        raise KeyError("secret")


@pytest.mark.parametrize(
    ("value", "whole", "length"),
    [
        ((1, 2), "(1, 2)", "(len 2)"),
        (frozenset(), "frozenset()", "{len 0}"),
        ("text", "'text'", "[len 4]"),
        (b"bytes", "b'bytes'", "[len 5]"),
        (7, "7", "..."),
        (Unprintable(), "<Unprintable that raises ValueError>", "<Unprintable that raises KeyError>"),
    ],
)
def test_any_value_can_be_shown(value: Any, whole: str, length: str) -> None:
    """What the code of its class raises must not fail the run."""
    assert Logged().shown(value) == whole
    assert Logged(length_only=True).shown(value) == length


def test_a_value_is_shown_in_one_line_of_bearable_length() -> None:
    """FAULT 9: whoever fills in a form must not be able to forge a line of the log, nor to flood it."""

    class Lines:
        def __repr__(self) -> str:
            return "a\nERROR b"

    assert Logged().shown(Lines()) == r"a\nERROR b"
    assert len(Logged().shown("x" * 10_000)) < 1_100


def test_a_call_of_a_task_that_takes_anything_is_shown_with_its_shape() -> None:
    """Nothing of it is annotated."""
    assert shown(anything, 1, 2, three=3) == "anything(..., ..., three=...)"
    assert shown(anything) == "anything()"


def test_the_annotation_tells_what_it_shows() -> None:
    """For a person at the prompt."""
    assert repr(Logged(length_only=True)) == "Logged(length_only=True)"
