"""The unit for systemd: its own tool reads it."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.deploy.conftest import DEPLOY

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    type Tool = Callable[[str], str]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # the first run fetches the tool

UNIT = DEPLOY / "systemd" / "shadows-worker@.service"
TARGETS = ("sysinit", "basic", "shutdown", "network-online", "multi-user")
EXPOSURE = 2.0
"""Out of ten, by systemd's own count, how much a unit may do that it need not."""


def analyze(tool: Tool, folder: Path, text: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Let systemd-analyze look at an instance of the unit, on a machine that has only what the unit needs."""
    units, program = folder / "etc" / "systemd" / "system", folder / "opt" / "orders" / ".venv" / "bin" / "shadows"
    units.mkdir(parents=True, exist_ok=True)
    for target in TARGETS:
        (units / f"{target}.target").write_text(f"[Unit]\nDescription={target}\n")
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    (units / UNIT.name).write_text(text)
    command = [tool("systemd-analyze"), f"--root={folder}", *words, UNIT.name.replace("@", "@1")]
    return subprocess.run(command, capture_output=True, text=True, check=False)


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
