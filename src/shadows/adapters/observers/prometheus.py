"""Metrics for Prometheus: the SDK's own exporter, without its server.  Needs the extra ``metrics``."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, Final
from weakref import WeakSet

from shadows.errors import ConfigurationError

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
"""of what :func:`exposition` returns"""
_MISSING: Final = "metrics for Prometheus need more packages; install them with: pip install 'shadow-task[metrics]'"
_read: WeakSet[Any] = WeakSet()
"""the providers whose metrics are exposed"""


def install() -> None:
    """Have the metrics of this process ready for Prometheus.  Call it before a shadow is entered; again, it does
    nothing.

    An SDK that the program has set up itself gets one more reader; where there is none, one is set up.

    Raises:
        ConfigurationError: packages are missing, or the program's own SDK takes no reader of ours.
    """
    try:
        from opentelemetry.exporter.prometheus import PrometheusMetricReader  # noqa: PLC0415 - an extra
        from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415 - likewise
    except ImportError as missing:
        raise ConfigurationError(_MISSING) from missing
    from opentelemetry import metrics  # noqa: PLC0415 - slow to import, and only needed here

    provider: Any = metrics.get_meter_provider()
    if provider in _read:
        return
    if type(provider).__module__.startswith("opentelemetry.metrics"):  # it only stands in for what an SDK would make
        provider = MeterProvider([PrometheusMetricReader(scope_info_enabled=False)])
        metrics.set_meter_provider(provider)
    elif isinstance(provider, MeterProvider):
        provider.add_metric_reader(PrometheusMetricReader(scope_info_enabled=False))
    else:
        kind = f"{type(provider).__module__}.{type(provider).__qualname__}"
        msg = f"the metrics of this program go to a {kind}, which takes no reader for Prometheus; let it expose them"
        raise ConfigurationError(msg)
    _read.add(provider)


def check() -> None:
    """See whether metrics can be exposed that other processes have made.

    Raises:
        ConfigurationError: packages are missing.
    """
    if find_spec("prometheus_client") is None:  # the exporter needs it too
        raise ConfigurationError(_MISSING)


def exposition() -> bytes:
    """Return everything that this process tells Prometheus, as text: its metrics, and those of prometheus_client.

    Raises:
        ConfigurationError: packages are missing.
    """
    try:
        from prometheus_client import generate_latest  # noqa: PLC0415 - an extra
    except ImportError as missing:
        raise ConfigurationError(_MISSING) from missing
    return generate_latest()
