"""The image and the composition: their own tools read them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.deploy.conftest import DEPLOY
from tests.deploy.readers import composed, lint

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    type Tool = Callable[[str], str]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # the first run fetches the tools

FOLDER = DEPLOY / "docker"


def test_hadolint_finds_nothing_wrong_with_the_image(tool: Tool) -> None:
    """Nor with the shell in it."""
    assert lint(tool, FOLDER / "Dockerfile") == ""


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
