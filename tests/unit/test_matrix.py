"""Each cell of the matrix of servers and clients passes as many tests as it has collected (issue 6)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SKIPS = "tests/front/test_ways_in.py"
"""Some of it needs a server, whichever."""


@pytest.mark.slow
@pytest.mark.parametrize(("where", "code"), [("true", 1), ("", 0)], ids=["in CI", "on a laptop"])
def test_what_is_skipped_is_a_failure_only_where_nothing_may_be_missing(where: str, code: int) -> None:
    """On a laptop a server may be missing; in CI a cell that skips tells nothing of its server."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        SKIPS,
        "--servers",
        "none",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
    ]
    environment = {**os.environ, "CI": where}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout
    assert "skipped" in done.stdout
    assert ("nothing may be skipped here" in done.stdout) == (code == 1)
