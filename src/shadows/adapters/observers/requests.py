"""What a client asks for: each request is counted, and is a span, of which the calls that it places carry the name."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import attrs
from opentelemetry.trace import Span, SpanKind, Tracer

from shadows.adapters.observers import instruments
from shadows.adapters.observers.spans import about, headers_of, note
from shadows.core.envelope import stamped, task_of
from shadows.ports.broker import Cancellation, OnLive, Placed
from shadows.ports.follower import Asked, Asking, Sending

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from shadows.adapters.observers.meters import Meters
    from shadows.adapters.observers.metrics import Names
    from shadows.ports.broker import Entry

_PLACING: Final = {
    OnLive.KEEP: ("add", instruments.ADDED),
    OnLive.REPLACE: ("replace", instruments.REPLACED),
}


@attrs.frozen
class Requests:
    """See :class:`shadows.ports.follower.Follower`."""

    names: Names
    meters: Meters | None
    tracer: Tracer | None

    @contextmanager
    def placing(self, entries: Sequence[Entry]) -> Generator[Sending]:
        sending = Sending(entries)
        if not entries:
            yield sending
            return
        verb, _ = _PLACING[entries[0].on_live]
        with self._span(verb, SpanKind.PRODUCER, self._of_entries(verb, entries)) as span:
            if span is not None:
                headers = headers_of(span)
                sending.entries = [attrs.evolve(each, payload=stamped(each.payload, headers)) for each in entries]
            yield sending
            if span is not None and len(sending.placements) == 1:
                span.set_attribute("shadows.disposition", sending.placements[0].placed.value)
        self._count(sending)

    @contextmanager
    def asking(self, asked: Asked, *, key: str | None = None, task: str | None = None) -> Generator[Asking]:
        asking = Asking()
        attributes = about(self.names.shadow, asked.value, None, key=key, task=task)
        with self._span(asked.value, SpanKind.CLIENT, attributes) as span:
            yield asking
            if span is not None and asking.answer is not None:
                span.set_attribute("shadows.answer", str(asking.answer))
        ended = {Asked.CANCEL: asking.answer is Cancellation.CANCELLED, Asked.CLEAR: asking.answer}.get(asked)
        if self.meters is not None and isinstance(ended, int) and ended:
            self.meters.add(instruments.CANCELLED, (self.names.shadow, "", ""), int(ended))

    @contextmanager
    def _span(self, verb: str, kind: SpanKind, attributes: dict[str, Any]) -> Generator[Span | None]:
        if self.tracer is None:
            yield None
            return
        begun = self.tracer.start_as_current_span(
            f"shadows.{verb}",
            kind=kind,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        )
        with begun as span:
            try:
                yield span
            except Exception as error:
                note(span, error)
                raise

    def _of_entries(self, verb: str, entries: Sequence[Entry]) -> dict[str, Any]:
        tasks = {task_of(entry.payload) for entry in entries}
        (task,) = tasks if len(tasks) == 1 else (None,)
        key = entries[0].key if len(entries) == 1 else None
        attributes: dict[str, Any] = {**about(self.names.shadow, verb, "send", key=key, task=task)}
        if len(entries) > 1:
            attributes["messaging.batch.message_count"] = len(entries)
        return attributes

    def _count(self, sending: Sending) -> None:
        if self.meters is None:
            return
        for entry, placement in zip(sending.entries, sending.placements, strict=True):
            if placement.placed is Placed.SCHEDULED:
                labels = self.names.call(task_of(entry.payload))
                self.meters.add(_PLACING[entry.on_live][1], labels)
                self.meters.add(instruments.SCHEDULED, labels)
