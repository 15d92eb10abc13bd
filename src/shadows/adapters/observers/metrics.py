"""Metrics: what observers of clients and workers count."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from shadows.adapters.observers import instruments
from shadows.core.envelope import task_of
from shadows.core.lifecycle import ExecutionState
from shadows.core.verdict import Kind
from shadows.dependencies.dependency import AdmissionBlocked
from shadows.ports.admission import Passage
from shadows.ports.broker import Settlement
from shadows.ports.seeding import Seeding

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from shadows.adapters.observers.instruments import Instrument
    from shadows.adapters.observers.meters import Labels, Meters, Reading
    from shadows.core.holder import Holder
    from shadows.core.strikes import Strike
    from shadows.core.verdict import Verdict
    from shadows.ports.admission import Admission
    from shadows.ports.broker import Lease
    from shadows.ports.clock import Clock
    from shadows.ports.looking import Survey

_ENDS: Final = (instruments.COMPLETED, instruments.SUCCEEDED, instruments.FAILED)
NOBODYS: Final = "unknown"
"""The label of tasks that are not registered here."""


@attrs.frozen
class Names:
    """The labels of one client's or worker's calls.  Only tasks that are registered here get their own names."""

    shadow: str
    known: Container[str]
    worker: str = ""

    def run(self, task: str) -> Labels:
        """Return name, worker and task."""
        return (self.shadow, self.worker, task if task in self.known else NOBODYS)

    def call(self, task: str) -> Labels:
        """Return name and task."""
        return (self.shadow, task if task in self.known else NOBODYS)


@attrs.frozen
class ClientMetrics:
    """What an observer of a client counts."""

    meters: Meters
    names: Names

    def stricken(self, task: str, key: str, strike: Strike) -> None:
        del key, strike
        self.meters.add(instruments.STRICKEN, self.names.run(task))

    def strikes_moved(self, in_force: int) -> None:
        self.meters.set(instruments.STRIKES, (self.names.shadow,), in_force)


@attrs.define(eq=False)
class WorkerMetrics:
    """What an observer of a worker counts."""

    meters: Meters
    names: Names
    clock: Clock
    slots: int
    _began: dict[int, tuple[Labels, float]] = attrs.field(factory=dict[int, "tuple[Labels, float]"], init=False)
    """fence -> the labels of a body that runs, and since when"""
    _met: set[Labels] = attrs.field(factory=set["Labels"], init=False)
    """the labels of tasks that have run here"""

    def started(self, task: str, lease: Lease, call: object) -> None:
        del call
        labels, meters = self.names.run(task), self.meters
        if labels not in self._met:
            self._met.add(labels)
            _begin_at_zero(meters, labels, (*_ENDS, instruments.RETRIED))
        self._began[lease.fence] = (labels, self.clock.monotonic())
        meters.add(instruments.STARTED, labels)
        meters.add(instruments.RUNNING, labels)
        if lease.deliveries > 1:
            meters.add(instruments.REDELIVERED, labels)
        meters.record(instruments.PUNCTUALITY, labels, max(0, lease.started - lease.due) / 1000)

    def ended(self, task: str, lease: Lease, verdict: Verdict, error: BaseException | None) -> None:
        labels = self._over(task, lease)
        meters = self.meters
        match verdict.kind, verdict.state:
            case Kind.END, ExecutionState.COMPLETED:
                self._completed(instruments.SUCCEEDED, labels)
            case Kind.END, ExecutionState.FAILED:
                self._completed(instruments.FAILED, labels)
            case Kind.END, _:
                meters.add(instruments.CANCELLED, labels)
            case Kind.AGAIN, _ if not isinstance(error, AdmissionBlocked):
                self._completed(instruments.FAILED, labels)
                meters.add(instruments.RETRIED, labels)
            case _:  # it was put off, or handed back
                pass
        self._follow(labels, verdict)

    def superseded(self, task: str, lease: Lease, error: BaseException | None) -> None:
        del error
        self.meters.add(instruments.SUPERSEDED, self._over(task, lease))

    def settled(self, lease: Lease, verdict: Verdict, settlement: Settlement) -> None:
        del verdict
        if settlement is Settlement.SUPERSEDED:
            self.meters.add(instruments.SUPERSEDED, self._labels(lease))
        elif settlement is Settlement.CANCELLED:
            self.meters.add(instruments.CANCELLED, self._labels(lease))

    def refused(self, task: str, lease: Lease, verdict: Verdict) -> None:
        del lease
        if verdict.state is ExecutionState.CANCELLED:
            self.meters.add(instruments.CANCELLED, self.names.run(task))

    def skipped(self, task: str, lease: Lease, verdict: Verdict) -> None:
        del lease
        labels = self.names.run(task)
        if verdict.state is ExecutionState.CANCELLED and verdict.reason != "strike":  # which is counted as stricken
            self.meters.add(instruments.CANCELLED, labels)
        self._follow(labels, verdict)

    def blocked(self, task: str, lease: Lease, admission: Admission) -> None:
        del lease
        if admission.passage is Passage.CANCELLED:
            self.meters.add(instruments.CANCELLED, self.names.run(task))
        elif admission.passage is Passage.SUPERSEDED:
            self.meters.add(instruments.SUPERSEDED, self.names.run(task))

    def stricken(self, task: str, key: str, strike: Strike) -> None:
        del key, strike
        self.meters.add(instruments.STRICKEN, self.names.run(task))

    def lost(self, lease: Lease) -> None:
        self.meters.add(instruments.LEASES_LOST, self._labels(lease))

    def seeded(self, key: str, seeding: Seeding) -> None:
        if seeding is Seeding.SEEDED:  # the key of an automatic task is its name
            self.meters.add(instruments.SCHEDULED, self.names.call(key))

    def disrupted(self, error: BaseException, failures: int, pause: float) -> None:
        del error, failures, pause
        self.meters.add(instruments.DISRUPTIONS, self._worker)

    def surveyed(self, survey: Survey) -> None:
        counts = survey.counts
        age = 0.0 if survey.oldest is None else max(0, survey.taken - survey.oldest) / 1000
        values = (counts.queued, counts.scheduled, counts.parked, counts.unknown, counts.dead, age)
        self.meters.show_for_a_while((self.names.shadow,), zip(instruments.DEPTHS, values, strict=True))

    def lagged(self, seconds: float) -> None:
        self.meters.record(instruments.LOOP_LAG, self._worker, seconds)

    def working(self, holder: Holder, tasks: int) -> None:
        del holder, tasks
        _begin_at_zero(self.meters, self._worker, [instruments.DISRUPTIONS])
        self.meters.enter(self._slots)

    def stopped(self, holder: Holder) -> None:
        del holder
        self.meters.leave(self._slots)

    def _slots(self) -> list[Reading]:
        busy = len(self._began)
        return [
            (instruments.SLOTS_BUSY, self._worker, busy),
            (instruments.SLOTS_FREE, self._worker, max(0, self.slots - busy)),
        ]

    @property
    def _worker(self) -> Labels:
        return (self.names.shadow, self.names.worker)

    def _labels(self, lease: Lease) -> Labels:
        return self.names.run(task_of(lease.payload))

    def _over(self, task: str, lease: Lease) -> Labels:
        """A body has ended; tell its labels.  What was cancelled at its gates has never begun."""
        labels, began = self._began.pop(lease.fence, (self.names.run(task), None))
        if began is not None:
            self.meters.add(instruments.RUNNING, labels, -1)
            self.meters.record(instruments.DURATION, labels, self.clock.monotonic() - began)
        return labels

    def _completed(self, how: Instrument, labels: Labels) -> None:
        self.meters.add(instruments.COMPLETED, labels)
        self.meters.add(how, labels)

    def _follow(self, labels: Labels, verdict: Verdict) -> None:
        if verdict.follow is not None:
            self.meters.add(instruments.PERPETUATED, labels)


def _begin_at_zero(meters: Meters, labels: Labels, counters: Iterable[Instrument]) -> None:
    """Show what has not happened yet: whoever asks for a rate of it sees none, instead of nothing."""
    for counter in counters:
        meters.add(counter, labels, 0)
