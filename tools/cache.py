"""Where fetched programs lie: one folder for all checkouts, filled once, also when two runs come together."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path


class NotHereError(Exception):
    """Something cannot be fetched on this machine; the message says why in one line."""


def folder() -> Path:
    """`$XDG_CACHE_HOME/shadows-dev`, or a folder under the temporary one where no home can be written."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    chosen = home / "shadows-dev"
    try:
        chosen.mkdir(parents=True, exist_ok=True)
    except OSError:
        chosen = Path(tempfile.gettempdir()) / f"shadows-dev-{os.getuid()}"
        chosen.mkdir(mode=0o700, exist_ok=True)
    return chosen


def once(name: str, build: Callable[[Path], None]) -> Path:
    """Give the folder called `name`; build it first where it is missing.

    It is built in a folder beside it, which gets its name only when it is whole, so an interrupted run
    leaves nothing half made. A second run waits for the first and finds the work done.
    """
    finished = folder() / name
    if finished.is_dir():
        return finished
    with _locked(folder() / f"{name}.lock"):
        if not finished.is_dir():
            unfinished = Path(tempfile.mkdtemp(prefix=f"{name}-", suffix=".part", dir=folder()))
            try:
                build(unfinished)
                unfinished.chmod(0o755)
                unfinished.rename(finished)
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)
    return finished


@contextlib.contextmanager
def _locked(path: Path) -> Generator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
