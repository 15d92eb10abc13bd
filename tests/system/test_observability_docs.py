"""The page about metrics and the code say the same."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from shadows.adapters.observers.instruments import INSTRUMENTS
from tests.system.programs import PATIENCE, ROOT
from tools import servers

PAGE = (ROOT / "docs" / "observability.md").read_text()
EVERYTHING = """
from shadows.adapters.observers import prometheus
from tests.metrics import fill

prometheus.install()
fill()
print(prometheus.exposition().decode(), end="")
"""


def test_every_metric_that_the_page_names_exists() -> None:
    """The questions for Prometheus, too."""
    exist = {name for one in INSTRUMENTS for name in (one.name, one.exposed, f"{one.exposed}_bucket")}
    named = set(re.findall(r"\bshadows_\w+", PAGE)) - {"shadows_name", "shadows_task"}
    assert named <= exist


@pytest.mark.slow  # it fetches a tool
def test_promtool_finds_nothing_wrong() -> None:
    """Prometheus' own linter reads what a worker would serve, with every instrument in it."""
    promtool = servers.tool("promtool")
    if promtool is None and os.environ.get("CI") != "true":
        pytest.skip("there is no promtool here, and it could not be fetched")
    assert promtool is not None
    served = subprocess.run(
        [sys.executable, "-c", EVERYTHING], capture_output=True, timeout=PATIENCE, check=True, cwd=ROOT
    ).stdout
    assert served.count(b"# TYPE shadows_") == len(INSTRUMENTS)
    done = subprocess.run(
        [promtool, "check", "metrics"], input=served, capture_output=True, timeout=PATIENCE, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
