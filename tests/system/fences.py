"""The fenced blocks of the pages, and what is done with each."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from tests.system.programs import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
MADE = ROOT / "docs" / "reference"
"""Pages which are made from the code; what they say is what the code says."""
FENCE = re.compile(
    r"^(?:<!-- (?P<about>[^\n]*?) -->\n)?"
    r"```(?P<language>[^ \n]*)(?: title=\"(?P<title>[^\n\"]+)\")?\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
READ_HERE = {"bash", "ini", "json", "toml", "yaml"}
"""Languages whose blocks are read in test_docs.py; commands that can be run are run there instead."""
READ_BY_TOOLS = {"dockerfile", "promql"}
"""Languages that only the tools of tests/deploy read."""
KINDS = {
    "output": "output",
    "printed": "printed",
    "signature": "read",
    "excerpt": "read",
    "shell: run": "run",
    "shell: run in the background": "background",
}
"""What the comment above a block says -> what is done with it."""


@attrs.frozen
class Block:
    """A fenced block, and what the comment above it says."""

    page: Path
    line: int
    language: str
    text: str
    about: str
    title: str

    @property
    def where(self) -> str:
        """For messages."""
        return f"{self.page}, line {self.line}"

    @property
    def file(self) -> str:
        """The name of the file that it is the content of, as readers see it, or as only we do."""
        return self.title or (self.about.removeprefix("file: ") if self.about.startswith("file: ") else "")

    @property
    def kind(self) -> str:
        """What is done with it: `session`, `file`, `output`, `printed`, `run`, `background`, `read`, `tool`, `made`."""
        if self.file:
            return "file"
        if self.about.startswith("theirs: ") or re.fullmatch(r"shell: not run: .{10,}", self.about):
            return "read"
        if kind := KINDS.get(self.about):
            return kind
        if self.language == "python":
            return "session"
        if self.language in READ_BY_TOOLS:
            return "tool"
        if self.language in READ_HERE - {"bash"}:
            return "read"
        assert self.language == "text", f"{self.where}: say above the block what is done with it"
        assert self.page.parent == MADE, f"{self.where}: say above the block what printed it"
        return "made"


def blocks(page: Path) -> list[Block]:
    """Read a page."""
    text = page.read_text()
    return [
        Block(
            page=page,
            line=text.count("\n", 0, found.start()) + 1,
            language=found["language"],
            text=found["text"],
            about=found["about"] or "",
            title=found["title"] or "",
        )
        for found in FENCE.finditer(text)
    ]


def every(kind: str) -> list[Block]:
    """Give all blocks of a kind."""
    return [block for page in PAGES for block in blocks(page) if block.kind == kind]


def has(kind: str) -> list[Any]:
    """Give the pages that have such a block."""
    return [
        pytest.param(page, id=str(page.relative_to(ROOT)))
        for page in dict.fromkeys(block.page for block in every(kind))
    ]
