"""Two pictures of a run of the suite.  It runs in an environment of its own, which has matplotlib.

python -m benchmarks.suite.plots RESULTS FOLDER
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

FILES = ("performance-rates.svg", "performance-growth.svg")
OURS, THEIRS = "#0b6e4f", "#a9b4b0"
BARS = {"add each": "add, one at a time", "add many": "add, in batches", "drain": "run", "io": "run 10 ms of I/O"}


def main(path: str, folder: str) -> None:
    """Draw."""
    matplotlib: Any = importlib.import_module("matplotlib")
    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "shadows", "font.size": 9})
    plot: Any = importlib.import_module("matplotlib.pyplot")
    data: dict[str, Any] = json.loads(Path(path).read_text())
    for name, draw in zip(FILES, (_rates, _growth), strict=True):
        figure = draw(plot, data)
        figure.savefig(Path(folder) / name, metadata={"Date": None}, bbox_inches="tight")


def _rates(plot: Any, data: dict[str, Any]) -> Any:
    """A bar for each library, in four panels."""
    figure, panels = plot.subplots(1, len(BARS), figsize=(13, 4))
    for panel, (key, title) in zip(panels, BARS.items(), strict=True):
        rates = {name: values[key] for name, values in data["medians"].items() if key in values}
        names = sorted(rates, key=lambda name: rates[name])
        colours = [OURS if name.startswith("shadows") else THEIRS for name in names]
        panel.barh(names, [rates[name] for name in names], color=colours)
        panel.set_title(f"{title}, calls/s")
        panel.ticklabel_format(axis="x", style="plain")
        panel.tick_params(axis="x", rotation=45)
        panel.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    return figure


def _growth(plot: Any, data: dict[str, Any]) -> Any:
    """The rate against the backlog, and against the number of workers."""
    figure, (growing, working) = plot.subplots(1, 2, figsize=(10, 3.6))
    for kind, line in (("ready", "o-"), ("scheduled", "s--")):
        told = data["growth"].get(kind)
        if told:
            points = [(each["backlog"], each["rate"]) for each in told["points"]]
            points += [(data["growth"]["million"], told["large"])]
            growing.plot(*zip(*points, strict=True), line, color=OURS, label=kind)
    growing.set_xscale("log")
    growing.set_title("calls/s by the backlog")
    growing.legend()
    if data["workers"]:
        working.plot([each["workers"] for each in data["workers"]], [each["rate"] for each in data["workers"]], "o-")
    working.set_title("calls/s by worker processes")
    for panel in (growing, working):
        panel.set_ylim(bottom=0)
        panel.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    return figure


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
