"""What watches a worker's process from outside: probes over HTTP, probes that run a command, and the log."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from shadows import Shadow
from shadows.core.outage import MOST
from tests.pages import ask
from tests.system.conftest import until
from tests.system.programs import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.servers import Server
    from tests.system.conftest import Said
    from tests.system.programs import Program

    type Start = Callable[..., Program]
    type Run = Callable[..., Said]

pytestmark = pytest.mark.slow

TASKS = """
async def nothing():
    pass

tasks = [nothing]
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Path:
    """Give a folder that holds a module of tasks."""
    (tmp_path / "jobs.py").write_text(TASKS)
    return tmp_path


def becomes(port: int, path: str, wanted: tuple[int, str]) -> None:
    """Ask until the answer is this one."""

    async def answered() -> bool:
        return ask(port, path) == wanted

    asyncio.run(until(answered))


def test_a_worker_serves_its_health_and_answers_probes_that_run_a_command(
    program: Start, shadows: Run, own_server: Callable[..., Server], one_name: str, shadow_name: str
) -> None:
    """INV 34: 0 when it is well, 1 with the reason when it is not; alive it stays while its server is away."""
    server = own_server(one_name)
    words = ("--url", server.url, "--shadows", shadow_name, "--tasks", "jobs:tasks", "--reconnection-delay", "200ms")
    worker = program("worker", *words, "--healthcheck-port", "0")
    port = int(worker.until(r"port (\d+) serves / /readyz /livez /autoscale")[1])
    becomes(port, "/readyz", (200, "ready\n"))
    assert json.loads(ask(port, "/autoscale")[1]) == {"backlog": 0, "oldest_age_s": 0.0, "desired_workers": 1}
    well = shadows("worker", "--check", "--healthcheck-port", str(port))
    assert (well.code, well.out, well.err) == (0, "ready\n", "")
    server.kill()
    becomes(port, "/readyz", (503, "the broker is away\n"))
    ill = shadows("worker", "--check", "--healthcheck-port", str(port))
    assert (ill.code, ill.out) == (1, "")
    assert ill.err.startswith("error: the worker is not well: the broker is away\n")
    alive = shadows("worker", "--check-alive", "--healthcheck-port", str(port))
    assert (alive.code, alive.out) == (0, "alive, the broker is away\n")
    worker.signal(signal.SIGTERM)
    assert worker.end() == 0


def test_the_same_port_twice_is_one_server_for_probes_and_metrics(
    program: Start, one_place: str, shadow_name: str
) -> None:
    """SEMANTICS, around: Prometheus finds there what OpenTelemetry measures."""
    words = ("--url", one_place, "--shadows", shadow_name, "--tasks", "jobs:tasks")
    worker = program("worker", *words, "--healthcheck-port", "0", "--metrics-port", "0")
    port = int(worker.until(r"port (\d+) serves / /readyz /livez /autoscale /metrics$")[1])
    becomes(port, "/readyz", (200, "ready\n"))

    async def run_one() -> None:
        async with Shadow(shadow_name, one_place, allow_unknown=True) as client:
            await (await client.add("nothing")()).get_result(timeout=PATIENCE)

    async def counted() -> bool:
        families = text_string_to_metric_families(ask(port, "/metrics")[1])
        samples = {sample.name: sample for family in families for sample in family.samples}
        found = samples["shadows_tasks_succeeded_total"]
        return found.value == 1 and found.labels["shadows_task"] == "nothing"

    asyncio.run(run_one())
    asyncio.run(until(counted))
    worker.signal(signal.SIGTERM)
    assert worker.end() == 0


def test_two_ports_are_two_servers(program: Start, one_place: str, shadow_name: str) -> None:
    """Each has its own pages, and no other."""
    with socket.create_server(("", 0)) as listening:
        other = listening.getsockname()[1]
    words = ("--url", one_place, "--shadows", shadow_name, "--tasks", "jobs:tasks")
    worker = program("worker", *words, "--healthcheck-port", "0", "--metrics-port", str(other))
    worker.until(rf"port {other} serves /metrics$")
    port = int(worker.until(r"port (\d+) serves / /readyz /livez /autoscale$")[1])
    assert ask(port, "/metrics") == (404, "there is only / /readyz /livez /autoscale\n")
    assert ask(other, "/metrics")[0] == 200
    assert ask(other, "/readyz") == (404, "there is only /metrics\n")
    worker.signal(signal.SIGTERM)
    assert worker.end() == 0


def test_a_check_without_a_worker_ends_with_69(shadows: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The port may come from the environment that the worker has too."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    monkeypatch.setenv("SHADOW_WORKER_HEALTHCHECK_PORT", str(port))
    said = shadows("worker", "--check")
    assert said.code == 69
    assert "no worker answers" in said.err
    assert f"http://127.0.0.1:{port}/readyz" in said.err
    assert "--healthcheck-port" in said.err
    assert len(said.err.splitlines()) <= 8


@pytest.mark.parametrize("more", [(), ("--healthcheck-port", "0")])
def test_a_check_that_knows_no_port_ends_with_78(shadows: Run, more: tuple[str, ...]) -> None:
    """It says which option it needs."""
    said = shadows("worker", "--check", *more)
    assert said.code == 78
    assert "SHADOW_WORKER_HEALTHCHECK_PORT" in said.err


def test_a_port_that_cannot_be_had_ends_with_78(shadows: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FAULT 83: in use, or no port at all; a few lines name the option."""
    monkeypatch.chdir(folder)
    words = ("worker", "--url", "memory://ports", "--tasks", "jobs:tasks", "--until-finished", "--healthcheck-port")
    with socket.create_server(("", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = shadows(*words, port)
    assert said.code == 78
    assert f"--healthcheck-port={port} cannot be served: address already in use" in said.err
    assert shadows(*words, "99999").code == 78


def test_a_server_that_is_away_is_no_flood_in_the_log(program: Start, shadow_name: str) -> None:
    """FAULT 54: however short the pauses are, there are no more than a dozen lines in a minute."""
    tries = 0
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(PATIENCE)
        url = f"redis://default:hunter2@127.0.0.1:{listening.getsockname()[1]}/0"
        words = ("--url", url, "--shadows", shadow_name, "--tasks", "jobs:tasks", "--reconnection-delay", "10ms")
        worker = program("worker", *words)
        while tries < 100:
            listening.accept()[0].close()
            tries += 1
    worker.signal(signal.SIGTERM)
    assert worker.end() == 0
    told = [line for line in worker.lines if "the broker is away" in line]
    assert 1 <= len(told) <= MOST
    assert "redis://default:***@127.0.0.1:" in told[0]
    assert "hunter2" not in worker.text
