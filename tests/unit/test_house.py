"""The house rules that no linter knows."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py")) + sorted((ROOT / "src").rglob("*.lua"))
LONGEST = 400


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_no_source_file_is_too_long_to_read_at_once(source: Path) -> None:
    """A file that outgrows this holds more than one thought."""
    assert len(source.read_text().splitlines()) <= LONGEST


def test_only_one_file_reads_a_clock() -> None:
    """STYLE 8: all else asks the Clock port, or the event loop, so that time can be virtual.  A name may begin with the
    time, which decides nothing.
    """

    def reads_one(node: ast.AST) -> bool:
        match node:
            case ast.Import(names=names):
                return any(name.name == "time" for name in names)
            case ast.ImportFrom(module="time"):
                return True
            case ast.Attribute(value=ast.Name(id="datetime" | "date"), attr="now" | "utcnow" | "today"):
                return True
            case _:
                return False

    sources = [path for path in SOURCES if path.suffix == ".py"]
    readers = [path for path in sources if any(map(reads_one, ast.walk(ast.parse(path.read_text()))))]
    assert [str(path.relative_to(ROOT / "src" / "shadows")) for path in readers] == ["adapters/clock.py", "chance.py"]


def test_every_page_of_the_navigation_exists() -> None:
    """The builder of the docs checks the links inside pages, but not the table of contents."""
    pages = re.findall(r"\s([\w/.-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert pages
    assert [page for page in pages if not (ROOT / "docs" / page).is_file()] == []


@pytest.mark.parametrize("lock", ["uv.lock", "tools/documents.py.lock"])
def test_a_lock_file_names_only_the_public_index(lock: str) -> None:
    """A lock made against a mirror or a folder of wheels would be of no use to anybody else."""
    text = (ROOT / lock).read_text()
    origins = set(re.findall(r'registry = "([^"]*)"', text)) | set(re.findall(r'url = "(https?://[^/"]+)', text))
    assert origins == {"https://pypi.org/simple", "https://files.pythonhosted.org"}
    assert not re.search(r'(path|directory) = "|file:', text)
