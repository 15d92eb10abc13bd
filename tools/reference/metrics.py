"""The page of metrics."""

from shadows.adapters.observers import instruments
from shadows.adapters.observers.instruments import INSTRUMENTS, Kind
from tools.reference.markup import code, sentence, table, told

_LABELS = {"NAME": instruments.NAME, "WORKER": instruments.WORKER, "TASK": instruments.TASK}


def page() -> str:
    """Return the page: every instrument, its labels, and the buckets of histograms."""
    rows = [
        [
            code(one.name),
            code(one.exposed),
            str(one.kind),
            code(one.unit),
            ", ".join(code(label) for label in one.labels),
            sentence(one.means),
        ]
        for one in INSTRUMENTS
    ]
    histograms = [one for one in INSTRUMENTS if one.kind is Kind.HISTOGRAM]
    bounds = [[code(one.exposed), ", ".join(f"{bound:g}" for bound in one.bounds)] for one in histograms]
    says = told(instruments.__name__)
    labels = [[code(label), code(label.replace(".", "_")), sentence(says[name])] for name, label in _LABELS.items()]
    labels.append(
        [code(instruments.VERSION), code(instruments.VERSION.replace(".", "_")), "the version that is installed"]
    )
    return (
        "# Metrics\n\n"
        "Every instrument, as OpenTelemetry and as Prometheus call it. [Observability](../observability.md#metrics)\n"
        "says how they are turned on, how they add up, and which questions they answer.\n\n"
        + table(["instrument", "in Prometheus", "kind", "unit", "labels", "what it shows"], rows)
        + "\n## Labels\n\n"
        + table(["label", "in Prometheus", "what it is"], labels)
        + "\n## Buckets\n\nThe upper ends, in seconds.\n\n"
        + table(["histogram", "buckets"], bounds)
    )
