"""Index Python's own standard library with a few workers.

One call for each source file, whose task parses the file and counts what is in it.  A third of the calls are for
later (up to five seconds), and every tenth is placed twice under its key, which changes nothing: the key is the
file's path, and while a run of it is live there is no second one.

With a Redis or Valkey at localhost:6379, in the folder above this one, start as many workers as you like, each
in a terminal of its own:

    shadows worker --tasks examples.index_stdlib:tasks --redelivery-timeout 2s

and in another terminal place the calls and wait for the results:

    python -m examples.index_stdlib

Kill a worker while they work (kill -9): two seconds later the others run what it held, and every file's result is
there all the same.  SHADOW_URL and SHADOW_NAME lead workers and this program to another server or shadow.
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import sysconfig
import time
import warnings
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shadows import Disposition, Shadow

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shadows import Execution, TaskCall

type Counts = dict[str, int]

INSTALLED = {"site-packages", "dist-packages"}
LATEST = 5.0
"""Seconds that a call may lie in the future."""

COUNTED: dict[type[ast.AST], str] = {
    ast.FunctionDef: "functions",
    ast.AsyncFunctionDef: "functions",
    ast.ClassDef: "classes",
    ast.Import: "imports",
    ast.ImportFrom: "imports",
}


def index_file(path: str) -> Counts:
    """Count the lines, functions, classes and imports of a source file; some are wrong on purpose, for tests.

    It is a plain function, so it runs in a thread of the worker.
    """
    source = Path(path).read_bytes()
    counts = {"lines": source.count(b"\n"), "functions": 0, "classes": 0, "imports": 0, "broken": 0}
    try:
        tree = ast.parse(source, path)
    except (SyntaxError, ValueError):
        counts["broken"] = 1
    else:
        for statement in statements(tree):
            if (what := COUNTED.get(type(statement))) is not None:
                counts[what] += 1
    return counts


tasks = [index_file]


def statements(tree: ast.AST) -> list[ast.AST]:
    """List the statements of a tree, nested ones too; expressions are left alone."""
    found = [tree]
    for node in found:  # which grows meanwhile
        for name in ("body", "orelse", "finalbody", "handlers", "cases"):
            found += getattr(node, name, ())
    return found


def source_files() -> list[str]:
    """Give the path of every source file of the running Python's standard library."""
    root = Path(sysconfig.get_path("stdlib"))
    return sorted(str(path) for path in root.rglob("*.py") if not INSTALLED & set(path.relative_to(root).parts))


async def place(shadows: Shadow, paths: Iterable[str]) -> list[Execution[Counts]]:
    """Place a call for each file, and every tenth one twice; give the executions, in that order."""
    calls: list[TaskCall] = []
    for number, path in enumerate(paths):
        later = timedelta(seconds=number % 50 / 50 * LATEST) if number % 3 == 0 else None
        times = 2 if number % 10 == 0 else 1
        calls += [shadows.call(index_file, when=later, key=path)(path) for _ in range(times)]
    return await shadows.add_many(calls)


async def results(executions: Iterable[Execution[Counts]]) -> dict[str, Counts]:
    """Wait for each file's counts."""
    return {execution.key: await execution.get_result(timeout=300) for execution in executions}


async def main(name: str | None, url: str | None) -> None:
    """Place every call, wait for the results, and print what they add up to."""
    began = time.monotonic()
    async with Shadow(name, url) as shadows:
        executions = await place(shadows, source_files())
        dispositions = Counter(execution.disposition for execution in executions)
        print(f"placed {dispositions[Disposition.SCHEDULED]} calls in {time.monotonic() - began:.1f} s;", end=" ")
        print(f"{dispositions[Disposition.ALREADY_SCHEDULED]} more had a key that was taken")
        found = await results(executions)
        total: Counter[str] = Counter()
        for counts in found.values():
            total.update(counts)
        print(f"{len(found)} files in {time.monotonic() - began:.1f} s:", dict(total))


def options() -> dict[str, Any]:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Index the standard library with shadows.")
    parser.add_argument("--name", help="the shadow (default: SHADOW_NAME, else shadows)")
    parser.add_argument("--url", help="its server (default: SHADOW_URL, else redis://localhost:6379/0)")
    return vars(parser.parse_args())


# Files of the library's own tests hold what a parser warns of.
warnings.filterwarnings("ignore", category=SyntaxWarning)

if __name__ == "__main__":
    asyncio.run(main(**options()))
