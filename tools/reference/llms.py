"""docs/llms.txt: what the documentation has, a line for each page, in the form of llmstxt.org."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_ENTRY: Final = re.compile(r"^(?P<indent> +)- (?:(?P<title>[^:\n]+): )?(?P<page>[\w/.-]+\.md)$")
_GROUP: Final = re.compile(r"^ +- (?P<title>[^:\n]+):$")
_OPTIONAL: Final = "Decisions"
"""llmstxt.org: what may be left out when there is little room"""


def text(docs: Path, navigation: Path, made: Mapping[Path, str]) -> str:
    """Return the file; `made` are the pages that are made along with it, and may not be there yet."""
    groups: dict[str, list[str]] = {"Guides": []}
    group, configuration = "Guides", navigation.read_text()
    for line in configuration.partition("\nnav:\n")[2].partition("\n\n")[0].splitlines():
        if entry := _ENTRY.match(line):
            path, name = docs / entry["page"], group if entry["indent"] != "  " else "Guides"
            page = made.get(path) or path.read_text()
            title = entry["title"] or _title(page)
            says = _title(page)[5:] if re.match(r"# \d{4} ", page) else summary(page)
            groups[name].append(f"- [{title}]({address(entry['page'])}): {says}")
        elif found := _GROUP.match(line):
            group = found["title"]
            groups[group] = []
    last = groups.pop(_OPTIONAL, [])
    sections = [f"## {name}\n\n" + "\n".join(lines) for name, lines in groups.items() if lines]
    about = re.findall(r"^site_(?:name|description): (.*)$", configuration, re.MULTILINE)
    first = summary((docs / "index.md").read_text(), sentences=9)
    opening = f"# {about[0]}\n\n> {about[1]}\n\n{first}"
    return "\n\n".join([opening, *sections, "## Optional\n\n" + "\n".join(last)]) + "\n"


def address(page: str) -> str:
    """Return where a page lies in the built documentation, seen from its root, where this file lies."""
    return f"./{page.removesuffix('.md').removesuffix('index')}".rstrip("/") + "/"


def summary(page: str, *, sentences: int = 1) -> str:
    """Return how the first paragraph of a page begins, without links; its title if it has none."""
    plain = re.sub(r"<!--.*?-->|^```.*?^```$", "", page, flags=re.DOTALL | re.MULTILINE)
    for block in re.split(r"\n\s*\n", plain):
        paragraph = " ".join(block.split())
        if paragraph and not re.match(r"[#|>*+-]|\d+\. ", paragraph):
            paragraph = re.sub(r"\[([^]]+)\]\([^)]*\)", r"\1", paragraph)
            said = re.split(r"(?<=[.!?]) (?=[A-Z`])", paragraph)
            return " ".join(said[:sentences]).rstrip(":")
    return _title(page)


def _title(page: str) -> str:
    found = re.search(r"^# (.+)$", page, re.MULTILINE)
    if found is None:
        raise SystemExit("a page of the navigation has no title")
    return found[1]
