"""The file in which the bodies of the benchmark tell when they start and end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.suite.record import SAMPLE, Record
from benchmarks.suite.together import quantiles

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def record() -> Iterator[Record]:
    """Give a record of many calls."""
    made = Record.make(3 * SAMPLE)
    yield made
    made.remove()


def test_another_process_reads_what_one_has_written(record: Record) -> None:
    """Both look at the same memory; what runs once more is counted, and its first start stays."""
    other = Record(record.path, record.size)
    other.started(5)
    first = record.starts(5, 6)
    other.started(5)
    other.ended(5)
    assert (record.count(0, 10), record.again, record.starts(5, 6)) == (1, 1, first)
    assert record.ends(0, 6)[5] >= first[0] > 0
    assert record.ends(0, 5) == [0.0] * 5


def test_a_sample_tells_about_how_many_have_started(record: Record) -> None:
    """None, a third, and all of them: exact at the ends, where it counts."""
    assert record.about(0, record.size) == 0
    for number in range(SAMPLE):
        record.started(number)
    assert abs(record.about(0, record.size) - SAMPLE) <= 3
    assert (record.about(0, SAMPLE // 2), record.count(0, SAMPLE)) == (SAMPLE // 2, SAMPLE)
    for number in range(SAMPLE, record.size):
        record.started(number)
    assert record.about(0, record.size) >= record.size == record.count(0, record.size)


def test_delays_are_told_only_when_nearly_all_have_started() -> None:
    """The quantiles of those that were quick enough would flatter whoever is slow."""
    told = quantiles("late", [float(delay) for delay in range(100, 0, -1)], 100)
    assert told == {"late p50": 50.5, "late p99": 100, "late early": 0}
    assert quantiles("late", [-2.0, 2.0, 2.0], 3)["late early"] == 1
    assert quantiles("late", [2.0] * 90, 100) == {"late ran": 0.9}
