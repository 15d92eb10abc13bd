"""From an exception to a few lines that a person can act on: what, where, why, and what to type."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from typing import TYPE_CHECKING

import attrs

from shadows.cli.commands import COMMANDS
from shadows.cli.corrections import exported, meant_server, replaced, said_by, typed
from shadows.cli.exits import Code, forced_by
from shadows.cli.printing import printable
from shadows.errors import (
    BrokenKey,
    BrokerError,
    BrokerFull,
    BrokerUnavailable,
    ConfigurationError,
    NotAllowed,
    OutcomeUnknown,
    OutOfMemory,
    UnsupportedServer,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LONGEST_LINE = 300


@attrs.frozen
class Complaint:
    """What is said about an error."""

    code: int
    what: str
    where: str = ""
    cause: str = ""
    remedy: str = ""
    """what to type"""

    def lines(self) -> list[str]:
        """Return it as it is printed: no more than a handful of lines."""
        about = {"where": self.where, "cause": self.cause, "type": self.remedy}
        return [
            _short(f"error: {self.what}"),
            *(_short(f"  {name + ':':<6} {text}") for name, text in about.items() if text),
        ]


class TasksNotLoadedError(Exception):
    """A module of tasks raised when it was imported; the cause says what."""

    def __init__(self, path: str) -> None:
        super().__init__(f"cannot import the tasks {path}")
        self.module = path.partition(":")[0]


class LoopEndedError(Exception):
    """Something that is no Exception came out of a task that a body had started, and ended the event loop."""


class UsageError(Exception):
    """There is no such command or option, or it lacks its value; ``remedy`` is what to type, if anybody can tell."""

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(what)
        self.remedy = remedy


class CommandError(Exception):
    """A command could not do what was asked, and knows what to say of it."""

    def __init__(self, complaint: Complaint) -> None:
        super().__init__(complaint.what)
        self.complaint = complaint


def complain(error: BaseException, words: Sequence[str], *, debug: bool) -> int:
    """Print what went wrong with the command line ``words`` to stderr, and return the exit code."""
    if debug:
        traceback.print_exception(error)
    if isinstance(error, BrokenPipeError):  # as in `shadows snapshot | head -1`
        return Code.FAILED
    complaint = about(error, words)
    print("\n".join(complaint.lines()), file=sys.stderr)
    return complaint.code


def about(error: BaseException, words: Sequence[str]) -> Complaint:
    """Return what there is to say."""
    again = f"{typed(words)} --debug"
    match error:
        case BaseExceptionGroup():  # of a task group; the others are its consequences
            return about(error.exceptions[0], words)
        case KeyboardInterrupt():
            return Complaint(forced_by(signal.SIGINT), "interrupted")
        case CommandError():
            return error.complaint
        case UsageError():
            return Complaint(Code.USAGE, str(error), remedy=error.remedy or f"{_usage(words)} --help")
        case TasksNotLoadedError():
            cause, remedy = error.__cause__ or error, f"{again} (shows the traceback)"
            return Complaint(Code.CONFIGURATION, str(error), _place(cause), _described(cause), remedy)
        case ConfigurationError():
            return _of_configuration(error, words)
        case BrokerError():
            code, what, remedy = next(said for kind, said in _OF_BROKERS.items() if isinstance(error, kind))
            remedy = meant_server(str(error), words, os.environ) or remedy.format(command=_usage(words), again=again)
            return Complaint(code, what, cause=str(error), remedy=remedy)
        case OutOfMemory():
            remedy = "shadows worker --help; a task marked in_process has its memory to itself"
            return Complaint(Code.INTERNAL, str(error), remedy=remedy)
        case LoopEndedError():
            why = "an asyncio task that a body had started raised it; bodies must await theirs, and catch it there"
            return Complaint(Code.INTERNAL, str(error), _place(error.__cause__ or error), why, again)
        case _:
            what, remedy = "this should not have happened", f"{again} (shows the traceback), and report it, please"
            return Complaint(Code.INTERNAL, what, _place(error), _described(error), remedy)


_OF_BROKERS: Mapping[type[BrokerError], tuple[Code, str, str]] = {
    NotAllowed: (
        Code.NOT_ALLOWED,
        "the server refuses us",
        "{command} --url redis://USER:PASSWORD@HOST:PORT/0, or set SHADOW_URL",
    ),
    UnsupportedServer: (
        Code.CONFIGURATION,
        "the server cannot be used",
        "{command} --url redis://HOST:PORT/0 with another server, or set SHADOW_URL",
    ),
    BrokerFull: (Code.FAILED, "the server is full", "redis-cli INFO memory, on the server; then the same again"),
    BrokenKey: (
        Code.FAILED,
        "somebody else writes to the keys of this shadow",
        "redis-cli TYPE KEY, on the server, then rename or delete that key",
    ),
    BrokerUnavailable: (
        Code.UNREACHABLE,
        "the server cannot be reached",
        "{command} --url redis://HOST:PORT/0, or set SHADOW_URL; shadows demo needs no server",
    ),
    OutcomeUnknown: (
        Code.UNREACHABLE,
        "the server was lost on the way",
        "shadows snapshot, to see what has come of it",
    ),
    BrokerError: (Code.FAILED, "the server refused", "{again}"),
}
"""For each kind, the first that fits: the exit code, what is said, and what to type."""


def _of_configuration(error: ConfigurationError, words: Sequence[str]) -> Complaint:
    """Say it in the words of the user, who may know the argument by the name of its option or its variable."""
    source, what = said_by(error.source, words, os.environ), str(error)
    if error.source and what.startswith(f"{error.source}="):
        what = source + what.removeprefix(error.source)
    if error.remedy:
        remedy = error.remedy
    elif error.instead and (source.startswith("--") or error.value in words):
        remedy = replaced(words, source, error.value, error.instead)
    elif source in os.environ and error.instead:
        remedy = exported(source, os.environ[source], error.value, error.instead)
    else:
        remedy = f"{_usage(words)} --help"
    return Complaint(Code.CONFIGURATION, what, remedy=remedy)


def _usage(words: Sequence[str]) -> str:
    """Return the command of a command line, as it is typed."""
    return next((f"shadows {name}" for length in (2, 1) if (name := " ".join(words[:length])) in COMMANDS), "shadows")


def _described(error: BaseException) -> str:
    return traceback.format_exception_only(error)[-1].strip()


def _place(error: BaseException) -> str:
    """Return the line that an exception came from."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}, line {error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}, line {frames[-1].lineno}" if frames else ""


def _short(line: str) -> str:
    line = printable(" ".join(line.split("\n")))
    return line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]}..."
