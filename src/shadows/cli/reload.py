"""``shadows worker --reload``: a worker that starts anew when its source changes, for development.

This process imports no task: it looks at the files twice a second, and runs the worker as a child.  Signals go on to
the child, whose exit code is ours.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from shadows.cli.exits import Code

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence
    from types import FrameType

PACE = 0.5
"""Seconds between two looks."""
PATIENCE = 2.0
"""Seconds that running calls have to end before they are handed back, and after that the process."""
SKIPPED = {"__pycache__", "node_modules", "site-packages"}

type Stamps = dict[str, tuple[int, int]]
"""When each file was changed last, in nanoseconds, and its size."""


@attrs.define
class Sources:
    """The Python files of a few folders, and how they were when we looked last."""

    roots: Sequence[Path]
    _seen: Stamps = attrs.field(factory=dict[str, tuple[int, int]], init=False)

    def __attrs_post_init__(self) -> None:
        self._seen = self._look()

    def changed(self) -> list[str]:
        """Return the files that have changed, come or gone since the last time, when they have come to rest."""
        before, now = self._seen, self._look()
        if now == before:
            return []
        while (later := self._look_after(PACE / 5)) != now:  # an editor may write more than once
            now = later
        self._seen = now
        return sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))

    def _look_after(self, seconds: float) -> Stamps:
        rest(seconds)
        return self._look()

    def _look(self) -> Stamps:
        found: Stamps = {}
        for root in self.roots:
            for path in _python_files(root):
                try:
                    stat = os.stat(path)  # noqa: PTH116 - thousands of them
                except OSError:  # it has just gone
                    continue
                found[path] = stat.st_mtime_ns, stat.st_size
        return found


def sources_of(paths: Iterable[str]) -> Sources:
    """Return the sources of a worker: the working directory, and the packages of its tasks that lie elsewhere."""
    here = Path.cwd()
    roots = [here]
    for package in {path.partition(":")[0].partition(".")[0] for path in paths}:
        spec = find_spec(package)  # of a package's own name, which imports nothing
        places = [] if spec is None else spec.submodule_search_locations or [spec.origin or ""]
        roots += [Path(place) for place in places if place and not Path(place).is_relative_to(here)]
    return Sources(roots)


def _python_files(root: Path) -> Generator[str]:
    if root.is_file():
        yield str(root)
    for folder, folders, files in os.walk(root):
        folders[:] = [each for each in folders if not (each.startswith(".") or each in SKIPPED)]
        if "pyvenv.cfg" in files and Path(folder) != root:
            folders.clear()
            continue
        yield from (f"{folder}{os.sep}{name}" for name in files if name.endswith(".py"))


def command() -> list[str]:
    """Return how this process was started, without ``--reload``."""
    return [sys.executable, *(word for word in sys.orig_argv[1:] if word != "--reload")]


@attrs.define
class Supervisor:
    """Runs a command, and runs it anew when the sources change."""

    command: Sequence[str]
    sources: Sources
    _child: subprocess.Popen[bytes] | None = attrs.field(default=None, init=False)
    _stopping: bool = attrs.field(default=False, init=False)

    def run(self) -> int:
        """Return the exit code of the child that ended because it was told to, or because it had nothing left to do."""
        with self._forwarding():
            while (code := self._once()) != Code.OK and not self._stopping:
                _say(f"the worker has ended with {code}; it starts again when a file changes")
                while not (changed := self.sources.changed()):
                    rest(PACE)
                    if self._stopping:
                        return Code.OK
                self._tell(changed)
            return code

    def _once(self) -> int:
        """Run until the child ends by itself, and start it anew whenever something has changed."""
        while True:
            # A group of its own: Ctrl-C comes from us alone, and so once.
            child = self._child = subprocess.Popen(self.command, env=_environment(), process_group=0)  # noqa: S603 - us
            if self._stopping:  # since a moment ago
                child.send_signal(signal.SIGTERM)
            while (code := _ended(child, PACE)) is None:
                if not self._stopping and (changed := self.sources.changed()):
                    self._tell(changed)
                    self._end(child)
                    break
            else:
                self._child = None
                return code if code >= 0 else 128 - code
            if self._stopping:
                return Code.OK

    def _end(self, child: subprocess.Popen[bytes]) -> None:
        """Let running calls end, then hand them back, then leave it to the leases."""
        for _ in range(2):
            child.send_signal(signal.SIGTERM)
            if _ended(child, PATIENCE) is not None:
                break
        else:
            child.kill()
            child.wait()
        self._child = None

    def _tell(self, changed: Sequence[str]) -> None:
        first = os.path.relpath(changed[0])
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        _say(f"{first}{more} changed; starting the worker anew")

    @contextmanager
    def _forwarding(self) -> Generator[None]:
        def hear(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of a handler
            self._stopping = True
            if self._child is not None:
                self._child.send_signal(number)

        before = {sign: signal.signal(sign, hear) for sign in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for sign, handler in before.items():
                signal.signal(sign, handler)


def rest(seconds: float) -> None:
    """Do nothing for so long."""
    select.select([], [], [], seconds)


def _environment() -> dict[str, str]:
    """A compiled file knows the age of its source in whole seconds only: the next child might think it new."""
    return {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}


def _ended(child: subprocess.Popen[bytes], within: float) -> int | None:
    try:
        return child.wait(within)
    except subprocess.TimeoutExpired:
        return None


def _say(text: str) -> None:
    print(f"shadows: {text}", file=sys.stderr, flush=True)
