# /// script
# requires-python = ">=3.12,<3.15"
# dependencies = [
#   "cloudcoil-models-keda",
#   "cloudcoil-models-prometheus-operator",
#   "grafana-foundation-sdk==1769699379!11.6.0",
#   "kubernetes-validate==1.37.0",
#   "pyyaml",
# ]
# ///
"""Hold Kubernetes documents (.yaml) and Grafana dashboards (.json) against the models of those who read them.

It has an environment of its own, for the models are large and nothing else needs them; `documents.py.lock` beside this
file says which.  Run it: uv run --locked --script tools/documents.py FILE...
After a change above: uv lock --no-config --default-index https://pypi.org/simple --script tools/documents.py
"""

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

type Json = dict[str, Json] | list[Json] | str | float | None

VERSIONS = ("1.27", "1.37")
"""The oldest and the newest Kubernetes that a document should be good for."""
CUSTOM = {
    "keda.sh/v1alpha1": "cloudcoil.models.keda.v1alpha1",
    "monitoring.coreos.com/v1": "cloudcoil.models.prometheus_operator.v1",
}
"""apiVersion -> the models of what is no part of Kubernetes itself."""


def main(files: list[str]) -> int:
    """Print what is wrong; fail if anything is."""
    faults = [f"{file}: {fault}" for file in files for fault in _faults(Path(file))]
    print(*faults, sep="\n", end="\n" if faults else "")
    return 1 if faults else 0


def _faults(file: Path) -> Iterator[str]:
    if file.suffix == ".json":
        yield from _of_a_dashboard(json.loads(file.read_text()))
        return
    for document in importlib.import_module("yaml").safe_load_all(file.read_text()):
        yield from _of_custom_kind(document) if document["apiVersion"] in CUSTOM else _of_kubernetes(document)


def _of_kubernetes(document: Any) -> Iterator[str]:
    validator = importlib.import_module("kubernetes_validate")
    for version in VERSIONS:
        try:
            validator.validate(document, version, strict=True)
        except (validator.ValidationError, validator.SchemaNotFoundError) as fault:
            yield f"Kubernetes {version}, {document['kind']}: {fault.message}"


def _of_custom_kind(document: Any) -> Iterator[str]:
    model = getattr(importlib.import_module(CUSTOM[document["apiVersion"]]), document["kind"])
    try:
        read = model.model_validate(document)
    except ValueError as fault:  # the models' own kind of error is one
        yield str(fault)
    else:
        yield from _not_read(document, read.model_dump(mode="json", by_alias=True), document["kind"])


def _of_a_dashboard(dashboard: Any) -> Iterator[str]:
    models = importlib.import_module("grafana_foundation_sdk.models.dashboard")
    encoder = importlib.import_module("grafana_foundation_sdk.cog.encoder").JSONEncoder
    importlib.import_module("grafana_foundation_sdk.cog.plugins").register_default_plugins()
    read = json.loads(json.dumps(models.Dashboard.from_json(dashboard), cls=encoder))
    yield from _not_read(dashboard, read, "dashboard")


def _not_read(written: Json, read: Json, where: str) -> Iterator[str]:
    """Tell what a model passes over, for it does not know it."""
    match written, read:
        case dict(), dict():
            for name, value in written.items():
                yield from _not_read(value, read[name], f"{where}.{name}") if name in read else [f"{where}: no {name}"]
        case list(), list():
            for place, (one, other) in enumerate(zip(written, read, strict=True)):
                yield from _not_read(one, other, f"{where}[{place}]")
        case _:
            if written != read:
                yield f"{where}: {written!r} is read as {read!r}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
