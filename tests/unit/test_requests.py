from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from opentelemetry.trace import SpanKind, StatusCode

from shadows.adapters.observers.meters import Meters
from shadows.adapters.observers.metrics import Names
from shadows.adapters.observers.requests import Requests
from shadows.core.envelope import Envelope, pack, unpack
from shadows.errors import BrokerUnavailable
from shadows.ports.broker import Cancellation, Entry, OnLive, Placed, Placement
from shadows.ports.follower import Asked
from tests.sdk import Sdk, about, named

if TYPE_CHECKING:
    from collections.abc import Sequence


def follower(sdk: Sdk, *, metrics: bool = True, traces: bool = True) -> Requests:
    """Return a follower of the shadow `shop`, where one task is known."""
    meters = Meters(sdk.meters.get_meter("test"), lambda: 0.0) if metrics else None
    return Requests(Names("shop", {"send"}), meters, sdk.tracers.get_tracer("test") if traces else None)


def entry(key: str, *, task: str = "send", on_live: OnLive = OnLive.KEEP) -> Entry:
    """Return a call of this task."""
    return Entry(key, pack(Envelope(task, "p", {"own": "header"}, b"arguments")), on_live=on_live)


def answers(*placed: Placed) -> Sequence[Placement]:
    """Return what a broker says."""
    return [Placement(one, "run") for one in placed]


def test_a_call_travels_with_the_name_of_the_span_that_places_it() -> None:
    """As W3C's traceparent, among the headers; all else is as it was."""
    sdk = Sdk.new()
    with follower(sdk).placing([entry("k")]) as sending:
        sending.placements = answers(Placed.SCHEDULED)
    (span,) = sdk.spans()
    sent = unpack(sending.entries[0].payload)
    trace_id, span_id = named(span)
    assert sent.headers["own"] == "header"
    assert sent.headers["traceparent"].startswith(f"00-{trace_id:032x}-{span_id:016x}-")
    assert (sent.task, sent.codec, sent.arguments) == ("send", "p", b"arguments")
    assert (span.name, span.kind) == ("shadows.add", SpanKind.PRODUCER)
    assert about(span) == {
        "messaging.system": "shadows",
        "messaging.destination.name": "shop",
        "messaging.operation.name": "add",
        "messaging.operation.type": "send",
        "messaging.message.id": "k",
        "name": "shop",
        "task": "send",
        "key": "k",
        "disposition": "scheduled",
    }


def test_many_calls_are_one_span() -> None:
    """It names the task if they have only one, and tells how many there are."""
    sdk = Sdk.new()
    with follower(sdk, metrics=False).placing([entry("a"), entry("b")]):
        pass
    with follower(sdk, metrics=False).placing([entry("a", on_live=OnLive.REPLACE), entry("b", task="other")]):
        pass
    add, replace = sdk.spans()
    assert (add.name, about(add)["task"], about(add)["messaging.batch.message_count"]) == ("shadows.add", "send", 2)
    assert (replace.name, "task" in about(replace), "key" in about(replace)) == ("shadows.replace", False, False)


def test_nothing_to_place_is_nothing_to_tell() -> None:
    """As after ``add_many([])``."""
    sdk = Sdk.new()
    with follower(sdk).placing([]) as sending:
        pass
    assert (sdk.spans(), sending.entries) == ([], [])


def test_calls_count_when_they_were_placed() -> None:
    """Not when the key was taken, or struck; a replaced one counts as that."""
    sdk = Sdk.new()
    requests = follower(sdk, traces=False)
    with requests.placing([entry("a"), entry("b"), entry("c"), entry("d", task="made up")]) as sending:
        sending.placements = answers(Placed.SCHEDULED, Placed.ALREADY, Placed.STRUCK, Placed.SCHEDULED)
    with requests.placing([entry("a", on_live=OnLive.REPLACE)]) as sending:
        sending.placements = answers(Placed.SCHEDULED)
    assert sdk.value("shadows_tasks_added", task="send") == 1
    assert sdk.value("shadows_tasks_added", task="unknown") == 1
    assert sdk.value("shadows_tasks_replaced", task="send") == 1
    assert sdk.value("shadows_tasks_scheduled") == 3
    assert unpack(sending.entries[0].payload).headers == {"own": "header"}
    assert sdk.spans() == []


@pytest.mark.parametrize(
    ("asked", "answer", "counted"),
    [
        (Asked.CANCEL, Cancellation.CANCELLED, 1),
        (Asked.CANCEL, Cancellation.REQUESTED, None),
        (Asked.CANCEL, Cancellation.NOT_LIVE, None),
        (Asked.CLEAR, 3, 3),
        (Asked.CLEAR, 0, None),
        (Asked.RESTORE, True, None),
        (Asked.STRIKE, None, None),
    ],
)
def test_runs_that_a_request_ends_are_counted(asked: Asked, answer: object, counted: int | None) -> None:
    """A run that is told to end is counted by its worker, when it has."""
    sdk = Sdk.new()
    with follower(sdk).asking(asked, key="k", task="send") as asking:
        asking.answer = answer
    assert sdk.value("shadows_tasks_cancelled") == counted
    (span,) = sdk.spans()
    assert (span.name, span.kind) == (f"shadows.{asked}", SpanKind.CLIENT)
    assert "messaging.operation.type" not in about(span)
    assert about(span).get("answer") == (None if answer is None else str(answer))


def test_without_a_tracer_or_meters_a_request_goes_its_way() -> None:
    """Either may be there alone."""
    sdk = Sdk.new()
    with follower(sdk, metrics=False, traces=False).asking(Asked.CANCEL) as asking:
        asking.answer = Cancellation.CANCELLED
    assert (sdk.spans(), sdk.names()) == ([], set())


def test_a_request_that_fails_is_an_error_and_goes_on_being_one() -> None:
    """INV 37: whoever asked hears of it; nothing is counted."""
    sdk = Sdk.new()
    away = BrokerUnavailable("away")

    def ask() -> None:
        with follower(sdk).placing([entry("k")]):
            raise away

    with pytest.raises(BrokerUnavailable):
        ask()
    (span,) = sdk.spans()
    assert (span.status.status_code, about(span)["error.type"]) == (
        StatusCode.ERROR,
        "shadows.errors.BrokerUnavailable",
    )
    assert sdk.value("shadows_tasks_added") is None
