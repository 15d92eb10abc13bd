"""The worker of the samples in deploy/, as Kubernetes would run it: it works, is probed, measured and scaled."""

from __future__ import annotations

import json
import re
import shutil
import signal
from typing import TYPE_CHECKING

import pytest

from shadows.adapters.observers.instruments import INSTRUMENTS
from tests.pages import ask
from tests.system.programs import PATIENCE, ROOT
from tests.system.test_cli_probes import becomes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.system.conftest import Said
    from tests.system.programs import Program

DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
CONFIGURED = (KUBERNETES / "worker.yaml").read_text().partition("\n---\n")[0]


@pytest.fixture
def environment(one_place: str, shadow_name: str) -> dict[str, str]:
    """Give what the ConfigMap says, and the server of this test; any ports that are free."""
    told = dict(re.findall(r'^  (SHADOW_\w+): "?([^"\n]+)"?$', CONFIGURED, re.MULTILINE))
    free = {"SHADOW_WORKER_HEALTHCHECK_PORT": "0", "SHADOW_WORKER_METRICS_PORT": "0"}
    return {**told, **free, "SHADOW_URL": one_place, "SHADOW_NAME": shadow_name}


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    """Give a folder with the tasks that the image holds."""
    shutil.copy(DEPLOY / "docker" / "orders.py", tmp_path)
    return tmp_path


@pytest.mark.slow
def test_the_worker_of_the_samples_is_probed_measured_and_scaled(
    program: Callable[..., Program],
    shadows: Callable[..., Said],
    environment: dict[str, str],
    tasks: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the paths, and with the words, that stand in the documents."""
    worker = program("worker", cwd=tasks, **environment)
    port = int(worker.until(r"port (\d+) serves / /readyz /livez /autoscale /metrics")[1])
    becomes(port, "/readyz", (200, "ready\n"))
    for path in set(re.findall(r"path: (/[a-z]+)", (KUBERNETES / "worker.yaml").read_text())):
        assert ask(port, path)[0] == 200, path

    scaled = (KUBERNETES / "keda-metrics-api.yaml").read_text()
    asked = re.search(r"url: http://[^/]+(/.+)\n(?:.*\n)*? +valueLocation: (\w+)\n", scaled)
    assert asked is not None
    assert json.loads(ask(port, asked[1])[1])[asked[2]] == 1

    for name in ("SHADOW_URL", "SHADOW_NAME"):
        monkeypatch.setenv(name, environment[name])
    assert shadows("add", "ship", "--arg", "order=7", "--wait", "--timeout", f"{PATIENCE:.0f}s").code == 0
    served = set(re.findall(r"^# TYPE (\w+)", ask(port, "/metrics")[1], re.MULTILINE))
    assert {one.exposed for one in INSTRUMENTS if one.name.startswith(("shadows_slots", "shadows_task_"))} <= served

    worker.signal(signal.SIGTERM)
    assert worker.end() == 0
