from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import attrs
import pytest

from shadows.adapters.clock import SystemClock
from shadows.adapters.codecs.cloudpickle import CloudpickleCodec
from shadows.calls import Calls
from shadows.core.disposition import Disposition
from shadows.core.envelope import NO_HEADERS, Envelope, pack, unpack
from shadows.core.lifecycle import ExecutionState
from shadows.core.scheduling import AT_ONCE, Due, epoch_milliseconds
from shadows.core.settings import shadow_options
from shadows.dependencies.registry import Registry
from shadows.dependencies.retry import Retry
from shadows.engine.outcomes import Outcomes
from shadows.engine.wire import Wire
from shadows.errors import ConfigurationError, PayloadTooLarge, SerializationError, UnknownTask
from shadows.execution import Access
from shadows.ports.broker import Entry, OnLive, Placed, Placement
from shadows.ports.looking import Record

if TYPE_CHECKING:
    from shadows.engine.watch import Watcher

NOW = datetime(2030, 1, 1, tzinfo=UTC)
CODEC = CloudpickleCodec()
NOBODY_LOOKS = cast("Watcher", None)
NO_LOOP = cast("asyncio.AbstractEventLoop", None)
ACCESS = Access(NOBODY_LOOKS, Outcomes(Wire.of(CODEC), 1000), SystemClock(), NO_LOOP, keeps_records=True)
_retry = Retry(attempts=3)


class StoppedClock:
    """Always the same time."""

    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return 0.0


class OneWay:
    """Can be pickled, and then not be loaded: a usual mistake in an exception's or a client's ``__reduce__``."""

    def __reduce__(self) -> tuple[Any, ...]:
        return int, ("no number",)


async def ship(order: int, *, express: bool = False, retry: Retry = _retry) -> str:
    return f"{order} {express} {retry}"


def calls(*, allow_unknown: bool = False, **options: object) -> Calls:
    return Calls(Registry(), shadow_options(options, {}), Wire.of(CODEC), StoppedClock(), allow_unknown)


# Making one


def test_a_call_is_a_name_and_encoded_arguments() -> None:
    """What travels is opaque bytes; what was given stays beside it, for the handle."""
    call = calls().make(ship, None, "order-7", (7,), {"express": True})
    assert (call.function_name, call.function, call.key, call.when) == ("ship", ship, "order-7", None)
    assert (call.args, call.kwargs) == ((7,), {"express": True})
    envelope = unpack(call.payload)
    assert (envelope.task, envelope.codec, envelope.headers) == ("ship", "p", {})
    assert CODEC.decode(envelope.arguments) == ((7,), {"express": True})


def test_a_call_by_name_is_checked_like_one_by_function() -> None:
    """The name leads to the same plan."""
    some = calls()
    some.registry.register(ship)
    assert some.make("ship", None, None, (7,), {}).function is ship
    with pytest.raises(TypeError, match="ship"):
        some.make("ship", None, None, (), {})


@pytest.mark.parametrize(
    ("args", "kwargs", "culprit"),
    [((), {}, "order"), ((1, 2), {}, "2"), ((1,), {"speed": 1}, "speed"), ((1,), {"order": 2}, "order")],
)
def test_arguments_that_do_not_fit_are_refused_at_the_call(
    args: tuple[Any, ...], kwargs: dict[str, Any], culprit: str
) -> None:
    """FAULT 1: the text names function and parameter."""
    with pytest.raises(TypeError, match=rf"ship\(\).*{culprit}"):
        calls().make(ship, None, None, args, kwargs)


def test_a_name_that_nobody_registered_is_refused_with_near_matches() -> None:
    """FAULT 20: unless this process only produces, and said so."""
    some = calls()
    some.registry.register(ship)
    with pytest.raises(UnknownTask, match="did you mean ship"):
        some.make("shop", None, None, (), {})


def test_a_producer_that_knows_no_task_can_place_calls_by_name() -> None:
    """FAULT 20: with ``allow_unknown``; what it does know is checked all the same."""
    some = calls(allow_unknown=True)
    call = some.make("elsewhere", None, None, (1, "two"), {"three": 3})
    assert (call.function_name, call.function, unpack(call.payload).task) == ("elsewhere", None, "elsewhere")
    some.registry.register(ship)
    with pytest.raises(TypeError):
        some.make("ship", None, None, (), {})
    with pytest.raises(ConfigurationError):
        some.make("", None, None, (), {})


def test_a_call_without_a_key_gets_one_that_nobody_has() -> None:
    """It also tells a repeated request from a new one, so that it needs no run id beside it."""
    some = calls()
    first, second = (some.make(ship, None, None, (7,), {}) for _ in range(2))
    assert first.key != second.key
    assert len(first.key) == 32
    assert [some.entry(call, OnLive.KEEP).run for call in (first, second)] == ["", ""]


def test_each_request_for_a_key_gets_a_run_of_its_own() -> None:
    """INV 16: a repeated request is told from a second one, also when the same call is placed twice."""
    some = calls()
    call = some.make(ship, None, "k", (7,), {})
    first, second = (some.entry(call, OnLive.KEEP).run for _ in range(2))
    assert first
    assert first != second


@pytest.mark.parametrize("key", ["", "x" * 513, "\ud800"])
def test_a_key_that_cannot_be_one_is_refused(key: str) -> None:
    """FAULT 9, FAULT 10, FAULT 11: before anything is sent."""
    with pytest.raises(ConfigurationError, match="key="):
        calls().make(ship, None, key, (7,), {})


def test_arguments_that_cannot_travel_are_refused_with_their_place() -> None:
    """FAULT 3: nothing is written."""
    with pytest.raises(SerializationError, match=r"kwargs\['express'\]"):
        calls().make(ship, None, None, (7,), {"express": (each for each in "generator")})


def test_arguments_that_are_too_large_are_refused_with_both_sizes() -> None:
    """FAULT 7, FAULT 8: here, and not by the server."""
    size = len(calls().make(ship, None, None, (b"x" * 100,), {}).payload)
    calls(max_payload=size).make(ship, None, None, (b"x" * 100,), {})
    with pytest.raises(PayloadTooLarge, match=rf"the arguments of ship have {size + 1} bytes; {size} are allowed"):
        calls(max_payload=size).make(ship, None, None, (b"x" * 101,), {})


async def test_in_debug_mode_a_call_is_read_back_at_once() -> None:
    """FAULT 4: the developer hears of it, and not a worker at night; elsewhere it would cost too much."""
    loop = asyncio.get_running_loop()
    loop.set_debug(False)
    assert calls().make(ship, None, None, (OneWay(),), {}).payload
    loop.set_debug(True)
    with pytest.raises(SerializationError, match="can be encoded but not read back"):
        calls().make(ship, None, None, (OneWay(),), {})
    loop.set_debug(False)


def test_where_no_loop_runs_there_is_no_debug_mode() -> None:
    """A call may be made anywhere."""
    assert calls().make(ship, None, None, (OneWay(),), {}).payload


def test_a_call_shows_no_arguments() -> None:
    """INV 45: neither as values nor encoded."""
    assert "secret" not in repr(calls().make(ship, None, "k", ("secret",), {}))


# Placing it


@pytest.mark.parametrize("on_live", OnLive)
def test_the_broker_gets_bytes_and_when(on_live: OnLive) -> None:
    """No function and no clock crosses the port."""
    some = calls()
    call = some.make(ship, timedelta(seconds=5), "k", (7,), {})
    entry = some.entry(call, on_live)
    assert entry == Entry("k", call.payload, Due(after=5000), entry.run, on_live)
    assert some.entry(attrs.evolve(call, when=None), on_live).due == AT_ONCE


def test_a_time_is_judged_by_the_options_of_the_shadow() -> None:
    """FAULT 14, FAULT 15, FAULT 16: when it is placed, for a call may be made long before."""
    late = calls().make(ship, NOW - timedelta(seconds=1), "k", (7,), {})
    assert calls().entry(late, OnLive.KEEP).due == Due(at=epoch_milliseconds(NOW) - 1000)
    with pytest.raises(ConfigurationError, match="past"):
        calls(strict_when=True).entry(late, OnLive.KEEP)
    far = calls().make(ship, timedelta(days=3), "k", (7,), {})
    with pytest.raises(ConfigurationError, match="horizon of 2 days"):
        calls(horizon=timedelta(days=2)).entry(far, OnLive.KEEP)


@pytest.mark.parametrize(
    ("placed", "disposition"),
    [
        (Placed.SCHEDULED, Disposition.SCHEDULED),
        (Placed.ALREADY, Disposition.ALREADY_SCHEDULED),
        (Placed.BROKEN, Disposition.FAILED),
    ],
)
def test_a_handle_says_what_the_request_did(placed: Placed, disposition: Disposition) -> None:
    """INV 2: expected refusals are values; its run is the one that has the key now."""
    some = calls()
    call = some.make(ship, None, "k", (7,), {"express": True})
    execution = some.placed(call, Placement(placed, "the-run"), ACCESS)
    assert (execution.disposition, execution._run, execution.key) == (disposition, "the-run", "k")
    assert (execution.function_name, execution.function) == ("ship", ship)
    assert (execution.args, execution.kwargs) == ((7,), {"express": True})
    assert execution.state is None


@pytest.mark.parametrize(
    ("when", "shown"),
    [
        (None, None),
        (timedelta(hours=1), NOW + timedelta(hours=1)),
        (timedelta(hours=-1), NOW),
        (timedelta.min, NOW),
        (NOW + timedelta(1), NOW + timedelta(1)),
    ],
)
def test_a_handle_says_when_its_call_is_due(when: timedelta | datetime | None, shown: datetime | None) -> None:
    """FAULT 15: a negative delay is now, and overflows nothing."""
    some = calls()
    placement = Placement(Placed.SCHEDULED, "r")
    assert some.placed(some.make(ship, when, "k", (7,), {}), placement, ACCESS).when == shown


# Finding it

STRANGE: list[object] = [5, None, "ab", (1,), (1, 2, 3), ("ab", {}), ((), 5), ((), None)]
"""What is no pair of positional and keyword arguments."""


def record(payload: bytes | None, **more: Any) -> Record:
    return Record("k", ExecutionState.QUEUED, "r", 1, payload=payload, **more)


def test_a_found_call_has_its_function_and_arguments_again() -> None:
    """What one process placed, another one looks at."""
    some = calls()
    some.registry.register(ship)
    execution = some.found(record(some.make(ship, None, "k", (7,), {"express": True}).payload), ACCESS)
    assert (execution.key, execution.function_name, execution.function) == ("k", "ship", ship)
    assert (execution.args, execution.kwargs) == ((7,), {"express": True})
    assert (execution.disposition, execution.state) == (Disposition.LOADED, ExecutionState.QUEUED)


def test_a_found_call_of_a_task_that_is_not_known_here_has_no_function() -> None:
    """Its name and its arguments can be read all the same."""
    payload = calls().make(ship, None, "k", (7,), {}).payload
    execution = calls().found(record(payload), ACCESS)
    assert (execution.function_name, execution.function, execution.args) == ("ship", None, (7,))


def test_of_an_ended_run_the_record_names_the_task() -> None:
    """Its payload has gone."""
    assert calls().found(record(None, task="ship"), ACCESS).function_name == "ship"
    assert calls().found(record(None), ACCESS).function_name == ""


@pytest.mark.parametrize(
    ("payload", "name"),
    [
        (b"garbage", ""),
        (pack(Envelope("ship", "j", NO_HEADERS, b"[]")), "ship"),
        (pack(Envelope("ship", "p", NO_HEADERS, b"cut")), "ship"),
        *((pack(Envelope("ship", "p", NO_HEADERS, CODEC.encode(strange))), "ship") for strange in STRANGE),
    ],
)
def test_what_cannot_be_decoded_is_left_out(payload: bytes, name: str) -> None:
    """INV 15: a list of executions is not lost for one of them."""
    execution = calls().found(record(payload), ACCESS)
    assert (execution.function_name, execution.args, execution.kwargs) == (name, (), {})
    assert execution.call_repr() == f"{name}()"
