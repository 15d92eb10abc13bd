"""The alerts and what the dashboard asks: Prometheus' own tool reads them, and they name what is measured."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from shadows.adapters.observers.instruments import DEPTHS, INSTRUMENTS, Kind
from tests.deploy.conftest import DEPLOY, ROOT, expressions
from tests.deploy.readers import promtool, understand

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    type Tool = Callable[[str], str]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # the first run fetches the tool

ALERTS = (DEPLOY / "prometheus" / "alerts.yml").read_text()
TRIED = (DEPLOY / "prometheus" / "alerts.test.yml").read_text()
NAMED = re.findall(r"^ +- alert: (\w+)$", ALERTS, re.MULTILINE)
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
SAMPLES = {f"{one.exposed}{'_bucket' if one.kind is Kind.HISTOGRAM else ''}": one for one in INSTRUMENTS}
"""What Prometheus calls them -> the instruments."""
LABELS = {label.replace(".", "_") for one in INSTRUMENTS for label in one.labels}


def questions() -> list[str]:
    """Give all that the samples ask Prometheus, each in one line."""
    asked = re.findall(r"^ +(?:expr|query): (?:[|>]-?\n((?:(?: {10,}.*)?\n)+)|(.*)$)", sources(), re.MULTILINE)
    return expressions() + [" ".join((block or line).split()) for block, line in asked]


def sources() -> str:
    """Give the text of the alerts and of the autoscaler's question."""
    return ALERTS + (DEPLOY / "kubernetes" / "keda-prometheus.yaml").read_text()


def test_promtool_reads_the_alerts_and_the_configuration(tool: Tool) -> None:
    """Each alert has to have been understood."""
    assert f"SUCCESS: {len(NAMED)} rules found" in promtool(tool, "check", "rules", "alerts.yml")
    promtool(tool, "check", "config", "prometheus.yml")


def test_each_alert_fires_when_it_should_and_none_when_all_is_well(tool: Tool) -> None:
    """Prometheus itself evaluates them over series of our making; all of them are tried."""
    promtool(tool, "test", "rules", "alerts.test.yml")
    assert set(re.findall(r'alertname="(\w+)"', TRIED)) == set(NAMED)


def test_promtool_reads_what_the_samples_ask(tool: Tool, tmp_path: Path) -> None:
    """As if the answers were to be recorded; what Grafana fills in is filled in."""
    understand(tool, [question.replace("$__rate_interval", "5m") for question in questions()], tmp_path)


@pytest.mark.parametrize("file", ["alerts.yml", "alerts.test.yml"])
def test_the_alerts_name_only_what_is_measured(file: str) -> None:
    """A question about anything else would be answered by silence."""
    assert set(re.findall(r"\bshadows_\w+", (DEPLOY / "prometheus" / file).read_text())) <= SAMPLES.keys() | LABELS


def test_the_dashboard_and_the_autoscaler_name_only_what_is_measured() -> None:
    """Likewise; and nothing that is measured is left out."""
    named = set(re.findall(r"\bshadows_\w+", " ".join(questions())))
    assert named - LABELS == SAMPLES.keys()


def test_labels_are_those_that_the_metric_has() -> None:
    """No series would match another one."""
    for question in questions():
        for sample, matchers in re.findall(r"\b(shadows_\w+)\{([^}]*)\}", question):
            has = {label.replace(".", "_") for label in SAMPLES[sample].labels}
            assert set(re.findall(r"(\w+)=", matchers)) <= has, question


def test_what_all_workers_report_alike_is_never_added_up() -> None:
    """Depths are the shadow's."""
    for question in questions():
        for before, sample in re.findall(r"(\w+)(?: by \([^)]*\))? ?\((shadows_\w+)", question):
            if sample in SAMPLES and SAMPLES[sample] in DEPTHS:
                assert before in {"max", "count"}, question


def test_counters_are_asked_for_what_they_gained() -> None:
    """Their values since the worker's start tell nothing, but for those that have only begun."""
    for question in questions():
        for sample, where in re.findall(r"\b(shadows_\w+)(?:\{[^}]*\})?(\[| unless| offset)?", question):
            if sample in SAMPLES and SAMPLES[sample].kind in {Kind.COUNTER, Kind.HISTOGRAM}:
                assert where, question


def test_every_alert_has_its_lines_in_the_runbook() -> None:
    """It says where, the lines are there, and none are left over."""
    for name, alert in zip(NAMED, ALERTS.split("- alert: ")[1:], strict=True):
        assert re.search(rf'runbook: ".+ docs/runbook\.md#{name.lower()}"', alert), name
        assert all(f"          {part}: " in alert for part in ("severity", "summary", "description"))
    assert re.findall(r"^### (Shadows\w+)$", RUNBOOK, re.MULTILINE) == NAMED
