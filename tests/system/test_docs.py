"""What the documentation shows runs, and what it says of the code is so.

A page is a session: its Python blocks run one after the other, in one namespace, on memory and on real servers; its
shell blocks run in a folder that holds the files which the page shows.  A comment above a block says what it is:

- `<!-- file: tasks.py -->`: the block is the content of that file;
- `<!-- output -->`: the block is what the one before it prints;
- `<!-- shell: run -->`: run it; `<!-- shell: run in the background -->`: it runs until the page ends;
- `<!-- shell: not run: why -->`;
- `<!-- theirs: celery -->`: Python for another library; `<!-- signature -->`: how something is called.  Such is read,
  not run, and so are YAML, JSON, TOML and INI.

A shell block without such a comment is an error, so none is left out by accident.
"""

from __future__ import annotations

import ast
import asyncio
import configparser
import inspect
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from tests.system.conftest import empty_database
from tests.system.programs import PATIENCE, ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.system.programs import Program

PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(
    r"^(?:<!-- (?P<about>[^\n]*?) -->\n)?```(?P<language>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
yaml: Any = import_module("yaml")  # which tells no types

SHOWN = {"", "text"}
"""Languages of blocks that nobody runs."""
READERS: dict[str, Callable[[str], object]] = {
    "ini": lambda text: configparser.ConfigParser(strict=False, interpolation=None).read_string(text),
    "json": json.loads,
    "python": ast.parse,
    "toml": tomllib.loads,
    "yaml": lambda text: list(yaml.safe_load_all(text)),
}
"""Languages of blocks that are only read, and what reads them."""


@attrs.frozen
class Block:
    """A fenced block, and what the comment above it says."""

    line: int
    language: str
    text: str
    about: str

    @property
    def kind(self) -> str:
        """What is done with it: `session`, `file`, `output`, `run`, `background`, `read` or `nothing`."""
        if self.about.startswith("file: "):
            return "file"
        if self.about == "output":
            return "output"
        if self.about.startswith("theirs: ") or self.about == "signature":
            return "read"
        if self.language == "python":
            return "session"
        if self.language in READERS:
            return "read"
        if self.language in SHOWN or re.fullmatch(r"shell: not run: .{10,}", self.about):
            return "nothing"
        kinds = {"shell: run": "run", "shell: run in the background": "background"}
        assert self.about in kinds, f"line {self.line}: say above the block whether it runs"
        return kinds[self.about]


def blocks(page: Path) -> list[Block]:
    """Read a page."""
    text = page.read_text()
    return [
        Block(text.count("\n", 0, found.start()) + 1, found["language"], found["text"], found["about"] or "")
        for found in FENCE.finditer(text)
    ]


def has(kind: str) -> list[Any]:
    """Give the pages that have such a block."""
    return [
        pytest.param(page, id=str(page.relative_to(ROOT)))
        for page in PAGES
        if any(block.kind == kind for block in blocks(page))
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_block_is_left_out_by_accident(page: Path) -> None:
    """Every fence is closed, every block has a kind, and an output follows something that prints."""
    found = blocks(page)
    assert len(re.findall(r"^```", page.read_text(), re.MULTILINE)) == 2 * len(found)
    kinds = [block.kind for block in found]
    assert not any(kind == "output" and kinds[i - 1] != "session" for i, kind in enumerate(kinds))


@pytest.mark.parametrize("page", has("read"))
def test_what_is_only_read_can_be_read(page: Path) -> None:
    """By the parser of its language."""
    for block in blocks(page):
        if block.kind == "read":
            try:
                READERS[block.language](block.text)
            except (SyntaxError, ValueError, configparser.Error, yaml.YAMLError) as error:
                pytest.fail(f"{page}, line {block.line}: {error}")


@pytest.mark.parametrize("page", has("session"))
def test_the_programs_of_a_page_run_and_print_what_it_says(
    page: Path, place: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One after the other, as a reader would type them; the server is in SHADOW_URL."""
    monkeypatch.setenv("SHADOW_URL", empty_database(place))
    session = ModuleType("session")  # a real one: some libraries look up where a class or a function comes from
    monkeypatch.setitem(sys.modules, "session", session)
    import_module("cloudpickle").register_pickle_by_value(session)  # other processes cannot import it
    for block in blocks(page):
        if block.kind == "output":
            assert capsys.readouterr().out == block.text, f"{page}, line {block.line}"
        elif block.kind == "session":
            capsys.readouterr()
            where, await_anywhere = f"{page}, line {block.line}", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
            code = compile(block.text, where, "exec", await_anywhere, dont_inherit=True)  # the __future__ of this file
            running = eval(code, session.__dict__)  # noqa: S307 - this is the point
            if inspect.iscoroutine(running):
                asyncio.run(running)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", has("run"))
def test_the_commands_of_a_page_run(
    page: Path, one_place: str, program: Callable[..., Program], tmp_path: Path
) -> None:
    """In a folder with the files that the page shows; workers end well when they are interrupted."""
    url = empty_database(one_place)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    background: list[Program] = []
    for block in blocks(page):
        match block.kind:
            case "file":
                (tmp_path / block.about.removeprefix("file: ")).write_text(block.text)
            case "background":
                words = shlex.split(block.text)
                assert words[0] == "shadows"
                background.append(program(*words[1:], SHADOW_URL=url))
                background[-1].until("knows")
            case "run":
                done = subprocess.run(
                    ["bash", "-euc", block.text],
                    cwd=tmp_path,
                    env={**os.environ, "PATH": path, "SHADOW_URL": url},
                    capture_output=True,
                    text=True,
                    timeout=3 * PATIENCE,  # a block may hold several commands
                    check=False,
                )
                assert done.returncode == 0, f"{page}, line {block.line}:\n{done.stdout}{done.stderr}"
            case _:
                pass
    for worker in background:
        worker.signal(signal.SIGINT)
        assert worker.end() == 0, worker.text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    """The builder of the docs looks only at links inside of docs."""
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", FENCE.sub("", page.read_text())):
        assert (page.parent / target).exists(), target


def test_every_decision_is_listed_and_short() -> None:
    """One page at most; in the index and in the navigation."""
    folder = ROOT / "docs" / "decisions"
    index, navigation = (folder / "index.md").read_text(), (ROOT / "mkdocs.yml").read_text()
    records = sorted(folder.glob("0*.md"))
    assert records
    for record in records:
        text = record.read_text()
        assert len(text.splitlines()) <= 60, record.name
        assert f"]({record.name})" in index
        assert f"decisions/{record.name}" in navigation
        assert text.startswith(f"# {record.name[:4]} ")


def test_every_recipe_is_listed() -> None:
    """By its own words, in the order of its page."""
    folder = ROOT / "docs" / "recipes"
    listed = re.findall(r"^- \[(.*)\]\((.*)\.md#", (folder / "index.md").read_text(), re.MULTILINE)
    pages = dict.fromkeys(page for _, page in listed)
    assert sorted(pages) == sorted(page.stem for page in folder.glob("*.md") if page.stem != "index")
    for page in pages:
        plain = FENCE.sub("", (folder / f"{page}.md").read_text())
        assert [title for title, of in listed if of == page] == re.findall(r"^## (.*)$", plain, re.MULTILINE)
