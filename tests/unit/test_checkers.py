"""The checks of histories, on histories made by hand: each finds what it is there to find, and nothing else."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.system.fire import history
from tests.system.fire.checks import CHECKS, deleted, wrong
from tests.system.fire.remains import Remains
from tests.system.fire.story import tell

if TYPE_CHECKING:
    from pathlib import Path

type Lines = list[dict[str, Any]]

A, B = 11, 22
"""Two workers."""


def ask(at: float = 0, key: str = "k", *, delay: float = 0, fails: bool = False, repeats: bool = False) -> Lines:
    return [{"what": "ask", "at": at, "key": key, "delay": delay, "fails": fails, "repeats": repeats}]


def added(at: float = 0, key: str = "k", **more: Any) -> Lines:
    return [*ask(at, key, **more), {"what": "ack", "at": at + 0.1, "key": key}]


def begin(
    at: float, body: str, pid: int = A, key: str = "k", *, fence: int = 1, attempt: int = 1, **more: Any
) -> Lines:
    about = {"what": "begin", "at": at, "body": body, "pid": pid, "key": key, "fence": fence, "attempt": attempt}
    return [{"task": "work", **about, **more}]


def end(at: float, body: str, how: str = "returned") -> Lines:
    return [{"what": "end", "at": at, "body": body, "how": how}]


def settled(at: float, result: str | None = "a", state: str | None = "completed", key: str = "k") -> Lines:
    return [{"what": "settled", "at": at, "key": key, "state": state, "result": result}]


def gone(since: float, until: float | None = None, pid: int = A) -> Lines:
    return [{"what": "gone", "at": since, "whom": pid, "since": since, "until": until}]


def excuse(since: float, until: float, *, deleted: bool = False) -> Lines:
    return [{"what": "excuse", "at": until, "since": since, "until": until, "deleted": deleted}]


def exit_of(code: int, *, asked: bool) -> Lines:
    return [{"what": "ended", "at": 9, "whom": A, "code": code, "asked": asked}]


RAN = begin(1, "a") + end(2, "a") + settled(3)
AGAIN = begin(1, "a") + begin(5, "b", B, fence=2) + end(6, "b")
"""A's body has no end, and B runs it again"""
FIRST_FAILED = begin(1, "a") + end(2, "a", "raised")

GOOD: dict[str, Lines] = {
    "nothing": [],
    "a call that ran": added() + RAN,
    "a call that nobody knows the fate of": ask(),
    "a refused call that ran all the same": ask() + RAN,
    "a call that was cancelled": [*added(), {"what": "cancel", "at": 1, "key": "k"}, *settled(2, None, "cancelled")],
    "a call that was to fail": added(fails=True) + FIRST_FAILED + settled(3, None, "failed"),
    "a retry": added() + FIRST_FAILED + begin(3, "b", B, fence=2, attempt=2) + end(4, "b") + settled(5, "b"),
    "a killed worker": added() + AGAIN + gone(1.5) + settled(7, "b"),
    "a frozen worker whose body ends late": added() + AGAIN + gone(1.5, 8) + end(8, "a") + settled(9, "b"),
    "a body that a frozen worker begins late": added()
    + begin(5, "b", B, fence=2)
    + end(6, "b")
    + begin(7, "a")
    + end(7.1, "a", "cancelled")
    + gone(0.5, 7.5)
    + settled(9, "b"),
    "a killed worker whose body's settle was lost": added() + begin(1, "a") + end(2, "a") + gone(2.1)
    + begin(5, "b", B, fence=2) + end(6, "b") + settled(7, "b"),
    "a broker that forgot its leases": added() + AGAIN + excuse(2, 3) + end(8, "a") + settled(9, "b"),
    "a broker that forgot everything": added() + excuse(0.5, 1, deleted=True) + settled(2, None, None),
    "a call that comes again":
    added(repeats=True) + begin(1, "a") + end(2, "a") + begin(2, "b", B, fence=2) + end(3, "b"),
    "a call that waited for its time": added(delay=2) + begin(2, "a") + end(3, "a") + settled(4),
    "two of one customer": added() + added(key="l") + begin(1, "a", customer=3) + begin(1, "b", key="l", customer=3)
    + end(2, "a") + end(2, "b") + settled(3) + settled(3, "b", key="l"),
    "ends that somebody asked for": exit_of(0, asked=True) + exit_of(-9, asked=True),
}  # fmt: skip

BAD: dict[str, tuple[str, Lines]] = {
    "acknowledged and forgotten": ("lost", added()),
    "acknowledged and gone from the broker": ("lost", added() + settled(9, None, None)),
    "acknowledged and still waiting": ("lost", added() + settled(9, None, "queued")),
    "completed by nobody": ("lost", added() + settled(3)),
    "cancelled by nobody": ("lost", added() + settled(2, None, "cancelled")),
    "failed for no reason": ("lost", added() + FIRST_FAILED + settled(2, None, "failed")),
    "forgotten long after the broker was emptied": ("lost", excuse(0.5, 1, deleted=True) + added(2)),
    "missed before the broker was emptied": ("lost", added() + settled(40, None, None) + excuse(50, 51, deleted=True)),
    "never came again": ("lost", added(repeats=True)),
    "never added": ("uninvited", begin(1, "a") + end(2, "a")),
    "two at once": ("overlaps, repeated", added() + AGAIN + end(8, "a") + settled(9, "b") + gone(7, 8, B)),
    "two at once of a call that comes again": (
        "overlaps", added(repeats=True) + begin(1, "a") + begin(1.5, "b", B, fence=2) + end(2, "a") + end(3, "b")
    ),
    "two at once after a thaw": (
        "overlaps, repeated", added() + gone(0, 0.9) + AGAIN + end(8, "a") + settled(9, "b")
    ),
    "settled under a lost lease": ("stale settles", added() + AGAIN + gone(1.5, 8) + end(8, "a") + settled(9, "a")),
    "retried under a lost lease": (
        "stale settles",
        added() + AGAIN + gone(1.5, 4) + end(4.5, "a", "raised") + begin(9, "c", B, fence=3, attempt=2) + end(9, "c")
        + settled(9, "c"),
    ),
    "an attempt left out": (
        "stale settles", added() + FIRST_FAILED + begin(3, "b", fence=2, attempt=3) + end(4, "b") + settled(5, "b")
    ),
    "run again although it had returned": (
        "repeated", added() + begin(1, "a") + end(2, "a") + begin(5, "b", B, fence=2) + end(6, "b") + settled(7, "b")
    ),
    "run again although another one was away": (
        "repeated", added() + begin(1, "a") + end(2, "a") + gone(1.5, 3, B) + begin(5, "b", B, fence=2) + end(6, "b")
        + settled(7, "b")
    ),
    "too early": ("early", added(delay=2) + begin(1.9, "a") + end(3, "a") + settled(4)),
    "tried too often": ("beyond caps", added(repeats=True) + begin(1, "a", attempt=5) + end(2, "a")),
    "delivered too often": (
        "beyond caps",
        added() + gone(0.5, 40)
        + [line for n in range(6) for line in begin(n + 1, f"{n}", fence=n) + end(n + 1.5, f"{n}", "cancelled")]
        + begin(9, "a", B, fence=9) + end(9.5, "a") + settled(10),
    ),
    "three of one customer": (
        "crowded",
        [
            line
            for n in "abc"
            for line in added(key=n) + begin(1, n, key=n, customer=3) + end(2, n) + settled(3, n, key=n)
        ],
    ),
    "a worker that ended by itself": ("worker exits", exit_of(0, asked=False)),
    "a worker that broke at its end": ("worker exits", exit_of(1, asked=True)),
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_a_good_history_passes_every_check(name: str) -> None:
    """A check that cries wolf would be switched off."""
    assert wrong(tell(sorted(GOOD[name], key=lambda line: line["at"]))) == {}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_history_fails_its_checks_and_no_others(name: str) -> None:
    """Each check sees what it is there for."""
    check, lines = BAD[name]
    found = wrong(tell(sorted(lines, key=lambda line: line["at"])))
    assert ", ".join(found) == check


def test_every_check_has_a_bad_history() -> None:
    """A check that nothing fails checks nothing."""
    assert {name for names, _ in BAD.values() for name in names.split(", ")} == {*CHECKS}


def test_what_was_deleted_is_no_loss_and_is_counted() -> None:
    """So that nobody hides a loss behind a deletion."""
    story = tell(added() + excuse(0.5, 1, deleted=True))
    assert wrong(story) == {}
    assert deleted(story) == ["k: acknowledged, and is unknown now"]


def test_what_is_left_is_judged() -> None:
    """Fixed keys, and those that expire, may stay; slots, entries and records of calls may not."""
    assert Remains({"stream": -1, "!fence": -1, "runs:k": 5000}, 0, 0, frozenset()).wrong() == {}
    left = Remains({"runs:a": -1, "runs:b": -1, "concurrency:x": -1, "b": -1}, 1, 2, frozenset("a")).wrong()
    assert left == {
        "pending": ["1 entries"],
        "ready": ["2 entries"],
        "live": ["a"],
        "slots": ["concurrency:x"],
        "orphans": ["runs:b", "b"],
    }


def test_a_history_is_written_by_anybody_and_read_in_the_order_of_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each line says when and by whom; what somebody is still writing is read later."""
    path = tmp_path / "history"
    reading = history.Reading(path)
    assert [*reading] == []
    monkeypatch.setenv(history.HISTORY, str(path))
    before = time.monotonic()
    history.note("b", more=1)
    with path.open("a") as file:
        file.write('{"what": "a", "at": 0, "pid": 1}\n{"what"')
    assert [line["what"] for line in reading] == ["b", "a"]
    with path.open("a") as file:
        file.write(': "c", "at": 1, "pid": 1}\n')
    assert [line["what"] for line in reading] == ["c"]
    first, _, last = history.read(path)
    assert (first["what"], last["what"], last["more"], last["pid"]) == ("a", "b", 1, os.getpid())
    assert last["at"] >= before
