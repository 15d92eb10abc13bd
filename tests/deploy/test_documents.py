"""The dashboard and the documents for Kubernetes: whoever reads them knows all that stands in them."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

import pytest

from tests.deploy.conftest import DEPLOY, dashboard, panels
from tests.deploy.readers import hold

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # the first run fetches the models

DOCUMENTS = sorted([*(DEPLOY / "kubernetes").glob("*.yaml"), *(DEPLOY / "grafana").glob("*.json")])
LEAST_PANELS = 12


def test_all_that_the_documents_say_is_known_to_those_who_read_them() -> None:
    """Kubernetes, KEDA, the Prometheus operator and Grafana, by their own models."""
    assert len(DOCUMENTS) > 1
    assert hold(*DOCUMENTS) == ""


def test_what_they_do_not_know_is_found(tmp_path: Path) -> None:
    """Misspelled words, and a word where a number has to be."""
    wrong = {
        "worker.yaml": ("kubernetes/worker.yaml", "readinessProbe:", "readynessProbe:"),
        "other.yaml": ("kubernetes/keda-metrics-api.yaml", "maxReplicaCount:", "maxReplicas:"),
        "soon.yaml": ("kubernetes/keda-metrics-api.yaml", "pollingInterval: 15", "pollingInterval: soon"),
        "board.json": ("grafana/shadows.json", '"unit":', '"units":'),
    }
    for name, (sample, right, mistake) in wrong.items():
        (tmp_path / name).write_text((DEPLOY / sample).read_text().replace(right, mistake))
    found = hold(*(tmp_path / name for name in wrong))
    assert "readynessProbe" in found
    assert "ScaledObject.spec: no maxReplicas" in found
    assert "pollingInterval" in found
    assert "fieldConfig.defaults: no units" in found


def test_the_dashboard_has_enough_panels_and_explains_each() -> None:
    """Somebody who is woken by an alert does not know what a slot is."""
    assert len(panels()) >= LEAST_PANELS
    for panel in panels():
        assert re.fullmatch(r"[A-Z].{20,}\.", panel["description"]), panel["title"]
        assert panel["datasource"]["uid"] == "${datasource}"
    titles = [panel["title"] for panel in panels()]
    assert len(panels()) == len({panel["id"] for panel in panels()})
    assert all(titles)


def test_no_panel_covers_another() -> None:
    """Grafana would move it somewhere."""
    places = [panel["gridPos"] for panel in dashboard()["panels"]]
    for one, other in combinations(places, 2):
        apart = [
            one[axis] + one[size] <= other[axis] or other[axis] + other[size] <= one[axis]
            for axis, size in ("xw", "yh")
        ]
        assert any(apart), (one, other)
    assert all(place["x"] + place["w"] <= 24 for place in places)
