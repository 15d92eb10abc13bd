"""Which pages there are, and which of them differ from what lies in docs."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from tools.reference import api, command_line, environment, errors, exit_codes, llms, metrics, wire_format

ROOT: Final = Path(__file__).resolve().parents[2]
DOCS: Final = ROOT / "docs"
FOLDER: Final = DOCS / "reference"
PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "api.md": api.page,
    "command-line.md": command_line.page,
    "environment.md": environment.page,
    "metrics.md": metrics.page,
    "errors.md": errors.page,
    "exit-codes.md": exit_codes.page,
    "wire-format.md": wire_format.page,
}
"""What stands in docs/reference, in the order of the navigation."""
NOTE: Final = "<!-- made from the code by `python3 dev.py reference`; do not write here -->\n\n"


def written() -> dict[Path, str]:
    """Return what every file should hold."""
    found = {FOLDER / name: NOTE + make().rstrip() + "\n" for name, make in PAGES.items()}
    return {**found, DOCS / "llms.txt": llms.text(DOCS, ROOT / "mkdocs.yml", found)}


def outdated() -> dict[Path, str | None]:
    """Return the files that hold something else than they should, with that; None for those that should not be."""
    wanted: dict[Path, str | None] = dict(written())
    strays: dict[Path, str | None] = {path: None for path in FOLDER.glob("*.md") if path not in wanted}
    changed = {path: text for path, text in wanted.items() if not path.is_file() or path.read_text() != text}
    return {**changed, **strays}
