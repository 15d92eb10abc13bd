"""The image and the composition: their own tools read them."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.deploy.conftest import DEPLOY

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    type Tool = Callable[[str], str]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # the first run fetches the tools

FOLDER = DEPLOY / "docker"


def composed(tool: Tool, file: Path) -> subprocess.CompletedProcess[str]:
    """Let Compose say what it has understood."""
    command: list[str | Path] = [tool("docker-compose"), "--file", file, "config", "--format", "json"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_hadolint_finds_nothing_wrong_with_the_image(tool: Tool) -> None:
    """Nor with the shell in it."""
    done = subprocess.run(
        [tool("hadolint"), "--no-color", FOLDER / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_compose_reads_the_composition(tool: Tool) -> None:
    """And every file that it mounts is there."""
    done = composed(tool, FOLDER / "compose.yaml")
    assert (done.returncode, done.stderr) == (0, "")
    services: dict[str, Any] = json.loads(done.stdout)["services"]
    assert set(services) == {"valkey", "worker", "prometheus", "grafana"}
    for service in services.values():
        for volume in service.get("volumes", []):
            assert volume["type"] == "volume" or (DEPLOY / volume["source"]).exists(), volume


def test_compose_finds_a_word_that_it_does_not_know(tool: Tool, tmp_path: Path) -> None:
    """So the other test says something."""
    file = tmp_path / "compose.yaml"
    file.write_text((FOLDER / "compose.yaml").read_text().replace("stop_grace_period", "stop_grace_periode"))
    done = composed(tool, file)
    assert done.returncode != 0
    assert "stop_grace_periode" in done.stderr
