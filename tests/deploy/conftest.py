"""The samples in deploy/, and the tools of those who read them."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tools import servers

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


def dashboard() -> Any:
    """Read the dashboard."""
    return json.loads((DEPLOY / "grafana" / "shadows.json").read_text())


def panels() -> list[Any]:
    """Give the panels of the dashboard, without the headings between them."""
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def expressions() -> list[str]:
    """Give what the dashboard asks Prometheus."""
    return [target["expr"] for panel in panels() for target in panel["targets"]]


@pytest.fixture(scope="session")
def tool() -> Callable[[str], str]:
    """Give a function that finds a program, and fetches it the first time; in CI it must be had."""

    def find(name: str) -> str:
        reasons: dict[str, str] = {} if shutil.which(name) or servers.program(name) else servers.fetch(name)
        path = shutil.which(name) or servers.program(name)
        if path is None and os.environ.get("CI") != "true":
            pytest.skip(f"there is no {name} here: {reasons[name]}")
        assert path is not None, f"{name} could not be fetched: {reasons[name]}"
        return str(path)

    return find
