from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shadows.core import decision
from shadows.core.decision import Decision, Then
from shadows.core.scheduling import AT_ONCE, Due
from shadows.errors import ConfigurationError


@pytest.mark.parametrize(
    ("when", "due"),
    [
        (None, AT_ONCE),
        (timedelta(seconds=2), Due(after=2000)),
        (timedelta(seconds=-2), AT_ONCE),
        (datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), Due(at=1000)),
        (datetime(1960, 1, 1, tzinfo=UTC), Due(at=0)),
        (Due(after=5), Due(after=5)),
    ],
)
def test_a_decision_says_when(when: Any, due: Due) -> None:
    """A timedelta counts from the settle, by the server's clock; what is past means at once."""
    assert decision.retry(when) == Decision(Then.RETRY, due)
    assert decision.follow(when) == Decision(Then.FOLLOW, due)


@pytest.mark.parametrize("wrong", [datetime(2030, 1, 1), 5, "soon"])  # noqa: DTZ001 - the point of the test
def test_a_time_that_is_none_is_refused_where_it_is_written(wrong: Any) -> None:
    """FAULT 14."""
    with pytest.raises(ConfigurationError, match="aware"):
        decision.retry(wrong)


def test_arguments_belong_together() -> None:
    """Whoever names some names them all."""
    assert decision.follow().args is None
    assert decision.follow(args=(1,)) == Decision(Then.FOLLOW, AT_ONCE, (1,), {})
    assert decision.follow(kwargs={"a": 1}) == Decision(Then.FOLLOW, AT_ONCE, (), {"a": 1})
    assert (decision.fail().then, decision.complete().then) == (Then.FAIL, Then.COMPLETE)


def test_a_decision_shows_no_arguments() -> None:
    """INV 45."""
    assert "secret" not in repr(decision.follow(args=("secret",), kwargs={"a": "secret"}))
