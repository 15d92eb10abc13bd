from __future__ import annotations

import enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadows.core.names import shadow_name, shown, task_key, task_name, worker_name
from shadows.errors import ConfigurationError


class Word(str, enum.Enum):  # noqa: UP042 - the older kind, whose members format as `Word.PAID`
    PAID = "paid"


@pytest.mark.parametrize("name", ["a", "orders-eu", "A.b_c-9", "x" * 64])
def test_a_shadow_may_be_called_by_letters_digits_dots_underscores_and_hyphens(name: str) -> None:
    """A name that matches the documented pattern is returned as it is."""
    assert shadow_name(name) == name


@pytest.mark.parametrize("name", ["", "{a}", "a:b", "a*", "a b", "a\0", "a\n", "ä", "x" * 65])
def test_a_shadow_name_that_would_need_escaping_is_refused_with_the_pattern(name: str) -> None:
    """FAULT 12: braces, colons, globs, spaces, NUL, nothing: a ValueError that shows the allowed pattern."""
    with pytest.raises(ConfigurationError, match=r"\[A-Za-z0-9\._-\]") as caught:
        shadow_name(name)
    assert isinstance(caught.value, ValueError)


def test_no_shadow_can_have_a_name_that_lies_inside_the_keys_of_another() -> None:
    """FAULT 13: keys are ``NAME:...``, and no name holds a colon, so no shadow's keys begin with another's."""
    with pytest.raises(ConfigurationError):
        shadow_name("a:b")


@pytest.mark.parametrize(
    "key", ["k", "stream", "runs:x", "{a}", "a\0b", "a\r\nb", "🦊", "%", "*?[", "x" * 512, "é" * 256]
)
def test_any_text_of_up_to_512_bytes_is_a_key(key: str) -> None:
    """FAULT 9: NUL, line ends, emoji, braces and the words that the system uses are keys like any other."""
    assert task_key(key) == key


@pytest.mark.parametrize(("key", "size"), [("x" * 513, "513"), ("é" * 257, "514"), ("x" * 10_000, "10,000")])
def test_a_longer_key_is_refused_and_its_size_told_without_repeating_it(key: str, size: str) -> None:
    """FAULT 9: the limit is in bytes of UTF-8; the message stays short."""
    with pytest.raises(ConfigurationError, match=size) as caught:
        task_key(key)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("check", [task_key, task_name, worker_name])
def test_a_lone_surrogate_is_refused_by_the_name_of_its_argument(check: Any) -> None:
    """FAULT 10: it cannot be encoded; the error is a ValueError that names the field and the place."""
    with pytest.raises(ValueError, match=r"field='ab.udcff' holds a lone surrogate at index 2"):
        check("ab\udcff", argument="field")


@pytest.mark.parametrize("check", [shadow_name, task_key, task_name, worker_name])
def test_an_empty_name_is_a_value_error_and_a_number_is_a_type_error(check: Any) -> None:
    """FAULT 11: each error names the argument."""
    with pytest.raises(ValueError, match="field=''"):
        check("", argument="field")
    for wrong in (7, None, b"bytes", ["k"]):
        with pytest.raises(TypeError, match=rf"field must be a string.* not {type(wrong).__name__}"):
            check(wrong, argument="field")


@pytest.mark.parametrize("check", [shadow_name, task_key, task_name, worker_name])
def test_the_member_of_a_text_enumeration_counts_as_its_text(check: Any) -> None:
    """What is returned is a plain string, so that later formatting cannot turn it into ``Word.PAID``."""
    found = check(Word.PAID)
    assert found == "paid"
    assert f"{found}" == "paid" or check is task_key
    assert type(check(Word.PAID)) is str


def test_a_task_name_has_at_most_200_bytes() -> None:
    """The wire format stores its length in one byte."""
    assert task_name("é" * 100) == "é" * 100
    with pytest.raises(ConfigurationError, match="201 bytes"):
        task_name("x" * 201)


def test_a_worker_name_is_printable_and_has_at_most_128_bytes() -> None:
    """It stands in logs and lists, where control characters would do harm."""
    assert worker_name("host#1 ä") == "host#1 ä"
    with pytest.raises(ConfigurationError, match="do not print"):
        worker_name("a\x1b[31m")
    with pytest.raises(ConfigurationError, match="129 bytes"):
        worker_name("x" * 129)


@given(st.text())
def test_what_a_message_shows_is_one_short_printable_line(text: str) -> None:
    """Whatever a name holds, the message about it can be written to any log."""
    line = shown(text)
    assert line.isprintable()
    assert len(line) < 600
    line.encode()


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=600))
def test_a_key_is_accepted_exactly_if_it_has_512_bytes_or_fewer(key: str) -> None:
    """FAULT 9: nothing but the size matters."""
    if len(key.encode()) <= 512:
        assert task_key(key) == key
    else:
        with pytest.raises(ConfigurationError):
            task_key(key)
