from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadows.core import strikes
from shadows.core.scheduling import Due
from shadows.core.strikes import Condition, Operator, Strike, StrikeBook, strike
from shadows.errors import ConfigurationError, Undecodable

numbers = st.integers() | st.floats(allow_nan=False)


class Difficult:
    """Compares with nothing, and says so in its own way."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __eq__(self, other: object) -> bool:
        raise self.error

    __lt__ = __le__ = __gt__ = __ge__ = __ne__ = __eq__
    __hash__ = object.__hash__


class Doubtful:
    """Its comparisons have no truth: an array."""

    def __eq__(self, other: object) -> Doubtful:  # type: ignore[override]
        return self

    def __bool__(self) -> bool:
        raise ValueError

    __hash__ = object.__hash__


def book(*asked: Strike) -> StrikeBook:
    """Return a book of these strikes."""
    named = {str(number): one for number, one in enumerate(asked)}
    return StrikeBook().after("1", cast("Any", named), anew=True)


def forbids(struck: Strike, task: str = "task", **arguments: object) -> bool:
    """Tell whether the strike forbids this call."""
    return book(struck).judge(task, lambda: arguments).strike is not None


@given(numbers, numbers)
def test_an_operator_means_what_it_means_in_python(value: float, bound: float) -> None:
    """Issue 4, Strikes: == != < <= > >=, and between with both of its bounds."""
    tests = {"==": value == bound, "!=": value != bound, "<": value < bound, "<=": value <= bound}
    tests |= {">": value > bound, ">=": value >= bound}
    for operator, expected in tests.items():
        assert forbids(strike(None, "n", operator, bound), n=value) is expected
    low, high = sorted((bound, bound + 10))
    assert forbids(strike(None, "n", "between", [low, high]), n=value) is (low <= value <= high)


@pytest.mark.parametrize(
    ("value", "bound"),
    [
        ("text", 5),
        (None, 5),
        ({}, 5),
        (5, "text"),
        (1 + 2j, 5),
        (datetime(2024, 1, 1), datetime(2024, 1, 1, tzinfo=UTC)),  # noqa: DTZ001
        (Difficult(ValueError()), 5),
        (Difficult(SystemExit()), 5),
    ],
)
def test_what_does_not_compare_is_no_match(value: object, bound: object) -> None:
    """INV 46, FAULT 24: it is told, and never blocks."""
    for operator in ("<", "<=", ">", ">="):
        judged = book(strike(None, "n", operator, bound)).judge("task", lambda: {"n": value})
        assert judged.strike is None
        assert [parameter for _, parameter in judged.misfits] == ["n"]


def test_equality_that_cannot_be_decided_is_no_match() -> None:
    """INV 46: whatever the value's class does instead of an answer."""
    for value in (Doubtful(), Difficult(ValueError()), Difficult(RecursionError())):
        for operator in ("==", "!="):
            assert not forbids(strike(None, "n", operator, 5), n=value)
    assert forbids(strike(None, "n", "!=", 5), n="text")
    assert not forbids(strike(None, "n", "==", 5), n="5")
    with pytest.raises(KeyboardInterrupt):
        forbids(strike(None, "n", "==", 5), n=Difficult(KeyboardInterrupt()))


def test_a_strike_is_of_a_task_of_a_parameter_or_of_both() -> None:
    """Issue 4, Strikes: a task that lacks the parameter of a strike of all tasks is not concerned."""
    of_task, of_all, of_both = strike("task"), strike(None, "n", value=1), strike("task", "n", "==", 1)
    assert forbids(of_task, n=2)
    assert not forbids(of_task, "other", n=2)
    assert forbids(of_all, n=1)
    assert forbids(of_all, "other", n=1)
    assert not forbids(of_all, m=1)
    assert forbids(of_both, n=1)
    assert not forbids(of_both, n=2)
    assert not forbids(of_both, "other", n=1)
    assert forbids(strike("task", "n"), n=None)


def test_every_condition_of_a_compound_strike_must_hold() -> None:
    """SPEC 1: for "both" there is one compound strike."""
    both = strike("task", where={"customer": ("==", "c"), "amount": (">", 1000)})
    assert forbids(both, customer="c", amount=1001)
    assert not forbids(both, customer="c", amount=1000)
    assert not forbids(both, customer="d", amount=1001)
    assert not forbids(both, amount=1001)


def test_each_strike_stands_alone() -> None:
    """SPEC 1: a call is stricken if any one matches."""
    two = book(strike("task", "customer", "==", "c"), strike("task", "amount", ">", 1000))
    for arguments in ({"customer": "c", "amount": 1}, {"customer": "d", "amount": 2000}):
        assert two.judge("task", lambda arguments=arguments: arguments).strike is not None  # type: ignore[misc]
    assert two.judge("task", lambda: {"customer": "d", "amount": 1}).strike is None


def test_what_drops_goes_before_what_holds() -> None:
    """Issue 4, ``hold``: a call is held only if no other strike drops it."""
    holding, dropping = strike("task", hold=True), strike(None, "n", ">", 5)
    assert book(holding, dropping).judge("task", lambda: {"n": 6}).strike == dropping
    assert book(holding, dropping).judge("task", lambda: {"n": 5}).strike == holding
    of_all, dropping = strike(None, "n", ">", 1, hold=True), strike("task")
    assert book(of_all, dropping).judge("task", lambda: {"n": 6}).strike == dropping
    assert book(holding, strike("task", hold=True, reason="too")).judge("task", dict).strike == holding


def test_arguments_are_not_asked_for_where_nothing_depends_on_them() -> None:
    """Issue 4: a strike of a task alone, or of another one, costs no binding of arguments."""

    def unasked() -> dict[str, object]:
        raise AssertionError

    assert book(strike("task")).judge("task", unasked).strike is not None
    assert book(strike("other", "n")).judge("task", unasked) == strikes.LETS_PASS
    assert StrikeBook().judge("task", unasked) == strikes.LETS_PASS


def test_a_strike_of_a_task_by_a_parameter_that_it_lacks_is_a_misfit() -> None:
    """FAULT 24: of all tasks it is none, for others may have it."""
    own = strike("task", "m", "==", 1)
    judged = book(own, strike(None, "m", "==", 1)).judge("task", lambda: {"n": 1})
    assert judged.strike is None
    assert judged.misfits == ((own, "m"),)


# What is refused


@pytest.mark.parametrize(
    ("asked", "error", "says"),
    [
        ({}, ConfigurationError, "name a task, a parameter or both"),
        ({"where": {}}, ConfigurationError, "name a task, a parameter or both"),
        ({"function": ""}, ConfigurationError, "function='' is empty"),
        ({"function": 7}, TypeError, "function must be a string"),
        ({"function": "task", "value": 5}, ConfigurationError, "without parameter="),
        ({"function": "task", "operator": "<"}, ConfigurationError, "without parameter="),
        ({"parameter": "n", "where": {"m": ("==", 1)}}, ConfigurationError, "not both"),
        ({"parameter": "n", "operator": "=>", "value": 5}, ConfigurationError, "'=>' is none of ==, !=, <, <="),
        ({"parameter": "n", "operator": ["=="], "value": 5}, ConfigurationError, "is none of"),
        ({"where": {5: ("==", 1)}}, TypeError, "must be a string, not int"),
        ({"where": {"n": 5}}, TypeError, r"where\['n'\] must be a pair"),
        ({"where": {"n": ("==", 1, 2)}}, TypeError, "must be a pair"),
        ({"parameter": "n", "operator": "<", "value": None}, ConfigurationError, "a NoneType .* has no order"),
        ({"parameter": "n", "operator": ">=", "value": {}}, ConfigurationError, "a dict .* use == or !="),
        ({"parameter": "n", "operator": ">", "value": Difficult(ValueError())}, ConfigurationError, "no order"),
        ({"parameter": "n", "operator": "between", "value": 5}, ConfigurationError, "two bounds of 'n'"),
        ({"parameter": "n", "operator": "between", "value": (1, 2, 3)}, ConfigurationError, "two bounds"),
        ({"parameter": "n", "operator": "between", "value": (2, 1)}, ConfigurationError, "lower bound of 'n' first"),
        ({"parameter": "n", "operator": "between", "value": (1, "b")}, ConfigurationError, "compares with it"),
        ({"function": "task", "reason": "x" * 201}, ConfigurationError, "longer than 200"),
    ],
)
def test_a_strike_that_says_nothing_is_refused(asked: dict[str, Any], error: type[Exception], says: str) -> None:
    """FAULT 24: the text names what is wrong, and what to write."""
    with pytest.raises(error, match=says):
        strike(**asked)


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        (("amonut", "==", 1), "no parameter 'amonut'; did you mean amount"),
        (("zzz", "==", 1), "it has amount, name, options, any, price"),
        (("amount", "<", "low"), "takes a int as amount, which < does not compare with a str"),
        (("name", ">", 5), "takes a str as name"),
        (("options", "<", 5), "takes a dict as options"),
        (("price", "between", ("a", "b")), "takes a Decimal as price, which between does not compare with a str"),
    ],
)
def test_a_strike_that_can_match_no_call_of_its_task_is_refused(condition: tuple[str, str, Any], says: str) -> None:
    """FAULT 24: where the task's signature is known."""
    names = ["amount", "name", "options", "any", "price"]
    kinds = {"amount": int, "name": str, "options": dict, "price": Decimal}
    with pytest.raises(ConfigurationError, match=says):
        strikes.refuse_misfits(strike("task", *condition), names, kinds)


def test_what_may_match_is_not_refused() -> None:
    """FAULT 24: an annotation that says little, or a function that takes any keyword, refuses little."""
    names, kinds = ["n", "m", "o"], {"n": int, "m": "text", "o": Difficult}
    for condition in (("n", "<", 5.5), ("m", "<", 5), ("o", ">", 5), ("n", "==", "text"), ("n", "between", (1, 2))):
        strikes.refuse_misfits(strike("task", *condition), names, kinds)
    strikes.refuse_misfits(strike("task", "any", "==", 5), None, kinds)
    with pytest.raises(ConfigurationError, match="it has none"):
        strikes.refuse_misfits(strike("task", "any", "==", 5), [], {})


def test_when_a_strike_ends() -> None:
    """Issue 4, ``until``: an aware time or a while from now; the broker's clock decides about both."""
    assert strikes.ending(None) is None
    assert strikes.ending(timedelta(minutes=5)) == Due(after=300_000)
    assert strikes.ending(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)) == Due(at=1000)
    assert strikes.ending(datetime(1, 1, 1, tzinfo=UTC)) == Due(at=0)
    for wrong, says in (
        (datetime(2030, 1, 1), "naive"),  # noqa: DTZ001
        (timedelta(0), "zero"),
        (timedelta(days=4000), "ten years"),
        (cast("Any", "5parsecs"), "until"),
    ):
        with pytest.raises(ConfigurationError, match=says):
            strikes.ending(wrong)


# Books


def test_a_book_is_brought_up_to_date() -> None:
    """INV 46: reading the same twice changes nothing; a strike once more has the newest terms and comes last."""
    first, second = strike("a"), strike("b")
    known = StrikeBook().after("5-1", {"a": first, "b": second}, anew=True)
    assert [*known.strikes] == ["a", "b"]
    again = strike("a", reason="again")
    later = known.after("5-10", {"b": None, "nothing": None, "a": again}, anew=False)
    assert (later.position, later.strikes) == ("5-10", {"a": again})
    assert later.after("5-10", {"b": None, "a": again}, anew=False) == later
    assert [*known.after("6-0", {"c": first}, anew=True).strikes] == ["c"]


def test_positions_are_numbers_and_not_text() -> None:
    """INV 46: 5-10 comes after 5-9, and everything after nothing."""
    ordered = ["", "5", "5-9", "5-10", "12-0"]
    for i, position in enumerate(ordered):
        older = [StrikeBook(position).is_older_than(other) for other in ordered]
        assert older == [i < j for j in range(len(ordered))]


# How strikes travel


@pytest.mark.parametrize(
    "asked",
    [
        strike("task"),
        strike(None, "n", "between", (1, 2), reason="why"),
        strike("täsk", where={"b": ("!=", b"\xff"), "a": ("<=", Decimal(5))}),
    ],
)
def test_a_strike_travels(asked: Strike) -> None:
    """INV 47: with its version and its codec; its name, its end and whether it holds are the log's to tell."""
    data = strikes.pack("p", pickle.dumps(strikes.plain(asked)))
    codec, body = strikes.opened(data)
    assert codec == "p"
    assert strikes.read(pickle.loads(body)) == asked


def test_the_same_strike_has_the_same_name() -> None:
    """SEMANTICS, Strikes: restore removes exactly the one with the same task, parameter, operator and value."""

    def name(*asked: Any, **more: Any) -> str:
        return strikes.identity(strike(*asked, **more), pickle.dumps)

    same = name("task", "n", ">", 5)
    assert name("task", where={"n": (">", 5)}, reason="other", hold=True) == same
    others = [
        ("task",),
        ("n",),
        (None, "n", ">", 5),
        ("task", "n", ">=", 5),
        ("task", "n", ">", 6),
        ("task", "m", ">", 5),
    ]
    assert len({same, *(name(*other) for other in others)}) == 7
    assert same.isalnum()
    one, other = {"a": ("==", 1), "b": ("==", 2)}, {"b": ("==", 2), "a": ("==", 1)}
    assert name(where=one) == name(where=other) != name(where={"a": ("==", 2), "b": ("==", 1)})


def test_equal_values_name_the_same_strike_though_their_bytes_differ() -> None:
    """SEMANTICS, Strikes: a set or a shared string may be written in two ways; another type is another value."""
    one, other = strike("task", "n", "==", {1, 2}), strike("task", "n", "==", {2, 1})
    assert one.same_as(other)
    for different in (
        strike("task"),
        strike("other", "n", "==", {1, 2}),
        strike("task", "n", "!=", {1, 2}),
        strike("task", "n", "==", frozenset({1, 2})),
        strike("task", "n", "==", {3}),
    ):
        assert not one.same_as(different)
    assert not strike("task", "n", "==", 1).same_as(strike("task", "n", "==", True))  # noqa: FBT003


def test_a_strike_shows_no_values() -> None:
    """INV 45: they are what arguments hold."""
    assert "secret" not in repr(strike("task", "n", "==", "secret"))


def test_a_large_strike_is_refused() -> None:
    """INV 46: everybody reads it, so the log is bounded in bytes as well."""
    with pytest.raises(ConfigurationError, match="use smaller values"):
        strikes.pack("p", pickle.dumps(strikes.plain(strike("task", "n", "==", "x" * 5000))))


@pytest.mark.parametrize("data", [b"", b"\x02p...", b"\xffp..."])
def test_what_is_no_strike_of_ours_says_so(data: bytes) -> None:
    """INV 47, FAULT 44: a later version may be read by a later release."""
    with pytest.raises(Undecodable) as broken:
        strikes.opened(data)
    assert broken.value.temporary is (data[:1] == b"\x02")


@pytest.mark.parametrize(
    "plain",
    [
        None,
        [],
        [None, [], None],
        ["task", [["n", "like", 5]], None],
        ["task", [["n", "=="]], None],
        ["task", [[5, "==", 5]], None],
        ["task", [], 5],
        [5, [], None],
    ],
)
def test_what_a_strike_cannot_hold_is_no_strike(plain: object) -> None:
    """FAULT 43: and an operator of a later release is not taken for another one."""
    with pytest.raises(Undecodable):
        strikes.read(plain)


def test_a_later_release_may_say_more_of_a_strike() -> None:
    """INV 47: what follows is passed over."""
    data = b"\x01p" + pickle.dumps(["task", [], None, "more"])
    assert strikes.read(pickle.loads(strikes.opened(data)[1])) == strike("task")


def test_a_condition_is_kept_as_it_was_asked() -> None:
    """PARITY: for the list of strikes."""
    assert strike(None, "n", "between", [1, 2]).conditions == (Condition("n", Operator.BETWEEN, (1, 2)),)
