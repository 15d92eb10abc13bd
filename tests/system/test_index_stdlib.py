"""Real work on real workers, one of which is killed in the middle of it."""

from __future__ import annotations

import asyncio
import signal
import warnings
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from examples.index_stdlib import index_file, main, place, results, source_files
from shadows import Disposition, Shadow, Worker
from tests.system.conftest import until
from tests.system.programs import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    from shadows import Snapshot
    from tests.system.programs import Program

UNMEASURED = {"COVERAGE_PROCESS_CONFIG": "", "COVERAGE_PROCESS_START": ""}
"""The workers are busy enough; what they run of shadows is measured by other tests."""
HELD = 5
"""What the killed worker must at least hold."""


def sequential(paths: list[str]) -> dict[str, dict[str, int]]:
    """Do the same work without workers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library's own tests hold what a parser warns of
        return {path: index_file(path) for path in paths}


def held_by(worker: str, seen: Snapshot) -> list[str]:
    """Give the keys that a worker holds a lease on."""
    return [one.execution.key for one in seen.running if one.worker == worker]


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_every_file_is_indexed_although_a_worker_is_killed(
    program: Callable[..., Program], one_place: str, shadow_name: str
) -> None:
    """What the dead worker held runs again within 4 s; every result is there, and equal to a sequential run."""
    words = ("worker", "--tasks", "examples.index_stdlib:tasks", "--url", one_place, "--shadows", shadow_name)
    victim, survivor = (
        program(
            *words, "--redelivery-timeout", "2s", "--name", name, "--logging-format", "plain", cwd=ROOT, **UNMEASURED
        )
        for name in ("victim", "survivor")
    )
    for worker in (victim, survivor):
        await asyncio.to_thread(worker.until, "knows 1 task")
    paths = source_files()
    async with Shadow(shadow_name, one_place) as shadows:
        executions = await place(shadows, paths)
        scheduled = [one for one in executions if one.disposition is Disposition.SCHEDULED]
        twice = [one for one in executions if one.disposition is Disposition.ALREADY_SCHEDULED]
        assert [one.key for one in scheduled] == paths
        assert len(twice) == len(paths[::10])

        async def enough() -> bool:
            return len(held_by("victim", await shadows.snapshot(50))) >= HELD

        await until(enough)
        victim.signal(signal.SIGSTOP)  # it can settle nothing between the look and the kill
        await asyncio.sleep(0.1)
        held = held_by("victim", await shadows.snapshot(50))
        assert len(held) >= HELD
        killed = datetime.now(UTC)
        victim.signal(signal.SIGKILL)

        found = await results(executions)
        assert found == sequential(paths)
        for key in held:
            again = await shadows.get_execution(key)
            assert again is not None
            assert (again.worker, again.attempt) == ("survivor", 1)
            assert again.started_at is not None
            assert 0 < (again.started_at - killed).total_seconds() < 4, key


async def test_the_example_tells_what_it_found(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, shadow_name: str
) -> None:
    """By hand it places the calls, waits, and prints the sums; here on a few files and on memory."""
    url, paths = "memory://index", source_files()[:20]
    monkeypatch.setattr("examples.index_stdlib.source_files", lambda: paths)
    monkeypatch.setattr("examples.index_stdlib.LATEST", 0.1)
    async with Shadow(shadow_name, url) as shadows, Worker(shadows) as worker:
        shadows.register(index_file)
        work = asyncio.create_task(worker.run_forever())
        await main(shadow_name, url)
        worker.stop()
        await work
    said = capsys.readouterr().out
    assert "placed 20 calls" in said
    assert "2 more had a key that was taken" in said
    assert "20 files in" in said
    assert "'broken': 0" in said
