"""`shadows dead ...`: what could not be run, seen and dealt with from the command line."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import redis

from shadows import Shadow
from shadows.core.verdict import dead
from shadows.ports.broker import Order
from tests.contract.acts import call, worker

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from tests.system.conftest import Said

    type Run = Callable[..., Said]

TASKS = """
def ship(order, *, to="here"):
    print("shipping", order, "to", to)

def spoil():
    raise ValueError("spoiled")

tasks = [ship, spoil]
"""


def ship(order: int, *, to: str = "here") -> None:
    """Stand for the task of that name."""


def spoil() -> None:
    """Stand for the task of that name."""


class Shop:
    """One shadow, and the options that lead to it."""

    def __init__(self, place: str, name: str) -> None:
        self.place = place
        self.name = name
        self.at = ("--url", place, "--shadows", name)

    def on[T](self, act: Callable[[Shadow], Coroutine[Any, Any, T]]) -> T:
        """Do something to the shadow, in a loop of its own."""

        async def run() -> T:
            async with Shadow(self.name, self.place, allow_unknown=True) as shadow:
                return await act(shadow)

        return asyncio.run(run())

    def bury(self, key: str, order: object = 7, reason: str = "worker-lost", **more: Any) -> str:
        """Let a call die and return the id of its letter."""

        async def act(shadow: Shadow) -> str:
            await shadow.add(more.pop("task", ship), key=key)(order, **more)
            return await self.give_up(shadow, reason)

        return self.on(act)

    @staticmethod
    async def give_up(shadow: Shadow, reason: str) -> str:
        """Make a dead letter of the only call that is ready."""
        broker = shadow.backend().broker
        (lease,) = (await broker.claim(Order(worker(), 1))).leases
        await broker.settle(worker(), [(lease, dead(lease.payload, attempt=3, reason=reason))])
        return (await shadow.dead_letters(1))[0].id


@pytest.fixture
def shop(place: str, shadow_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """Work in a folder with a module of tasks, on each backend in turn."""
    (tmp_path / "shop.py").write_text(TASKS)
    monkeypatch.chdir(tmp_path)
    return Shop(place, shadow_name)


def test_dead_letters_are_listed_newest_first(shadows: Run, shop: Shop) -> None:
    """In 80 columns: which, since when, why, of which task, under which key; never the arguments."""
    said = shadows("dead", "ls", *shop.at)
    assert (said.code, said.out) == (0, f"no dead letters in the shadow {shop.name}\n")
    ids = [shop.bury(key, "secret") for key in ("order-1", "order\n2")]
    said = shadows("dead", "ls", *shop.at)
    assert said.code == 0
    lines = said.out.splitlines()
    assert [line.split()[0] for line in lines] == ["id", ids[1], ids[0]]
    assert re.search(r"\ds ago +worker-lost +ship +order\\n2", lines[1])
    assert all(len(line) <= 80 for line in lines)
    assert "secret" not in said.out


def test_what_others_have_written_cannot_steer_the_terminal(shadows: Run, shop: Shop) -> None:
    """Keys, names, reasons and arguments come from anybody."""
    evil = "\x1b]0;owned\x07\x1b[2J"
    shop.bury(f"k{evil}", evil, reason=f"r{evil}", task=f"t{evil}")
    for line in (["ls"], ["show", "--", f"k{evil}"], ["replay", "--", f"k{evil}"], ["discard", "--", f"k{evil}"]):
        said = shadows("dead", line[0], *shop.at, *line[1:])
        assert "\x1b" not in said.out + said.err, line
    shop.bury("again", evil, reason=f"r{evil}", task=f"t{evil}")
    said = shadows("doctor", *shop.at)
    assert "\x1b" not in said.out
    assert "owned" in said.out.replace("\n", "")


def test_a_list_for_programs(shadows: Run, shop: Shop) -> None:
    """Times are ISO 8601 in UTC; `before` is what --before takes for the next page."""
    ids = [shop.bury(key) for key in "abc"]
    data = json.loads(shadows("dead", "ls", *shop.at, "--limit", "2", "--json").out)
    assert data["shadow"] == shop.name
    assert [one["key"] for one in data["dead"]] == ["c", "b"]
    assert data["before"] == ids[1]
    first = data["dead"][0]
    died = datetime.fromisoformat(first.pop("died"))
    assert abs(datetime.now(UTC) - died) < timedelta(minutes=2)
    assert died.utcoffset() == timedelta(0)
    assert first.pop("size") > 0
    assert first == {
        "id": ids[2], "key": "c", "task": "ship", "reason": "worker-lost", "attempt": 3, "deliveries": 0,
    }  # fmt: skip
    data = json.loads(shadows("dead", "ls", *shop.at, "--before", ids[1], "--json").out)
    assert ([one["key"] for one in data["dead"]], data["before"]) == (["a"], None)
    assert f"--before {ids[1]}" in shadows("dead", "ls", *shop.at, "--limit", "2").out


def test_a_list_can_be_narrowed_down(shadows: Run, shop: Shop) -> None:
    """By the task and the reason."""
    shop.bury("a")
    shop.bury("b", reason="unknown-task")
    shop.bury("c", task="other")
    for words, keys in (
        (["--task", "ship"], ["b", "a"]),
        (["--reason", "unknown-task"], ["b"]),
        (["--task", "other", "--reason", "worker-lost"], ["c"]),
        (["--task", "nobody"], []),
        (["--limit", "0"], []),
    ):
        data = json.loads(shadows("dead", "ls", *shop.at, *words, "--json").out)
        assert [one["key"] for one in data["dead"]] == keys


def test_one_letter_is_shown_with_its_arguments(shadows: Run, shop: Shop) -> None:
    """By its id or the key of its call; what the reason means, and what to type."""
    token = shop.bury("a", 41, to="there")
    for which in (token, "a"):
        said = shadows("dead", "show", which, *shop.at)
        assert said.code == 0
        for part in (token, "ship", "worker-lost: each worker", "41, to='there'", f"shadows dead replay {token}"):
            assert part in said.out
        data = json.loads(shadows("dead", "show", which, *shop.at, "--json").out)
        assert (data["key"], data["args"], data["kwargs"]) == ("a", ["41"], {"to": "'there'"})
        assert data["unreadable"] is None
        assert b"ship" in base64.b64decode(data["payload"])


def test_a_letter_that_is_not_there_ends_with_3(shadows: Run, shop: Shop) -> None:
    """And with what to type."""
    said = shadows("dead", "show", "nobody", *shop.at)
    assert said.code == 3
    assert "no dead letter 'nobody'" in said.err
    assert "shadows dead ls" in said.err


def test_arguments_that_cannot_be_read_here_are_shown_as_bytes(shadows: Run, shop: Shop) -> None:
    """Long ones cut; and values as they stand for themselves, in a few characters."""

    async def act(shadow: Shadow) -> None:
        await shadow.backend().broker.schedule([call("a", b"\x01\x04shipp\0\0junk" + b"x" * 900)])
        await shop.give_up(shadow, "undecodable")

    shop.on(act)
    said = shadows("dead", "show", "a", *shop.at)
    assert "undecodable: it could not be read" in said.out
    assert "junkxxx" in said.out
    assert len(said.out) < 2000
    shop.bury("b", "y" * 5000, reason="something new")
    assert len(shadows("dead", "show", "b", *shop.at).out) < 1000
    assert "its worker gave it up" in shadows("dead", "show", "b", *shop.at).out


def test_a_replayed_call_runs(shadows: Run, shop: Shop) -> None:
    """FAULT 47: after the worker that knows its task was deployed."""
    token = shop.bury("a", 41)
    shop.bury("b", 42)
    said = shadows("dead", "replay", token, "b", *shop.at)
    assert (said.code, said.out) == (0, f"replayed 2 calls of the shadow {shop.name}\n")
    said = shadows("worker", *shop.at, "--tasks", "shop:tasks", "--until-finished")
    assert "shipping 41 to here" in said.out
    assert json.loads(shadows("dead", "ls", *shop.at, "--json").out)["dead"] == []
    said = shadows("dead", "replay", token, *shop.at)
    assert said.code == 3
    assert f"{token}: there is no such dead letter or failed call" in said.out


def test_an_ordinary_failed_run_is_replayed_by_its_key(shadows: Run, shop: Shop) -> None:
    """While its record is kept."""
    shop.on(lambda shadow: shadow.add(spoil, key="k")())
    shadows("worker", *shop.at, "--tasks", "shop:tasks", "--until-finished")
    assert shadows("dead", "replay", "k", *shop.at).code == 0
    data = json.loads(shadows("snapshot", *shop.at, "--json").out)
    assert (data["queued"], data["calls"][0]["task"]) == (1, "spoil")


def test_many_letters_are_replayed_in_the_order_in_which_they_died(shadows: Run, shop: Shop) -> None:
    """All, or those of a task or a reason."""
    for key in "abc":
        shop.bury(key, reason="unknown-task" if key == "b" else "worker-lost")
    said = shadows("dead", "replay", "--reason", "unknown-task", *shop.at, "--json")
    data = json.loads(said.out)
    assert (data["replayed"], [one["key"] for one in data["calls"]]) == (1, ["b"])
    assert shadows("dead", "replay", "--all", *shop.at).out == f"replayed 2 calls of the shadow {shop.name}\n"
    data = json.loads(shadows("snapshot", *shop.at, "--json").out)
    assert [one["key"] for one in data["calls"]] == ["b", "a", "c"]
    assert shadows("dead", "replay", "--all", *shop.at).out == f"replayed 0 calls of the shadow {shop.name}\n"


def test_a_refused_replay_ends_with_4_and_loses_nothing(shadows: Run, shop: Shop) -> None:
    """INV 2, INV 46: the key is taken, or a strike forbids it."""
    token = shop.bury("a")
    shop.on(lambda shadow: shadow.add(ship, key="a", when=timedelta(hours=1))(8))
    said = shadows("dead", "replay", token, *shop.at)
    assert said.code == 4
    assert "a: not replayed: another run of this key is live" in said.out
    assert shadows("dead", "replay", "a", *shop.at).code == 4
    shop.on(lambda shadow: shadow.cancel("a"))
    shop.on(lambda shadow: shadow.strike("ship"))
    said = shadows("dead", "replay", token, *shop.at, "--json")
    assert said.code == 4
    assert json.loads(said.out)["calls"] == [{"id": token, "key": "a", "outcome": "struck"}]
    assert len(json.loads(shadows("dead", "ls", *shop.at, "--json").out)["dead"]) == 1


def test_discarded_letters_are_gone(shadows: Run, shop: Shop) -> None:
    """By id, by key, or many."""
    token = shop.bury("a")
    for key in "bcd":
        shop.bury(key, task="other" if key == "d" else ship)
    said = shadows("dead", "discard", token, "b", "nobody", *shop.at)
    assert said.code == 3
    assert "nobody: there is no such" in said.out
    assert f"discarded 2 calls of the shadow {shop.name}" in said.out
    assert shadows("dead", "discard", "--task", "other", *shop.at).out.startswith("discarded 1 call ")
    assert shadows("dead", "discard", "--all", *shop.at).code == 0
    assert json.loads(shadows("dead", "ls", *shop.at, "--json").out)["dead"] == []


@pytest.mark.parametrize("verb", ["replay", "discard"])
def test_it_must_be_clear_what_is_meant(shadows: Run, verb: str) -> None:
    """Neither nothing, nor some and all."""
    for words, said in (([], "needs WHICH"), (["a", "--all"], "either WHICH, or --all")):
        found = shadows("dead", verb, *words, "--url", "memory://clear")
        assert found.code == 2
        assert said in found.err
        assert f"shadows dead {verb} --help" in found.err


def test_a_message_that_nobody_could_read_can_be_looked_at(shadows: Run, one_place: str, shadow_name: str) -> None:
    """FAULT 43: raw; replaying it makes no sense."""
    shop = Shop(one_place, shadow_name)
    with redis.Redis.from_url(one_place) as client:
        client.xadd(f"{shadow_name}:stream", {"foreign": "field"})
    shadows("worker", *shop.at, "--until-finished")
    (letter,) = json.loads(shadows("dead", "ls", *shop.at, "--json").out)["dead"]
    assert (letter["key"], letter["task"]) == (None, None)
    said = shadows("dead", "show", letter["id"], *shop.at)
    assert "foreign" in said.out
    assert "dead replay" not in said.out
    said = shadows("dead", "replay", letter["id"], *shop.at)
    assert said.code == 4
    assert "could not be read" in said.out
    assert shadows("dead", "discard", "--all", *shop.at).code == 0
