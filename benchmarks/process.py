"""The parent's end of a child process."""

import json
import os
import subprocess
import tempfile
import threading
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from benchmarks.peers import ROOT, Peer

FOREIGN = ("VIRTUAL_ENV", "PYTHONHOME", "PYTHONPATH")
PATIENCE = 5.0
"""Seconds that it has to end."""
LIMIT = 180.0
"""Seconds that one request may take."""


class ChildDiedError(Exception):
    """A producer or a worker ended before its time; the message holds the end of what it wrote."""


class Child:
    """A producer or a worker of a peer, which does what it is told to."""

    def __init__(self, role: str, peer: Peer, url: str, **settings: object) -> None:
        self._what = f"the {role} of {peer.name}"
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed on leaving
        arguments = [role, peer.contender, url, json.dumps({**peer.settings, **settings})]
        kept = {name: value for name, value in os.environ.items() if name not in FOREIGN}
        self._process = subprocess.Popen(
            [str(peer.python()), "-m", "benchmarks.child", *arguments],
            cwd=ROOT,
            env={**kept, **peer.environment(), "PYTHONWARNINGS": "ignore"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def __enter__(self) -> Self:
        try:
            self._heard()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def ask(self, do: str, **arguments: object) -> dict[str, Any]:
        """Have it do something, and give its answer."""
        stdin = self._process.stdin
        assert stdin  # noqa: S101 - for the type checker: it is a pipe
        with suppress(BrokenPipeError):  # its last words follow
            stdin.write(json.dumps({"do": do, **arguments}) + "\n")
            stdin.flush()
        return self._heard()

    def times(self, do: str, **arguments: object) -> dict[int, float]:
        """Have it do something, and give the moment of each call by its number."""
        return {int(number): moment for number, moment in self.ask(do, **arguments)["times"].items()}

    def _heard(self) -> dict[str, Any]:
        stdout = self._process.stdout
        assert stdout  # noqa: S101 - for the type checker: it is a pipe
        limit = threading.Timer(LIMIT, self._process.kill)
        limit.start()
        try:
            for line in stdout:
                if line.startswith("@"):
                    answer: dict[str, Any] = json.loads(line[1:])
                    return answer
        finally:
            limit.cancel()
        self._process.wait()
        self._errors.seek(0)
        words = self._errors.read().decode(errors="replace")
        raise ChildDiedError(f"{self._what} died: {words[-3000:].strip() or self._process.returncode}")

    def _end(self) -> None:
        assert self._process.stdin  # noqa: S101 - for the type checker: it is a pipe
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()
        self._errors.close()
