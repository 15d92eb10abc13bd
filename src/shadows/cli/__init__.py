"""The command line: see :mod:`shadows.cli.commands` for what there is.

``main`` turns a command line into an exit code.  What a command needs is imported when it is its turn.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from shadows.cli.commands import COMMANDS, group
from shadows.cli.exits import Code, leave

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HELP = {"--help", "-h", "help"}
FOOT = "shadows COMMAND --help tells a command's options.  --debug, anywhere, shows the traceback of an error."


def main(words: Sequence[str] | None = None) -> int:
    """Carry out a command line and return its exit code (see :class:`shadows.cli.exits.Code`).

    Without ``words`` it is the one that this process was started with, and the process may end here: a task
    that is stuck in a thread would keep it alive otherwise.
    """
    code = _run(list(sys.argv[1:] if words is None else words))
    if words is None:
        leave(code)
    return code


def overview() -> str:
    """Return what ``shadows --help`` prints."""
    return _listing(
        "shadows COMMAND [OPTIONS]",
        "Distributed background tasks for asyncio Python on Redis or Valkey.",
        {name: command.purpose for name, command in COMMANDS.items()},
    )


def overview_of(name: str) -> str:
    """Return what ``shadows GROUP --help`` prints."""
    return _listing(f"shadows {name} COMMAND [OPTIONS]", "", group(name))


def _run(words: list[str]) -> int:
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    try:
        if not words or words[0] in HELP:
            print(overview(), end="")
            return Code.OK
        if words[0] == "--version":
            words[0] = "version"
        if group(words[0]) and (not words[1:] or words[1] in HELP):
            print(overview_of(words[0]), end="")
            return Code.OK
        from shadows.cli.app import call  # noqa: PLC0415 - the overview needs no parser

        return call(words)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - whatever it is, the user hears of it in a few lines
        from shadows.cli.complaints import complain  # noqa: PLC0415 - only where something went wrong

        return complain(error, words, debug=debug)


def _listing(usage: str, about: str, commands: Mapping[str, str]) -> str:
    width = max(map(len, commands))
    lines = [f"Usage: {usage}", "", *([about, ""] if about else []), "Commands:"]
    lines += [f"  {name:<{width}}  {purpose}" for name, purpose in commands.items()]
    lines += [
        "",
        "shadows COMMAND --help tells a command's options.  --debug, anywhere, shows the traceback of an error.",
    ]
    return "\n".join(lines) + "\n"
