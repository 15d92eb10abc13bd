from __future__ import annotations

import asyncio
import itertools
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from shadows.adapters.clock import SystemClock
from shadows.adapters.codecs.cloudpickle import CloudpickleCodec
from shadows.adapters.memory import open_backend
from shadows.core import verdict
from shadows.core.disposition import Disposition
from shadows.core.lifecycle import ExecutionState
from shadows.core.scheduling import instant
from shadows.engine.outcomes import Outcomes
from shadows.engine.watch import Watcher
from shadows.engine.wire import Wire
from shadows.errors import ConfigurationError, ExecutionCancelled, ResultUnavailable, TaskFailed
from shadows.execution import Access, Execution, TaskCall
from shadows.ports.backend import Backend, Terms
from shadows.ports.event_bus import Hint
from shadows.ports.looking import Record
from tests.contract.acts import call, done, instead, place, retry, settle, start, take_one, worker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CODEC = CloudpickleCodec()
OUTCOMES = Outcomes(Wire.of(CODEC), 1000)
START = 1_900_000_000_000
_numbers = itertools.count(1)


@attrs.define
class Hands:
    """A clock that stands still until a test moves it."""

    ms: int = START

    def __call__(self) -> float:
        return self.ms


async def ship(order: int, *extras: str, express: bool = False, **more: str) -> str:
    return f"{order} {extras} {express} {more}"


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def backend(hands: Hands) -> Backend:
    return open_backend(f"execution-{next(_numbers)}", Terms(), clock=hands)


@pytest.fixture
async def access(backend: Backend) -> Access:
    return Access(
        Watcher(backend.broker, backend.event_bus, patience=1.0),
        OUTCOMES,
        SystemClock(),
        asyncio.get_running_loop(),
        keeps_records=True,
    )


def handle(
    access: Access,
    function: Callable[..., Any] | None = ship,
    args: tuple[Any, ...] = (7,),
    kwargs: Mapping[str, Any] | None = None,
    run: str = "one",
) -> Execution[Any]:
    """Return a handle on a run of the key ``a``."""
    return Execution("a", "ship", args, kwargs or {}, None, Disposition.SCHEDULED, function, run=run, access=access)


def record(state: ExecutionState = ExecutionState.QUEUED, run: str = "one", **more: Any) -> Record:
    return Record("a", state, run, more.pop("attempt", 1), **more)


# What was called


def test_an_argument_is_found_by_its_parameter(access: Access) -> None:
    """However it was passed."""
    execution = handle(access, args=(7, "a", "b"), kwargs={"express": True, "colour": "red"})
    assert execution.get_argument("order") == 7
    assert execution.get_argument("extras") == ("a", "b")
    assert execution.get_argument("express") is True
    assert execution.get_argument("colour") == "red"


@pytest.mark.parametrize("name", ["express", "nothing", ""])
def test_an_argument_that_the_call_does_not_have_is_a_key_error(access: Access, name: str) -> None:
    """A default is not part of the call: the worker's own may be another one."""
    with pytest.raises(KeyError, match=repr(name)):
        handle(access).get_argument(name)


def test_without_the_function_only_named_arguments_are_found(access: Access) -> None:
    """Nobody here knows what the others are called."""
    execution = handle(access, None, (7,), {"express": True})
    assert execution.get_argument("express") is True
    with pytest.raises(KeyError):
        execution.get_argument("order")


def test_of_a_function_that_takes_other_arguments_now_only_named_ones_are_found(access: Access) -> None:
    """The call was placed by an older release; looking at it is no error of its own."""

    def changed() -> None: ...

    execution = handle(access, changed, (7,), {"express": True})
    assert execution.get_argument("express") is True
    with pytest.raises(KeyError):
        execution.get_argument("order")


@pytest.mark.parametrize(
    ("args", "kwargs", "shown"),
    [
        ((), {}, "ship()"),
        ((7,), {}, "ship(...)"),
        ((7, 8), {"express": True}, "ship(..., ..., express=...)"),
        ((), {"a": 1, "b": 2}, "ship(a=..., b=...)"),
    ],
)
def test_a_call_is_shown_without_its_values(
    access: Access, args: tuple[Any, ...], kwargs: dict[str, Any], shown: str
) -> None:
    """INV 45: for a log."""
    assert handle(access, ship, args, kwargs).call_repr() == shown


def test_neither_a_handle_nor_a_call_shows_values(access: Access) -> None:
    """INV 45: their reprs stand in tracebacks."""
    assert "secret" not in repr(handle(access, ship, ("secret",), {"express": "secret"}))
    call = TaskCall("ship", ("secret",), {"express": "secret"}, None, "k", ship, b"secret", named=True)
    assert repr(call) == "TaskCall(function_name='ship', when=None, key='k')"


# What has become of it


def test_a_handle_takes_over_what_was_read(access: Access) -> None:
    """Times are aware, the worker is the one whom people know, and a second lease shows."""
    execution = handle(access)
    running = record(ExecutionState.RUNNING, attempt=2, due=START, holder="w@1@ab:5", started=START + 1, deliveries=2)
    execution.take(running)
    assert (execution.state, execution.attempt, execution.worker) == (ExecutionState.RUNNING, 2, "w@1")
    assert (execution.when, execution.started_at) == (instant(START), instant(START + 1))
    assert (execution.completed_at, execution.error, execution.redelivered) == (None, None, True)
    execution.take(record(ExecutionState.COMPLETED, ended=START + 2, deliveries=1, reason="cancel_ignored"))
    assert (execution.when, execution.completed_at) == (instant(START), instant(START + 2))
    assert (execution.worker, execution.started_at, execution.redelivered) == (None, None, False)
    assert execution.error == "cancel_ignored"


def test_a_failed_run_tells_its_error_in_a_few_words(access: Access) -> None:
    """A reason, such as a dead letter has, comes first."""
    execution = handle(access)
    execution.take(record(ExecutionState.FAILED, result=OUTCOMES.of_error(ValueError("no such order"), "k", 1)))
    assert execution.error == "ValueError: no such order"
    execution.take(record(ExecutionState.FAILED, reason="worker-lost"))
    assert execution.error == "worker-lost"
    execution.take(record(ExecutionState.FAILED))
    assert execution.error is None


def test_of_a_run_of_which_nothing_is_kept_there_is_no_state(access: Access) -> None:
    """SEMANTICS, execution_ttl: it has expired, or its shadow keeps none."""
    execution = handle(access)
    execution.take(record())
    execution.take(None)
    assert execution.state is None


def test_a_handle_whose_key_was_taken_says_so(access: Access) -> None:
    """The other run's state is none of its business."""
    execution = handle(access)
    execution.take(record(ExecutionState.RUNNING, run="another", attempt=3))
    assert (execution.state, execution.error, execution.attempt) == (ExecutionState.CANCELLED, "superseded", 1)
    assert execution.disposition is Disposition.SUPERSEDED


def test_a_successor_waits_while_the_running_call_goes_on(access: Access) -> None:
    """SEMANTICS, keys: it is accepted, and has not begun."""
    execution = handle(access)
    execution.take(record(ExecutionState.RUNNING, run="another", successor="one"))
    assert (execution.state, execution.error) == (ExecutionState.SCHEDULED, None)
    assert execution.disposition is Disposition.SCHEDULED


async def test_sync_reads_the_record_anew(access: Access, backend: Backend) -> None:
    """Until then the handle knows what it knew."""
    execution = handle(access)
    await execution.sync()
    assert execution.state is None
    await place(backend.broker, call("a", run="one"))
    assert execution.state is None
    await execution.sync()
    assert execution.state is ExecutionState.QUEUED


# Its result


async def test_the_result_comes_back_and_the_handle_is_up_to_date(access: Access, backend: Backend) -> None:
    """INV 40: it is there as soon as the run has ended."""
    who, lease = await start(backend.broker)
    await settle(backend.broker, who, lease, done(OUTCOMES.of_result("shipped", "k", 1)))
    execution = handle(access)
    assert await execution.get_result() == "shipped"
    assert execution.state is ExecutionState.COMPLETED


async def test_who_waits_is_woken_by_the_end(access: Access, backend: Backend) -> None:
    """INV 39: with either kind of limit."""
    who, lease = await start(backend.broker)
    execution = handle(access)
    waiting = [
        asyncio.create_task(execution.get_result(timeout=timedelta(seconds=10))),
        asyncio.create_task(execution.get_result(deadline=datetime.now(UTC) + timedelta(seconds=10))),
    ]
    await asyncio.sleep(0)
    await settle(backend.broker, who, lease, done())
    assert await asyncio.gather(*waiting) == [None, None]


async def test_what_the_task_raised_is_raised(access: Access, backend: Backend) -> None:
    """With its own type."""
    who, lease = await start(backend.broker)
    await settle(
        backend.broker, who, lease, verdict.failed("ship", OUTCOMES.of_error(ValueError("no such order"), "k", 1))
    )
    execution = handle(access)
    with pytest.raises(ValueError, match="no such order"):
        await execution.get_result()
    assert execution.error == "ValueError: no such order"


@pytest.mark.parametrize(
    ("buried", "text"),
    [
        (verdict.dead(b"p", attempt=1, reason="worker-lost"), "the execution 'a' failed: worker-lost"),
        (verdict.failed("ship", b""), "failed: what it raised is not kept any more"),
    ],
)
async def test_a_failure_without_an_exception_is_one_of_ours(
    access: Access, backend: Backend, buried: verdict.Verdict, text: str
) -> None:
    """SEMANTICS, dead letters: no body ever returned or raised."""
    who, lease = await start(backend.broker)
    await settle(backend.broker, who, lease, buried)
    with pytest.raises(TaskFailed, match=text):
        await handle(access).get_result()


async def test_a_cancelled_run_has_no_result(access: Access, backend: Backend) -> None:
    """INV 29: whoever waits hears the reason."""
    await place(backend.broker, call("a", run="one"))
    await backend.broker.cancel("a")
    with pytest.raises(ExecutionCancelled, match="'a' ended without a result: cancelled"):
        await handle(access).get_result()


async def test_a_run_whose_key_was_taken_has_no_result(access: Access, backend: Backend) -> None:
    """SEMANTICS, ends: its waiters are told, and do not get the other run's result."""
    await place(backend.broker, call("a", run="one"), instead("a", run="two"))
    with pytest.raises(ExecutionCancelled, match="superseded"):
        await handle(access).get_result()


async def test_a_result_that_is_not_kept_is_not_waited_for(access: Access) -> None:
    """SEMANTICS, execution_ttl=0: an error at once, which says why."""
    with pytest.raises(ResultUnavailable, match="this shadow has execution_ttl=0"):
        await handle(attrs.evolve(access, keeps_records=False)).get_result()
    with pytest.raises(ResultUnavailable, match="nothing is kept of the execution 'a'"):
        await handle(access).get_result()


@pytest.mark.parametrize(
    "limit", [{"timeout": 0.01}, {"timeout": timedelta(milliseconds=10)}, {"deadline": instant(0)}]
)
async def test_waiting_ends_with_its_limit(access: Access, backend: Backend, limit: dict[str, Any]) -> None:
    """A deadline that has passed is one, too; the text names the execution."""
    await place(backend.broker, call("a", run="one"))
    with pytest.raises(TimeoutError, match="the execution 'a' has not ended in time"):
        await handle(access).get_result(**limit)


@pytest.mark.parametrize(
    ("limit", "text"),
    [
        ({"timeout": 1, "deadline": instant(0)}, "give timeout or deadline, not both"),
        ({"deadline": datetime(2030, 1, 1)}, "naive; use a timezone-aware datetime"),  # noqa: DTZ001 - the point
        ({"timeout": float("nan")}, "timeout=nan is no duration"),
        ({"timeout": float("inf")}, "timeout=inf is too long"),
        ({"timeout": True}, "timeout=True is a bool, no duration"),
        ({"timeout": -1}, "timeout=-1 is negative"),
        ({"timeout": "5parsecs"}, "timeout='5parsecs' is no duration"),
    ],
)
async def test_a_limit_that_cannot_be_one_is_refused(access: Access, limit: dict[str, Any], text: str) -> None:
    """FAULT 14, FAULT 17: the one validator of durations; NaN would spin in the event loop."""
    with pytest.raises(ConfigurationError, match=text):
        await handle(access).get_result(**limit)


# Its events


def event(state: ExecutionState, **more: Any) -> dict[str, Any]:
    """Return the event of this state."""
    usual = {"worker": None, "started_at": None, "completed_at": None, "error": None}
    return {"type": "state", "key": "a", "state": state, **usual, **more}


async def test_a_subscriber_sees_the_present_state_and_all_that_follow(access: Access, backend: Backend) -> None:
    """INV 39: nothing is missed once ``ready`` is set, and the last event is the end."""
    await place(backend.broker, call("a", run="one"))
    ready, who, seen = asyncio.Event(), worker(), list[dict[str, Any]]()
    execution = handle(access)
    async with aclosing(execution.subscribe(ready)) as events:
        seen.append(await anext(events))
        assert ready.is_set()
        lease = await take_one(backend.broker, who)
        seen.append(await anext(events))
        await settle(backend.broker, who, lease, retry(lease))
        seen.append(await anext(events))
        lease = await take_one(backend.broker, who)
        seen.append(await anext(events))
        await settle(backend.broker, who, lease, done())
        seen += [each async for each in events]
    running = event(ExecutionState.RUNNING, worker="w", started_at=instant(START))
    assert seen == [
        event(ExecutionState.QUEUED),
        running,
        event(ExecutionState.QUEUED),
        running,
        running | {"state": ExecutionState.COMPLETED, "completed_at": instant(START)},
    ]
    assert execution.attempt == 2


async def test_a_state_is_told_once_however_often_it_is_read(access: Access, backend: Backend) -> None:
    """Progress is told as such, and is no new state."""
    who, lease = await start(backend.broker)
    seen: list[object] = []

    async def listen(ready: asyncio.Event) -> None:
        seen.extend([each.get("state", each["type"]) async for each in handle(access).subscribe(ready)])

    ready = asyncio.Event()
    listening = asyncio.create_task(listen(ready))
    await ready.wait()
    for number in range(3):
        assert await backend.broker.report(lease, {"current": str(number)})
        await asyncio.sleep(0)
    await settle(backend.broker, who, lease, done())
    await listening
    assert seen == [ExecutionState.RUNNING, "progress", "progress", "progress", ExecutionState.COMPLETED]


async def test_a_late_report_of_another_lease_is_not_told(access: Access, backend: Backend) -> None:
    """Events carry the fence (INV 39): what belongs to another attempt is not this one's progress."""
    who, lease = await start(backend.broker)
    events = handle(access).subscribe()
    assert (await anext(events))["state"] is ExecutionState.RUNNING
    bus: Any = access.watcher.event_bus
    bus.store.listeners.publish(lease.key, Hint("progress", lease.fence + 1, 0, (("current", "99"),)))
    await settle(backend.broker, who, lease, done())
    assert [each["state"] async for each in events] == [ExecutionState.COMPLETED]


async def test_of_nothing_there_are_no_events(access: Access) -> None:
    """The subscription ends, instead of waiting for ever."""
    ready = asyncio.Event()
    assert [each async for each in handle(access).subscribe(ready)] == []
    assert ready.is_set()


async def test_a_run_that_has_ended_tells_that_and_no_more(access: Access, backend: Backend) -> None:
    """One event, of a failure with its words."""
    who, lease = await start(backend.broker)
    await settle(backend.broker, who, lease, verdict.failed("ship", OUTCOMES.of_error(ValueError("no"), "k", 1)))
    (only,) = [each async for each in handle(access).subscribe()]
    assert (only["state"], only["error"]) == (ExecutionState.FAILED, "ValueError: no")


async def test_the_subscription_of_a_run_whose_key_was_taken_ends(access: Access, backend: Backend) -> None:
    """Its last event says why."""
    await place(backend.broker, call("a", run="one"), instead("a", run="two"))
    (only,) = [each async for each in handle(access).subscribe()]
    assert (only["state"], only["error"]) == (ExecutionState.CANCELLED, "superseded")
