"""What several worker processes tell Prometheus, made one.  Needs the extra ``metrics``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from prometheus_client.samples import Sample

PROCESS: Final = "process"
"""The label that tells apart what cannot be added up: the number of the worker process."""
_ADDED: Final = frozenset({"counter", "histogram"})
_WORKER: Final = "shadows_worker"

type _Series = tuple[str, tuple[tuple[str, str], ...]]
"""the name of a sample, and its labels"""


@attrs.define
class Ledger:
    """What each process has told last, and what those that have ended had counted.

    Counters and histograms are added up, unless a label names their worker.  What a process had counted stays in
    the sum when it has ended, so that the sum never falls.  Of our own gauges, which all processes see alike, the
    largest counts.  Any other gauge stays apart, by a label.
    """

    _told: dict[int, list[Metric]] = attrs.field(factory=dict[int, list[Metric]], init=False)
    _past: list[Metric] = attrs.field(factory=list[Metric], init=False)

    def note(self, number: int, text: str) -> None:
        """Remember what a process tells."""
        self._told[number] = list(text_string_to_metric_families(text))

    def forget(self, number: int) -> None:
        """A process has ended; what it had counted for all stays."""
        counted = [_for_all(metric) for metric in self._told.pop(number, ()) if metric.type in _ADDED]
        self._past = _together({0: [*self._past], -1: counted})

    def exposition(self) -> bytes:
        """Return everything, as text."""
        registry = CollectorRegistry()
        registry.register(_Shown(_together({0: self._past, **self._told})))
        return generate_latest(registry)


class _Shown(Collector):
    """Metrics that are there already."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def _for_all(metric: Metric) -> Metric:
    whole = Metric(metric.name, metric.documentation, metric.type)
    whole.samples = [sample for sample in metric.samples if _WORKER not in sample.labels]
    return whole


def _together(told: Mapping[int, list[Metric]]) -> list[Metric]:
    wholes: dict[str, Metric] = {}
    values: dict[str, dict[_Series, float]] = {}
    for number, metrics in told.items():
        for metric in metrics:
            wholes.setdefault(metric.name, Metric(metric.name, metric.documentation, metric.type))
            found = values.setdefault(metric.name, {})
            for sample in metric.samples:
                _enter(found, metric, sample, number)
    for name, found in values.items():
        for (sample_name, labels), value in found.items():
            wholes[name].add_sample(sample_name, dict(labels), value)
    return list(wholes.values())


def _enter(found: dict[_Series, float], metric: Metric, sample: Sample, number: int) -> None:
    labels = tuple(sample.labels.items())
    if metric.type in _ADDED:
        found[sample.name, labels] = found.get((sample.name, labels), 0) + sample.value
    elif metric.name.startswith("shadows_") or metric.name.endswith("_info"):
        found[sample.name, labels] = max(sample.value, found.get((sample.name, labels), sample.value))
    else:
        found[sample.name, (*labels, (PROCESS, str(number)))] = sample.value
