"""Spans: one for each attempt that begins, linked to that of whoever placed the call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs
from opentelemetry.context import Context, attach
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, Tracer, get_current_span, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shadows.core.envelope import unpack
from shadows.core.failures import describe
from shadows.core.lifecycle import ExecutionState
from shadows.core.verdict import Kind
from shadows.dependencies.dependency import AdmissionBlocked
from shadows.errors import Undecodable

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from shadows.core.verdict import Verdict
    from shadows.ports.broker import Lease

NOBODYS: Final = "unknown"
"""In the name of the span of a task that is not registered here."""
FAILURES: Final = frozenset({"failed", "retried"})
_ENDS: Final = {ExecutionState.COMPLETED: "succeeded", ExecutionState.FAILED: "failed"}
_W3C: Final = TraceContextTextMapPropagator()


@attrs.define(eq=False)
class TaskSpans:
    """What an observer of a worker traces.

    The span is the current one while the body runs: in its own context, which ends with the attempt.
    """

    tracer: Tracer
    shadow: str
    worker: str
    known: Container[str]
    _open: dict[int, Span] = attrs.field(factory=dict[int, Span], init=False)
    """by fence"""

    def started(self, task: str, lease: Lease, call: object) -> None:
        del call
        attributes: dict[str, Any] = {
            **about(self.shadow, "run", "process", key=lease.key, task=task),
            "messaging.client.id": self.worker,
            "shadows.worker": self.worker,
            "shadows.attempt": lease.attempt,
            "shadows.redelivered": lease.deliveries > 1,
        }
        name = f"shadows.task.{task if task in self.known else NOBODYS}"
        span = self.tracer.start_span(name, Context(), SpanKind.CONSUMER, attributes, links_of(lease.payload))
        self._open[lease.fence] = span
        attach(set_span_in_context(span, Context()))

    def ended(self, task: str, lease: Lease, verdict: Verdict, error: BaseException | None) -> None:
        del task
        self._end(lease, _outcome(verdict, error), error)

    def superseded(self, task: str, lease: Lease, error: BaseException | None) -> None:
        del task
        self._end(lease, "superseded", error)

    def _end(self, lease: Lease, outcome: str, error: BaseException | None) -> None:
        span = self._open.pop(lease.fence, None)
        if span is None:  # it was cancelled at its gates, and never began
            return
        span.set_attribute("shadows.outcome", outcome)
        if outcome in FAILURES:
            note(span, error)
        span.end()


def about(
    shadow: str, name: str, kind: str | None, *, key: str | None = None, task: str | None = None
) -> dict[str, str]:
    """Return the attributes of an operation, in the words of the conventions for messaging and in our own."""
    found = {
        "messaging.system": "shadows",
        "messaging.destination.name": shadow,
        "messaging.operation.name": name,
        "shadows.name": shadow,
    }
    if kind is not None:  # the conventions know none for anything but sending and processing
        found["messaging.operation.type"] = kind
    if key is not None:
        found |= {"messaging.message.id": key, "shadows.key": key}
    if task is not None:
        found["shadows.task"] = task
    return found


def note(span: Span, error: BaseException | None) -> None:
    """Say on the span what went wrong, if that is known; neither arguments nor local variables are shown."""
    if error is None:
        span.set_status(Status(StatusCode.ERROR))
        return
    words = describe(error)
    span.set_attribute("error.type", words.type)
    span.set_status(Status(StatusCode.ERROR, f"{words.type}: {words.message}"))
    event = {
        "exception.type": words.type,
        "exception.message": words.message,
        "exception.stacktrace": words.traceback,
    }
    span.add_event("exception", event)


def headers_of(span: Span) -> Mapping[str, str]:
    """Return what a message says of the span under which it is sent."""
    headers: dict[str, str] = {}
    _W3C.inject(headers, set_span_in_context(span, Context()))
    return headers


def links_of(payload: bytes) -> list[Link]:
    """Return a link to the span under which a call was placed, if it tells one."""
    try:
        headers = unpack(payload).headers
    except Undecodable:
        return []
    placed = get_current_span(_W3C.extract(headers, Context())).get_span_context()
    return [Link(placed)] if placed.is_valid else []


def _outcome(verdict: Verdict, error: BaseException | None) -> str:
    """Return a word for what became of an attempt.  To be blocked, cancelled or handed back is no failure."""
    match verdict.kind:
        case Kind.END:
            return _ENDS.get(verdict.state, "cancelled")
        case Kind.AGAIN:
            return "blocked" if isinstance(error, AdmissionBlocked) else "retried"
        case _:
            return "handed back"
