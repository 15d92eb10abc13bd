"""From words to a command: the parser."""

from __future__ import annotations

from pkgutil import resolve_name
from typing import TYPE_CHECKING

from cyclopts import (
    App,
    Argument,
    CoercionError,
    CycloptsError,
    MissingArgumentError,
    Token,
    UnknownOptionError,
    UnusedCliTokensError,
)

from shadows.cli import corrections
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
    app, rest = parser(name), corrections.with_values(rest)
    try:
        code = app(rest, print_error=False, exit_on_error=False, result_action="return_value")
    except CycloptsError as error:
        raise _said(error, name, rest, app) from None
    return code if isinstance(code, int) else Code.OK  # help that was asked for returns nothing


def _said(error: CycloptsError, name: str, words: Sequence[str], app: App) -> UsageError:
    """Return what there is to say of words that a command does not understand."""
    offered = corrections.options(app)
    match error:
        case UnusedCliTokensError(unused_tokens=[extra, *_]):
            remedy = corrections.with_place(name, words, extra, offered)
            return UsageError(f"shadows {name} takes no argument {extra!r}", remedy)
        case UnknownOptionError(token=Token() as token):
            unknown = (token.keyword or token.value).partition("=")[0]
            remedy = corrections.meant_option(name, words, unknown, offered)
            return UsageError(f"shadows {name} has no option {unknown}", remedy)
        case MissingArgumentError(keyword=str(lacking)) if lacking in words:
            remedy = corrections.with_example(name, words, lacking, offered)
            return UsageError(f"the option {lacking} lacks its value", remedy)
        case MissingArgumentError(argument=Argument() as lacking):
            missing = lacking.parameter.metavar or lacking.names[0].upper()
            return UsageError(
                f"shadows {name} lacks {missing}", f"{corrections.typed([*name.split(), *words])} {missing}"
            )
        case CoercionError(token=Token(value=written), argument=Argument() as wrong):
            remedy = corrections.replaced([*name.split(), *words], wrong.names[0], written, corrections.example(wrong))
            choices = wrong.get_choices()
            what = f"one of {', '.join(choices)}" if choices else "a whole number" if wrong.hint is int else "a number"
            return UsageError(f"{wrong.names[0]}={written!r} is not {what}", remedy)
        case _:
            error.verbose = False
            return UsageError(str(error))


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
        what = f"there is no command {words[1]!r} in shadows {words[0]}"
        raise UsageError(what, corrections.meant_command(words) or f"shadows {words[0]} --help")
    if words[0].startswith("-"):
        what = f"the command comes first, then {words[0]}"
        raise UsageError(what, corrections.meant_command(words) or "shadows --help")
    raise UsageError(f"there is no command {words[0]!r}", corrections.meant_command(words) or "shadows --help")
