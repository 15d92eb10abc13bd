"""A pytest plugin that writes down what became of each test, and whose package was tested.

The exit code of a run does not tell a test that failed from one that could not even be imported; this does.
"""

import json
import sys
from pathlib import Path
from typing import Final

import pytest

_LONGEST: Final = 2000


class Witness:
    """Writes to a file at the end of a run."""

    def __init__(self, report: Path) -> None:
        self.report = report
        self.outcomes: dict[str, list[str]] = {}
        """by the test's id: why it failed, in each phase in which it did"""
        self.broken: list[str] = []
        """what could not be collected"""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note that it ran, and what went wrong if something did."""
        reasons = self.outcomes.setdefault(report.nodeid, [])
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            reasons.append(str(report.longrepr if crash is None else crash.message)[:_LONGEST])

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note what cannot even be imported."""
        if report.failed:
            self.broken.append(f"{report.nodeid}: {str(report.longrepr)[-_LONGEST:]}")

    def pytest_sessionfinish(self) -> None:
        """Write it all, and where the package lies that the tests have imported."""
        package = sys.modules.get("shadows")
        told = {
            "package": getattr(package, "__file__", ""),
            "outcomes": self.outcomes,
            "broken": self.broken,
        }
        self.report.write_text(json.dumps(told), "utf-8")
