"""How values are written on the command line."""

from __future__ import annotations

import enum
import sys
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadows.cli.values import argument, condition, instant, instant_or_span, spelled, value_of
from shadows.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

ID = "00000000-0000-0000-0000-00000000002a"


class Level(enum.Enum):
    """Something that is only known by its members."""

    LOW = "l"
    HIGH = "h"


class Strange:
    """Something that no text stands for."""

    def __repr__(self) -> str:
        return "<strange>"


class Picky:
    """Something that takes no text."""

    def __init__(self, text: str) -> None:
        raise LookupError(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12345", "12345"),
        ("", ""),
        ("int:3", 3),
        ("int:-3", -3),
        ("float:0.5", 0.5),
        ("bool:true", True),
        ("bool:False", False),
        ("bytes:ab", b"ab"),
        ("str:int:3", "int:3"),
        ("Decimal:1.10", Decimal("1.10")),
        ("decimal.Decimal:1.10", Decimal("1.10")),
        (f"UUID:{ID}", UUID(ID)),
        (f"uuid.UUID:{ID}", UUID(ID)),
        ("date:2026-11-27", date(2026, 11, 27)),
        ("datetime:2026-11-27T10:00:00Z", datetime(2026, 11, 27, 10, tzinfo=UTC)),
        ("datetime.time:10:30:00", time(10, 30)),
        ("timedelta:1h30m", timedelta(minutes=90)),
        ("datetime.timedelta:90", timedelta(seconds=90)),
        ("json:null", None),
        ('json:{"a": [1, 2]}', {"a": [1, 2]}),
        (f"{__name__}.Level:h", Level.HIGH),
        (f"{__name__}.Level:HIGH", Level.HIGH),
        ("customer:12", "customer:12"),
        ("https://example.org:80/", "https://example.org:80/"),
        ("redis.prod.example.com:6379", "redis.prod.example.com:6379"),
        (":3", ":3"),
    ],
)
def test_a_value_is_text_unless_a_type_stands_before_it(text: str, value: object) -> None:
    """What only looks like a type is text."""
    found = value_of(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("int:three", ["value='int:three'", "no int", "str:int:three"]),
        ("bool:maybe", ["value='bool:maybe'", "no bool"]),
        ("json:{", ["value='json:{'", "no json"]),
        ("uuid.UUID:12", ["no uuid.UUID"]),
        ("uuid.UIDD:12", ["'uuid' has no type 'UIDD'", "UUID"]),
        ("uuid.xyzzy:12", ["'uuid' has no type 'xyzzy'", "str:uuid.xyzzy:12"]),
        ("uuid.getnode:12", ["'uuid' has no type 'getnode'"]),
        (f"{__name__}.Level:x", ["no ", "Level"]),
        (f"{__name__}.Picky:x", ["no ", "Picky"]),
        ("datetime:yesterday", ["no datetime"]),
        ("timedelta:5parsecs", ["no timedelta"]),
    ],
)
def test_a_value_that_is_none_of_its_type_says_how_to_write_it(text: str, said: list[str]) -> None:
    """It names the value, and how the same would be plain text."""
    with pytest.raises(ConfigurationError) as caught:
        value_of(text)
    assert all(part in str(caught.value) for part in said), caught.value


VALUES = st.one_of(
    st.text(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.none(),
    st.decimals(allow_nan=False),
    st.uuids(),
    st.dates(),
    st.times(),
    st.datetimes(timezones=st.just(UTC)),
    st.datetimes(timezones=st.just(timezone(timedelta(hours=1)))),
    st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=9000)),
    st.sampled_from(Level),
    st.text("ab:", max_size=3).map(lambda text: f"int:{text}"),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=2), st.booleans(), max_size=2),
)


@given(VALUES)
def test_what_is_shown_can_be_typed(value: object) -> None:
    """A strike can be copied out of the list."""
    found = value_of(spelled(value))
    assert found == value
    assert type(found) is type(value)


def test_text_that_is_shown_is_not_looked_up() -> None:
    """It came from whoever may strike; to show it must import nothing."""
    assert spelled("this.is:text") == "str:this.is:text"
    assert "this" not in sys.modules


@pytest.mark.parametrize("value", [Strange(), b"\xff", float("nan"), (1, 2), {1: 2}, timedelta(-1)])
def test_what_cannot_be_typed_is_shown_as_python_has_it(value: object) -> None:
    """Somebody struck it in a program."""
    assert spelled(value) == repr(value)


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("n=21", "n", 21),
        ("ratio=0.5", "ratio", 0.5),
        ("on=true", "on", True),
        ("nothing=null", "nothing", None),
        ('name="Ada"', "name", "Ada"),
        ('name="21"', "name", "21"),
        ("name=Ada", "name", "Ada"),
        ("name=Ada Lovelace = poet", "name", "Ada Lovelace = poet"),
        ("empty=", "empty", ""),
        ('rows=[{"a": 1}]', "rows", [{"a": 1}]),
        (f"id=UUID:{ID}", "id", UUID(ID)),
    ],
)
def test_an_argument_is_json_or_a_value(text: str, name: str, value: Any) -> None:
    """Quotes are needed only around text that would be JSON."""
    found = argument(text)
    assert found == (name, value)
    assert type(found[1]) is type(value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("21", ["--arg='21'", "name=value"]),
        ("=21", ["--arg='=21'", "name=value"]),
        ("two words=21", ["--arg='two words=21'", "name=value"]),
        ("rows=[1, 2", ["--arg='rows=[1, 2'", "no JSON"]),
        ('name="Ada', ["no JSON"]),
        ("on=True", ["--arg='on=True'", "true", "'on=\"True\"'"]),
        ("on=None", ["null"]),
        ("n=int:x", ["--arg='n=int:x'", "no int"]),
    ],
)
def test_an_argument_that_is_neither_is_refused(text: str, said: list[str]) -> None:
    """Brackets, quotes and Python's own words are most likely meant as JSON."""
    with pytest.raises(ConfigurationError) as caught:
        argument(text)
    assert all(part in str(caught.value) for part in said), caught.value


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("amount > int:1000", ("amount", ">", 1000)),
        ("amount>=int:1000", ("amount", ">=", 1000)),
        ("customer_id==12345", ("customer_id", "==", "12345")),
        ("name != Ada Lovelace", ("name", "!=", "Ada Lovelace")),
        ("amount between int:10..int:20", ("amount", "between", (10, 20))),
        ("amount between int:10..20", ("amount", "between", (10, 20))),
        ("empty ==", ("empty", "==", "")),
    ],
)
def test_a_condition_is_a_parameter_an_operator_and_a_value(text: str, found: tuple[str, str, object]) -> None:
    """Spaces around the operator are as one likes."""
    assert condition(text) == found


@pytest.mark.parametrize("text", ["amount", "amount = 3", "> 3", "amount between int:3", ""])
def test_a_condition_that_is_none_shows_one(text: str) -> None:
    """The message has an example to copy."""
    with pytest.raises(ConfigurationError, match=r"int:1"):
        condition(text)


@pytest.mark.parametrize("read", [instant, instant_or_span])
def test_an_instant_carries_its_zone(read: Callable[..., object]) -> None:
    """Nobody guesses which noon is meant."""
    assert read("2026-11-27T12:00Z", option="--at") == datetime(2026, 11, 27, 12, tzinfo=UTC)
    with pytest.raises(ConfigurationError, match=r"--at='2026-11-27T12:00' .*2026-11-27T12:00:00\+00:00"):
        read("2026-11-27T12:00", option="--at")
    with pytest.raises(ConfigurationError, match=r"--at='2026-11-77'"):
        read("2026-11-77", option="--at")


def test_an_end_may_be_a_while_too() -> None:
    """As people say it: for half an hour, or until noon."""
    assert instant_or_span("30m", option="--until") == timedelta(minutes=30)
    with pytest.raises(ConfigurationError, match=r"--until='soon'"):
        instant_or_span("soon", option="--until")
