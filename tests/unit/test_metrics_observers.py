from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from shadows.adapters.observers import instruments
from shadows.adapters.observers.instruments import INSTRUMENTS, Kind
from shadows.adapters.observers.meters import STALE, Meters
from shadows.adapters.observers.metrics import ClientMetrics, Names, WorkerMetrics
from shadows.core import verdict
from shadows.core.envelope import Envelope, pack
from shadows.core.holder import holder
from shadows.core.scheduling import AT_ONCE
from shadows.core.strikes import strike
from shadows.core.verdict import Occurrence, Verdict
from shadows.dependencies import AdmissionBlocked
from shadows.errors import BrokerUnavailable
from shadows.ports.admission import Admission, Passage
from shadows.ports.broker import Lease, Settlement
from shadows.ports.looking import Counts, Survey
from shadows.ports.seeding import Seeding
from tests.sdk import Sdk

if TYPE_CHECKING:
    from datetime import datetime

PAYLOAD = pack(Envelope("send", "p", {}, b""))
NEXT = Occurrence(b"", AT_ONCE)
STRUCK = strike("send", None, "==", None)
WHO = holder("w", timedelta(seconds=1), nonce="x")


class Hands:
    """A clock that a test moves."""

    time = 0.0

    def monotonic(self) -> float:
        return self.time

    def now(self) -> datetime:
        raise NotImplementedError


@attrs.frozen
class Bench:
    """Observers, and what an SDK shows of them."""

    sdk: Sdk
    clock: Hands
    meters: Meters
    worker: WorkerMetrics
    client: ClientMetrics

    def counts(self) -> dict[str, Any]:
        """Return what was counted, of any worker and task, by the end of each counter's name."""
        counters = [one for one in INSTRUMENTS if one.kind is Kind.COUNTER]
        found = {one.name: self.sdk.value(one.name) for one in counters}
        return {name.rpartition("_")[2]: value for name, value in found.items() if value}


@pytest.fixture
def bench() -> Bench:
    sdk, clock = Sdk.new(), Hands()
    meters = Meters(sdk.meters.get_meter("test"), clock.monotonic)
    worker = WorkerMetrics(meters, Names("shop", {"send"}, "w"), clock, slots=3)
    return Bench(sdk, clock, meters, worker, ClientMetrics(meters, Names("shop", {"send"})))


def lease(fence: int = 1, *, deliveries: int = 1, payload: bytes = PAYLOAD) -> Lease:
    """Return a lease of a call that was due 1.5 s before it was claimed."""
    return Lease("order-7", "1-0", fence, 1, payload, deliveries, 1_000, 2_500)


def test_a_body_that_runs_is_counted_while_it_does(bench: Bench) -> None:
    """And so are the slots of its worker."""
    bench.worker.working(WHO, 1)
    bench.worker.started("send", lease(), "send()")
    bench.clock.time = 0.5
    assert bench.sdk.points("shadows_tasks_running") == [
        ({"shadows.name": "shop", "shadows.worker": "w", "shadows.task": "send"}, 1)
    ]
    assert (bench.sdk.value("shadows_slots_busy"), bench.sdk.value("shadows_slots_free")) == (1, 2)
    bench.worker.ended("send", lease(), verdict.completed("send"), None)
    assert bench.sdk.value("shadows_tasks_running") == 0
    assert (bench.sdk.value("shadows_slots_busy"), bench.sdk.value("shadows_slots_free")) == (0, 3)
    assert bench.sdk.value("shadows_task_duration", worker="w", task="send") == 1
    assert bench.sdk.value("shadows_task_punctuality", worker="w", task="send") == 1
    assert bench.counts() == {"started": 1, "completed": 1, "succeeded": 1}
    bench.worker.stopped(WHO)
    assert bench.sdk.value("shadows_slots_free") is None


@pytest.mark.parametrize(
    ("judged", "error", "counted"),
    [
        (verdict.completed("send"), None, {"completed": 1, "succeeded": 1}),
        (verdict.completed("send", follow=NEXT), None, {"completed": 1, "succeeded": 1, "perpetuated": 1}),
        (verdict.failed("send", b""), ValueError(), {"completed": 1, "failed": 1}),
        (verdict.failed("send", b"", follow=NEXT), ValueError(), {"completed": 1, "failed": 1, "perpetuated": 1}),
        (verdict.again(b"", attempt=2), ValueError(), {"completed": 1, "failed": 1, "retried": 1}),
        (verdict.again(b"", attempt=1), AdmissionBlocked(None, "busy"), {}),
        (verdict.cancelled("send"), None, {"cancelled": 1}),
        (verdict.handed_back(b"", attempt=1), None, {}),
    ],
)
def test_each_way_to_end_counts_as_the_table_says(
    bench: Bench, judged: Verdict, error: BaseException | None, counted: dict[str, int]
) -> None:
    """SEMANTICS, what ends a run; INV 22: to be blocked is no failure."""
    bench.worker.started("send", lease(), "send()")
    bench.worker.ended("send", lease(), judged, error)
    assert bench.counts() == {"started": 1, **counted}


def test_what_ends_at_its_gates_never_began(bench: Bench) -> None:
    """It is no attempt that took any time, but it has failed all the same."""
    bench.worker.ended("send", lease(), verdict.failed("send", b""), ValueError())
    assert bench.counts() == {"completed": 1, "failed": 1}
    assert bench.sdk.value("shadows_task_duration") is None


def test_a_redelivery_counts_as_one(bench: Bench) -> None:
    """Beside being started."""
    bench.worker.started("send", lease(deliveries=2), "send()")
    assert bench.counts() == {"started": 1, "redelivered": 1}


def test_a_body_without_its_lease_ends_for_nothing(bench: Bench) -> None:
    """INV 12: it is neither completed nor failed."""
    bench.worker.started("send", lease(), "send()")
    bench.worker.lost(lease())
    bench.worker.superseded("send", lease(), None)
    assert bench.counts() == {"started": 1, "lost": 1, "superseded": 1}
    assert bench.sdk.value("shadows_leases_lost", task="send") == 1
    assert bench.sdk.value("shadows_tasks_running") == 0


@pytest.mark.parametrize(
    ("settlement", "counted"),
    [
        (Settlement.SUPERSEDED, {"superseded": 1}),
        (Settlement.CANCELLED, {"cancelled": 1}),
        (Settlement.BURIED, {}),
        (Settlement.BROKEN, {}),
    ],
)
def test_a_settle_that_went_another_way_is_counted(
    bench: Bench, settlement: Settlement, counted: dict[str, int]
) -> None:
    """The payload tells the task; where it cannot be read, the task is unknown."""
    bench.worker.settled(lease(), verdict.again(b"", attempt=2), settlement)
    assert bench.counts() == counted
    bench.worker.settled(lease(payload=b""), verdict.again(b"", attempt=2), Settlement.SUPERSEDED)
    assert bench.sdk.value("shadows_tasks_superseded", task="unknown") == 1


@pytest.mark.parametrize(
    ("judged", "counted"),
    [
        (verdict.cancelled("send", reason="run_at_most"), {"cancelled": 1}),
        (verdict.unknown(b"", attempt=1), {}),
        (verdict.dead(b"", attempt=1, reason="undecodable"), {}),
    ],
)
def test_a_call_that_is_refused_counts_if_that_ends_it(bench: Bench, judged: Verdict, counted: dict[str, int]) -> None:
    """What is put back goes on; dead letters are counted where they lie."""
    bench.worker.refused("send", lease(), judged)
    assert bench.counts() == counted


@pytest.mark.parametrize(
    ("judged", "counted"),
    [
        (verdict.cancelled("send", reason="cooldown"), {"cancelled": 1}),
        (verdict.cancelled("send", reason="missed", follow=NEXT), {"cancelled": 1, "perpetuated": 1}),
        (verdict.cancelled("send", reason="strike", follow=NEXT), {"perpetuated": 1}),
        (verdict.failed("send", b""), {}),
    ],
)
def test_a_call_that_is_dropped_counts_as_cancelled(bench: Bench, judged: Verdict, counted: dict[str, int]) -> None:
    """INV 24: its next occurrence counts, too; what a strike dropped was counted as stricken."""
    bench.worker.skipped("send", lease(), judged)
    assert bench.counts() == counted


@pytest.mark.parametrize("passage", [*Passage])
def test_to_be_blocked_is_nothing_to_count(bench: Bench, passage: Passage) -> None:
    """INV 22: unless that ended the call, or took its lease."""
    bench.worker.blocked("send", lease(), Admission(passage))
    counted = {Passage.CANCELLED: {"cancelled": 1}, Passage.SUPERSEDED: {"superseded": 1}}
    assert bench.counts() == counted.get(passage, {})


def test_strikes_count_where_they_hit(bench: Bench) -> None:
    """At the client and at the worker; how many are in force is one number for the shadow."""
    bench.worker.stricken("send", "k", STRUCK)
    bench.client.stricken("send", "k", STRUCK)
    bench.client.strikes_moved(2)
    bench.client.strikes_moved(1)
    assert sorted(map(str, bench.sdk.points("shadows_tasks_stricken"))) == [
        "({'shadows.name': 'shop', 'shadows.task': 'send'}, 1)",
        "({'shadows.name': 'shop', 'shadows.worker': 'w', 'shadows.task': 'send'}, 1)",
    ]
    assert bench.sdk.points("shadows_strikes_in_effect") == [({"shadows.name": "shop"}, 1)]


@pytest.mark.parametrize("seeding", [*Seeding])
def test_an_automatic_task_that_was_started_is_scheduled(bench: Bench, seeding: Seeding) -> None:
    """What was there already is not."""
    bench.worker.seeded("send", seeding)
    assert bench.counts() == ({"scheduled": 1} if seeding is Seeding.SEEDED else {})


def test_disruptions_count_from_zero(bench: Bench) -> None:
    """Whoever asks for their rate sees none before the first, instead of nothing."""
    bench.worker.working(WHO, 1)
    assert bench.sdk.value("shadows_redis_disruptions", worker="w") == 0
    bench.worker.disrupted(BrokerUnavailable("away"), 1, 0.5)
    assert bench.sdk.value("shadows_redis_disruptions", worker="w") == 1
    bench.worker.started("send", lease(), "send()")
    assert bench.sdk.value("shadows_tasks_failed", task="send") == 0


def test_depths_are_the_shadows_and_fade(bench: Bench) -> None:
    """SEMANTICS, around: they carry no worker; and a worker that cannot look any more shows nothing old."""
    bench.worker.surveyed(Survey(5_000, Counts(1, 2, 3, 4, 5, 6), 3_000, ()))
    shown = {one.name: bench.sdk.points(one.name) for one in instruments.DEPTHS}
    assert {name: value for name, [(labels, value)] in shown.items() if labels == {"shadows.name": "shop"}} == {
        "shadows_queue_depth": 2,
        "shadows_schedule_depth": 1,
        "shadows_parked_depth": 4,
        "shadows_unknown_depth": 5,
        "shadows_dead_letters": 6,
        "shadows_oldest_ready_age": 2.0,
    }
    bench.worker.surveyed(Survey(5_000, Counts(0, 0, 0, 0, 0, 0), None, ()))
    assert bench.sdk.value("shadows_oldest_ready_age") == 0
    bench.clock.time = STALE
    assert not bench.sdk.names() & {one.name for one in instruments.DEPTHS}


def test_the_lag_of_the_event_loop_is_its_workers(bench: Bench) -> None:
    """Each look is one value."""
    bench.worker.lagged(0.25)
    bench.worker.lagged(0.0)
    assert bench.sdk.points("shadows_event_loop_lag") == [({"shadows.name": "shop", "shadows.worker": "w"}, 2)]


def test_workers_of_one_name_are_added_up(bench: Bench) -> None:
    """INV 44: a label is a name, and names repeat."""
    other = WorkerMetrics(bench.meters, Names("shop", {"send"}, "w"), bench.clock, slots=2)
    bench.worker.working(WHO, 1)
    other.working(WHO, 1)
    assert bench.sdk.value("shadows_slots_free") == 5


def test_inv_44_whoever_places_calls_adds_no_label(bench: Bench) -> None:
    """Tasks that are not registered here are one task, whatever they and their keys are called."""
    for number in range(50):
        found = Lease(f"key-{number}", "1-0", number, number + 1, b"", 1, number, number)
        bench.worker.started(f"made up {number}", found, "call")
        bench.worker.ended(f"made up {number}", found, verdict.failed("?", b""), ValueError())
        bench.worker.refused(f"made up {number}", found, verdict.cancelled("?"))
        bench.worker.seeded(f"made up {number}", Seeding.SEEDED)
        bench.client.stricken(f"made up {number}", "k", STRUCK)
    allowed = {"shadows.name": {"shop"}, "shadows.worker": {"w"}, "shadows.task": {"unknown"}}
    for instrument in INSTRUMENTS:
        for labels, _ in bench.sdk.points(instrument.name):
            assert all(value in allowed[label] for label, value in labels.items()), instrument.name
            assert tuple(labels) == tuple(label for label in instrument.labels if label in labels)


def test_inv_44_no_instrument_has_a_label_that_grows() -> None:
    """No key, no time, no attempt."""
    allowed = {"shadows.name", "shadows.worker", "shadows.task"}
    assert {label for one in INSTRUMENTS for label in one.labels} - allowed == {"shadows.version"}
    assert [one.name for one in INSTRUMENTS if "shadows.version" in one.labels] == ["shadows_build_info"]
    assert not any("shadows.worker" in one.labels for one in instruments.DEPTHS)
