from __future__ import annotations

import itertools

import pytest

from shadows.core.lifecycle import ENDED, LIVE, TRANSITIONS, ExecutionState, may_follow

VERBS = ("schedule", "seed", "replay", "promote", "replace", "cancel", "claim", "wake", "restore", "admit", "settle")
WAITING = {"scheduled", "queued"}
TABLE: dict[tuple[str | None, str], set[str]] = {
    (None, "schedule"): WAITING,
    (None, "seed"): WAITING,
    ("scheduled", "seed"): WAITING,
    ("queued", "seed"): WAITING,
    ("parked", "seed"): WAITING,
    ("completed", "seed"): WAITING,
    ("failed", "seed"): WAITING,
    ("cancelled", "seed"): WAITING,
    ("scheduled", "promote"): {"queued"},
    ("scheduled", "wake"): {"queued"},
    ("scheduled", "replace"): WAITING,
    ("scheduled", "cancel"): {"cancelled"},
    ("queued", "claim"): {"running", "parked", "scheduled", "cancelled"},
    ("queued", "replace"): WAITING,
    ("queued", "cancel"): {"cancelled"},
    ("parked", "wake"): {"queued", "parked", "scheduled"},
    ("parked", "restore"): WAITING,
    ("parked", "replace"): WAITING,
    ("parked", "cancel"): {"cancelled"},
    ("running", "claim"): {"running", "failed", "cancelled"},
    ("running", "admit"): {"running", "parked", "scheduled", "cancelled"},
    ("running", "replace"): {"running"},
    ("running", "cancel"): {"running"},
    ("running", "settle"): {"scheduled", "queued", "parked", "completed", "failed", "cancelled"},
    ("completed", "schedule"): WAITING,
    ("failed", "schedule"): WAITING,
    ("cancelled", "schedule"): WAITING,
    (None, "replay"): WAITING,
    ("completed", "replay"): WAITING,
    ("failed", "replay"): WAITING,
    ("cancelled", "replay"): WAITING,
}
PAIRS = list(itertools.product([None, *ExecutionState], VERBS))


@pytest.mark.parametrize(("state", "verb"), PAIRS)
def test_each_verb_leads_from_each_state_where_the_table_says(state: ExecutionState | None, verb: str) -> None:
    """INV 1: every pair of state and verb is either written down or cannot happen."""
    expected = TABLE.get((state, verb))
    if expected is None:
        with pytest.raises(KeyError):
            may_follow(state, verb)
    else:
        assert may_follow(state, verb) == expected


def test_the_table_has_no_verb_that_nobody_knows() -> None:
    """A misspelt verb in it would be a line that nothing reads."""
    assert {verb for _, verb in TRANSITIONS} == set(VERBS)
    assert len(TRANSITIONS) == len(TABLE)


def test_a_state_is_live_or_ended() -> None:
    """INV 1: scheduled, queued, parked and running all take the key; an ended run leaves it free."""
    assert {state.value for state in LIVE} == {"scheduled", "queued", "parked", "running"}
    assert set(ExecutionState) == LIVE | ENDED
    assert not LIVE & ENDED
    assert [state.live for state in ExecutionState] == [state in LIVE for state in ExecutionState]


@pytest.mark.parametrize("state", ExecutionState)
def test_the_value_of_a_state_is_what_the_broker_stores(state: ExecutionState) -> None:
    """INV 47: other versions read it."""
    assert state.value == state.name.lower()


def test_an_ended_run_is_left_only_by_a_new_one() -> None:
    """Nothing that an old body does can wake the dead."""
    assert {verb for state, verb in TRANSITIONS if state in ENDED} == {"schedule", "seed", "replay"}


def test_every_state_can_be_reached_and_every_live_one_can_be_left_for_an_ended_one() -> None:
    """No run is stuck for ever, and no state is only on paper."""
    reached = {state for states in TRANSITIONS.values() for state in states}
    assert reached == set(ExecutionState)
    for state in LIVE:
        seen, todo = {state}, [state]
        while todo:
            here = todo.pop()
            steps = {after for (before, _), states in TRANSITIONS.items() if before is here for after in states}
            todo += steps - seen
            seen |= steps
        assert seen >= ENDED, state
