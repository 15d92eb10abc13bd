"""The page of commands."""

import inspect
from functools import cache
from pkgutil import resolve_name
from typing import Final

from cyclopts import Argument

from shadows.cli.app import parser
from shadows.cli.commands import COMMANDS
from tools.reference.markup import body, code, inline, table

_HEAD: Final = """\
# Commands

Every command and every option. [The command line](../command-line.md) shows them at work, [Exit codes](exit-codes.md)
says how they end, and [Environment](environment.md) which variables stand in for options. `--help` prints the options
of a command; `--debug`, anywhere, shows the traceback of an error.
"""


@cache
def offered(command: str) -> frozenset[str]:
    """Return the options of a command, by every name that they have."""
    return frozenset(name for one in _arguments(command) for name in _names(one) if name.startswith("--"))


def page() -> str:
    """Return the page: every command, in the order of `shadows --help`."""
    listed = [[f"[`shadows {name}`](#shadows-{name.replace(' ', '-')})", it.purpose] for name, it in COMMANDS.items()]
    return "\n".join(
        [
            _HEAD,
            table(["command", "what it is for"], listed),
            *(_section(name) for name in COMMANDS),
        ]
    )


def _section(command: str) -> str:
    arguments = _arguments(command)
    places = [one for one in arguments if not one.names[0].startswith("--")]
    options = [one for one in arguments if one.names[0].startswith("--")]
    usage = " ".join(["shadows", command, *(_place(one) for one in places), *(["[OPTIONS]"] if options else [])])
    parts = [f"## shadows {command}\n", body(inspect.getdoc(resolve_name(COMMANDS[command].place)) or "")]
    parts.append(f"```text\n{usage}\n```\n")
    if places:
        parts.append(table(["argument", "what it is"], [[code(one.names[0]), _says(one)] for one in places]))
    if options:
        parts.append(table(["option", "what it says"], [[_written(one), _says(one)] for one in options]))
    return "\n".join(parts)


@cache
def _arguments(command: str) -> tuple[Argument, ...]:
    collection = parser(command).assemble_argument_collection()
    return tuple(one for one in collection if one.names != ("*",) and one.parse)


def _names(argument: Argument) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*argument.names, *argument.negatives)))


def _place(argument: Argument) -> str:
    name = argument.names[0]
    if argument.field_info.kind is inspect.Parameter.VAR_POSITIONAL:
        return f"[{name}...]"
    return name if argument.required else f"[{name}]"


def _written(argument: Argument) -> str:
    value = f" {argument.parameter.metavar}" if argument.parameter.metavar else ""
    return ", ".join(code(f"{name}{value}") for name in _names(argument))


def _says(argument: Argument) -> str:
    text = inline(argument.parameter.help or "")
    if choices := argument.get_choices():
        text += f": {', '.join(code(each) for each in choices)}"
    default = argument.field_info.default
    shows = argument.show_default and isinstance(default, int | float | str) and not isinstance(default, bool)
    return f"{text} (default: {default})" if shows else text
