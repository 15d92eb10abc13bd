"""Whether anybody listens, and who.  The question is asked once for each client that is entered.

OpenTelemetry is loaded only where the program itself has loaded it, or its environment says that it shall be.
"""

from __future__ import annotations

import os
import sys
from contextvars import Context
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

import attrs

from shadows.adapters.clock import SystemClock
from shadows.adapters.observers.log import LogObserver
from shadows.adapters.observers.together import together
from shadows.core.version import __version__

if TYPE_CHECKING:
    from collections.abc import Container

    from opentelemetry.metrics import Meter
    from opentelemetry.trace import Tracer

    from shadows.adapters.observers.meters import Meters
    from shadows.ports.clock import Clock
    from shadows.ports.follower import Follower
    from shadows.ports.observer import Observer

VARIABLES: Final = ("OTEL_PYTHON_TRACER_PROVIDER", "OTEL_PYTHON_METER_PROVIDER")
"""Environment variables with which OpenTelemetry itself finds an SDK."""
_SCOPE: Final = "shadows"
_SUPPRESS: Final = "suppress_instrumentation"
"""What instrumentations of client libraries look at, to trace nothing."""
_meters: WeakKeyDictionary[Any, Meters] = WeakKeyDictionary()
"""by provider"""


@attrs.frozen
class Telemetry:
    """Who listens in this process."""

    shadow: str
    known: Container[str]
    """the names of the tasks that are registered"""
    meters: Meters | None = None
    tracer: Tracer | None = None
    internal: bool = False
    """trace what workers do for themselves, too"""

    def of_client(self) -> Observer:
        """Return the observer of a client."""
        log = LogObserver(self.shadow)
        if self.meters is None:
            return log
        from shadows.adapters.observers.metrics import ClientMetrics, Names  # noqa: PLC0415 - for those who listen

        return together(log, ClientMetrics(self.meters, Names(self.shadow, self.known)))

    def of_worker(self, name: str, slots: int, clock: Clock) -> Observer:
        """Return the observer of a worker that runs so many calls at a time."""
        more: list[object] = []
        if self.meters is not None:
            from shadows.adapters.observers.metrics import Names, WorkerMetrics  # noqa: PLC0415 - for those who listen

            more.append(WorkerMetrics(self.meters, Names(self.shadow, self.known, name), clock, slots))
        if self.tracer is not None:
            from shadows.adapters.observers.spans import TaskSpans  # noqa: PLC0415 - likewise

            more.append(TaskSpans(self.tracer, self.shadow, name, self.known))
        return together(LogObserver(self.shadow, name), *more)

    def follower(self) -> Follower | None:
        """Return who follows what a client asks for."""
        if self.meters is None and self.tracer is None:
            return None
        from shadows.adapters.observers.metrics import Names  # noqa: PLC0415 - for those who listen
        from shadows.adapters.observers.requests import Requests  # noqa: PLC0415 - likewise

        return Requests(Names(self.shadow, self.known), self.meters, self.tracer)

    def of(self, *, internal: bool) -> Telemetry:
        """Return this for somebody who may have asked to trace more."""
        return attrs.evolve(self, internal=self.internal or internal)

    def hush(self, context: Context) -> Context:
        """Let the client library's own instrumentation, if there is one, trace nothing in this context; return it."""
        if self.tracer is not None and not self.internal:
            from opentelemetry.context import attach, set_value  # noqa: PLC0415 - for those who listen

            context.run(lambda: attach(set_value(_SUPPRESS, True)))  # noqa: FBT003 - the signature of OpenTelemetry
        return context


def find(shadow: str, known: Container[str], *, internal: bool = False) -> Telemetry:
    """Return who listens now; a provider that is set later is not noticed."""
    if "opentelemetry" not in sys.modules and not any(map(os.environ.get, VARIABLES)):
        return Telemetry(shadow, known)
    from opentelemetry import metrics, trace  # noqa: PLC0415 - see above

    tracer = trace.get_tracer(_SCOPE, __version__)
    provider = metrics.get_meter_provider()
    meter = provider.get_meter(_SCOPE, __version__)
    return Telemetry(
        shadow,
        known,
        None if _is_placeholder(meter) else _meters_of(provider, meter, __version__),
        None if _is_placeholder(tracer) else tracer,
        internal,
    )


def _is_placeholder(made: object) -> bool:
    """Tell whether nobody listens: what the API itself makes only stands in for what an SDK would."""
    return type(made).__module__.startswith(("opentelemetry.metrics", "opentelemetry.trace"))


def _meters_of(provider: object, meter: Meter, version: str) -> Meters:
    from shadows.adapters.observers.instruments import BUILD_INFO  # noqa: PLC0415 - for those who listen
    from shadows.adapters.observers.meters import Meters  # noqa: PLC0415 - likewise

    found = _meters.get(provider)
    if found is None:
        found = _meters[provider] = Meters(meter, SystemClock().monotonic)
        found.set(BUILD_INFO, (version,), 1)
    return found
