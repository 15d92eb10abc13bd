"""The parent's end of child processes."""

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


class Talk:
    """A process that is told what to do, a line of JSON each time, and answers with a line that begins with ``@``."""

    def __init__(self, what: str, command: list[str], *, limit: float, said: int, **options: Any) -> None:
        """Start it; a request may take ``limit`` seconds, and of its last words ``said`` characters are told."""
        self._what, self._limit, self._said = what, limit, said
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed on leaving
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=self._errors, text=True, **options
        )

    def ask(self, do: str, **arguments: object) -> dict[str, Any]:
        """Have it do something, and give its answer."""
        stdin = self.process.stdin
        assert stdin  # noqa: S101 - for the type checker: it is a pipe
        with suppress(BrokenPipeError):  # its last words follow
            stdin.write(json.dumps({"do": do, **arguments}) + "\n")
            stdin.flush()
        return self.heard()

    def heard(self) -> dict[str, Any]:
        """Give what it says next."""
        stdout = self.process.stdout
        assert stdout  # noqa: S101 - for the type checker: it is a pipe
        limit = threading.Timer(self._limit, self.process.kill)
        limit.start()
        try:
            for line in stdout:
                if line.startswith("@"):
                    answer: dict[str, Any] = json.loads(line[1:])
                    return answer
        finally:
            limit.cancel()
        raise self.died()

    def died(self) -> ChildDiedError:
        """Give what there is to say of its end."""
        self.process.wait()
        self._errors.seek(0)
        words = self._errors.read().decode(errors="replace").strip()
        return ChildDiedError(f"{self._what} died: {words[-self._said :] or self.process.returncode}")

    def hang_up(self) -> None:
        """Say that nothing will follow."""
        assert self.process.stdin  # noqa: S101 - for the type checker: it is a pipe
        with suppress(BrokenPipeError):
            self.process.stdin.close()

    def close(self) -> None:
        """Let go of a process that has ended."""
        self.hang_up()
        if self.process.stdout:
            self.process.stdout.close()
        self._errors.close()


def kept() -> dict[str, str]:
    """Give our environment without what would lead a process to another interpreter's packages."""
    return {name: value for name, value in os.environ.items() if name not in FOREIGN} | {"PYTHONWARNINGS": "ignore"}


class Child:
    """A producer or a worker of a peer, which does what it is told to."""

    def __init__(self, role: str, peer: Peer, url: str, **settings: object) -> None:
        arguments = [role, peer.contender, url, json.dumps({**peer.settings, **settings})]
        command = [str(peer.python()), "-m", "benchmarks.child", *arguments]
        what = f"the {role} of {peer.name}"
        self._talk = Talk(what, command, limit=LIMIT, said=3000, env=kept() | peer.environment())

    def __enter__(self) -> Self:
        try:
            self._talk.heard()
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
        return self._talk.ask(do, **arguments)

    def times(self, do: str, **arguments: object) -> dict[int, float]:
        """Have it do something, and give the moment of each call by its number."""
        return {int(number): moment for number, moment in self.ask(do, **arguments)["times"].items()}

    def _end(self) -> None:
        self._talk.hang_up()
        try:
            self._talk.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._talk.process.kill()
            self._talk.process.wait()
        self._talk.close()
