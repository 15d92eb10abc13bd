"""A trace over two processes: one places calls, the other one runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from shadows import Shadow
from tests.sdk import Sdk, named
from tests.system.programs import PATIENCE, ROOT

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

WORKER = """
import asyncio, json
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from shadows import Retry, Shadow, Worker

spans = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(spans))
trace.set_tracer_provider(provider)

async def now(number: int) -> None: ...

async def later(number: int) -> None: ...

async def twice(number: int, retry: Retry = Retry(attempts=2)) -> None:
    if retry.attempt == 1:
        raise ValueError("not yet")
    async with Shadow() as shadows:
        await shadows.add(now, key="third")(3)

async def main() -> None:
    async with Shadow() as shadows, Worker(shadows) as worker:
        for task in (now, later, twice):
            shadows.register(task)
        await worker.run_until_finished()

asyncio.run(main())
for span in spans.get_finished_spans():
    context, parent = span.get_span_context(), span.parent
    print(json.dumps({
        "name": span.name,
        "kind": span.kind.name,
        "self": [context.trace_id, context.span_id],
        "parent": parent and [parent.trace_id, parent.span_id],
        "links": [[link.context.trace_id, link.context.span_id] for link in span.links],
        "key": span.attributes.get("shadows.key"),
        "attempt": span.attributes.get("shadows.attempt"),
        "status": span.status.status_code.name,
    }))
"""


async def add(sdk: Sdk) -> list[ReadableSpan]:
    """Place a call for now, one for later and one that will be retried, inside of a span of the program's own."""
    tracer = sdk.tracers.get_tracer("program")
    async with Shadow(allow_unknown=True) as shadows:
        with tracer.start_as_current_span("request"):
            await shadows.add("now", key="first")(1)
            await shadows.add("later", when=timedelta(milliseconds=300), key="second")(2)
            await shadows.add("twice", key="again")(3)
    return sdk.spans("shadows.add")


def work() -> list[dict[str, Any]]:
    """Run everything in another process, and return its spans."""
    done = subprocess.run(
        [sys.executable, "-c", WORKER],
        cwd=ROOT,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


async def test_one_linked_trace_goes_over_add_schedule_retry_and_run_in_two_processes(
    real_place: str, shadow_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each attempt is linked to the span under which its call was placed, in the other process."""
    monkeypatch.setenv("SHADOW_URL", real_place)
    monkeypatch.setenv("SHADOW_NAME", shadow_name)
    sdk = Sdk.new().install(monkeypatch)
    first, second, again = [list(named(span)) for span in await add(sdk)]
    (request,) = sdk.spans("request")
    assert {span.parent and span.parent.span_id for span in sdk.spans("shadows.add")} == {named(request)[1]}
    assert {trace for trace, _ in (first, second, again)} == {named(request)[0]}

    ran = work()
    attempts = [span for span in ran if span["kind"] == "CONSUMER"]
    assert sorted((one["name"], one["key"], one["attempt"], one["status"]) for one in attempts) == [
        ("shadows.task.later", "second", 1, "UNSET"),
        ("shadows.task.now", "first", 1, "UNSET"),
        ("shadows.task.now", "third", 1, "UNSET"),
        ("shadows.task.twice", "again", 1, "ERROR"),
        ("shadows.task.twice", "again", 2, "UNSET"),
    ]
    (nested,) = [span for span in ran if span["kind"] == "PRODUCER"]
    placed = {"first": first, "second": second, "again": again, "third": nested["self"]}
    assert [one["links"] for one in attempts] == [[placed[one["key"]]] for one in attempts]
    (retried,) = [one for one in attempts if (one["key"], one["attempt"]) == ("again", 2)]
    assert nested["parent"] == retried["self"]
    assert not [one for one in attempts if one["parent"]]
