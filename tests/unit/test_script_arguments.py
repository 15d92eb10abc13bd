"""What several have in common is said once."""

from __future__ import annotations

from shadows.adapters.redis import arguments
from shadows.core import verdict
from shadows.core.holder import Holder
from shadows.core.scheduling import AT_ONCE, Due
from shadows.ports.broker import Entry, Lease, OnLive

WHO = Holder("w", "w@1:30000", 30_000)
HEAD = ("w@1:30000", 5)


def lease(key: str, fence: int) -> Lease:
    return Lease(key, f"{fence}-0", fence, 1, b"payload", 1, 900, 1000)


def test_entries_are_grouped_while_the_same_is_asked_of_them() -> None:
    """They keep their order, for two of them may have one key."""
    batch = [
        Entry("a", b"1"),
        Entry("runs:b", b"2", Due(), "r"),
        Entry("c", b"3", Due(after=5)),
        Entry("d", b"4", Due(after=5), on_live=OnLive.REPLACE),
        Entry("e", b"5", Due(at=7), struck=True),
        Entry("f", b"6", AT_ONCE),
    ]
    assert arguments.entries(batch, repeated=False, strikes="4-0") == (
        *("4-0", "keep 2 ", "a", "", b"1", "%72uns:b", "r", b"2"),
        *("keep 1 +5", "c", "", b"3", "replace 1 +5", "d", "", b"4"),
        *("struck 1 7", "e", "", b"5", "keep 1 ", "f", "", b"6"),
    )


def test_what_may_have_been_sent_before_says_so_behind_the_position() -> None:
    """Also where there is none."""
    assert arguments.entries([], repeated=True, strikes="") == ("!",)
    assert arguments.entries([], repeated=True, strikes="4-0") == ("4-0!",)


def test_first_attempts_that_ended_well_are_grouped_by_their_tasks() -> None:
    """Whatever else comes between them begins another group."""
    one, other, unknown = verdict.completed("one"), verdict.completed("other"), verdict.unknown(b"p", attempt=1)
    done = [(lease("a", 1), one), (lease("b", 2), one), (lease("c", 3), other), (lease("d", 4), unknown)]
    assert arguments.outcomes(WHO, [*done, (lease("e", 5), other)], patience=5) == (
        *(*HEAD, "done", "one", 2, "a", "1-0", 1, "b", "2-0", 2, "done", "other", 1, "c", "3-0", 3),
        *("unknown", "queued", "", "", "", 1, 1, b"p", "", "d", "4-0", 4, "done", "other", 1, "e", "5-0", 5),
    )
