"""What the samples tell the worker: it understands it, and the parts of a sample agree with each other."""

from __future__ import annotations

import inspect
import re
from datetime import timedelta

import attrs
import pytest

from shadows.cli.commands import COMMANDS
from shadows.cli.exits import Code
from shadows.core import settings
from shadows.core.durations import duration
from tests.deploy.conftest import DEPLOY, ROOT

UNIT = (DEPLOY / "systemd" / "shadows-worker@.service").read_text()
ENVIRONMENT = (DEPLOY / "systemd" / "orders.env").read_text()
DOCKERFILE = (DEPLOY / "docker" / "Dockerfile").read_text()
COMPOSITION = (DEPLOY / "docker" / "compose.yaml").read_text()
KUBERNETES = (DEPLOY / "kubernetes" / "worker.yaml").read_text()
SCALED = (DEPLOY / "kubernetes" / "keda-metrics-api.yaml").read_text()

SAMPLES = {
    "systemd": UNIT.replace("%H-%i", "host-1").replace("%i", "1") + ENVIRONMENT,
    "docker": DOCKERFILE + COMPOSITION,
    "kubernetes": KUBERNETES,
}
GRACE = {"systemd": "TimeoutStopSec=", "docker": "stop_grace_period: ", "kubernetes": "terminationGracePeriodSeconds: "}


def environment(text: str) -> dict[str, str]:
    """Give the variables for shadows that a sample sets."""
    return dict(re.findall(r"^[^#\n]*\b(SHADOW_\w+)(?:=|: )\"?([^\s\"]+)", text, re.MULTILINE))


@pytest.mark.parametrize("sample", SAMPLES)
def test_every_variable_exists_and_has_a_value_that_works(sample: str) -> None:
    """A misspelled one would be passed over in silence."""
    given = environment(SAMPLES[sample])
    fields = {
        *(f"SHADOW_{field.name.upper()}" for field in attrs.fields(settings.ShadowOptions)),
        *(f"SHADOW_WORKER_{field.name.upper()}" for field in attrs.fields(settings.WorkerOptions)),
        "SHADOW_TASKS",
        "SHADOW_LOGGING_FORMAT",
        "SHADOW_WORKER_HEALTHCHECK_PORT",
        "SHADOW_WORKER_METRICS_PORT",
    }
    assert given.keys() <= fields
    settings.worker_options({}, given, default_name="worker")
    process = settings.process_options({}, given)
    assert settings.shadow_options({}, given).name == "orders"
    assert process.tasks == ("orders:tasks",)
    assert process.healthcheck_port
    assert process.metrics_port


@pytest.mark.parametrize("sample", SAMPLES)
def test_there_is_more_time_to_end_than_the_drain_timeout(sample: str) -> None:
    """Otherwise a worker is killed before it has handed back what runs."""
    drain = settings.worker_options({}, environment(SAMPLES[sample]), default_name="worker").drain_timeout
    told = re.search(rf"^\s*{re.escape(GRACE[sample])}(\S+)$", SAMPLES[sample], re.MULTILINE)
    assert told is not None
    assert duration(told[1], option=GRACE[sample]) >= drain + timedelta(seconds=5)


def test_the_ports_are_those_that_the_worker_serves() -> None:
    """In the image, in the pods, and where the autoscaler asks."""
    given = environment(KUBERNETES)
    health, metrics = given["SHADOW_WORKER_HEALTHCHECK_PORT"], given["SHADOW_WORKER_METRICS_PORT"]
    assert f"{{name: health, containerPort: {health}}}" in KUBERNETES
    assert f"{{name: metrics, containerPort: {metrics}}}" in KUBERNETES
    assert f"{{name: health, port: {health}, targetPort: health}}" in KUBERNETES
    assert f":{health}/autoscale" in SCALED
    inside = environment(DOCKERFILE)
    exposed = f"EXPOSE {inside['SHADOW_WORKER_HEALTHCHECK_PORT']} {inside['SHADOW_WORKER_METRICS_PORT']}\n"
    assert exposed in DOCKERFILE
    scraped = (DEPLOY / "prometheus" / "prometheus.yml").read_text()
    assert f"port: {inside['SHADOW_WORKER_METRICS_PORT']}\n" in scraped


def test_a_worker_counts_for_as_much_as_it_has_slots() -> None:
    """The autoscaler that asks Prometheus has to know how many."""
    slots = environment(KUBERNETES)["SHADOW_WORKER_CONCURRENCY"]
    assert f'threshold: "{slots}"' in (DEPLOY / "kubernetes" / "keda-prometheus.yaml").read_text()


def test_an_exit_that_no_restart_would_mend_is_final() -> None:
    """By the command line's own numbers."""
    assert f"RestartPreventExitStatus={Code.NOT_ALLOWED:d} {Code.CONFIGURATION:d}\n" in UNIT


def commands() -> set[str]:
    """Give what the runbook, the alerts and the samples tell people or machines to type."""
    told = (ROOT / "docs" / "runbook.md", ROOT / "docs" / "deploying.md", DEPLOY / "prometheus" / "alerts.yml")
    typed = {command for text in told for command in re.findall(r"`shadows ([^`]+)`", text.read_text())}
    typed |= set(re.findall(r"^ExecStart=\S+/shadows (.+)$", UNIT, re.MULTILINE))
    return typed | {words.replace('", "', " ") for words in re.findall(r'"shadows", "(.+)"\]', DOCKERFILE)}


@pytest.mark.parametrize("typed", sorted(commands()))
def test_whatever_somebody_is_told_to_type_exists(typed: str) -> None:
    """The command and its options."""
    words = typed.split()
    name = next((words for words in (" ".join(words[:2]), words[0]) if words in COMMANDS), None)
    assert name is not None
    module, _, function = COMMANDS[name].place.partition(":")
    takes = inspect.signature(getattr(__import__(module, fromlist=[function]), function)).parameters
    options = {word.removeprefix("--").replace("-", "_") for word in words if word.startswith("--")}
    assert options <= takes.keys() | {"help"}
