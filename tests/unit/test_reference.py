"""The reference is made from the code, and is the one of today's code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import shadows
from shadows.adapters.observers.instruments import INSTRUMENTS
from shadows.adapters.redis.keys import Keys
from shadows.cli.commands import COMMANDS
from shadows.cli.exits import Code
from shadows.core.settings import PROCESS, SHADOW, WORKER
from shadows.errors import ShadowsError
from tools.reference import __main__ as command
from tools.reference import pages, wire_format
from tools.reference.llms import address, summary
from tools.reference.markup import body, told

REMEDY = "run `python3 dev.py reference` and commit what it writes"
SCRIPTS = "\n".join(
    path.read_text() for path in (pages.ROOT / "src" / "shadows" / "adapters" / "redis" / "scripts").glob("*.lua")
)


def page(name: str) -> str:
    """Give a page as it lies in docs."""
    return (pages.FOLDER / name).read_text()


def test_the_reference_is_up_to_date() -> None:
    """Docstrings, options, instruments and pages change; docs/reference and docs/llms.txt follow."""
    assert [str(path.relative_to(pages.ROOT)) for path in pages.outdated()] == [], REMEDY


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Let there be one page, in a folder of its own."""
    monkeypatch.setattr(pages, "written", lambda: {tmp_path / "reference" / "one.md": "new\n"})
    monkeypatch.setattr(pages, "FOLDER", tmp_path / "reference")
    monkeypatch.setattr(command, "ROOT", tmp_path)
    return tmp_path / "reference"


def test_the_command_writes_what_has_changed(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And removes what nothing makes any more; `--check` only tells."""
    assert command.main(["--check"]) == 1
    assert not elsewhere.exists()
    assert "one.md is out of date; run `python3 dev.py reference`" in capsys.readouterr().out
    assert command.main([]) == 0
    (elsewhere / "stray.md").write_text("old\n")
    assert command.main(["--check"]) == 1
    assert command.main([]) == 0
    assert {path.name: path.read_text() for path in elsewhere.iterdir()} == {"one.md": "new\n"}
    assert command.main(["--check"]) == 0
    assert command.main(["--chek"]) == 2


# That nothing is missing


def test_every_public_name_has_its_entry() -> None:
    """Exceptions on their page, a module as a section, all else under its name."""
    entries = set(re.findall(r"^#{2,3} (?:shadows\.)?(\w+)$", page("api.md") + page("errors.md"), re.MULTILINE))
    assert set(shadows.__all__) - {"__version__"} <= entries
    assert all(kind.__name__ in entries for kind in ShadowsError.__subclasses__())
    assert set(re.findall(r"Unpack\[(\w+)\]", page("api.md"))) <= entries


def test_every_command_variable_instrument_and_exit_code_has_its_line() -> None:
    """The tables of the code are the tables of the pages."""
    assert re.findall(r"^## shadows (.+)$", page("command-line.md"), re.MULTILINE) == list(COMMANDS)
    variables = [setting.variable for part in (SHADOW, WORKER, PROCESS) for setting in part.values()]
    assert re.findall(r"^\| `(SHADOW_\w+)`", page("environment.md"), re.MULTILINE) == variables
    table = page("metrics.md").partition("## Labels")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == [one.name for one in INSTRUMENTS]
    codes = re.findall(r"^\| (\d+) \|", page("exit-codes.md"), re.MULTILINE)
    assert [int(code) for code in codes] == [*sorted(Code), 130, 143]


def test_every_key_that_a_script_names_is_told() -> None:
    """And none that is not there."""
    ours = re.findall(r"base \.\. '(!?[a-z-]+)(?::?)'", SCRIPTS) + re.findall(r"'(!paced|!line):'", SCRIPTS)
    fixed = Keys("")
    ours += [fixed.stream, fixed.nowhere, fixed.bell, fixed.dead, fixed.strikes, fixed.replicated]
    told_of = {name.partition(":")[0] for name in wire_format.KEYS} - {"KEY"}
    assert told_of == set(ours)


def test_every_field_that_a_script_reads_is_told() -> None:
    """Of a record; and none that is not there."""
    lists = re.findall(r"H\w+', (?:record|runs \.\. [\w.\[\]]+|past_of\(run, key\))((?:,\s*'\w+')+)", SCRIPTS)
    read = {name for names in lists for name in re.findall(r"'([a-z]+)'", names)}
    values = {"queued", "running", "completed", "cancelled", "parked", "failed", "scheduled", "idle", "debounced"}
    assert read - values <= {*wire_format.RECORD, "result", "when"}
    assert [name for name in wire_format.RECORD if f"'{name}'" not in SCRIPTS] == []
    entries = re.findall(r"'XADD', (?:stream|KEYS\[1\]), '\*', (.*?)\)\n", SCRIPTS)
    written = [re.findall(r"'(\w+)'", entry) for entry in entries]
    every = list(wire_format.ENTRY)
    assert sorted(written) == [every[:2], every[:2], every[:3], every]


def test_llms_txt_has_a_line_for_each_page_of_the_navigation() -> None:
    """In the form of llmstxt.org: a title, a quoted summary, sections with links."""
    text = (pages.DOCS / "llms.txt").read_text()
    navigation = (pages.ROOT / "mkdocs.yml").read_text().partition("\nnav:\n")[2].partition("\n\n")[0]
    assert text.startswith("# shadows\n\n> ")
    linked = re.findall(r"^- \[[^]]+\]\(([^)]+)\): \S.{10,}$", text, re.MULTILINE)
    listed = re.findall(r"([\w/.-]+\.md)$", navigation, re.MULTILINE)
    assert sorted(linked) == sorted(map(address, listed))
    assert [address(page) for page in ("index.md", "reference/api.md", "moving/index.md")] == [
        "./",
        "./reference/api/",
        "./moving/",
    ]
    assert re.findall(r"^## (.+)$", text, re.MULTILINE)[-1] == "Optional"


# How docstrings are read


def test_a_docstring_becomes_markdown() -> None:
    """Literals, roles, sections, and what is indented behind two colons."""
    shown = body(
        """Say ``a|b`` to :class:`shadows.Shadow`, if 1 < 2::

            for example

        Args:
            one, two: what they
                are.

        Raises:
            ValueError: it is.

        Returns:
            Nothing at all.
        """
    )
    assert shown == (
        "Say `a|b` to `shadows.Shadow`, if 1 &lt; 2:\n\n```text\nfor example\n```\n\nArguments:\n\n"
        "- `one`, `two`: what they are.\n\nErrors:\n\n- `ValueError`: it is.\n\nReturns:\n\nNothing at all.\n"
    )


def test_what_a_docstring_shows_in_python_is_a_part_of_a_program() -> None:
    """So the blocks of the pages are all run, or read by the parser of their language."""
    shown = "Say:\n\n<!-- excerpt -->\n```python\nprint(1)\n```\n\nDone.\n"
    assert body("Say::\n\n    print(1)\n\nDone.") == shown


def test_what_stands_below_an_assignment_belongs_to_it() -> None:
    """As the docstrings of attributes do."""
    assert told(pages.__name__)["PAGES"].startswith("What stands in docs/reference")


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("# Title\n\nOne, see [here](x.md). Two.\n", "One, see here."),
        ("<!-- note -->\n# Title\n\n```python\nx = 1\n```\n\n| a |\n", "Title"),
    ],
)
def test_a_page_is_told_by_its_first_sentence(text: str, first: str) -> None:
    """Or by its title, where there is none."""
    assert summary(text) == first
