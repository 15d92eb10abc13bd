from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from shadows.core.envelope import unpack
from shadows.core.lifecycle import ExecutionState
from shadows.core.scheduling import Due
from shadows.core.verdict import Kind, Verdict
from shadows.dependencies import (
    AdmissionBlocked,
    CompletionHandler,
    Decision,
    FailureHandler,
    TaskOutcome,
    decision,
)
from shadows.dependencies.running import Running
from shadows.dependencies.setup import Setup
from shadows.engine.attempt import Attempt, Stop
from tests.unit.test_run import CODEC, House

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

HEARD: list[str] = []


@pytest.fixture(autouse=True)
def _nothing_yet() -> None:
    HEARD.clear()


@pytest.fixture
def house() -> House:
    return House()


class Follows(CompletionHandler):
    """Places the next occurrence, with these arguments."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    async def on_complete(self, execution: Any, outcome: TaskOutcome) -> Decision | None:
        HEARD.append(f"end of {execution.key}: {outcome.result}, {outcome.exception!r}")
        if isinstance(self.answer, BaseException):
            raise self.answer
        answer: Decision | None = self.answer
        return answer


class Handles(FailureHandler):
    """Does this after a failure."""

    def __init__(self, answer: Callable[[], Awaitable[Any]], *, closing: BaseException | None = None) -> None:
        self.answer, self.closing = answer, closing

    async def handle_failure(self, execution: Any, outcome: TaskOutcome) -> Decision | None:
        HEARD.append(f"failure: {outcome.exception!r}")
        found: Decision | None = await self.answer()
        return found

    async def __aexit__(self, *error: object) -> None:
        if self.closing is not None:
            raise self.closing


async def judged(house: House, function: Callable[..., Any], *args: Any, attempt: int = 1) -> Verdict:
    found = await house.runner.run(house.attempt(function, *args, attempt=attempt))
    assert found is not None
    return found


def arguments(verdict: Verdict) -> Any:
    """Return the arguments of the next occurrence."""
    assert verdict.follow is not None
    envelope = unpack(verdict.follow.payload)
    assert envelope.task == "work"
    return CODEC.decode(envelope.arguments)


@pytest.mark.parametrize("fails", [False, True])
async def test_the_next_occurrence_goes_with_the_end_of_this_one(house: House, *, fails: bool) -> None:
    """INV 25: whether the run completed or failed; with its own arguments, or others."""
    in_an_hour = timedelta(hours=1)

    async def work(a: int, follows: Follows = Follows(decision.follow(in_an_hour, definition="hourly"))) -> int:
        if fails:
            raise ValueError
        return a

    found = await judged(house, work, 1)
    assert (found.kind, found.state) == (Kind.END, ExecutionState.FAILED if fails else ExecutionState.COMPLETED)
    assert found.follow is not None
    assert (found.follow.due, found.follow.definition) == (Due(after=3_600_000), "hourly")
    assert arguments(found) == ((1,), {})


async def test_the_next_occurrence_may_have_other_arguments(house: House) -> None:
    """Positional, named, or none at all."""

    async def work(a: int = 0, follows: Follows = Follows(decision.follow(None, (2,), {"b": 3}))) -> None: ...

    assert arguments(await judged(house, work, 1)) == ((2,), {"b": 3})


async def test_the_next_occurrence_may_have_no_arguments_at_all(house: House) -> None:
    """That is not the same as those of this one."""

    async def work(a: int = 0, follows: Follows = Follows(decision.follow(args=()))) -> None: ...

    assert arguments(await judged(house, work, 1)) == ((), {})


async def test_arguments_that_cannot_travel_fail_the_run_and_the_chain_goes_on(house: House) -> None:
    """INV 15, INV 26: with the arguments that this run had."""

    async def work(a: int, follows: Follows = Follows(decision.follow(args=(threading.Lock(),)))) -> None: ...

    found = await judged(house, work, 1)
    assert found.state is ExecutionState.FAILED
    assert "SerializationError" in (house.outcomes.in_words(found.body, "k", 7) or "")
    assert arguments(found) == ((1,), {})


async def test_retry_first_then_the_next_occurrence(house: House) -> None:
    """SEMANTICS, Running: while there are attempts, the run is not over."""

    async def answer() -> Decision | None:
        return decision.retry() if len(HEARD) == 1 else None

    async def work(handles: Handles = Handles(answer), follows: Follows = Follows(decision.follow())) -> None:
        raise ValueError("no")

    found = await judged(house, work)
    assert (found.kind, found.attempt, found.follow) == (Kind.AGAIN, 2, None)
    found = await judged(house, work, attempt=2)
    assert found.state is ExecutionState.FAILED
    assert found.follow is not None
    assert HEARD == ["failure: ValueError('no')"] * 2 + ["end of k: None, ValueError('no')"]


async def test_a_failure_handler_may_place_the_next_occurrence_itself(house: House) -> None:
    """Then nobody else is asked."""

    async def answer() -> Decision:
        return decision.follow()

    async def work(handles: Handles = Handles(answer), follows: Follows = Follows(None)) -> None:
        raise ValueError("no")

    found = await judged(house, work)
    assert found.state is ExecutionState.FAILED
    assert found.follow is not None
    assert HEARD == ["failure: ValueError('no')"]


async def test_a_handler_that_raises_or_answers_nonsense_fails_its_run_only(house: House) -> None:
    """INV 15: and who decides about the end is asked all the same."""

    async def breaks() -> Decision:
        raise KeyError("handler")

    async def nonsense() -> Any:
        return True

    for answer, error in ((breaks, "KeyError: 'handler'"), (nonsense, "TypeError: a handler returned True")):

        async def work(handles: Handles = Handles(answer), follows: Follows = Follows(decision.follow())) -> None:
            raise ValueError("no")

        found = await judged(house, work)
        assert (house.outcomes.in_words(found.body, "k", 7) or "").startswith(error)
        assert found.follow is not None

    async def ends(follows: Follows = Follows(KeyError("end"))) -> str:
        return "done"

    found = await judged(house, ends)
    assert (found.state, house.outcomes.in_words(found.body, "k", 7)) == (ExecutionState.FAILED, "KeyError: 'end'")


async def test_a_handler_that_cannot_be_closed_fails_the_run(house: House) -> None:
    """FAULT 41: it is not tried again then, whatever was decided before."""

    async def answer() -> Decision:
        return decision.retry()

    async def work(handles: Handles = Handles(answer, closing=KeyError("closing"))) -> None:
        raise ValueError("no")

    found = await judged(house, work)
    assert found.state is ExecutionState.FAILED
    assert house.outcomes.in_words(found.body, "k", 7) == "KeyError: 'closing'"


@pytest.mark.parametrize("why", [*Stop])
async def test_nobody_decides_about_a_run_that_was_stopped(house: House, why: Stop) -> None:
    """INV 30: a cancelled run is neither retried nor perpetuated; a lost or handed-back one is not ours."""

    async def answer() -> Decision:
        return decision.retry()

    async def work(handles: Handles = Handles(answer), follows: Follows = Follows(decision.follow())) -> None:
        HEARD.append("body")
        await asyncio.Event().wait()

    found = await house.stopped(work, why, began=lambda: bool(HEARD))
    assert HEARD == ["body"]
    assert found is None or found.follow is None


async def test_a_lease_that_was_lost_while_those_who_decide_think_is_not_settled(house: House) -> None:
    """INV 12: nothing that the body did counts any more."""
    attempts: list[Attempt] = []

    class Loses(CompletionHandler):
        """Loses the lease."""

        async def on_complete(self, execution: Any, outcome: TaskOutcome) -> Decision:
            attempts[0].stop = Stop.LOST
            return decision.follow()

    async def work(loses: Loses = Loses()) -> None: ...

    attempts.append(house.attempt(work))
    assert await house.runner.run(attempts[0]) is None


def ready(house: House, function: Callable[..., Any], *args: Any) -> tuple[Attempt, Running]:
    """Return an attempt that has not begun."""
    attempt = house.attempt(function, *args)
    plan = house.registry.plans[house.registry.register(function)]
    return attempt, Running(house.runner.workplace, attempt.lease, "work", plan, args, {})


async def test_a_run_that_is_dropped_before_its_body_still_has_a_next_one(house: House) -> None:
    """INV 24; the reason is cut to what a record keeps."""

    async def work(a: int, follows: Follows = Follows(decision.follow())) -> None:
        HEARD.append("body")

    found = await house.runner.skip(*ready(house, work, 1), "cooldown" * 20)
    assert found is not None
    assert (found.state, len(found.reason)) == (ExecutionState.CANCELLED, 64)
    assert arguments(found) == ((1,), {})
    assert len(HEARD) == 1
    assert "cooldown" in HEARD[0]


async def test_a_run_without_a_successor_is_dropped_for_good(house: House) -> None:
    """Whether it declares nothing, or who decides cannot be set up."""

    async def plain() -> None: ...

    class Broken(CompletionHandler):
        """Cannot be entered."""

        async def __aenter__(self) -> None:
            raise ValueError

    async def broken(broken: Broken = Broken()) -> None: ...

    for function in (plain, broken):
        found = await house.runner.skip(*ready(house, function), "cooldown")
        assert found is not None
        assert (found.state, found.reason, found.follow) == (ExecutionState.CANCELLED, "cooldown", None)


async def test_a_run_that_is_stopped_while_it_is_dropped_ends_for_that_reason(house: House) -> None:
    """A lease that is lost in the middle is nobody's to settle."""

    async def work(follows: Follows = Follows(decision.follow())) -> None: ...

    attempt, running = ready(house, work)
    attempt.stop = Stop.LOST
    assert await house.runner.skip(attempt, running, "cooldown") is None


@pytest.mark.parametrize("stop", [None, Stop.LOST])
async def test_a_blocked_run_is_put_off_under_the_same_attempt(house: House, stop: Stop | None) -> None:
    """INV 22, unless its lease was lost meanwhile."""

    async def work() -> None: ...

    attempt, running = ready(house, work)
    attempt.stop = stop
    blocked = AdmissionBlocked(running.execution, "full", retry_delay=timedelta(seconds=2))
    setup = Setup(running.plan.arrangement((), {}), running, house.runner.workplace.keeping, 5)
    outcome = TaskOutcome(timedelta(0), None, blocked)
    found, error = await house.runner._concluder.decided(attempt, running, outcome, setup)
    assert error is blocked
    if stop is Stop.LOST:
        assert found is None
        return
    assert found is not None
    assert (found.kind, found.attempt, found.due) == (Kind.AGAIN, 1, Due(after=2000))
    assert str(blocked) == "'k' is blocked: full"
