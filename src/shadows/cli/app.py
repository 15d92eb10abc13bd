"""From words to a command: the parser."""

from __future__ import annotations

from pkgutil import resolve_name
from typing import TYPE_CHECKING

from cyclopts import App, CycloptsError, UnusedCliTokensError

from shadows.cli.commands import COMMANDS, group
from shadows.cli.complaints import UsageError
from shadows.cli.exits import Code

if TYPE_CHECKING:
    from collections.abc import Sequence


def parser(name: str) -> App:
    """Return the parser of one command."""
    app = App(
        name=f"shadows {name}",
        version_flags=(),
        help_format="plaintext",
        group_parameters="Options",
        group_commands="Options",
        suppress_keyboard_interrupt=False,
    )
    app.default(resolve_name(COMMANDS[name].place))
    return app


def call(words: Sequence[str]) -> int:
    """Run one command and return its exit code.

    Raises:
        UsageError: the words make no sense.
    """
    name, rest = split(words)
    try:
        code = parser(name)(rest, print_error=False, exit_on_error=False, result_action="return_value")
    except UnusedCliTokensError as unused:
        extra = " ".join(unused.unused_tokens or [])
        raise UsageError(f"shadows {name} takes no argument {extra!r}") from None
    except CycloptsError as error:
        error.verbose = False
        raise UsageError(str(error)) from None
    return code if isinstance(code, int) else Code.OK  # help that was asked for returns nothing


def split(words: Sequence[str]) -> tuple[str, Sequence[str]]:
    """Return the command's name and the words behind it.

    Raises:
        UsageError: there is no such command.
    """
    for length in (2, 1):
        name = " ".join(words[:length])
        if name in COMMANDS:
            return name, words[length:]
    if group(words[0]):
        raise UsageError(f"there is no command {words[1]!r} in shadows {words[0]}")
    raise UsageError(f"there is no command {words[0]!r}")
