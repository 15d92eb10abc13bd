from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import opentelemetry.metrics._internal as metrics_api
import prometheus_client
import pytest
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.util._once import Once
from prometheus_client.parser import text_string_to_metric_families

from shadows.adapters.observers import prometheus, telemetry
from shadows.adapters.observers.instruments import INSTRUMENTS, Kind
from shadows.errors import ConfigurationError
from tests.metrics import fill
from tests.sdk import Sdk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.metrics_core import Metric


@pytest.fixture(autouse=True)
def _registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have no provider of meters, and take back what is exposed."""
    monkeypatch.setattr(metrics_api, "_METER_PROVIDER", None)
    monkeypatch.setattr(metrics_api, "_METER_PROVIDER_SET_ONCE", Once())
    monkeypatch.setattr(metrics_api, "_PROXY_METER_PROVIDER", metrics_api._ProxyMeterProvider())
    before = set(prometheus_client.REGISTRY._collector_to_names)
    yield
    provider = metrics_api._METER_PROVIDER
    if isinstance(provider, MeterProvider):
        provider.shutdown()
    for collector in set(prometheus_client.REGISTRY._collector_to_names) - before:
        prometheus_client.REGISTRY.unregister(collector)


def families() -> dict[str, Metric]:
    """Return what Prometheus would read."""
    return {family.name: family for family in text_string_to_metric_families(prometheus.exposition().decode())}


def test_a_parser_reads_every_instrument_under_its_name_there() -> None:
    """Counters end in _total, what is measured in seconds in _seconds; no name depends on the SDK."""
    prometheus.install()
    fill()
    read = {sample.name for family in families().values() for sample in family.samples}
    for one in INSTRUMENTS:
        assert one.exposed + ("_count" if one.kind is Kind.HISTOGRAM else "") in read
    kinds = {Kind.COUNTER: "counter", Kind.UP_DOWN: "gauge", Kind.GAUGE: "gauge", Kind.HISTOGRAM: "histogram"}
    found = families()
    assert {one.exposed: found[one.exposed.removesuffix("_total")].type for one in INSTRUMENTS} == {
        one.exposed: kinds[one.kind] for one in INSTRUMENTS
    }


def test_each_family_is_told_once_whatever_labels_its_samples_have() -> None:
    """A run that was cancelled while it waited has neither worker nor task; Prometheus refuses a repeated family."""
    prometheus.install()
    meters = telemetry.find("shop", {"send"}).meters
    assert meters is not None
    cancelled = next(one for one in INSTRUMENTS if one.name == "shadows_tasks_cancelled")
    meters.add(cancelled, ("shop", "", ""))
    meters.add(cancelled, ("shop", "w", "send"))
    text = prometheus.exposition().decode()
    assert text.count("# TYPE shadows_tasks_cancelled_total ") == 1
    assert len(families()["shadows_tasks_cancelled"].samples) == 2


def test_labels_are_ours_alone() -> None:
    """INV 44: what an SDK would add to each sample is the same everywhere, and so says nothing."""
    prometheus.install()
    fill()
    ours = {"shadows_name", "shadows_worker", "shadows_task", "shadows_version", "le"}
    found = [family for name, family in families().items() if name.startswith("shadows_")]
    assert found
    assert all(set(sample.labels) <= ours for family in found for sample in family.samples)


def test_the_programs_own_sdk_gets_one_more_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes on exporting; to install it twice changes nothing."""
    sdk = Sdk.new().install(monkeypatch)
    prometheus.install()
    prometheus.install()
    fill()
    assert sdk.value("shadows_tasks_added") == 1
    assert prometheus.exposition().decode().count("# TYPE shadows_tasks_added_total ") == 1


def test_a_provider_that_takes_no_reader_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Better than an empty page."""

    class Foreign(NoOpMeterProvider):
        pass

    monkeypatch.setattr(metrics_api, "_METER_PROVIDER", Foreign())
    with pytest.raises(ConfigurationError, match="Foreign, which takes no reader"):
        prometheus.install()


@pytest.mark.parametrize("module", ["opentelemetry.exporter.prometheus", "prometheus_client"])
def test_a_missing_package_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    """It is an extra."""
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigurationError, match=r"pip install 'shadow-task\[metrics\]'"):
        (prometheus.exposition if module == "prometheus_client" else prometheus.install)()


def test_a_parent_of_workers_knows_beforehand_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It makes no metrics itself, so it would find out at the first look otherwise."""
    prometheus.check()
    monkeypatch.setattr(prometheus, "find_spec", lambda _: None)
    with pytest.raises(ConfigurationError, match=r"pip install 'shadow-task\[metrics\]'"):
        prometheus.check()
