"""Lint the Lua scripts as whole texts.  Run it: python -m tools.luacheck.

A script is a shared beginning and one verb. Linting the files one by one would call every shared name
undefined in the verbs and unused in the beginning, so each whole script is linted. In the beginning that all
scripts share, a name counts as unused only when no script uses it, and each finding is printed once.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from tools import servers

CONFIGURATION = Path(__file__).resolve().parent.parent / ".luacheckrc"
FINDING = re.compile(r"(?P<script>.+)\.lua:(?P<line>\d+):(?P<column>\d+): \((?P<code>[WE]\d+)\) (?P<message>.*)")


class Finding(NamedTuple):
    """One complaint of luacheck."""

    script: str
    line: int
    code: str
    message: str

    @property
    def about_use(self) -> bool:
        """Whether it says that a name or a value is not used."""
        return self.code.startswith(("W2", "W3"))

    @property
    def about_looks(self) -> bool:
        """Whether it says that a line is too long."""
        return self.code.startswith("W6")


def main() -> int:
    """Print what luacheck finds; fail if it finds anything."""
    from shadows.adapters.redis.scripts import sources, written  # noqa: PLC0415 - nobody else needs the package

    luacheck = servers.tool("luacheck")
    if luacheck is None:
        print("luacheck skipped: it is not on PATH and could not be fetched", file=sys.stderr)
        return 1 if os.environ.get("CI") == "true" else 0
    scripts = written()
    findings = list(relevant(_run(luacheck, scripts), scripts))
    linked = {f"{verb} as linked": source for verb, source in sources().items()}
    findings += [finding for finding in _run(luacheck, linked) if not (finding.about_use or finding.about_looks)]
    scripts |= linked
    for finding in findings:
        print(f"{finding.script}.lua, line {finding.line} of the whole: {finding.message} ({finding.code})")
        print("    " + scripts[finding.script].splitlines()[finding.line - 1].strip())
    return 1 if findings else 0


def relevant(findings: list[Finding], scripts: Mapping[str, str]) -> Iterator[Finding]:
    """Leave out what only one script has to say about the beginning that all share, and every repetition."""
    shared = _shared_lines(scripts)
    scripts_that_say: dict[tuple[int, str, str], list[str]] = {}
    for finding in findings:
        scripts_that_say.setdefault(finding[1:], []).append(finding.script)
    for finding in findings:
        if finding.line > shared:
            yield finding
            continue
        say_so = scripts_that_say[finding[1:]]
        if finding.script == say_so[0] and (not finding.about_use or len(set(say_so)) == len(scripts)):
            yield finding


def _shared_lines(scripts: Mapping[str, str]) -> int:
    """Count the lines that all scripts begin with; a script alone shares nothing."""
    texts = [source.splitlines() for source in scripts.values()]
    count = 0
    if len(texts) > 1:
        for lines in zip(*texts, strict=False):
            if len(set(lines)) > 1:
                break
            count += 1
    return count


def _run(luacheck: str, scripts: Mapping[str, str]) -> list[Finding]:
    with tempfile.TemporaryDirectory(prefix="shadows-luacheck-") as folder:
        for name, source in scripts.items():
            Path(folder, f"{name}.lua").write_text(source)
        options = ["--config", str(CONFIGURATION), "--formatter", "plain", "--codes", "--no-cache"]
        command = [luacheck, *options, *(f"{name}.lua" for name in sorted(scripts))]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    found = [match for line in done.stdout.splitlines() if (match := FINDING.match(line))]
    if done.returncode and not found:
        raise SystemExit(f"luacheck failed: {done.stdout}{done.stderr}")
    return [Finding(match["script"], int(match["line"]), match["code"], match["message"]) for match in found]


if __name__ == "__main__":
    sys.exit(main())
