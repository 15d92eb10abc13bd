from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadows.adapters.memory.doors import FEW, Doors
from shadows.adapters.redis.doors import lines
from shadows.core.gates import Cooldown, Debounce, Gate, Rate, Slots, gate_name, in_order
from shadows.ports.admission import Passage

if TYPE_CHECKING:
    from collections.abc import Iterable


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (gate_name("task", argument="customer_id", value=1001), "customer_id:1001"),
        (gate_name("task", argument="customer_id", value="1001"), "customer_id:1001"),
        (gate_name("task", scope="eu", argument="customer_id", value=1001), "@eu:customer_id:1001"),
        (gate_name("send_mail"), "send_mail"),
        (gate_name("send_mail", scope="eu"), "@eu:send_mail"),
        (gate_name("a:b"), "a%3Ab"),
        (gate_name("t", argument="x", value="a b:@é\n"), "x:a%20b%3A%40%C3%A9%0A"),
        (gate_name("t", argument="x", value=""), "x:"),
        (gate_name("t", argument="x", value=None), "x:None"),
        (gate_name("t", argument="x", value="\ud800"), "x:%ED%A0%80"),
    ],
)
def test_a_gate_is_called_as_documented(name: str, expected: str) -> None:
    """SEMANTICS, Gates: argument and str(value), percent-encoded; a task-wide one has the task's name."""
    assert name == expected


def test_a_long_value_is_named_by_its_hash() -> None:
    """SEMANTICS, Gates: beyond 128 bytes; different ones stay different."""
    assert gate_name("t", argument="x", value="é" * 64) == "x:" + "%C3%A9" * 64
    long, other = (gate_name("t", argument="x", value="y" * 129 + end) for end in "ab")
    assert long != other
    assert len(long) == len("x:#") + 64
    assert long.startswith("x:#")


texts = st.text(max_size=5)
parts = st.tuples(texts, st.none() | texts, st.none() | texts, texts)


@given(parts, parts)
def test_different_gates_have_different_names(
    one: tuple[str, str | None, str | None, str], other: tuple[str, str | None, str | None, str]
) -> None:
    """INV 7: no value, argument, scope or task can look like another gate."""

    def meant(task: str, scope: str | None, argument: str | None, value: str) -> tuple[object, ...]:
        return (scope, task) if argument is None else (scope, argument, value)

    def named(task: str, scope: str | None, argument: str | None, value: str) -> str:
        return gate_name(task, scope=scope, argument=argument, value=value)

    assert (named(*one) == named(*other)) == (meant(*one) == meant(*other))


@pytest.mark.parametrize(
    ("gates", "expected"),
    [
        ([], ()),
        (
            [Rate("a", 1, 10), Slots("a", 1), Cooldown("a", 1), Debounce("a", 1)],
            (Debounce("a", 1), Cooldown("a", 1), Slots("a", 1), Rate("a", 1, 10)),
        ),
        ([Slots("b", 1), Slots("a", 1)], (Slots("b", 1), Slots("a", 1))),
        ([Slots("a", 2), Slots("a", 1), Slots("a", 3)], (Slots("a", 1),)),
        ([Rate("a", 5, 10), Rate("a", 9, 20)], (Rate("a", 5, 10), Rate("a", 9, 20))),
        ([Rate("a", 5, 10), Rate("a", 3, 10, drop=True)], (Rate("a", 3, 10, drop=True),)),
        ([Cooldown("a", 5), Cooldown("a", 9)], (Cooldown("a", 9),)),
        ([Debounce("a", 5), Debounce("a", 9)], (Debounce("a", 9),)),
    ],
)
def test_gates_are_asked_in_order_and_each_once(gates: Iterable[Gate], expected: tuple[Gate, ...]) -> None:
    """Of several that are one and the same the strictest stays."""
    assert in_order(gates) == expected


def test_gates_as_the_scripts_read_them() -> None:
    """A line each, in the order in which they are asked."""
    gates: list[Gate] = [
        Rate("r", 2, 1000, drop=True),
        Slots("s", 3),
        Cooldown("c", 5),
        Debounce("d", 6),
        Rate("r", 9, 2000),
    ]
    assert lines(gates).split("\n") == [
        "debounce d 0 6 0",
        "cooldown c 0 5 0",
        "slots s 3 0 0",
        "rate r 2 1000 1",
        "rate r 9 2000 0",
    ]
    assert lines([]) == ""


def test_memory_forgets_windows_that_are_over() -> None:
    """A process that lives long keeps no more of them than it needs."""
    doors = Doors()
    for number in range(FEW):
        doors.cooldowns[f"c{number}"] = (number, ("", ""))
        doors.tokens[10, f"r{number}"] = {1: number}
    doors.forget(FEW // 2)
    assert len(doors.cooldowns) == FEW // 2 - 1
    assert len(doors.tokens) == FEW // 2 + 9
    doors.forget(10 * FEW)
    assert len(doors.cooldowns) == FEW // 2 - 1


def test_every_answer_at_the_gates_is_a_word_of_its_own() -> None:
    """The scripts answer with these words."""
    assert {passage.value for passage in Passage} == {
        "admitted", "parked", "delayed", "dropped", "cancelled", "superseded", "broken",
    }  # fmt: skip
