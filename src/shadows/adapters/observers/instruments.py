"""Every instrument there is.  Nothing else is measured, and the documentation shows this very list."""

from __future__ import annotations

import enum
from typing import Final

import attrs

NAME: Final = "shadows.name"
"""the shadow"""
WORKER: Final = "shadows.worker"
"""what people call the worker"""
TASK: Final = "shadows.task"
"""the name of a task that is registered here, else ``unknown``: whoever places calls must not be able to add labels"""
VERSION: Final = "shadows.version"

_OF_SHADOW: Final = (NAME,)
_OF_WORKER: Final = (NAME, WORKER)
_OF_CALL: Final = (NAME, TASK)
_OF_RUN: Final = (NAME, WORKER, TASK)


class Kind(enum.StrEnum):
    """How the values of an instrument add up."""

    COUNTER = "counter"
    UP_DOWN = "up-down counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@attrs.frozen
class Instrument:
    """What is measured, in which unit, and by which labels it is told apart."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    means: str
    unit: str = ""
    """``s``, or what is counted, in braces"""
    bounds: tuple[float, ...] = ()
    """of a histogram: the upper ends of its buckets"""
    fades: bool = False
    """whether a value says nothing any more after a while"""

    @property
    def exposed(self) -> str:
        """Its name in Prometheus."""
        unit = "_seconds" if self.unit == "s" else ""
        return f"{self.name}{unit}{'_total' if self.kind is Kind.COUNTER else ''}"


_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)
_MOMENTS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


def _counter(name: str, labels: tuple[str, ...], means: str, unit: str = "{call}") -> Instrument:
    return Instrument(name, Kind.COUNTER, labels, means, unit)


def _gauge(name: str, labels: tuple[str, ...], means: str, unit: str = "{slot}") -> Instrument:
    return Instrument(name, Kind.GAUGE, labels, means, unit)


def _depth(name: str, means: str, unit: str = "{call}") -> Instrument:
    return Instrument(name, Kind.GAUGE, _OF_SHADOW, means, unit, fades=True)


ADDED: Final = _counter("shadows_tasks_added", _OF_CALL, "calls that add placed")
REPLACED: Final = _counter("shadows_tasks_replaced", _OF_CALL, "calls that replace placed")
SCHEDULED: Final = _counter(
    "shadows_tasks_scheduled", _OF_CALL, "calls placed: added, replaced, or of automatic tasks that a worker started"
)
CANCELLED: Final = _counter(
    "shadows_tasks_cancelled",
    _OF_RUN,
    "runs that ended cancelled, on request or at a gate; of those that were waiting, task and worker are not known",
)
STARTED: Final = _counter("shadows_tasks_started", _OF_RUN, "attempts begun")
REDELIVERED: Final = _counter(
    "shadows_tasks_redelivered", _OF_RUN, "attempts begun again because an earlier lease was lost"
)
STRICKEN: Final = _counter("shadows_tasks_stricken", _OF_RUN, "calls that a strike kept from being placed or run")
SUPERSEDED: Final = _counter(
    "shadows_tasks_superseded", _OF_RUN, "attempts that ended for nothing: the key or the lease had gone to another"
)
COMPLETED: Final = _counter("shadows_tasks_completed", _OF_RUN, "attempts that succeeded or failed")
SUCCEEDED: Final = _counter("shadows_tasks_succeeded", _OF_RUN, "attempts that returned")
FAILED: Final = _counter("shadows_tasks_failed", _OF_RUN, "attempts that raised or timed out, tried again or not")
RETRIED: Final = _counter("shadows_tasks_retried", _OF_RUN, "failed attempts that are followed by another one")
PERPETUATED: Final = _counter("shadows_tasks_perpetuated", _OF_RUN, "runs that are followed by their next occurrence")
LEASES_LOST: Final = _counter("shadows_leases_lost", _OF_RUN, "leases that went to another worker", "{lease}")
DISRUPTIONS: Final = _counter(
    "shadows_redis_disruptions", _OF_WORKER, "trips to the server that failed because it was away", "{disruption}"
)
DURATION: Final = Instrument(
    "shadows_task_duration", Kind.HISTOGRAM, _OF_RUN, "how long an attempt took, dependencies included", "s", _SECONDS
)
PUNCTUALITY: Final = Instrument(
    "shadows_task_punctuality",
    Kind.HISTOGRAM,
    _OF_RUN,
    "what lay between the time when a call was due and its start",
    "s",
    _SECONDS,
)
LOOP_LAG: Final = Instrument(
    "shadows_event_loop_lag",
    Kind.HISTOGRAM,
    _OF_WORKER,
    "how late the event loop woke what slept, looked at twice a second",
    "s",
    _MOMENTS,
)
RUNNING: Final = Instrument("shadows_tasks_running", Kind.UP_DOWN, _OF_RUN, "attempts that run now", "{call}")
STRIKES: Final = Instrument(
    "shadows_strikes_in_effect", Kind.UP_DOWN, _OF_SHADOW, "strikes in force, as far as is known here", "{strike}"
)
QUEUE_DEPTH: Final = _depth("shadows_queue_depth", "calls that are ready and wait for a worker")
SCHEDULE_DEPTH: Final = _depth("shadows_schedule_depth", "calls that wait for their time")
PARKED: Final = _depth("shadows_parked_depth", "calls that wait at a gate or a strike")
UNKNOWN: Final = _depth(
    "shadows_unknown_depth", "calls that wait for a worker which knows their task; they count where they wait, too"
)
DEAD: Final = _depth("shadows_dead_letters", "dead letters that are kept")
OLDEST: Final = _depth(
    "shadows_oldest_ready_age", "how long the oldest ready call has been waiting; 0 if none is ready", "s"
)
DEPTHS: Final = (QUEUE_DEPTH, SCHEDULE_DEPTH, PARKED, UNKNOWN, DEAD, OLDEST)
"""What a survey shows."""
SLOTS_BUSY: Final = _gauge("shadows_slots_busy", _OF_WORKER, "slots of a worker in which an attempt runs")
SLOTS_FREE: Final = _gauge("shadows_slots_free", _OF_WORKER, "slots of a worker that are free")
BUILD_INFO: Final = _gauge("shadows_build_info", (VERSION,), "1; the label tells the version of shadows", "")

INSTRUMENTS: Final = (
    *(ADDED, REPLACED, SCHEDULED, CANCELLED, STARTED, REDELIVERED, STRICKEN, SUPERSEDED),
    *(COMPLETED, SUCCEEDED, FAILED, RETRIED, PERPETUATED, LEASES_LOST, DISRUPTIONS),
    *(DURATION, PUNCTUALITY, LOOP_LAG, RUNNING, STRIKES, *DEPTHS, SLOTS_BUSY, SLOTS_FREE, BUILD_INFO),
)
"""In the order of the documentation."""
