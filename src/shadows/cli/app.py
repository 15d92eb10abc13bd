"""From words to a command: the parser."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyclopts import App, CycloptsError, UnknownCommandError, UnusedCliTokensError

from shadows.cli.clear import clear
from shadows.cli.complaints import UsageError
from shadows.cli.demo import demo
from shadows.cli.exits import Code
from shadows.cli.snapshot import snapshot
from shadows.cli.version import version
from shadows.cli.worker import worker

if TYPE_CHECKING:
    from collections.abc import Sequence


def application() -> App:
    """Return the parser of every command."""
    app = App(
        name="shadows",
        version_flags=(),
        help_format="plaintext",
        group_parameters="Options",
        suppress_keyboard_interrupt=False,
    )
    for command in (worker, snapshot, clear, demo, version):
        app.command(command)
    return app


def call(words: Sequence[str]) -> int:
    """Run one command and return its exit code.

    Raises:
        UsageError: the words make no sense.
    """
    try:
        code = application()(words, print_error=False, exit_on_error=False, result_action="return_value")
    except UnknownCommandError:
        raise UsageError(f"there is no command {words[0]!r}") from None
    except UnusedCliTokensError as unused:
        extra = " ".join(unused.unused_tokens or [])
        raise UsageError(f"shadows {words[0]} takes no argument {extra!r}") from None
    except CycloptsError as error:
        error.verbose = False
        raise UsageError(str(error)) from None
    return code if isinstance(code, int) else Code.OK  # help that was asked for returns nothing
