from __future__ import annotations

import attrs
import pytest

from shadows.core import verdict
from shadows.core.lifecycle import TRANSITIONS, ExecutionState
from shadows.core.scheduling import AT_ONCE, Due
from shadows.core.verdict import Kind, Occurrence, Verdict

NEXT = Occurrence(b"p", Due(at=7), "every=5m")
QUEUED, FAILED = ExecutionState.QUEUED, ExecutionState.FAILED


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (verdict.completed("t"), Verdict(Kind.END, ExecutionState.COMPLETED, "", "t")),
        (
            verdict.completed("t", b"r", reason="cancel_ignored"),
            Verdict(Kind.END, ExecutionState.COMPLETED, "cancel_ignored", "t", body=b"r"),
        ),
        (verdict.failed("t", b"e"), Verdict(Kind.END, FAILED, "", "t", body=b"e")),
        (verdict.failed("t", b"e", reason="timeout"), Verdict(Kind.END, FAILED, "timeout", "t", body=b"e")),
        (verdict.cancelled("t"), Verdict(Kind.END, ExecutionState.CANCELLED, "cancelled", "t")),
        (verdict.cancelled("t", reason="struck"), Verdict(Kind.END, ExecutionState.CANCELLED, "struck", "t")),
        (verdict.completed("t", follow=NEXT), Verdict(Kind.END, ExecutionState.COMPLETED, "", "t", follow=NEXT)),
        (verdict.failed("t", b"e", follow=NEXT), Verdict(Kind.END, FAILED, "", "t", body=b"e", follow=NEXT)),
        (
            verdict.cancelled("t", reason="strike", follow=NEXT),
            Verdict(Kind.END, ExecutionState.CANCELLED, "strike", "t", follow=NEXT),
        ),
        (verdict.completed("t", last=True), Verdict(Kind.END, ExecutionState.COMPLETED, "", "t", last=True)),
        (verdict.failed("t", b"e", last=True), Verdict(Kind.END, FAILED, "", "t", body=b"e", last=True)),
        (verdict.again(b"p", attempt=2), Verdict(Kind.AGAIN, QUEUED, due=AT_ONCE, attempt=2, body=b"p")),
        (
            verdict.again(b"p", attempt=3, due=Due(after=5)),
            Verdict(Kind.AGAIN, QUEUED, due=Due(after=5), attempt=3, body=b"p"),
        ),
        (verdict.handed_back(b"p", attempt=2), Verdict(Kind.BACK, QUEUED, attempt=2, body=b"p")),
        (
            verdict.held(b"p", attempt=2, strike="s", strikes="7", due=5),
            Verdict(Kind.HOLD, ExecutionState.PARKED, "s", due=Due(at=5), attempt=2, body=b"p", strikes="7"),
        ),
        (verdict.unknown(b"p", attempt=2), Verdict(Kind.UNKNOWN, QUEUED, attempt=2, body=b"p")),
        (verdict.dead(b"p", attempt=2, reason="lost"), Verdict(Kind.BURY, FAILED, "lost", attempt=2, body=b"p")),
    ],
    ids=lambda value: value.kind.value if isinstance(value, Verdict) else None,
)
def test_each_outcome_of_a_lease_is_built_by_its_own_name(made: Verdict, expected: Verdict) -> None:
    """What is said travels; what is left out has the value that means nothing."""
    assert made == expected


def test_every_verdict_leads_to_a_state_that_may_follow_a_running_one() -> None:
    """The table of states and the constructors agree."""
    every = [
        verdict.completed("t"),
        verdict.failed("t", b""),
        verdict.cancelled("t"),
        verdict.again(b"", attempt=2),
        verdict.handed_back(b"", attempt=1),
        verdict.held(b"", attempt=1, strike="s", strikes="7", due=5),
        verdict.unknown(b"", attempt=1),
        verdict.dead(b"", attempt=1, reason="r"),
    ]
    assert {one.kind for one in every} == set(Kind)
    assert {one.state for one in every} <= TRANSITIONS[ExecutionState.RUNNING, "settle"]


def test_the_kinds_are_the_words_that_travel_to_the_broker() -> None:
    """INV 47: a script of another version reads them."""
    assert [kind.value for kind in Kind] == ["end", "again", "back", "hold", "unknown", "bury"]


def test_a_verdict_shows_neither_a_result_nor_arguments() -> None:
    """INV 45: it holds the outcome, or the payload, and may stand in a log or a traceback."""
    assert "secret" not in repr(verdict.completed("t", b"secret"))
    assert "secret" not in repr(verdict.again(b"secret", attempt=2))


def test_a_verdict_never_changes() -> None:
    """It is repeated word for word after a lost answer."""
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        verdict.cancelled("t").reason = "x"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
