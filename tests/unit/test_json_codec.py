from __future__ import annotations

import enum
import json
import math
import threading
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path, PurePath
from typing import Annotated, Any, Literal, NamedTuple, NewType, TypedDict, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadows.adapters.codecs.json import JsonCodec
from shadows.adapters.codecs.tags import Untyped
from shadows.core.failures import decode_failure, encode_failure
from shadows.errors import ExecutionCancelled, SerializationError, TaskFailed, Undecodable

CODEC = JsonCodec()
BERLIN = ZoneInfo("Europe/Berlin")
NAIVE = datetime.fromisoformat("2030-01-01")
T = TypeVar("T")
B = TypeVar("B", bound=date)
OrderId = NewType("OrderId", UUID)
type Moment = datetime


class Colour(enum.Enum):
    RED = "red"
    DEEP = (1, 2)


class Size(enum.IntEnum):
    SMALL = 1


class Point(NamedTuple):
    x: int
    y: Decimal = Decimal(0)


@dataclass
class Line:
    sku: str
    price: Decimal = Decimal(0)
    total: Decimal = field(init=False, default=Decimal(0))


@dataclass
class Order:
    lines: list[Line]
    placed: datetime | None = None


@dataclass
class Express(Order):
    by: time | None = None


@dataclass
class Strict:
    age: int

    def __post_init__(self) -> None:
        if self.age < 0:
            raise ValueError("no age is below zero")


@dataclass
class Box[I]:
    inside: I


@dataclass
class Unclear:
    inside: Nowhere  # type: ignore[name-defined]  # noqa: F821 - no such class


@attrs.frozen
class Address:
    street: str
    _secret: bytes = b""
    here: bool = attrs.field(init=False, default=True)


class Basket(TypedDict, total=False):
    at: datetime
    lines: list[Line]


class Refused(Exception):
    def __init__(self, order: int, why: str) -> None:
        super().__init__(order, why)
        self.noted = why


class Odd(Exception):
    def __reduce__(self) -> tuple[Any, ...]:
        return str, ("odd",)


class Sneaky(str):
    __slots__ = ()


def travelled(value: Any, kind: Any = Any) -> Any:
    return CODEC.fit(CODEC.decode(CODEC.encode(value)), kind)


PLAIN: list[Any] = [
    None, True, 0, -1, 2**200, 1.5, "", "ü\u2028", [], [1, [2]], {}, {"a": {"b": None}},
    (), (1, (2, "x")), {1: "a", (1, 2): "b", None: 3}, {"!a": 1}, {"!datetime": "x"}, {"a.b": 1, "!": 2},
    {"!call": [[], {}]},
    {1, 2}, frozenset({"a"}), b"", b"\x00\xff", math.inf, -math.inf,
    NAIVE.replace(hour=12, microsecond=7), datetime(2030, 1, 1, tzinfo=UTC), NAIVE.replace(fold=1),
    datetime(2030, 1, 1, tzinfo=timezone(timedelta(hours=-3, minutes=-30))),
    date(2030, 1, 1), time(1, 2, 3), time(1, tzinfo=UTC), time(2, fold=1), timedelta(days=-1, microseconds=3),
    UUID(int=7), Decimal("1.10"), Decimal("Infinity"),
    PurePath("/a/b"), [{"deep": ({1}, [b"x"])}],
]  # fmt: skip


@pytest.mark.parametrize("value", PLAIN, ids=repr)
def test_what_is_no_class_of_the_user_comes_back_as_it_was_without_any_annotation(value: object) -> None:
    """Also what JSON has no word for, and what looks like a tag of ours."""
    back = travelled(value)
    assert back == value
    assert type(back) is type(value)


def test_a_moment_keeps_its_zone_and_its_fold() -> None:
    """A wall-clock time in a zone is more than an instant."""
    for moment in (datetime(2030, 10, 27, 2, 30, fold=1, tzinfo=BERLIN), datetime(2030, 7, 1, tzinfo=BERLIN)):
        back = travelled(moment)  # another object of the same zone may have come about meanwhile
        assert (back.tzinfo.key, back.fold, back.isoformat()) == (BERLIN.key, moment.fold, moment.isoformat())
    assert (travelled(NAIVE.replace(fold=1)).fold, travelled(time(2, fold=1)).fold) == (1, 1)


def test_not_a_number_comes_back_as_none() -> None:
    """JSON has no word for it."""
    assert math.isnan(travelled(math.nan))


_leaves = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
    | st.decimals(allow_nan=False) | st.uuids() | st.datetimes() | st.dates() | st.times() | st.timedeltas()
)  # fmt: skip
_keys = st.text() | st.integers() | st.binary()
_values = st.recursive(
    _leaves,
    lambda inner: st.lists(inner) | st.dictionaries(_keys, inner) | st.lists(inner).map(tuple) | st.frozensets(_leaves),
    max_leaves=20,
)


@given(st.lists(_values, max_size=3).map(tuple), st.dictionaries(st.text(), _values, max_size=3))
def test_whatever_arguments_are_made_of_they_come_back(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """A call is the pair of its positional and its keyword arguments."""
    assert CODEC.decode(CODEC.encode((args, kwargs))) == (args, kwargs)


def test_a_call_can_be_written_in_any_language() -> None:
    """It is JSON, and says what is what."""
    data = CODEC.encode(((1, "a"), {"at": date(2030, 1, 1)}))
    assert json.loads(data) == {"!call": [[1, "a"], {"at": {"!date": "2030-01-01"}}]}


CLASSES: list[tuple[Any, Any]] = [
    (Colour.RED, Colour),
    (Colour.DEEP, Colour | None),
    (Size.SMALL, Size),
    (Point(1, Decimal("2.5")), Point),
    (Order([Line("a", Decimal(1))], NAIVE), Order),
    ([Order([])], list[Order]),
    ((Order([]), 1), tuple[Order, int]),
    ((Order([]), Order([])), tuple[Order, ...]),
    ({"a": Line("a")}, dict[str, Line]),
    ({Colour.RED: Line("a")}, dict[Colour, Line]),
    ({Colour.RED}, set[Colour]),
    (frozenset({Colour.RED}), frozenset[Colour]),
    (Address("x", b"s"), Address),
    (Address("x"), Annotated[Address, "a note"]),
    (Order([]), Line | Order),
    (Express([], by=time(1)), Order),
    (Box(5), Box[int]),
    ({"lines": [Line("a")]}, Basket),
    (None, Order | None),
    (5, Order | int),
]


@pytest.mark.parametrize(("value", "kind"), CLASSES, ids=repr)
def test_an_instance_is_rebuilt_from_the_annotation(value: object, kind: Any) -> None:
    """Also of a class derived from the annotated one, and inside of other things."""
    back = travelled(value, kind)
    assert back == value
    assert type(back) is type(value)


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ('"2030-01-01T00:00:00Z"', datetime, datetime(2030, 1, 1, tzinfo=UTC)),
        ('"2030-01-01T00:00:00"', Moment, NAIVE),
        ('"2030-01-01"', B, date(2030, 1, 1)),
        ('"01:02:03"', time | None, time(1, 2, 3)),
        ('"00000000-0000-0000-0000-000000000007"', OrderId, UUID(int=7)),
        ('"1.10"', Decimal, Decimal("1.10")),
        ('"AP8="', bytes, b"\x00\xff"),
        ('"/a"', Path, Path("/a")),
        ('"red"', Colour, Colour.RED),
        ("1", Size, Size.SMALL),
        ("[1, 2]", tuple[int, int], (1, 2)),
        ("[1, 2, 3]", tuple[int, int], (1, 2, 3)),
        ("[1, 2]", tuple, (1, 2)),
        ("[1, 1]", set[int], {1}),
        ("[1]", frozenset, frozenset({1})),
        ('[1, "2"]', Point, Point(1, Decimal(2))),
        ('{"x": 1}', dict, {"x": 1}),
        ('{"1": "2030-01-01"}', dict[int, date], {1: date(2030, 1, 1)}),
        ('{"lines": [{"sku": "a", "price": "2"}], "gone": 1}', Order, Order([Line("a", Decimal(2))])),
        ('{"at": "2030-01-01T00:00:00", "more": 1}', Basket, {"at": NAIVE, "more": 1}),
        ('{"street": "x"}', Address, Address("x")),
        ('"x"', str | datetime, "x"),
        ('"x"', datetime | UUID, "x"),
        ('"x"', int | float, "x"),
        ('{"inside": 1}', Unclear, Unclear(1)),
        ('"a"', Literal["a", "b"], "a"),
        ('["a"]', Literal["a", "b"], ["a"]),
        ('"5"', int, "5"),
        ("5", "a name that nobody could resolve", 5),
        ("5", T, 5),
    ],
)  # fmt: skip
def test_what_another_language_wrote_becomes_what_the_annotation_says(text: str, kind: Any, value: object) -> None:
    """And what says nothing of the kind is left as it is: nothing is checked that Python would not check."""
    back = CODEC.fit(CODEC.decode(text.encode()), kind)
    assert back == value
    assert type(back) is type(value)


def test_what_nobody_names_stays_untyped() -> None:
    """Who only looks at calls need not know their classes; and it can be sent on as it came."""
    found = CODEC.decode(CODEC.encode(Line("a")))
    assert isinstance(found, Untyped)
    assert (found.name, found.content["sku"]) == (f"{__name__}.Line", "a")
    assert CODEC.encode(found) == CODEC.encode(Line("a"))


@pytest.mark.parametrize(("value", "kind"), [(Line("a"), Order), (Colour.RED, str), (Line("a"), None)], ids=repr)
def test_a_message_cannot_choose_a_class_that_the_task_does_not_name(value: object, kind: Any) -> None:
    """Nothing is looked up by a name that came from the server."""
    with pytest.raises(Undecodable, match="annotate it with its class"):
        travelled(value, kind)


@pytest.mark.parametrize(
    ("value", "kind"),
    [(Line("a"), Any), (Line("a"), object), ([Line("a")], list), (Line("a"), T), ({1: Line("a")}, dict)],
)
def test_where_the_annotation_leaves_it_open_nothing_is_rebuilt(value: object, kind: Any) -> None:
    """Whoever reads gets it untyped; whoever writes hears of it."""
    back = travelled(value, kind)
    assert CODEC.encode(back) == CODEC.encode(value)
    assert Line("a") != back
    with pytest.raises(Undecodable, match="annotate it with its class"):
        CODEC.check(CODEC.decode(CODEC.encode(value)), kind)


def test_what_can_be_rebuilt_passes_the_check() -> None:
    """And so does what needs no rebuilding."""
    for value, kind in CLASSES:
        CODEC.check(CODEC.decode(CODEC.encode(value)), kind)
    CODEC.check(CODEC.decode(CODEC.encode({"a": [NAIVE]})), Any)


class Rude(enum.Enum):
    ONE = 1

    @property
    def value(self) -> Any:
        raise ZeroDivisionError


def test_what_a_value_raises_when_it_is_written_is_told() -> None:
    """INV 15: a property or a __reduce__ may raise anything, and a worker goes on."""
    with pytest.raises(SerializationError, match="it cannot be told as JSON: ZeroDivisionError"):
        CODEC.encode(Rude.ONE)


def test_a_class_that_has_moved_is_found_by_its_own_name() -> None:
    """INV 47: while two releases run; and what the program was started from is called __main__ there alone."""
    assert CODEC.fit(Untyped("__main__.Line", {"sku": "a"}), Line) == Line("a")


@pytest.mark.parametrize(
    ("found", "kind", "words"),
    [
        ("yesterday", datetime, "no datetime"),
        ("x", Decimal, "no Decimal"),
        ("blue", Colour, "cannot be rebuilt"),
        ({"age": -1}, Strict, "no age is below zero"),
        ({}, Strict, "missing 1 required"),
        (Untyped("x.Strict", 5), Strict, "cannot be rebuilt"),
        ([[]], set[list[int]], "unhashable"),
    ],
)
def test_what_cannot_be_rebuilt_is_undecodable(found: object, kind: Any, words: str) -> None:
    """FAULT 44: in words."""
    with pytest.raises(Undecodable, match=words):
        CODEC.fit(found, kind)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{", b"\xff", b"[1] 2", b'{"!datetime": 5}', b'{"!set": [[]]}', b'{"!bytes": "?"}', b'{"!decimal": "x"}',
        b'{"!call": 5}', b'{"!call": [{}, {}]}', b'{"!call": [[], [1]]}', b'{"!float": "1e5"}', b'{"!dict": [1]}',
        b'{"!error": ["os.system", ["x"], null]}', b'{"!error": ["SystemExit", [], null]}', b'{"!error": []}',
        b'{"!datetime": ["2030-01-01", "../../etc/passwd", 0]}', b"1" * 5_000, b"[" * 100_000,
    ],
    ids=lambda data: data[:40],
)  # fmt: skip
def test_garbage_is_undecodable(data: bytes) -> None:
    """FAULT 44: and nothing else."""
    with pytest.raises(Undecodable) as caught:
        CODEC.decode(data)
    assert not caught.value.temporary


def test_what_is_nested_too_deeply_is_undecodable() -> None:
    """FAULT 44: and ends nobody."""
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(Undecodable, match="too deeply"):
        CODEC.fit(value, Any)


def test_a_tag_of_a_later_release_may_be_known_elsewhere() -> None:
    """INV 47."""
    with pytest.raises(Undecodable, match="!later") as caught:
        CODEC.decode(b'{"!later": 1}')
    assert caught.value.temporary


def too_deep() -> object:
    value: list[Any] = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (((1, threading.Lock()), {}), r"args\[1\] is a _thread.lock, which JSON cannot tell"),
        (((), {"a": [{"b": object()}]}), r"kwargs\['a'\]\[0\]\['b'\] is a object"),
        (((), {"a": {5: 1j}}), r"kwargs\['a'\]\[5\] is a complex"),
        (((), {"a": {1j: 5}}), r"kwargs\['a'\].keys\(\) is a complex"),
        (((), {"a": {Line("a").__class__: 5}}), r"kwargs\['a'\].keys\(\) is a type"),
        (((Order([Line("a"), object()]),), {}), r"args\[0\].lines\[1\] is a object"),  # type: ignore[list-item]
        ({(1,): {"b" * 50: 1j}}, r"the value\[<tuple>\]\[<str>\] is a complex"),
        (Sneaky("x"), "the value is a .*Sneaky"),
        ("\ud800", "the value holds a lone surrogate at index 0"),
        ({"\ud800": 1}, "the value holds a lone surrogate"),
        (2**20_000, "the value has 20,001 bits; 14,000 can travel"),
        (Refused(1, "no"), "the value is a .*Refused, which the codec was not told of"),
        (time(1, tzinfo=BERLIN), "the value is a time in a zone without a date"),
        (too_deep(), "nested too deeply"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_what_json_cannot_tell_is_refused_with_the_way_to_it(value: object, words: str) -> None:
    """FAULT 3: nothing changes its type without a word."""
    with pytest.raises(SerializationError, match=words):
        CODEC.encode(value)


@pytest.mark.parametrize(
    "error",
    [ValueError("no"), KeyError(5), OSError(2, "gone", "x"), ExceptionGroup("two", [ValueError(1), TypeError("2")]),
     ExecutionCancelled("k", "strike"), Undecodable("x", temporary=True),
     UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad")],
    ids=repr,
)  # fmt: skip
def test_an_exception_of_python_or_of_ours_is_raised_as_itself(error: Exception) -> None:
    """With its arguments and what else it holds."""
    back = decode_failure(CODEC, encode_failure(CODEC, error))
    assert type(back) is type(error)
    assert repr(back) == repr(error)
    assert getattr(back, "temporary", None) == getattr(error, "temporary", None)


def test_what_was_noted_on_an_exception_travels() -> None:
    """It is often the better half of the message."""
    error = ValueError("no")
    error.add_note("look here")
    assert decode_failure(CODEC, encode_failure(CODEC, error)).__notes__ == ["look here"]


def test_another_exception_comes_in_words_unless_the_codec_was_told_of_it() -> None:
    """A message cannot choose which class is called."""
    assert isinstance(decode_failure(CODEC, encode_failure(CODEC, Refused(1, "no"))), TaskFailed)
    told = JsonCodec(Refused)
    back = decode_failure(told, encode_failure(told, Refused(1, "no")))
    assert isinstance(back, Refused)
    assert (back.args, back.noted) == ((1, "no"), "no")


def test_an_exception_that_makes_something_else_of_itself_does_not_travel() -> None:
    """Whoever waits shall not get a text where an exception is due."""
    with pytest.raises(SerializationError, match="Odd"):
        JsonCodec(Odd).encode(Odd())
