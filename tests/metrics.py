"""Something to show of every instrument."""

from __future__ import annotations

from shadows.adapters.observers import telemetry
from shadows.adapters.observers.instruments import INSTRUMENTS, Kind


def fill() -> None:
    """Measure something with each instrument, for those who listen."""
    meters = telemetry.find("shop", {"send"}).meters
    assert meters is not None
    for one in INSTRUMENTS:
        labels = ("shop", "w", "send")[: len(one.labels)]
        if one.kind is Kind.HISTOGRAM:
            meters.record(one, labels, 0.5)
        elif one.fades:
            meters.show_for_a_while(labels, [(one, 1)])
        else:
            meters.add(one, labels)
