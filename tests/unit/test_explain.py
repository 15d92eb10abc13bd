"""What is rare at the front door, said of made-up facts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from shadows.core.disposition import Disposition
from shadows.core.gates import Slots
from shadows.core.lifecycle import ExecutionState
from shadows.core.scheduling import epoch_milliseconds
from shadows.execution import Execution
from shadows.explain import Facts, Why, explained
from shadows.ports.looking import Counts, Record, Standing

if TYPE_CHECKING:
    from shadows.execution import Access
    from shadows.explain import Explanation

NOW = datetime(2030, 1, 1, tzinfo=UTC)
DUE = epoch_milliseconds(NOW - timedelta(minutes=1))


def parked(standing: Standing) -> Explanation:
    """Explain a call that is parked like this."""
    record = Record("k", ExecutionState.PARKED, "r", 1, DUE, standing=standing)
    execution = Execution[Any](
        "k", "ship", (), {}, None, Disposition.LOADED, run="r", access=cast("Access", None), state=record.state
    )
    return explained(Facts(record, execution, NOW, Counts(0, 0, 0, 1, 0, 0), [], None))


def test_a_strike_that_cannot_be_read_here_holds_all_the_same() -> None:
    """It was written by another codec or another release."""
    found = parked(Standing(strike="abc"))
    assert (found.why, found.strike) == (Why.HELD, None)
    assert "one that cannot be read here" in found.says


def test_a_parked_call_between_two_gates() -> None:
    """The look came in the moment when it was let through."""
    found = parked(Standing())
    assert (found.why, found.says) == (Why.SLOTS, "others have the slots that it needs: it is parked at a gate")


def test_of_many_holders_only_a_few_are_named() -> None:
    """The number is exact."""
    assert "(9 of 9 slots taken by a, b, ..., 2 before it)" in parked(Standing(Slots("g", 9), 2, 9, ("a", "b"))).says
    assert "(0 of 9 slots taken, first in line)" in parked(Standing(Slots("g", 9))).says
