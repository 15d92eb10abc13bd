from __future__ import annotations

import json
import os
import subprocess
import sys
from contextvars import Context
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from opentelemetry import context as otel

from shadows.adapters.clock import SystemClock
from shadows.adapters.observers import telemetry
from shadows.adapters.observers.log import LogObserver
from shadows.adapters.observers.telemetry import Telemetry
from tests.sdk import Sdk

if TYPE_CHECKING:
    from shadows.ports.observer import Observer

ROOT = Path(__file__).parents[2]
QUIET = """
import asyncio, json, sys
from shadows import Shadow, Worker

async def work() -> None: ...

async def main() -> None:
    async with Shadow("quiet", "memory://quiet") as shadows, Worker(shadows) as worker:
        await shadows.add(work)()
        await worker.run_until_finished()

asyncio.run(main())
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def find() -> Telemetry:
    """Return who listens to the shadow `shop`."""
    return telemetry.find("shop", {"send"})


def observers(found: Telemetry) -> list[Observer]:
    """Return the observers of a client and of a worker."""
    return [found.of_client(), found.of_worker("w", 3, SystemClock())]


def test_where_nobody_listens_there_are_logs_and_nothing_else() -> None:
    """No fan-out, no follower; the API alone is nobody."""
    found = find()
    assert (found.meters, found.tracer, found.follower()) == (None, None, None)
    assert observers(found) == [LogObserver("shop"), LogObserver("shop", "w")]


def test_a_program_without_an_sdk_never_loads_opentelemetry() -> None:
    """Not even to see whether there is one."""
    unmeasured = {name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE_", "OTEL_"))}
    done = subprocess.run(
        [sys.executable, "-c", QUIET], capture_output=True, text=True, check=True, env=unmeasured, cwd=ROOT
    )
    assert not {"opentelemetry", "prometheus_client"} & set(json.loads(done.stdout))


@pytest.mark.parametrize("modules", [True, False])
def test_an_sdk_that_the_environment_names_is_looked_for(monkeypatch: pytest.MonkeyPatch, *, modules: bool) -> None:
    """It is OpenTelemetry itself that loads it."""
    sdk = Sdk.new().install(monkeypatch)
    if not modules:
        monkeypatch.delitem(sys.modules, "opentelemetry")
        assert find().tracer is None
        monkeypatch.setenv("OTEL_PYTHON_TRACER_PROVIDER", "sdk_tracer_provider")
    assert find().tracer is not None
    assert find().meters is not None
    assert sdk.spans() == []


def test_metrics_and_traces_are_wanted_each_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody who asks for one pays for the other."""
    sdk = Sdk.new()
    with monkeypatch.context() as patched:
        found = (sdk.install(patched, traces=False), find())[1]
        assert (found.meters is not None, found.tracer, found.follower() is not None) == (True, None, True)
        assert not any(isinstance(one, LogObserver) for one in observers(found))
    sdk.install(monkeypatch, metrics=False)
    found = find()
    assert (found.meters, found.tracer is not None, found.follower() is not None) == (None, True, True)
    assert [isinstance(one, LogObserver) for one in observers(found)] == [True, False]


def test_the_instruments_of_a_provider_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many clients there are; they tell the version of shadows."""
    sdk = Sdk.new().install(monkeypatch)
    assert find().meters is find().meters
    assert [labels.keys() for labels, value in sdk.points("shadows_build_info") if value == 1] == [{"shadows.version"}]


@pytest.mark.parametrize(
    ("traces", "internal", "suppressed"), [(True, False, True), (True, True, None), (False, False, None)]
)
def test_instrumentations_of_the_client_library_are_hushed(
    monkeypatch: pytest.MonkeyPatch, *, traces: bool, internal: bool, suppressed: bool | None
) -> None:
    """What workers do for themselves is traced only for those who ask for it."""
    Sdk.new().install(monkeypatch, traces=traces)
    context = find().of(internal=internal).hush(Context())
    assert context.run(lambda: otel.get_value("suppress_instrumentation")) is suppressed
    assert otel.get_value("suppress_instrumentation") is None
