"""Plant each bug of tests/mutants and see that the tests which it names fail.  Run it: python3 dev.py mutants [names].

    python3 dev.py mutants                  all of them
    python3 dev.py mutants inv_12 fault_no  those whose names begin like this
    python3 dev.py mutants -j 4             so many at a time
    python3 dev.py mutants --page           only write tests/mutants/README.md anew

A bug is a patch with a header.  Each is tried in a copy of the tree, never in the tree itself.  It is caught when
every test that it names ran and failed in what it checks; a test that could not be imported, or a script that did
not compile, catches nothing.  First of all the same tests have to pass where nothing is planted.

Each bug has a process of its own, forked from this one, which has imported already what is not ours and takes long.
"""

import argparse
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tools.witness import Witness

ROOT: Final = Path(__file__).resolve().parent.parent
FOLDER: Final = ROOT / "tests" / "mutants"
PAGE: Final = FOLDER / "README.md"
REMEDY: Final = (
    "change the patch so that it plants the same bug in the code of today, then run `python3 dev.py mutants {}`"
)
LONGEST: Final = 20
"""seconds for one test where a bug is planted: one that waits for ever has noticed it as well"""
PATIENCE: Final = 120
"""seconds for all tests of one bug; then they have not come to their end"""
_COPIED: Final = ("src", "tests", "tools", "docs", "examples", "deploy", "benchmarks", "pyproject.toml", "dev.py")
_IMPORTED: Final = (
    "hypothesis.strategies", "attrs", "cloudpickle", "cronsim", "hiredis", "opentelemetry.sdk.metrics",
    "opentelemetry.sdk.trace", "redis.asyncio.cluster", "redis.asyncio.sentinel", "structlog",
)  # fmt: skip
"""what the tests need and is not ours; no plugin of pytest, for those want to see themselves imported"""
_PLUGINS: Final = ("pytest_asyncio.plugin", "pytest_timeout")
_NOT_CAUGHT: Final = re.compile(
    r"^(\w+\.)*(ImportError|ModuleNotFoundError|SyntaxError|IndentationError|NameError)\b"
    r"|compiling script|nonexistent global variable|attempt to call"
)
"""of a failure that tells of a bad patch, not of a good test"""


class Mutant(NamedTuple):
    """One planted bug."""

    name: str
    line: int
    """of the list of what must always hold; 0 for a bug that stands in the list of faults"""
    promise: str
    bug: str
    kills: tuple[str, ...]
    """the tests that must fail, as pytest names them, without parameters"""
    servers: str
    """where they are run, besides on memory"""
    diff: str

    @classmethod
    def read(cls, path: Path) -> "Mutant":
        """Read a patch and its header.

        Raises:
            ValueError: the header lacks something.
        """
        head, begin, diff = path.read_text("utf-8").partition("\ndiff --git ")
        fields: dict[str, list[str]] = {}
        for name, value in re.findall(r"^(\w+): (.*(?:\n +.*)*)$", head, re.MULTILINE):
            fields.setdefault(name, []).append(" ".join(value.split()))
        try:
            line = int(fields["Invariant"][0]) if "Invariant" in fields else 0
            promise, bug, servers = (fields[each][0] for each in ("Promise", "Bug", "Servers"))
            return cls(path.stem, line, promise, bug, tuple(fields["Kills"]), servers, begin.strip("\n") + diff)
        except KeyError as lacking:
            msg = f"{path.name} has no line {lacking.args[0]}: before its diff"
            raise ValueError(msg) from None


class Report(NamedTuple):
    """What became of the tests of one run."""

    package: str
    outcomes: dict[str, list[str]]
    """by id: why it failed, nothing if it passed"""
    broken: list[str]
    """what could not be collected"""

    def of(self, test: str) -> list[list[str]]:
        """Return the outcomes of a test with each of its parameters."""
        return [why for one, why in self.outcomes.items() if one.partition("[")[0] == test]


class Job(NamedTuple):
    """Tests to be run, on a bug or, where there is none, on the tree as it is."""

    tests: Sequence[str]
    servers: str
    mutant: Mutant | None = None


class Copy:
    """The tree once more, to plant bugs in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in _COPIED:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, folder / name)  # with times, so that what was compiled stays valid
            elif (ROOT / name).exists():
                shutil.copy2(ROOT / name, folder / name)

    def clean(self, mutant: Mutant) -> None:
        """Take the files that it changed from the tree again."""
        for name in changed(mutant):
            shutil.copy2(ROOT / name, self.folder / name)

    def begin(self, job: Job) -> int:
        """Begin to run tests on the package of this copy; return the id of the process that does."""
        (self.folder / "report.json").unlink(missing_ok=True)
        child = os.fork()
        if child == 0:
            try:
                self._run(job)
            except BaseException:  # noqa: BLE001 - whatever it is, this process must not go on as the parent does
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(0)
        return child

    def _run(self, job: Job) -> None:
        log = os.open(self.folder / "log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(log, stream)
        os.chdir(self.folder)
        paths = [str(self.folder), str(self.folder / "src")]
        sys.path[:0] = paths
        os.environ |= {"PYTHONPATH": os.pathsep.join(paths), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        for name in [name for name in sys.modules if name.partition(".")[0] == "tools"]:
            del sys.modules[name]  # the tests are to use the tools of the copy
        if job.mutant:  # a body that does not end even when it is cancelled keeps its event loop, and so pytest
            limit = threading.Timer(PATIENCE, os._exit, [1])
            limit.daemon = True
            limit.start()
        plugins = [option for plugin in _PLUGINS for option in ("-p", plugin)]
        more = ["-o", f"timeout={LONGEST}"] if job.mutant else []
        options = [*plugins, "-p", "no:cacheprovider", "-q", "--slow", *more, "--servers", job.servers]
        pytest.main([*options, *job.tests], [Witness(self.folder / "report.json")])

    def report(self) -> Report:
        """Return what the process that has ended found."""
        path = self.folder / "report.json"
        if not path.exists():
            log = (self.folder / "log").read_text("utf-8", "replace")
            return Report("", {}, [f"pytest did not come to its end: {log[-2000:]}"])
        found = Report(**json.loads(path.read_text("utf-8")))
        if found.outcomes and not Path(found.package).is_relative_to(self.folder):
            msg = f"the tests in {self.folder} were run on {found.package or 'no package at all'}"
            raise RuntimeError(msg)
        return found


def mutants() -> list[Mutant]:
    """Return all planted bugs, in order."""
    return [Mutant.read(path) for path in sorted(FOLDER.glob("*.patch"))]


def applied(mutant: Mutant, folder: Path, *options: str) -> str:
    """Apply the patch to the tree in a folder; return what is wrong with it, if it cannot be."""
    # A folder inside of some repository would be taken for a part of that one, and nothing be applied.
    env = {**os.environ, "GIT_CEILING_DIRECTORIES": str(folder.parent)}
    command = ["git", "apply", *options, "-"]
    done = subprocess.run(command, cwd=folder, env=env, input=mutant.diff, capture_output=True, text=True, check=False)
    return f"it does not apply ({done.stderr.strip()}); {REMEDY.format(mutant.name)}" if done.returncode else ""


def changed(mutant: Mutant) -> list[str]:
    """Return the files that it changes."""
    return re.findall(r"^\+\+\+ b/(.*)$", mutant.diff, re.MULTILINE)


def survives(mutant: Mutant, report: Report) -> str:
    """Return how the bug escaped its tests; nothing if it was caught."""
    if report.broken:
        return f"could not be tested: {report.broken[0]}"
    for test in mutant.kills:
        reasons = [reason for why in report.of(test) for reason in why]
        if not report.of(test):
            return f"{test} was not run"
        if not reasons:
            return f"{test} passes all the same"
        if all(_NOT_CAUGHT.search(reason) for reason in reasons):
            return f"{test} breaks instead of failing: {reasons[0].splitlines()[0]}"
    return ""


def page(planted: Sequence[Mutant]) -> str:
    """Return the page that lists all planted bugs."""
    rows: list[str] = []
    for each in sorted(planted, key=lambda one: (one.line or 1000, one.name)):
        tests = "<br>".join(f"`{test.removeprefix('tests/')}`" for test in each.kills)
        rows.append(f"| {each.line or ''} | {each.promise} | [{each.name}]({each.name}.patch): {each.bug} | {tests} |")
    return "\n".join([*_INTRODUCTION, *rows, ""])


_INTRODUCTION: Final = (
    "# Planted bugs",
    "",
    "Each promise that shadows makes has a bug here that breaks it, and tests that notice. `python3 dev.py mutants`",
    "plants one after the other in a copy of the tree and fails if one of them is not caught. The lines are numbered",
    "as in the list of what must always hold; without a number are the bugs that the list of faults names, and others",
    "that belong to no line.",
    "",
    "This page is made from the patches: `python3 dev.py mutants --page`. To add a bug, save `git diff -U1` with a",
    "header like those of the others. A patch that no longer applies is changed so that it plants the same bug in the",
    "code of today.",
    "",
    "| line | what must hold | the planted bug | caught by |",
    "| --- | --- | --- | --- |",
)


def main(arguments: Sequence[str]) -> int:
    """Try the bugs that are asked for; fail if one survives."""
    parser = argparse.ArgumentParser(prog="dev.py mutants", description="Plant bugs and see that tests catch them.")
    parser.add_argument("names", nargs="*", help="what the names of those to try begin with; default all")
    parser.add_argument("-j", type=int, default=os.cpu_count() or 1, metavar="N", help="so many at a time")
    parser.add_argument("--page", action="store_true", help="only write the page that lists them")
    asked = parser.parse_args(arguments)
    every = mutants()
    if asked.page:
        PAGE.write_text(page(every), "utf-8")
        return 0
    chosen = [one for one in every if not asked.names or one.name.startswith(tuple(asked.names))]
    if not chosen:
        print(f"no planted bug is called like that; there are {', '.join(one.name for one in every)}")
        return 2
    for name in _IMPORTED:
        importlib.import_module(name)
    with tempfile.TemporaryDirectory(prefix="shadows-mutants-") as folder:
        copies = [Copy(Path(folder).resolve() / str(number)) for number in range(max(1, asked.j))]
        return _try_all(chosen, copies)


def _try_all(chosen: Sequence[Mutant], copies: Sequence[Copy]) -> int:
    began = time.monotonic()
    failing = [
        line for job, report, _ in _run(_without_bugs(chosen, len(copies)), copies) for line in _bad(job, report)
    ]
    if failing:
        print("These tests fail where no bug is planted, so they can catch none:", *failing, sep="\n  ")
        return 1
    print(f"{'':8} {time.monotonic() - began:5.1f} s  all of their tests pass where nothing is planted", flush=True)
    escaped: list[str] = []
    for job, report, seconds in _run([Job(one.kills, one.servers, one) for one in chosen], copies):
        mutant = job.mutant
        if mutant is None:
            raise AssertionError
        how = survives(mutant, report)
        print(f"{'SURVIVES' if how else 'caught':8} {seconds:5.1f} s  {mutant.name}  {how}".rstrip(), flush=True)
        escaped += [mutant.name] if how else []
    print(f"{len(chosen) - len(escaped)} of {len(chosen)} planted bugs were caught, {time.monotonic() - began:.0f} s")
    if escaped:
        print("not caught: " + ", ".join(sorted(escaped)))
    return 1 if escaped else 0


def _run(jobs: Iterable[Job], copies: Sequence[Copy]) -> Iterator[tuple[Job, Report, float]]:
    """Do all jobs, one in each copy at a time; yield what each has found, and the seconds that it took."""
    idle, waiting = list(copies), list(jobs)[::-1]
    working: dict[int, tuple[Job, Copy, float]] = {}
    while waiting or working:
        while waiting and idle:
            job = waiting.pop()
            wrong = applied(job.mutant, idle[-1].folder) if job.mutant else ""
            if wrong:
                yield (
                    job,
                    Report("", {}, [f"it does not apply; {REMEDY.format(job.mutant and job.mutant.name)}: {wrong}"]),
                    0,
                )
                continue
            copy = idle.pop()
            working[copy.begin(job)] = (job, copy, time.monotonic())
        if working:
            job, copy, began = working.pop(os.wait()[0])
            report = copy.report()
            if job.mutant:
                copy.clean(job.mutant)
            idle.append(copy)
            yield job, report, time.monotonic() - began


def _without_bugs(chosen: Sequence[Mutant], parts: int) -> Iterator[Job]:
    """Share the tests of all of them out, those of a file together."""
    for servers in sorted({one.servers for one in chosen}):
        tests = sorted({test for one in chosen if one.servers == servers for test in one.kills})
        files = sorted({test.partition("::")[0] for test in tests})
        for part in range(min(parts, len(files))):
            mine = files[part::parts]
            yield Job([test for test in tests if test.partition("::")[0] in mine], servers)


def _bad(job: Job, report: Report) -> Iterator[str]:
    yield from report.broken
    for test in () if report.broken else job.tests:
        outcomes = report.of(test)
        if not outcomes:
            yield f"{test} was not run"
        for why in outcomes:
            yield from (f"{test}: {reason.splitlines()[0]}" for reason in why)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
