"""`shadows strike`, `restore` and `strikes ls`."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from shadows import Disposition
from tests.system.conftest import attend, on

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.system.conftest import Said

    type Run = Callable[..., Said]


async def pay(customer_id: str, amount: int) -> None:
    """Pay."""


@pytest.fixture(autouse=True)
def bank(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder that holds a module with that task."""
    (tmp_path / "bank.py").write_text("async def pay(customer_id: str, amount: int) -> None: ...\n")
    monkeypatch.chdir(tmp_path)


def struck(here: tuple[str, str], customer_id: str, amount: int) -> bool:
    """Tell whether a payment is struck."""
    execution = on(*here, lambda shadow: shadow.add(pay)(customer_id, amount))
    return bool(execution.disposition is Disposition.STRUCK)


def test_a_task_is_struck_and_restored(shadows: Run, here: tuple[str, str]) -> None:
    """No deploy, and no worker has to be asked."""
    said = shadows("strike", "pay")
    assert (said.code, said.out) == (0, "struck: pay, every call\n")
    assert struck(here, "Ada", 1)
    said = shadows("restore", "pay")
    assert (said.code, said.out) == (0, "restored: pay, every call\n")
    assert not struck(here, "Ada", 1)


def test_a_strike_by_an_argument_leaves_the_others_alone(shadows: Run, here: tuple[str, str]) -> None:
    """Text is compared with text, and `int:` with numbers."""
    assert shadows("strike", "pay", "customer_id", "==", "12345").out == "struck: pay where customer_id == 12345\n"
    assert shadows("strike", "pay", "amount", ">", "int:1000").code == 0
    assert struck(here, "12345", 1)
    assert struck(here, "1", 1001)
    assert not struck(here, "1", 1000)
    assert shadows("restore", "pay", "customer_id", "==", "12345").code == 0
    assert not struck(here, "12345", 1)


def test_a_strike_may_be_of_any_task_and_have_several_conditions(shadows: Run, here: tuple[str, str]) -> None:
    """`''` in the place of the task, or conditions alone; of several, all must hold."""
    assert shadows("strike", "", "customer_id", "==", "Ada").out == "struck: any task where customer_id == Ada\n"
    both = ("--where", "amount between int:10..int:20", "--where", "customer_id == Bob")
    said = shadows("strike", *both)
    assert said.out == "struck: any task where amount between int:10..int:20 and customer_id == Bob\n"
    assert struck(here, "Ada", 1)
    assert struck(here, "Bob", 20)
    assert not struck(here, "Bob", 21)
    assert shadows("restore", *both).code == 0
    assert not struck(here, "Bob", 20)


def test_the_list_of_strikes_shows_what_to_type_to_restore_them(shadows: Run, here: tuple[str, str]) -> None:
    """Whoever struck them, here or in a program."""
    assert shadows("strikes", "ls").out == "no strike is in force\n"
    assert json.loads(shadows("strikes", "ls", "--json").out) == {"shadow": here[1], "strikes": []}
    shadows("strike", "pay", "amount", ">", "int:1000", "--reason", "fraud", "--hold", "--until", "2h")
    on(*here, lambda shadow: shadow.strike(None, "at", "<", datetime(2026, 1, 1, tzinfo=UTC)))
    said = shadows("strikes", "ls")
    assert said.code == 0
    assert re.search(r"pay +amount > int:1000 +held +in (2h|1h59m) +fraud", said.out), said.out
    assert re.search(r"any task +at < datetime:2026-01-01T00:00:00", said.out), said.out
    assert max(map(len, said.out.splitlines())) <= 80
    listed = json.loads(shadows("strikes", "ls", "--json").out)["strikes"]
    until = datetime.fromisoformat(listed[0].pop("until"))
    assert until.utcoffset() == timedelta(0)
    assert listed == [
        {
            "task": "pay",
            "conditions": [{"parameter": "amount", "operator": ">", "value": "int:1000"}],
            "hold": True,
            "reason": "fraud",
        },
        {
            "task": None,
            "conditions": [{"parameter": "at", "operator": "<", "value": "datetime:2026-01-01T00:00:00+00:00"}],
            "hold": False,
            "reason": None,
            "until": None,
        },
    ]
    for one in listed:
        first = one["conditions"][0]
        words = (one["task"] or "", first["parameter"], first["operator"], first["value"])
        assert shadows("restore", *words).code == 0, words
    assert shadows("strikes", "ls").out == "no strike is in force\n"


def test_a_strike_in_json_says_what_is_in_force(shadows: Run, here: tuple[str, str]) -> None:
    """By the server's own clock."""
    said = json.loads(shadows("strike", "pay", "--until", "2999-01-01T00:00Z", "--reason", "why not", "--json").out)
    assert said == {
        "shadow": here[1],
        "strike": {
            "task": "pay",
            "conditions": [],
            "hold": False,
            "until": "2999-01-01T00:00:00+00:00",
            "reason": "why not",
        },
    }
    said = json.loads(shadows("restore", "pay", "--json").out)
    assert said == {"shadow": here[1], "restored": {"task": "pay", "conditions": []}}


def test_what_was_held_is_let_go_at_a_pace(shadows: Run, here: tuple[str, str]) -> None:
    """So that a server which was down is not overrun."""
    on(*here, lambda shadow: shadow.add(pay)("Ada", 1))
    assert shadows("strike", "pay", "--hold").out == "struck: pay, every call; waiting ones are held\n"
    assert shadows("restore", "pay", "--pace", "2s").code == 0
    assert shadows("restore", "pay", "--pace", "fast").code == 78


def test_a_restore_of_what_is_not_struck_ends_with_3_and_shows_what_is(shadows: Run, here: tuple[str, str]) -> None:
    """The type is easily forgotten."""
    found = shadows("restore", "pay", "amount", ">", "1000")
    assert found.code == 3
    assert "no such strike is in force: pay where amount > 1000" in found.err
    assert "shadows strikes ls" in found.err
    shadows("strike", "pay", "amount", ">", "int:1000")
    found = shadows("restore", "pay", "amount", ">", "1000")
    assert found.code == 3
    assert "in force is: pay where amount > int:1000" in found.err
    assert len(found.err.splitlines()) <= 8


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("verb", ["strike", "restore"])
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, ["names no call", "a task, a condition or both"]),
        ([""], 2, ["names no call"]),
        (["pay", "amount"], 2, ["'amount'", "quote", "'>'"]),
        (["pay", "amount", ">"], 2, ["amount >", "value"]),
        (["pay", "amount", "=", "3"], 78, ["operator='='", "=="]),
        (["pay", "amount", ">", "int:x"], 78, ["value='int:x'", "str:int:x"]),
        (["pay", "amount", ">", "int:1", "--where", "amount < int:9"], 2, ["amount", "between"]),
        (["--where", "amount"], 78, ["--where='amount'", "amount > int:1000"]),
    ],
)
def test_words_that_are_no_strike_are_refused(
    shadows: Run, verb: str, words: list[str], code: int, said: list[str]
) -> None:
    """`strike pay amount > 1000`, unquoted, must not strike every payment."""
    found = shadows(verb, *words)
    assert found.code == code, found.err
    assert all(part in found.err for part in said), found.err
    assert shadows("strikes", "ls").out == "no strike is in force\n"


def test_with_the_tasks_at_hand_a_typo_in_a_parameter_is_noticed(shadows: Run, here: tuple[str, str]) -> None:
    """Without them, a strike may name anything."""
    tasks = ("--tasks", "bank:pay")
    found = shadows("strike", "pay", "amuont", ">", "int:1", *tasks)
    assert found.code == 78
    assert "did you mean amount?" in found.err
    found = shadows("strike", "pay", "amount", ">", "1000", *tasks)
    assert found.code == 78
    assert "takes a int as amount" in found.err
    assert shadows("strike", "pay", "amount", ">", "int:1", *tasks).code == 0
    assert struck(here, "Ada", 2)


def test_a_strike_of_a_task_that_no_worker_knows_is_placed_with_a_word_of_doubt(
    shadows: Run, here: tuple[str, str]
) -> None:
    """It may be one of tomorrow; most likely it is a typo."""
    attend(*here, "worker-1", "pay", "note")
    near, far, known = [shadows("strike", task) for task in ("pya", "xyzzy", "pay")]
    assert (near.code, near.err) == (0, "note: no worker that is here knows a task 'pya'; did you mean pay?\n")
    assert (far.code, far.err) == (0, "note: no worker that is here knows a task 'xyzzy'\n")
    assert (known.code, known.err) == (0, "")
    assert shadows("strike", "", "amount", "==", "int:1").err == ""


def test_a_broken_module_in_the_environment_does_not_stand_in_the_way(
    shadows: Run, here: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A strike is for the worst of times."""
    monkeypatch.setenv("SHADOW_TASKS", "no_such_module:tasks")
    assert shadows("strike", "pay").code == 0
    assert struck(here, "Ada", 1)
    assert shadows("restore", "pay").code == 0
