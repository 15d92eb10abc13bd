"""The instruments of a process through OpenTelemetry, and what they show.

What is counted is added up here, under one lock, and the SDK fetches it when somebody looks: to count a run that
way costs a fraction of what one call of a counter does.  Only histograms hear of each value.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import TYPE_CHECKING, Final, assert_never

from opentelemetry.metrics import CallbackOptions, Histogram, Meter, Observation

from shadows.adapters.observers.instruments import INSTRUMENTS, Instrument, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

STALE: Final = 30.0
"""Seconds after which a look at a shadow says nothing any more: its gauges are then missing, not wrong."""

type Labels = tuple[str, ...]
"""The values of an instrument's labels, in its order; an empty one is left out."""
type Reading = tuple[Instrument, Labels, float]
type Source = Callable[[], Iterable[Reading]]


class Meters:
    """What is counted, by instrument and labels; its methods are called from any thread.  There is one for each
    provider of meters.
    """

    def __init__(self, meter: Meter, monotonic: Callable[[], float]) -> None:
        self._lock = threading.Lock()
        self._values: dict[str, dict[Labels, float]] = {each.name: defaultdict(int) for each in INSTRUMENTS}
        self._sources: list[Source] = []
        self._until: dict[Labels, float] = {}
        self._monotonic = monotonic
        self._histograms: dict[str, Histogram] = {}
        for each in INSTRUMENTS:
            self._make(meter, each)

    def add(self, instrument: Instrument, labels: Labels, amount: float = 1) -> None:
        """Count."""
        with self._lock:
            self._values[instrument.name][labels] += amount

    def set(self, instrument: Instrument, labels: Labels, value: float) -> None:
        """Show this value from now on."""
        with self._lock:
            self._values[instrument.name][labels] = value

    def show_for_a_while(self, labels: Labels, values: Iterable[tuple[Instrument, float]]) -> None:
        """Show these values of fading instruments, until they are stale or there are newer ones."""
        with self._lock:
            self._until[labels] = self._monotonic() + STALE
            for instrument, value in values:
                self._values[instrument.name][labels] = value

    def enter(self, source: Source) -> None:
        """Ask this one, too, whenever somebody looks; the readings of several are added up."""
        with self._lock:
            self._sources.append(source)

    def leave(self, source: Source) -> None:
        """Ask it no more."""
        with self._lock:
            self._sources.remove(source)

    def record(self, instrument: Instrument, labels: Labels, value: float) -> None:
        """Add a value to a histogram."""
        self._histograms[instrument.name].record(value, _attributes(instrument, labels))

    def _make(self, meter: Meter, what: Instrument) -> None:
        def observe(options: CallbackOptions) -> list[Observation]:  # noqa: ARG001 - the signature of a callback
            return self._observe(what)

        match what.kind:
            case Kind.HISTOGRAM:
                self._histograms[what.name] = meter.create_histogram(
                    what.name, what.unit, what.means, explicit_bucket_boundaries_advisory=what.bounds
                )
            case Kind.COUNTER:
                meter.create_observable_counter(what.name, [observe], what.unit, what.means)
            case Kind.UP_DOWN:
                meter.create_observable_up_down_counter(what.name, [observe], what.unit, what.means)
            case Kind.GAUGE:
                meter.create_observable_gauge(what.name, [observe], what.unit, what.means)
            case _:
                assert_never(what.kind)

    def _observe(self, what: Instrument) -> list[Observation]:
        now = self._monotonic()
        with self._lock:
            values = self._values[what.name].items()
            shown = {labels: value for labels, value in values if not what.fades or now < self._until[labels]}
            readings = [reading for source in self._sources for reading in source()]
        for instrument, labels, value in readings:
            if instrument is what:
                shown[labels] = shown.get(labels, 0) + value
        return [Observation(value, _attributes(what, labels)) for labels, value in shown.items()]


def _attributes(instrument: Instrument, labels: Labels) -> dict[str, str]:
    return {name: value for name, value in zip(instrument.labels, labels, strict=True) if value}
