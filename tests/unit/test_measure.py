from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import attrs

from shadows.engine.measure import Measurer
from shadows.errors import BrokerUnavailable, NotAllowed
from tests.front.acts import comes_true
from tests.unit.trouble import Trouble

if TYPE_CHECKING:
    from shadows.ports.looking import Survey


@attrs.define
class Watching:
    """Hears what is measured, and what went wrong; and what the worker would end of."""

    surveys: list[Survey] = attrs.field(factory=list["Survey"])
    lags: list[float] = attrs.field(factory=list[float])
    troubles: list[BaseException] = attrs.field(factory=list[BaseException])
    bugs: list[Exception] = attrs.field(factory=list[Exception])

    def surveyed(self, survey: Survey) -> None:
        self.surveys.append(survey)

    def lagged(self, seconds: float) -> None:
        self.lags.append(seconds)

    def disrupted(self, error: BaseException, failures: int, pause: float) -> None:
        self.troubles.append(error)

    def measurer(self, broker: Trouble) -> Measurer:
        """Return one that is always looking."""
        return Measurer(cast("Any", broker), cast("Any", self), self.bugs.append, survey_every=0, lag_every=0)


async def test_the_shadow_is_looked_at_again_and_again() -> None:
    """Also after the server was away, of which the pump tells, or has refused it, which is told."""
    broker, watching = Trouble(), Watching()
    refused = NotAllowed("no XINFO")
    broker.before("survey", BrokerUnavailable("away"), refused)
    task = asyncio.create_task(watching.measurer(broker).depths())
    await comes_true(lambda: len(watching.surveys) > 1)
    task.cancel()
    await asyncio.wait({task})
    assert (watching.troubles, watching.bugs) == ([refused], [])


async def test_a_bug_in_a_look_is_the_workers() -> None:
    """No task of a worker ends silently."""
    broker, watching, bug = Trouble(), Watching(), RuntimeError("a bug")
    broker.before("survey", bug)
    await watching.measurer(broker).depths()
    assert watching.bugs == [bug]


async def test_the_event_loop_is_looked_at_again_and_again() -> None:
    """It is never early."""
    watching = Watching()
    task = asyncio.create_task(watching.measurer(Trouble()).lag())
    await comes_true(lambda: len(watching.lags) > 1)
    task.cancel()
    assert min(watching.lags) >= 0
