"""docs/performance.md: the tables of the committed results, between two marks."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from benchmarks.peers import ROOT, Peer
from benchmarks.suite.plots import FILES
from benchmarks.suite.results import Results
from benchmarks.suite.tables import everything

RESULTS: Final = ROOT / "benchmarks" / "results.json"
"""what the page shows"""
PAGE: Final = ROOT / "docs" / "performance.md"
PICTURES: Final = ROOT / "docs" / "images"
BEGIN: Final = "<!-- results: written by python3 dev.py bench --publish -->\n"
END: Final = "<!-- end of the results -->\n"
PLOTS: Final = Peer("plots", "plots", ("matplotlib==3.11.2",))
"""the environment in which the pictures are drawn"""


def committed() -> Results:
    """Give the results that the page shows."""
    return Results.read(json.loads(RESULTS.read_text()))


def shown(page: str) -> str:
    """Give what stands between the marks."""
    return page.partition(BEGIN)[2].partition(END)[0].strip()


def publish(path: Path) -> None:
    """Commit these results: copy them, write the page, draw the pictures."""
    if path.resolve() != RESULTS:
        shutil.copyfile(path, RESULTS)
    before, _, rest = PAGE.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n{everything(committed())}\n\n{END}{after}")
    print(f"{PAGE.relative_to(ROOT)} shows it", file=sys.stderr)
    draw(RESULTS, PICTURES)


def draw(path: Path, folder: Path) -> None:
    """Draw the pictures, in an environment that has matplotlib.

    Raises:
        NotHereError: it cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as drawn:
        command = [str(PLOTS.python()), "-m", "benchmarks.suite.plots", str(path.resolve()), drawn]
        subprocess.run(command, cwd=ROOT, check=True)
        for name in FILES:
            shutil.copyfile(Path(drawn) / name, folder / name)
    print(f"{', '.join(FILES)} are in {folder}", file=sys.stderr)
