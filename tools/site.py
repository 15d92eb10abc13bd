"""Build the documentation, and follow its links.  Run it: python -m tools.site.

The builder takes a warning for an error, but looks only at links to pages.  What it has built is read here: each link
inside of it leads to a file and, behind a `#`, to something of that name; and no page needs anything of another site.
"""

import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urljoin, urlsplit

ROOT: Final = Path(__file__).resolve().parent.parent
SITE: Final = ROOT / "site"
_LOADED: Final = {("img", "src"), ("script", "src"), ("link", "href"), ("iframe", "src"), ("source", "src")}
"""What a browser fetches without being asked."""
_INNOCENT: Final = {"canonical", "next", "prev", "alternate"}
"""Kinds of <link> that it does not fetch."""


class Page(HTMLParser):
    """What one built page has, and what it leads to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what has a name, and what leads elsewhere."""
        given = {name: value for name, value in attrs if value is not None}
        self.names |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if not _INNOCENT & set(given.get("rel", "").split()):
            self.loaded += [given[name] for name in given if (tag, name) in _LOADED]


def main() -> int:
    """Build, then print what leads nowhere; fail if anything does."""
    builder = Path(sys.executable).with_name("zensical")
    built = subprocess.run([builder, "build", "--strict", "--clean"], cwd=ROOT, check=False)
    faults = [] if built.returncode else list(problems(SITE))
    print(*faults, sep="\n", end="\n" if faults else "")
    return 1 if built.returncode or faults else 0


def problems(site: Path) -> Iterator[str]:
    """Tell of each link that leads nowhere, and of what has to be fetched from elsewhere."""
    pages = {path: Page(path.read_text()) for path in sorted(site.rglob("*.html")) if path.name != "404.html"}
    for path, page in pages.items():
        here = path.relative_to(site).as_posix().removesuffix("index.html")
        for link in dict.fromkeys([*page.links, *page.loaded]):
            parts = urlsplit(urljoin(f"/{here}", link))
            if parts.scheme or parts.netloc:
                if link in page.loaded and parts.scheme != "data":
                    yield f"/{here} needs {link}"
                continue
            target = site / unquote(parts.path).lstrip("/")
            target = target / "index.html" if target.is_dir() else target
            if not target.is_file():
                yield f"/{here}: {link} leads nowhere"
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].names:
                yield f"/{here}: {link} leads to nothing of this name"


if __name__ == "__main__":
    sys.exit(main())
