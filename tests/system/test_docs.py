"""What the documentation shows runs, and what it says of the code is so.

A page is a session: its Python blocks run one after the other, in one namespace, on memory and on real servers; its
shell blocks run in a folder that holds the files which the page shows.  A comment above a block says what it is:

- `<!-- file: tasks.py -->`, or `title="tasks.py"` behind the language, which readers see, too: the block is the content
  of that file;
- `<!-- output -->`: the block is what the Python before it prints;
- `<!-- shell: run -->`: run it; `<!-- shell: run in the background -->`: it runs until the page ends;
- `<!-- printed -->`: the commands before it print these lines, with whatever numbers, and maybe others between them;
- `<!-- shell: not run: why -->`: its commands and options are looked up;
- `<!-- theirs: celery -->`: Python for another library; `<!-- signature -->`: how something is called;
  `<!-- excerpt -->`: a part of a program, of which test_docstrings.py makes a whole one.  Such is read here, not run,
  and so are YAML, JSON, TOML and INI.  What else there is, the tools of tests/deploy read.

A shell block without such a comment is an error, and so is text that nothing has printed: none is left out by accident.
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

import pytest

from tests.servers import free_port
from tests.system.conftest import empty_database
from tests.system.fences import FENCE, PAGES, READ_HERE, Block, blocks, every, has
from tests.system.programs import PATIENCE, ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.system.programs import Program

yaml: Any = import_module("yaml")  # which tells no types
PORTS = re.compile(r"\b(?:8000|8080|9090)\b")
"""What pages call a port of this machine; in the tests it is one that is free."""
READY = {"shadows": "knows", "uvicorn": "running on"}
"""Programs that go on until they are ended, and what they print when they have begun."""
OF_OTHERS = {"docker", "pip", "python3"}
"""Programs of which pages show commands that are not run."""


def in_bash(text: str) -> None:
    """Let bash read a script."""
    done = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ValueError(done.stderr)


READERS: dict[str, Callable[[str], object]] = {
    "bash": in_bash,
    "ini": lambda text: configparser.ConfigParser(strict=False, interpolation=None).read_string(text),
    "json": json.loads,
    "python": ast.parse,
    "toml": tomllib.loads,
    "yaml": lambda text: list(yaml.safe_load_all(text)),
}
"""Languages of blocks that are only read, and what reads them."""
assert READERS.keys() == READ_HERE | {"python"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_block_is_left_out_by_accident(page: Path) -> None:
    """Every fence is closed, every block has a kind, and an output follows something that prints."""
    found = blocks(page)
    assert len(re.findall(r"^ *(?:```|~~~)", page.read_text(), re.MULTILINE)) == 2 * len(found)
    kinds = [block.kind for block in found]
    assert not any(kind == "output" and kinds[i - 1] != "session" for i, kind in enumerate(kinds))
    assert not any(kind == "printed" and kinds[i - 1] != "run" for i, kind in enumerate(kinds))


@pytest.mark.parametrize("page", dict.fromkeys([*has("read"), *has("file")]))
def test_what_is_only_read_can_be_read(page: Path) -> None:
    """By the parser of its language."""
    for block in blocks(page):
        if block.kind in {"read", "file"}:
            try:
                READERS[block.language](block.text)
            except (SyntaxError, ValueError, configparser.Error, yaml.YAMLError) as error:
                pytest.fail(f"{block.where}: {error}")


def test_only_commands_of_others_are_not_run() -> None:
    """Those that install, that take an hour, or that need Docker; what they name is there."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    manual = (ROOT / "dev.py").read_text().partition('"""')[2].partition('"""')[0]
    for block in every("read"):
        for line in block.text.splitlines() if block.language == "bash" else ():
            words = shlex.split(line)
            assert words[0] in OF_OTHERS, f"{block.where}: {line}"
            if words[0] == "python3":
                assert f"    python3 dev.py {words[2]} " in manual, f"{block.where}: {line}"
            for extra in re.findall(r"shadow-task\[([\w,-]+)\]", line):
                assert set(extra.split(",")) <= project["optional-dependencies"].keys(), f"{block.where}: {line}"


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
            assert capsys.readouterr().out == block.text, block.where
        elif block.kind == "session":
            capsys.readouterr()
            where, await_anywhere = block.where, ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
            code = compile(block.text, where, "exec", await_anywhere, dont_inherit=True)  # the __future__ of this file
            running = eval(code, session.__dict__)  # noqa: S307 - this is the point
            if inspect.iscoroutine(running):
                asyncio.run(running)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", dict.fromkeys([*has("run"), *has("background")]))
def test_the_commands_of_a_page_run(
    page: Path, one_place: str, program: Callable[..., Program], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a folder with the files that the page shows; workers end well when they are interrupted."""
    url, ports = empty_database(one_place), {port: str(free_port()) for port in ("8000", "8080", "9090")}
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("no_proxy", "localhost")
    background: list[Program] = []
    said = ""
    for block in blocks(page):
        text = PORTS.sub(lambda port: ports[port[0]], block.text)
        match block.kind:
            case "file":
                (tmp_path / block.file).write_text(block.text)
            case "background":
                name, *words = shlex.split(text)
                background.append(program(*words, module=name, SHADOW_URL=url))
                background[-1].until(READY[name])
            case "run":
                said = carried_out(text, block, tmp_path, url)
            case "printed":
                lines = iter(vague(said))
                missing = [line for line in vague(block.text) if line not in lines]
                assert missing == [], f"{block.where}:\n{said}"
            case _:
                pass
    for one in background:
        one.signal(signal.SIGINT)
        assert one.end() == 0, one.text


def carried_out(text: str, block: Block, folder: Path, url: str) -> str:
    """Type a block into a shell of its own; all must go well. Give what was printed."""
    done = subprocess.run(
        ["bash", "-euc", text],
        cwd=folder,
        env={**os.environ, "SHADOW_URL": url},
        capture_output=True,
        text=True,
        timeout=3 * PATIENCE,  # a block may hold several commands
        check=False,
    )
    assert done.returncode == 0, f"{block.where}:\n{done.stdout}{done.stderr}"
    return done.stdout


def vague(text: str) -> list[str]:
    """Give its lines with zeros for numbers: times, attempts, and which of two workers it was."""
    return [re.sub(r"\d+(?:\.\d+)?", "0", line) for line in text.splitlines()]


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
