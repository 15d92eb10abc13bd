from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from shadows.adapters.codecs.cloudpickle import CloudpickleCodec
from shadows.adapters.observers.log import LogObserver
from shadows.core import verdict
from shadows.core.envelope import Envelope, pack
from shadows.core.lifecycle import ExecutionState
from shadows.core.scheduling import Due
from shadows.core.settings import WorkerOptions
from shadows.core.verdict import Kind, Occurrence
from shadows.dependencies.registry import Registry
from shadows.dependencies.retry import Retry
from shadows.engine.attempt import Attempt, Stop
from shadows.engine.elsewhere import Elsewhere
from shadows.engine.outcomes import Outcomes
from shadows.engine.run import Runner, _not_at_once
from shadows.engine.wire import Wire
from shadows.ports.broker import Lease
from tests.front.acts import comes_true
from tests.unit.workplace import lease, workplace

if TYPE_CHECKING:
    from collections.abc import Callable

    from shadows.core.verdict import Verdict

CODEC = CloudpickleCodec()


class House:
    """A runner, and what becomes of one call."""

    def __init__(self) -> None:
        self.registry = Registry()
        self.outcomes = Outcomes(Wire.of(CODEC), 1000)
        self.runner = Runner(
            self.registry.plans,
            self.outcomes.wire,
            self.outcomes,
            Elsewhere.of(WorkerOptions(name="house", concurrency=1), CODEC),
            LogObserver("house"),
            workplace(),
        )

    def attempt(self, function: Callable[..., Any], *args: Any, attempt: int = 1, deliveries: int = 1) -> Attempt:
        """Return an attempt of this call."""
        name = self.registry.register(function)
        return self.attempt_of(pack(Envelope(name, CODEC.id, {}, CODEC.encode((args, {})))), attempt, deliveries)

    def attempt_of(self, payload: bytes, attempt: int = 1, deliveries: int = 1) -> Attempt:
        """Return an attempt of a call with this payload."""
        return Attempt(lease(payload, attempt=attempt, deliveries=deliveries))

    async def stopped(self, function: Callable[..., Any], why: Stop, *, began: Callable[[], bool]) -> Verdict | None:
        """Run the function, cancel it for this reason once it has begun, and return the verdict."""
        attempt = self.attempt(function)
        run = asyncio.create_task(self.runner.run(attempt))
        await comes_true(began)
        attempt.task = run  # type: ignore[assignment]
        attempt.cancel(why)
        return await run


@pytest.fixture
def house() -> House:
    return House()


async def test_a_body_that_returned_completes_its_run(house: House) -> None:
    """SEMANTICS, what ends a run."""

    async def add(a: int, b: int) -> int:
        return a + b

    judged = await house.runner.run(house.attempt(add, 1, 2))
    assert judged is not None
    assert (judged.kind, judged.state, judged.task) == (Kind.END, ExecutionState.COMPLETED, "add")
    assert house.outcomes.result(judged.body, "k", 7) == 3


class Explosive:
    """To write it raises what ends programs."""

    def __reduce__(self) -> str:
        raise KeyboardInterrupt


@pytest.mark.parametrize("result", [Explosive(), (("\ud800",), {}), b"x" * 2000])
async def test_whatever_a_result_does_is_the_failure_of_its_run(house: House, result: object) -> None:
    """INV 15, FAULT 38: also what would end the loop, or what looks like arguments with a lone surrogate."""

    async def give(retry: Retry = Retry(attempts=5)) -> object:
        return result

    judged = await house.runner.run(house.attempt(give))
    assert judged is not None
    assert (judged.kind, judged.state) == (Kind.END, ExecutionState.FAILED)


@pytest.mark.parametrize("why", [*Stop])
async def test_a_cancelled_body_ends_for_the_reason_of_its_cancel(house: House, why: Stop) -> None:
    """INV 12, INV 18, INV 30: somebody asked, the lease was lost, or the worker stops: only the first ends the run."""
    began: list[int] = []

    async def wait() -> None:
        began.append(1)
        await asyncio.Event().wait()

    judged = await house.stopped(wait, why, began=lambda: bool(began))
    match why:
        case Stop.CANCELLED:
            assert judged is not None
            assert (judged.kind, judged.state) == (Kind.END, ExecutionState.CANCELLED)
        case Stop.SHUTDOWN:
            assert judged is not None
            assert (judged.kind, judged.attempt) == (Kind.BACK, 1)
        case Stop.LOST:
            assert judged is None


@pytest.mark.parametrize("ends", ["returns", "raises"])
@pytest.mark.parametrize("why", [*Stop])
async def test_a_body_that_swallows_its_cancel_ends_as_what_it_did(house: House, why: Stop, ends: str) -> None:
    """SEMANTICS: marked so if somebody asked for it; a lost lease settles nothing whatever its body did."""
    began: list[int] = []

    async def insist(retry: Retry = Retry(attempts=2)) -> str:
        began.append(1)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if ends == "raises":
                raise ValueError(ends) from None
        return ends

    judged = await house.stopped(insist, why, began=lambda: bool(began))
    if why is Stop.LOST:
        assert judged is None
        return
    assert judged is not None
    kind = Kind.AGAIN if why is Stop.SHUTDOWN and ends == "raises" else Kind.END
    reason = "cancel_ignored" if why is Stop.CANCELLED else ""
    assert (judged.kind, judged.reason) == (kind, reason)


@pytest.mark.parametrize("why", [*Stop])
async def test_a_thread_is_waited_for_unless_the_worker_leaves(house: House, why: Stop) -> None:
    """SEMANTICS, def tasks: a thread cannot be cancelled; at the drain limit its lease is handed back."""
    began, go = threading.Event(), threading.Event()

    def work() -> str:
        began.set()
        assert go.wait(10)
        return "late"

    attempt = house.attempt(work)
    run = asyncio.create_task(house.runner.run(attempt))
    await comes_true(began.is_set)
    attempt.task = run  # type: ignore[assignment]
    attempt.cancel(why)
    if why is Stop.SHUTDOWN:
        judged = await run
        go.set()
        assert judged is not None
        assert judged.kind is Kind.BACK
        return
    done, _ = await asyncio.wait({run}, timeout=0.02)
    assert not done
    run.cancel()  # somebody else asks once more
    go.set()
    judged = await run
    assert judged is None if why is Stop.LOST else judged is not None and judged.state is ExecutionState.CANCELLED


async def test_only_the_first_reason_to_cancel_counts(house: House) -> None:
    """A cancel that somebody asked for does not become a hand-back because the worker stops as well."""
    attempt = house.attempt_of(b"")
    attempt.cancel(Stop.CANCELLED)  # it has no body yet
    attempt.cancel(Stop.SHUTDOWN)
    assert attempt.stop is Stop.CANCELLED


@pytest.mark.parametrize(
    ("payload", "kind", "reason"),
    [
        (b"", Kind.BURY, "undecodable"),
        (b"\xffrubbish", Kind.BURY, "undecodable"),
        (b"\x02later", Kind.UNKNOWN, ""),
        (pack(Envelope("nobody", "p", {}, b"")), Kind.UNKNOWN, ""),
        (pack(Envelope("known", "?", {}, b"")), Kind.UNKNOWN, ""),
        (pack(Envelope("known", "p", {}, b"rubbish")), Kind.BURY, "undecodable"),
        (pack(Envelope("known", "p", {}, b"\x80\x05K\x01.")), Kind.BURY, "undecodable"),
        (pack(Envelope("known", "p", {}, b"\x80\x05cnowhere\nthing\n.")), Kind.UNKNOWN, ""),
    ],
)
async def test_what_cannot_be_run_here_is_judged_by_whether_another_may_run_it(
    house: House, payload: bytes, kind: Kind, reason: str
) -> None:
    """INV 15, INV 19, FAULT 44: a later format, another codec, a missing module or task: put back; garbage: buried."""

    async def known() -> None: ...

    house.registry.register(known)
    judged = await house.runner.run(house.attempt_of(payload))
    assert judged is not None
    assert (judged.kind, judged.reason, judged.body) == (kind, reason, payload)


async def test_only_first_attempts_are_counted(house: House) -> None:
    """SEMANTICS, run_at_most: neither a retry nor a redelivery uses up the count."""
    asked: list[tuple[str, str]] = []

    def count(key: str, task: str) -> bool:
        asked.append((key, task))
        return False

    async def work() -> None: ...

    house.runner.counts = count
    verdicts = [
        await house.runner.run(house.attempt(work)),
        await house.runner.run(house.attempt(work, attempt=2)),
        await house.runner.run(house.attempt(work, deliveries=2)),
    ]
    states = [(each.state, each.reason) for each in verdicts if each is not None]
    assert states == [
        (ExecutionState.CANCELLED, "run_at_most"),
        (ExecutionState.COMPLETED, ""),
        (ExecutionState.COMPLETED, ""),
    ]
    assert asked == [("k", "work")]


async def test_a_dependency_that_the_caller_supplied_wins(house: House) -> None:
    """PARITY: also by position; the worker fills in only what is not there."""

    async def work(name: str, retry: Retry = Retry(attempts=2)) -> int | None:
        return retry.attempts

    for args, attempts in ((("x",), 2), (("x", Retry(attempts=9)), 9)):
        judged = await house.runner.run(house.attempt(work, *args))
        assert judged is not None
        assert house.outcomes.result(judged.body, "k", 7) == attempts


@pytest.mark.parametrize(
    ("due", "expected"),
    [
        (Due(), Due(after=1000)),
        (Due(after=999), Due(after=1000)),
        (Due(after=1000), Due(after=1000)),
        (Due(at=5_500), Due(after=1000)),
        (Due(at=6_000), Due(at=6_000)),
    ],
)
def test_what_follows_a_struck_occurrence_waits_a_little(due: Due, expected: Due) -> None:
    """INV 26: the chain goes on, but one that follows at once would be struck at once, again and again."""
    struck = Lease("k", "token", 7, 1, b"", 1, 0, 5_000)
    judged = _not_at_once(verdict.cancelled("t", reason="strike", follow=Occurrence(b"p", due)), struck)
    assert judged is not None
    assert judged.follow is not None
    assert judged.follow.due == expected
    assert _not_at_once(None, struck) is None
