"""An OpenTelemetry SDK of a test's own, in the place of the one that a process can have only once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import attrs
import opentelemetry.metrics._internal as metrics_api
import opentelemetry.trace as trace_api
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

if TYPE_CHECKING:
    import pytest
    from opentelemetry.sdk.trace import ReadableSpan


@attrs.frozen
class Sdk:
    """What a program would have exported."""

    meters: MeterProvider
    tracers: TracerProvider
    _reader: InMemoryMetricReader
    _spans: InMemorySpanExporter

    @classmethod
    def new(cls) -> Self:
        """Return one that nobody has used."""
        reader, spans, tracers = InMemoryMetricReader(), InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
        tracers.add_span_processor(SimpleSpanProcessor(spans))
        return cls(MeterProvider([reader], shutdown_on_exit=False), tracers, reader, spans)

    def install(self, monkeypatch: pytest.MonkeyPatch, *, metrics: bool = True, traces: bool = True) -> Self:
        """Be the SDK of this process until the test ends."""
        monkeypatch.setattr(metrics_api, "_METER_PROVIDER", self.meters if metrics else None)
        monkeypatch.setattr(trace_api, "_TRACER_PROVIDER", self.tracers if traces else None)
        return self

    def points(self, name: str) -> list[tuple[dict[str, Any], Any]]:
        """Return the labels and the value of each point of an instrument; of a histogram, its count."""
        data = self._reader.get_metrics_data()
        found = [] if data is None else [metric for resource in data.resource_metrics for metric in _of(resource)]
        return [
            (dict(point.attributes or {}), getattr(point, "value", None) if hasattr(point, "value") else point.count)
            for metric in found
            if metric.name == name
            for point in metric.data.data_points
        ]

    def names(self) -> set[str]:
        """Return the names of the instruments that have something to show."""
        data = self._reader.get_metrics_data()
        return set() if data is None else {one.name for resource in data.resource_metrics for one in _of(resource)}

    def value(self, name: str, /, **labels: str) -> Any:
        """Return the sum of the points that have these labels, such as ``task="send"``; None if there is none."""
        wanted = {f"shadows.{label}": value for label, value in labels.items()}
        values = [value for given, value in self.points(name) if wanted.items() <= given.items()]
        return sum(values) if values else None

    def spans(self, name: str = "") -> list[ReadableSpan]:
        """Return what has ended, in this order; of this name, if one is given."""
        return [span for span in self._spans.get_finished_spans() if name in {"", span.name}]


def _of(resource: Any) -> list[Any]:
    return [metric for scope in resource.scope_metrics for metric in scope.metrics]


def about(span: ReadableSpan) -> dict[str, Any]:
    """Return the attributes of a span without their common beginning."""
    return {name.removeprefix("shadows."): value for name, value in (span.attributes or {}).items()}


def links(span: ReadableSpan) -> list[tuple[int, int]]:
    """Return the trace and the span of each link."""
    return [(link.context.trace_id, link.context.span_id) for link in span.links]


def named(span: ReadableSpan) -> tuple[int, int]:
    """Return the trace and the span."""
    context = span.get_span_context()
    assert context is not None
    return (context.trace_id, context.span_id)
