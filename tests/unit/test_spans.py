from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

from shadows.adapters.observers.spans import TaskSpans
from shadows.core import verdict
from shadows.core.envelope import Envelope, pack
from shadows.core.verdict import Verdict
from shadows.dependencies import AdmissionBlocked
from shadows.ports.broker import Lease
from tests.sdk import Sdk, about, links

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
PLACED = (0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331)


def lease(headers: dict[str, str] | None = None, *, deliveries: int = 1, payload: bytes | None = None) -> Lease:
    """Return the lease of a second attempt, of a call with these headers."""
    made = pack(Envelope("send", "p", headers or {}, b"")) if payload is None else payload
    return Lease("order-7", "1-0", 4, 2, made, deliveries, 0, 0)


async def run(
    sdk: Sdk,
    judged: Verdict | None,
    error: BaseException | None = None,
    *,
    held: Lease | None = None,
    task: str = "send",
) -> ReadableSpan:
    """Return the span of an attempt that ended like this; it ran in a context of its own, as attempts do."""
    spans = TaskSpans(sdk.tracers.get_tracer("test"), "shop", "w", {"send"})
    held = held or lease()

    async def attempt() -> None:
        spans.started(task, held, "send()")
        if judged is None:
            spans.superseded(task, held, error)
        else:
            spans.ended(task, held, judged, error)

    await asyncio.create_task(attempt())
    (span,) = sdk.spans()
    return span


async def test_an_attempt_is_a_span_with_what_is_known_of_it() -> None:
    """In the words of the conventions for messaging, and in ours."""
    span = await run(Sdk.new(), verdict.completed("send"))
    assert (span.name, span.kind, span.parent) == ("shadows.task.send", SpanKind.CONSUMER, None)
    assert span.attributes == {
        "messaging.system": "shadows",
        "messaging.destination.name": "shop",
        "messaging.operation.name": "run",
        "messaging.operation.type": "process",
        "messaging.message.id": "order-7",
        "messaging.client.id": "w",
        "shadows.name": "shop",
        "shadows.worker": "w",
        "shadows.task": "send",
        "shadows.key": "order-7",
        "shadows.attempt": 2,
        "shadows.redelivered": False,
        "shadows.outcome": "succeeded",
    }
    assert span.status.status_code is StatusCode.UNSET


async def test_a_redelivery_says_so() -> None:
    """It repeats the attempt of the same number."""
    span = await run(Sdk.new(), verdict.completed("send"), held=lease(deliveries=2))
    assert about(span)["redelivered"] is True


async def test_it_is_linked_to_the_span_under_which_the_call_was_placed() -> None:
    """It is the beginning of a trace of its own: a call may run days later, and more than once."""
    span = await run(Sdk.new(), verdict.completed("send"), held=lease({"traceparent": TRACEPARENT}))
    assert (links(span), span.parent) == ([PLACED], None)


@pytest.mark.parametrize("held", [lease(), lease({"traceparent": "nonsense"}), lease(payload=b""), lease({"x": "y"})])
async def test_without_a_sound_name_there_is_no_link(held: Lease) -> None:
    """Such as that of a call that was placed where nobody traces."""
    assert links(await run(Sdk.new(), verdict.completed("send"), held=held)) == []


@pytest.mark.parametrize(
    ("judged", "error", "outcome"),
    [
        (verdict.completed("send"), None, "succeeded"),
        (verdict.cancelled("send"), asyncio.CancelledError(), "cancelled"),
        (verdict.again(b"", attempt=2), AdmissionBlocked(None, "busy"), "blocked"),
        (verdict.handed_back(b"", attempt=2), asyncio.CancelledError(), "handed back"),
        (None, asyncio.CancelledError(), "superseded"),
    ],
)
async def test_what_is_no_failure_is_no_error(
    judged: Verdict | None, error: BaseException | None, outcome: str
) -> None:
    """INV 22: to be blocked is none, nor is to be cancelled, handed back or superseded."""
    span = await run(Sdk.new(), judged, error)
    assert (about(span)["outcome"], span.status.status_code, list(span.events)) == (outcome, StatusCode.UNSET, [])


@pytest.mark.parametrize(
    ("judged", "outcome"), [(verdict.failed("send", b""), "failed"), (verdict.again(b"", attempt=3), "retried")]
)
async def test_a_failure_is_an_error_with_its_exception(judged: Verdict, outcome: str) -> None:
    """Also one that is tried again."""
    span = await run(Sdk.new(), judged, ValueError("no such order"))
    assert about(span)["outcome"] == outcome
    assert about(span)["error.type"] == "ValueError"
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "ValueError: no such order")
    (event,) = span.events
    shown = dict(event.attributes or {})
    assert (event.name, shown["exception.type"], shown["exception.message"]) == (
        "exception",
        "ValueError",
        "no such order",
    )
    assert "no such order" in str(shown["exception.stacktrace"])


async def test_a_failure_without_an_exception_is_an_error_all_the_same() -> None:
    """Such as a result that cannot travel."""
    span = await run(Sdk.new(), verdict.failed("send", b""))
    assert (span.status.status_code, span.status.description, list(span.events)) == (StatusCode.ERROR, None, [])


async def test_inv_45_neither_arguments_nor_local_variables_reach_a_span() -> None:
    """The traceback has its lines, and the code on them, and no value."""

    def body(card: str) -> None:
        number = card * 2
        raise ValueError(len(number))

    try:
        body("secret")
    except ValueError as error:
        raised = error
    else:
        raise AssertionError
    span = await run(Sdk.new(), verdict.failed("send", b""), raised, held=lease(payload=b"secret"))
    assert "secret" not in span.to_json().replace('body(\\"secret\\")', "")


async def test_an_exception_that_cannot_be_shown_ends_its_span_all_the_same() -> None:
    """INV 15: whatever its __str__ does."""

    class Mute(Exception):
        def __str__(self) -> str:
            raise KeyboardInterrupt

    span = await run(Sdk.new(), verdict.failed("send", b""), Mute())
    assert "its __str__ failed" in (span.status.description or "")


async def test_the_span_is_the_current_one_for_the_body_alone() -> None:
    """What the body does belongs to it; what the worker does before and after does not."""
    sdk = Sdk.new()
    spans = TaskSpans(sdk.tracers.get_tracer("test"), "shop", "w", {"send"})
    seen: list[trace.Span] = []

    async def attempt() -> None:
        spans.started("send", lease(), "send()")
        seen.append(trace.get_current_span())
        spans.ended("send", lease(), verdict.completed("send"), None)

    await asyncio.create_task(attempt())
    (span,) = sdk.spans()
    assert seen[0].get_span_context() == span.get_span_context()
    assert trace.get_current_span() is trace.INVALID_SPAN


async def test_a_task_that_is_not_registered_has_no_span_name_of_its_own() -> None:
    """INV 44: whoever places calls must not be able to make up names; what it is called is an attribute."""
    span = await run(Sdk.new(), verdict.completed("made up"), task="made up")
    assert (span.name, about(span)["task"]) == ("shadows.task.unknown", "made up")


async def test_what_ended_at_its_gates_has_no_span() -> None:
    """It never began."""
    sdk = Sdk.new()
    TaskSpans(sdk.tracers.get_tracer("test"), "shop", "w", {}).ended("send", lease(), verdict.cancelled("send"), None)
    assert sdk.spans() == []
