"""The unit for systemd: its own tool reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.deploy.conftest import DEPLOY
from tests.deploy.readers import analyze

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    type Tool = Callable[[str], str]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # the first run fetches the tool

UNIT = DEPLOY / "systemd" / "shadows-worker@.service"
EXPOSURE = 2.0
"""Out of ten, by systemd's own count, how much a unit may do that it need not."""


def test_systemd_reads_the_unit(tool: Tool, tmp_path: Path) -> None:
    """It knows every word, and finds what the unit names."""
    done = analyze(tool, tmp_path, UNIT.read_text(), "verify", "--man=no")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_systemd_finds_a_word_that_it_does_not_know(tool: Tool, tmp_path: Path) -> None:
    """So the other test says something."""
    done = analyze(tool, tmp_path, UNIT.read_text().replace("KillMode=", "KillMod="), "verify", "--man=no")
    assert "Unknown key 'KillMod' in section [Service]" in done.stderr


def test_the_worker_may_do_little_else(tool: Tool, tmp_path: Path) -> None:
    """A task that somebody has got hold of should not get hold of the machine."""
    done = analyze(tool, tmp_path, UNIT.read_text(), "security", "--offline=true", f"--threshold={EXPOSURE * 10:.0f}")
    assert done.returncode == 0, done.stdout
