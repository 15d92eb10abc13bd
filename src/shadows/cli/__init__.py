"""The command line: ``shadows worker``, ``snapshot``, ``clear``, ``demo``, ``version``.

``main`` turns a command line into an exit code.  What a command needs is imported when it is its turn.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from shadows.cli.exits import Code, leave

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = {
    "worker": "run the calls of a shadow",
    "snapshot": "show what waits, what runs, and who works",
    "clear": "cancel every waiting call; running ones go on",
    "demo": "see shadows at work; needs no server",
    "version": "print the version",
}
"""Every command, and what it is for."""

OVERVIEW = f"""\
Usage: shadows COMMAND [OPTIONS]

Distributed background tasks for asyncio Python on Redis or Valkey.

Commands:
{"\n".join(f"  {command:<10} {purpose}" for command, purpose in COMMANDS.items())}

  shadows COMMAND --help tells a command's options.  --debug, anywhere, shows the traceback of an error.
"""


def main(words: Sequence[str] | None = None) -> int:
    """Carry out a command line and return its exit code (see :class:`shadows.cli.exits.Code`).

    Without ``words`` it is the one that this process was started with, and the process may end here: a task
    that is stuck in a thread would keep it alive otherwise.
    """
    code = _run(list(sys.argv[1:] if words is None else words))
    if words is None:
        leave(code)
    return code


def _run(words: list[str]) -> int:
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    try:
        if not words or words[0] in {"--help", "-h", "help"}:
            print(OVERVIEW, end="")
            return Code.OK
        if words[0] == "--version":
            words[0] = "version"
        from shadows.cli.app import call  # noqa: PLC0415 - the overview needs no parser

        return call(words)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - whatever it is, the user hears of it in a few lines
        from shadows.cli.complaints import complain  # noqa: PLC0415 - only where something went wrong

        return complain(error, words, debug=debug)
