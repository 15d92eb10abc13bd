"""What an SDK sees of a shadow and its workers, on every backend."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from opentelemetry import context as otel
from opentelemetry import trace
from opentelemetry.trace import StatusCode

from shadows import ConcurrencyLimit, Cooldown, Perpetual, Retry, Shadow
from shadows.adapters.memory.broker import MemoryBroker
from shadows.adapters.observers.instruments import INSTRUMENTS
from shadows.dependencies import AdmissionBlocked, Dependency
from shadows.testing import VirtualClock
from tests.front.acts import HOUR, SOON, comes_true, finish, heard, working
from tests.sdk import Sdk, about, links, named

if TYPE_CHECKING:
    from tests.front.places import Place, ServerPlace


@pytest.fixture
def sdk(monkeypatch: pytest.MonkeyPatch) -> Sdk:
    """Give the SDK of this process; ask for it before a shadow."""
    return Sdk.new().install(monkeypatch)


async def test_a_call_is_followed_from_its_add_to_its_end(sdk: Sdk, place: Place) -> None:
    """Each attempt is linked to the span of its add; what a body does belongs to its own span."""
    inner: list[trace.SpanContext] = []

    async def follow_up() -> None: ...

    async def work(retry: Retry = Retry(attempts=2)) -> None:
        inner.append(trace.get_current_span().get_span_context())
        if retry.attempt == 1:
            raise ValueError("not yet")
        await shadows.add(follow_up)()

    async with place.shadow() as shadows:
        await shadows.add(work, when=SOON, key="k")()
        await finish(shadows)
        assert trace.get_current_span() is trace.INVALID_SPAN
    (add, nested) = sdk.spans("shadows.add")
    first, second = sdk.spans("shadows.task.work")
    assert links(first) == links(second) == [named(add)]
    assert [about(span)["outcome"] for span in (first, second)] == ["retried", "succeeded"]
    assert [span.status.status_code for span in (first, second)] == [StatusCode.ERROR, StatusCode.UNSET]
    assert inner == [span.get_span_context() for span in (first, second)]
    assert nested.parent == second.get_span_context()
    (last,) = sdk.spans("shadows.task.follow_up")
    assert links(last) == [named(nested)]


async def test_a_body_in_a_thread_is_in_its_span(sdk: Sdk, place: Place) -> None:
    """Context variables go with it."""
    inner: list[trace.SpanContext] = []

    def work() -> None:
        inner.append(trace.get_current_span().get_span_context())

    async with place.shadow() as shadows:
        await shadows.add(work)()
        await finish(shadows)
    (span,) = sdk.spans("shadows.task.work")
    assert inner == [span.get_span_context()]


async def test_requests_are_spans_and_waiting_is_not(sdk: Sdk, place: Place) -> None:
    """Add, replace, cancel, clear, strike and restore; nothing of what a worker does for itself."""

    async def work(number: int) -> None: ...

    async with place.shadow() as shadows:
        await shadows.add(work, when=HOUR, key="k")(1)
        await shadows.replace(work, HOUR, "k")(2)
        await shadows.add_many([shadows.call(work, when=HOUR)(3), shadows.call(work, when=HOUR)(4)])
        await shadows.replace_many([shadows.call(work, when=HOUR, key="k")(5)])
        await shadows.cancel("k")
        await shadows.strike(work, "number", ">", 100)
        await shadows.add(work, key="struck")(101)
        await shadows.restore(work, "number", ">", 100)
        await shadows.clear()
        async with working(shadows, within=SOON) as worker:
            assert worker.name
    assert [span.name for span in sdk.spans()] == [
        *("shadows.add", "shadows.replace", "shadows.add", "shadows.replace"),
        *("shadows.cancel", "shadows.strike", "shadows.add", "shadows.restore", "shadows.clear"),
    ]
    assert [about(span).get("disposition") for span in sdk.spans("shadows.add")] == ["scheduled", None, "struck"]
    assert sdk.value("shadows_tasks_added", name=place.name, task="work") == 3
    assert sdk.value("shadows_tasks_replaced", name=place.name, task="work") == 2
    assert sdk.value("shadows_tasks_scheduled", name=place.name, task="work") == 5
    assert sdk.value("shadows_tasks_stricken", name=place.name, task="work") == 1
    assert sdk.value("shadows_tasks_cancelled", name=place.name) == 3
    assert sdk.value("shadows_strikes_in_effect", name=place.name) == 0


class Busy(Dependency):
    """Blocks the first attempt to begin."""

    async def __aenter__(self) -> None:
        if not seen:
            seen.append("blocked")
            raise AdmissionBlocked(None, "busy", retry_delay=timedelta(0))


seen: list[str] = []


async def test_inv_22_to_be_blocked_is_no_error_span_and_no_failure(sdk: Sdk, place: Place) -> None:
    """At a gate there is no span at all; a call that its own dependency puts off says that it was."""
    seen.clear()
    order: list[int] = []
    free = asyncio.Event()

    async def limited(number: Annotated[int, ConcurrencyLimit(1)]) -> None:
        order.append(number)
        await heard(free)

    async def put_off(busy: Busy = Busy()) -> None: ...

    async with place.shadow() as shadows:
        await shadows.add(limited, key="a")(1)
        await shadows.add(limited, key="b")(1)
        async with working(shadows, name="w", within=SOON):

            async def parked() -> bool:
                return (await shadows.snapshot()).parked == 1

            await comes_true(parked)
            assert len(order) == 1
            free.set()
            await comes_true(lambda: len(order) == 2)
            await shadows.add(put_off)()
            await comes_true(lambda: len(sdk.spans("shadows.task.put_off")) == 2)
    assert {span.status.status_code for span in sdk.spans()} == {StatusCode.UNSET}
    assert [about(span)["outcome"] for span in sdk.spans("shadows.task.put_off")] == ["blocked", "succeeded"]
    assert len(sdk.spans("shadows.task.limited")) == 2
    assert sdk.value("shadows_tasks_failed", name=place.name) == 0
    assert sdk.value("shadows_tasks_retried", name=place.name) == 0
    assert sdk.value("shadows_tasks_succeeded", name=place.name) == 3


async def test_occurrences_count_also_when_their_run_was_dropped(sdk: Sdk, place: Place) -> None:
    """INV 24: the run was cancelled by its gate, and is followed all the same."""

    async def beat(
        again: Perpetual = Perpetual(every=timedelta(milliseconds=20)), cool: Cooldown = Cooldown(HOUR)
    ) -> None: ...

    async with place.shadow() as shadows:
        await shadows.add(beat, key="beat")()
        async with working(shadows, within=SOON):
            await comes_true(lambda: (sdk.value("shadows_tasks_cancelled", task="beat") or 0) > 1)
            assert sdk.value("shadows_tasks_perpetuated", task="beat") > 2
            await shadows.cancel("beat")
        await shadows.clear()
    assert sdk.value("shadows_tasks_started", task="beat") == 1
    assert len(sdk.spans("shadows.task.beat")) == 1


async def test_a_worker_measures_its_shadow_and_its_event_loop(sdk: Sdk, place: Place) -> None:
    """Depths without a worker's name; slots, lag and disruptions with it."""

    async def work() -> None: ...

    async with place.shadow() as shadows:
        await shadows.add(work, when=HOUR)()
        async with working(shadows, name="w", concurrency=7, within=SOON):
            await comes_true(lambda: sdk.value("shadows_schedule_depth", name=place.name) == 1)
            await comes_true(lambda: sdk.value("shadows_event_loop_lag", name=place.name, worker="w") is not None)
            assert sdk.value("shadows_slots_free", name=place.name, worker="w") == 7
            assert sdk.value("shadows_redis_disruptions", name=place.name, worker="w") == 0
            assert sdk.value("shadows_oldest_ready_age", name=place.name) == 0
        await shadows.clear()


async def test_a_worker_measures_nothing_where_nobody_listens(place: Place) -> None:
    """Neither its shadow nor its event loop is looked at."""
    async with place.shadow() as shadows, working(shadows, within=SOON):
        await asyncio.sleep(0)
        names = {task.get_name() for task in asyncio.all_tasks()}
    assert not [name for name in names if name.startswith(("shadows-depths", "shadows-lag"))]
    assert [name for name in names if name.startswith("shadows-attendance")]


async def test_under_a_virtual_clock_nothing_is_measured(sdk: Sdk) -> None:
    """A look every few seconds would keep its time from ever coming to rest; what runs is counted all the same."""

    async def work() -> None: ...

    async with VirtualClock() as clock, Shadow("virtual", "memory://virtual-telemetry", clock=clock) as shadows:
        await shadows.add(work, when=timedelta(seconds=9))()
        await finish(shadows)
    assert sdk.value("shadows_tasks_succeeded", task="work") == 1
    assert sdk.value("shadows_schedule_depth") is None


async def test_a_lost_lease_ends_its_span_and_counts(sdk: Sdk, far: ServerPlace) -> None:
    """INV 12: its body is cancelled, and what it did counts for nothing; the other worker's attempt is a redelivery."""
    began: list[int] = []

    async def work() -> None:
        began.append(1)
        if len(began) == 1:
            await asyncio.sleep(60)

    async with far.shadow() as shadows:
        await shadows.add(work, key="k")()
        async with working(shadows, name="a", redelivery_timeout=timedelta(seconds=1), within=SOON):
            await comes_true(lambda: len(began) == 1)
            ((token, _, _),) = far.curtain.pending()
            far.curtain.ask("XCLAIM", far.curtain.key("stream"), "workers", "thief@x:1", 0, token, "JUSTID")
            await comes_true(lambda: sdk.value("shadows_leases_lost", worker="a", task="work") == 1)
            await comes_true(lambda: len(began) == 2)
            await comes_true(lambda: len(sdk.spans("shadows.task.work")) == 2)
    lost, again = sdk.spans("shadows.task.work")
    assert [about(span)["outcome"] for span in (lost, again)] == ["superseded", "succeeded"]
    assert (about(again)["redelivered"], about(again)["attempt"]) == (True, 1)
    assert sdk.value("shadows_tasks_superseded", task="work") == 1
    assert sdk.value("shadows_tasks_redelivered", task="work") == 1
    assert sdk.value("shadows_tasks_running", task="work") == 0


async def test_inv_44_names_of_strangers_are_no_labels(sdk: Sdk, place: Place) -> None:
    """Whoever may place calls may call tasks as he likes; a fallback task runs them all."""

    async def anything(*args: Any, **kwargs: Any) -> None: ...

    async with place.shadow(allow_unknown=True) as shadows:
        for number in range(20):
            await shadows.add(f"made up {number}", key=f"key {number}")(number)
        await finish(shadows, fallback_task=anything)
    assert sdk.value("shadows_tasks_succeeded", task="unknown") == 20
    for instrument in INSTRUMENTS:
        labels = [labels for labels, _ in sdk.points(instrument.name)]
        assert {label for each in labels for label in each} <= set(instrument.labels)
        assert {each.get("shadows.task", "unknown") for each in labels} <= {"unknown"}


@pytest.mark.parametrize("internal", [True, False])
async def test_instrumentations_of_the_client_library_see_what_was_asked_for(
    sdk: Sdk, monkeypatch: pytest.MonkeyPatch, *, internal: bool
) -> None:
    """What a worker does for itself is hushed, unless somebody wants it; what a body or a program asks is not."""
    hushed: dict[str, object] = {}

    def spy(verb: str) -> None:
        method = getattr(MemoryBroker, verb)

        async def trip(*args: Any, **options: Any) -> Any:
            hushed[verb] = otel.get_value("suppress_instrumentation")
            return await method(*args, **options)

        monkeypatch.setattr(MemoryBroker, verb, trip)

    for verb in ("schedule", "claim", "turn", "cancel"):
        spy(verb)

    async def work() -> None:
        hushed["body"] = otel.get_value("suppress_instrumentation")

    name = f"hush-{internal}"
    async with Shadow(name, f"memory://{name}", enable_internal_instrumentation=internal) as shadows:
        await shadows.add(work)()
        await shadows.cancel("nobody")
        await finish(shadows)
    quiet = None if internal else True
    assert hushed == {"schedule": quiet, "claim": quiet, "turn": quiet, "cancel": None, "body": None}


@pytest.mark.parametrize("traces", [True, False])
@pytest.mark.parametrize("metrics", [True, False])
async def test_what_runs_is_the_same_whoever_listens(
    monkeypatch: pytest.MonkeyPatch, place: Place, *, metrics: bool, traces: bool
) -> None:
    """Results, failures and handles."""
    Sdk.new().install(monkeypatch, metrics=metrics, traces=traces)

    async def double(number: int) -> int:
        return number * 2

    async with place.shadow() as shadows:
        one = await shadows.add(double, key="k")(1)
        again = await shadows.add(double, key="k")(7)
        several = await shadows.add_many([shadows.call(double)(2), shadows.call(double)(3)])
        assert await shadows.cancel("nobody") == "not_live"
        await finish(shadows)
        assert [await each.get_result() for each in (one, again, *several)] == [2, 2, 4, 6]
        assert (one.disposition, again.disposition) == ("scheduled", "already_scheduled")
