from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadows.adapters.redis import answers
from shadows.adapters.redis.broker import checked
from shadows.core.lifecycle import ExecutionState
from shadows.core.scheduling import Due
from shadows.errors import BrokerUnavailable
from shadows.ports.admission import Admission, Passage
from shadows.ports.broker import Claim, Entry, Lease, Placed, Placement, Settlement
from shadows.ports.letters import DeadLetter
from shadows.ports.looking import Counts, Record, Survey
from shadows.ports.strike_log import Instruction, News

EMPTY = [-1, b"", 0, 0, 1, 1000, [], [], 7, []]
"""What claim answers of an empty shadow: due in, cursor, more, left, enrolled, now, inbox, news of strikes, fence, what
is unusual.
"""
RECORD = [b"queued", b"r", b"1", b"", b"", b"", b"", b"", b"", b"", 0, 0, 0, b"", 0, b"", 0, b"", b"", []]


@pytest.mark.parametrize("reply", [0, 7, None])
def test_what_no_script_answers_is_no_answer(reply: Any) -> None:
    """FAULT 60: something else spoke; it is worth another try."""
    with pytest.raises(BrokerUnavailable, match="no answer of ours"):
        checked(reply)


def test_an_empty_claim() -> None:
    """Nothing is due, nothing is left, and nobody has anything to tell."""
    assert answers.claim(EMPTY) == Claim((), None, "", more=False, left=0, cancels=(), enrolled=True, now=1000)


def test_a_claim_with_leases() -> None:
    """Three values make a lease, and its fence follows that of the one before; its key is the user's again, it was due
    when it was placed if nothing else is said, and it started when the script looked at the clock.
    """
    leases = [b"%72uns:x", b"1-0", b"payload", b"b", b"2-0", b"", b"c", b"930-5", b"p"]
    unusual = [0, b"2 900 3 ", 1, b"1  1 idle"]
    found = answers.claim([1_500_000, b"(1-0", 1, 2, 0, 1000, [], [], 7, unusual, *leases])
    assert found == Claim(
        (
            Lease("runs:x", "1-0", 7, 2, b"payload", 3, 900, 1000),
            Lease("b", "2-0", 8, 1, b"", 1, 2, 1000),
            Lease("c", "930-5", 9, 1, b"p", 1, 930, 1000),
        ),
        1.5,
        "(1-0",
        more=True,
        left=2,
        cancels=(),
        enrolled=False,
        now=1000,
    )


@pytest.mark.parametrize(
    ("mark", "admitted", "dropped"),
    [(b"admitted", True, ""), (b"cooldown", False, "cooldown"), (b"reserved", False, "")],
)
def test_the_mark_of_its_gates_tells_how_a_lease_stands(mark: bytes, dropped: str, *, admitted: bool) -> None:
    """Admitted already, dropped for a reason, or to be asked for."""
    (lease,) = answers.claim([*EMPTY[:9], [0, b"1 900 1 " + mark], b"a", b"1-0", b""]).leases
    assert (lease.admitted, lease.dropped) == (admitted, dropped)


def test_what_became_of_placed_calls() -> None:
    """Only of those that were not simply placed is there a word, and whose the key is."""
    entries = [Entry("a", b"", run="1"), Entry("b", b""), Entry("c", b"", run="3")]
    assert answers.placements([2, b"already", b"9"], entries) == [
        Placement(Placed.SCHEDULED, "1"),
        Placement(Placed.SCHEDULED, ""),
        Placement(Placed.ALREADY, "9"),
    ]


def test_what_became_of_settled_leases() -> None:
    """Only of those that were not simply settled is there a word, behind their number."""
    assert answers.settlements([], 2) == [Settlement.SETTLED] * 2
    found = answers.settlements([1, b"superseded", 2, b"buried"], 3)
    assert found == [Settlement.SETTLED, Settlement.SUPERSEDED, Settlement.BURIED]


def test_what_became_of_calls_at_their_gates() -> None:
    """A word and a reason each."""
    found = answers.admissions([b"admitted", b"", b"dropped", b"cooldown"])
    assert found == [Admission(Passage.ADMITTED), Admission(Passage.DROPPED, "cooldown")]
    assert answers.admissions([]) == []


def test_a_claim_with_news_of_strikes() -> None:
    """What a stranger wrote into the log is passed over, and so is what a later release adds."""
    written = [b"1 one 900 1 = -\nstrike\n\xff", b"1 two - 0 - - later\n", b"\xff", b"1 short", b"1 n soon 0 - -\n"]
    found = answers.claim([*EMPTY[:7], [b"5-0", 0, *written], *EMPTY[8:]], strikes="4-0")
    told = (Instruction("one", b"strike\n\xff", Due(at=900), hold=True), Instruction("two"))
    assert found.strikes == News("4-0", "5-0", told, anew=False)


def test_what_is_due_now_is_due_in_no_time_and_not_never() -> None:
    """0 and "nothing is scheduled" are told apart."""
    assert answers.claim([0, *EMPTY[1:]]).due_in == 0.0


def test_a_claim_tells_cancels_from_the_inbox_and_from_what_ended_its_wait() -> None:
    """What was heard comes first; a ring is an empty message, and a key may hold spaces."""
    inbox = [*EMPTY[:6], [b"7 a b", b"", b"8 %21x"], *EMPTY[7:]]
    assert answers.claim(inbox).cancels == (("a b", 7), ("!x", 8))
    assert answers.claim(inbox, b"9 c").cancels == (("c", 9), ("a b", 7), ("!x", 8))
    assert answers.claim(EMPTY, b"").cancels == ()


def test_a_claim_that_ends_in_the_middle_of_a_lease_is_an_error() -> None:
    """A script and an adapter of two versions must not guess at each other's answers."""
    with pytest.raises(ValueError, match="shorter"):
        answers.claim([*EMPTY, b"a", b"1-0"])


def test_no_record() -> None:
    """An empty answer is one."""
    assert answers.record("k", []) is None


def test_a_record_of_which_little_is_known() -> None:
    """Empty values are none; without the flag, so is a part that was not asked for."""
    assert answers.record("k", RECORD) == Record("k", ExecutionState.QUEUED, "r", 1)


def test_a_record_of_which_everything_is_known() -> None:
    """Each value has its place."""
    answer = [
        b"failed", b"r", b"3", b"10", b"4", b"w@1:5", b"20", b"30", b"task", b"worker-lost", 2, 1,
        1, b"next", 1, b"p", 1, b"e", b"5-0", [],
    ]  # fmt: skip
    assert answers.record("k", answer) == Record(
        "k", ExecutionState.FAILED, "r", 3, 10, 4, "w@1:5", 20, 30, "task", "worker-lost", 2,
        cancel_requested=True, successor="next", payload=b"p", result=b"e", letter="5-0",
    )  # fmt: skip


def test_an_empty_payload_and_an_empty_result_are_not_missing_ones() -> None:
    """A body that returned None has an empty result."""
    found = answers.record("k", [*RECORD[:12], 1, b"", 1, b"", 1, b"", b"", []])
    assert found is not None
    assert (found.successor, found.payload, found.result) == ("", b"", b"")


def test_the_numbers_of_a_survey() -> None:
    """With the server's time in front."""
    numbers = Counts(scheduled=1, queued=2, running=3, parked=4, unknown=5, dead=6)
    assert answers.counts([1000, 1, 2, 3, 4, 5, 6, 990]) == Survey(1000, numbers, 990, ())
    assert answers.counts([1000, 1, 2, 3, 4, 5, 6, -1]) == Survey(1000, numbers, None, ())


def test_the_scheduled_calls_of_a_step() -> None:
    """Redis gives scores as text, large ones in powers of ten."""
    rows = [b"%2D", b"1900000000000", b"r", b"1", b"p", b"b", b"1.9e12", b"", b"2", b"q"]
    assert answers.waiting(ExecutionState.SCHEDULED, rows) == [
        Record("-", ExecutionState.SCHEDULED, "r", 1, 1_900_000_000_000, payload=b"p"),
        Record("b", ExecutionState.SCHEDULED, "", 2, 1_900_000_000_000, payload=b"q"),
    ]
    assert answers.waiting(ExecutionState.SCHEDULED, []) == []


def test_a_parked_call_whose_time_is_lost_has_none() -> None:
    """Somebody deleted what was kept of its gates."""
    assert answers.waiting(ExecutionState.PARKED, [b"a", b"", b"r", b"1", b"p"]) == [
        Record("a", ExecutionState.PARKED, "r", 1, None, payload=b"p")
    ]


def row(token: bytes, state: bytes) -> list[Any]:
    return [token, b"k", state, b"r", b"1", b"5", b"w@1:5", b"6", b"7", 2, 1, 1, b"next", b"p"]


def test_the_ready_calls_of_a_step() -> None:
    """A queued one has no holder, whatever an earlier attempt left in its record; the last id is where to go on."""
    found, last = answers.ready([*row(b"1-0", b"queued"), *row(b"2-0", b"running")])
    queued = Record(
        "k", ExecutionState.QUEUED, "r", 1, 5, deliveries=2, cancel_requested=True, successor="next", payload=b"p"
    )
    running = Record(
        "k", ExecutionState.RUNNING, "r", 1, 5, 7, "w@1:5", 6,
        deliveries=2, cancel_requested=True, successor="next", payload=b"p",
    )  # fmt: skip
    assert (found, last) == ([queued, running], "2-0")


def test_a_ready_call_without_a_successor_has_none() -> None:
    """The flag says so."""
    ((found,), _) = answers.ready([*row(b"1-0", b"queued")[:11], 0, b"", b"p"])
    assert found.successor is None


def test_an_entry_that_is_no_call_is_passed_over_but_counts_as_seen() -> None:
    """A survey must get past a stranger's entries; without any entry, there is no last id."""
    assert answers.ready(row(b"3-0", b"")) == ([], "3-0")
    assert answers.ready([]) == ([], "")


def test_a_dead_letter() -> None:
    """Its fields come in any order."""
    fields = [
        b"reason",
        b"worker-lost",
        b"key",
        b"%21x",
        b"payload",
        b"p",
        b"died",
        b"9",
        b"attempt",
        b"2",
        b"deliveries",
        b"5",
    ]
    assert answers.dead_letter(b"1-0", fields) == DeadLetter("1-0", 9, "!x", "worker-lost", 2, 5, b"p")


def test_a_dead_letter_of_an_entry_that_could_not_be_read() -> None:
    """FAULT 43: it has no key, only its raw fields."""
    fields = [b"died", b"9", b"reason", b"undecodable", b"payload", b"raw"]
    assert answers.dead_letter(b"1-0", fields) == DeadLetter("1-0", 9, None, "undecodable", 1, 0, b"raw")


@pytest.mark.parametrize(
    "fields",
    [[b"x", b"y"], [b"died", b"today", b"reason", b"r", b"payload", b"p"], [b"key", b"\xff", b"died", b"9"], []],
)
def test_what_a_stranger_put_among_the_dead_letters_is_shown_raw(fields: list[bytes]) -> None:
    """INV 15: one broken entry does not hide the others, and looks like any other that cannot be read."""
    found = answers.dead_letter(b"1700000000000-3", fields)
    assert (found.id, found.died, found.key, found.reason) == (
        "1700000000000-3",
        1_700_000_000_000,
        None,
        "undecodable",
    )
    assert answers.netstrings(found.payload) == fields


@given(st.lists(st.binary(max_size=20), max_size=5))
def test_netstrings_hold_any_bytes(values: list[bytes]) -> None:
    """Progress may hold commas and colons."""
    data = b"".join(b"%d:%b," % (len(value), value) for value in values)
    assert answers.netstrings(data) == values


@pytest.mark.parametrize(
    "data",
    [b"x", b":,", b"3", b"3:abc", b"3:abcX", b"10:abc,", b"-3:abc,", b"-1:,", b"+1:a,", b" 1:a,", b"1_0:a,", b"1:a,,"],
)
def test_what_is_no_netstring_is_an_error(data: bytes) -> None:
    """Anybody can publish on a channel; it must neither be taken for progress nor be read for ever."""
    with pytest.raises(ValueError, match=r"netstring|not found|literal"):
        answers.netstrings(data)


@given(st.binary(max_size=30))
def test_any_bytes_at_all_are_netstrings_or_an_error(data: bytes) -> None:
    """The reading ends, and what was read is what was written."""
    try:
        found = answers.netstrings(data)
    except ValueError:
        return
    assert len(data) >= sum(len(value) + 3 for value in found)
    assert all(value in data for value in found)
