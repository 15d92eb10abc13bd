from __future__ import annotations

from math import inf
from typing import Any

from tests.system.overlap import Body, bodies, most_at_once


def begin(at: float, number: int, pid: int = 1, customer: int = 7) -> dict[str, Any]:
    return {"what": "begin", "at": at, "number": number, "pid": pid, "customer": customer, "region": 0}


def end(at: float, number: int, pid: int = 1) -> dict[str, Any]:
    return {"what": "end", "at": at, "number": number, "pid": pid}


def spans(ran: list[Body]) -> list[tuple[int, float, float]]:
    return sorted((body.number, body.begin, body.end) for body in ran)


def test_bodies_that_follow_each_other_do_not_overlap() -> None:
    """Also where one begins in the moment in which the other ends."""
    ran = bodies([begin(0, 1), end(1, 1), begin(1, 2), end(2, 2)], {})
    assert most_at_once(ran) == {"customer 7": 1, "region 0": 1, "all": 1}


def test_bodies_at_the_same_time_are_counted() -> None:
    """For each limit by itself."""
    ran = bodies(
        [begin(0, 1), begin(0.5, 2, pid=2), begin(0.6, 3, customer=8), end(1, 1), end(2, 2, pid=2), end(2, 3)], {}
    )
    assert most_at_once(ran) == {"customer 7": 2, "customer 8": 1, "region 0": 3, "all": 3}


def test_a_killed_worker_holds_nothing_from_then_on() -> None:
    """Its body has no end of its own."""
    ran = bodies([begin(0, 1), begin(2, 1, pid=2), end(3, 1, pid=2)], {1: [(1.0, inf)]})
    assert spans(ran) == [(1, 0, 1), (1, 2, 3)]
    assert most_at_once(ran)["all"] == 1


def test_a_frozen_worker_holds_nothing_from_then_on() -> None:
    """The end that it writes after its thaw counts for nothing; what it begins then is counted."""
    history = [begin(0, 1), begin(2, 1, pid=2), end(3, 1, pid=2), end(5, 1), begin(6, 4), end(7, 4)]
    ran = bodies(history, {1: [(1.0, 4.0)]})
    assert spans(ran) == [(1, 0, 1), (1, 2, 3), (4, 6, 7)]


def test_what_a_worker_begins_in_the_moment_after_its_thaw_has_run_and_holds_nothing() -> None:
    """It may have the call anew, or one that others run by now."""
    ran = bodies([begin(2, 1, pid=2), begin(3, 4), end(5, 1, pid=2), end(5, 4)], {1: [(1.0, 4.0)]})
    assert spans(ran) == [(1, 2, 5), (4, 3, 3)]
    assert most_at_once(ran)["all"] == 1


def test_a_body_that_never_ends_runs_to_the_end_of_the_history() -> None:
    """A living worker that forgot its end is no excuse."""
    ran = bodies([begin(0, 1), begin(5, 2), end(6, 2)], {})
    assert spans(ran) == [(1, 0, 6), (2, 5, 6)]
    assert most_at_once(ran)["all"] == 2


def test_a_call_that_comes_back_to_the_same_process_has_two_bodies() -> None:
    """The first was cancelled without writing its end."""
    ran = bodies([begin(0, 1), begin(3, 1), end(4, 1)], {1: [(1.0, 2.0)]})
    assert spans(ran) == [(1, 0, 1), (1, 3, 4)]
