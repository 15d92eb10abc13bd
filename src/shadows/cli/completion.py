"""``shadows completion``: what a shell needs to know to complete our command lines."""

from __future__ import annotations

import os
import re
from pathlib import PurePath
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from shadows.cli.app import parser
from shadows.cli.commands import COMMANDS
from shadows.cli.complaints import UsageError
from shadows.cli.completion_scripts import SCRIPTS, Word
from shadows.cli.exits import Code
from shadows.core.settings import PROCESS, WORKER

type Shell = Literal["bash", "zsh", "fish"]


def completion(
    shell: Annotated[Shell | None, Parameter(help="the shell; default: the one in $SHELL", show_choices=True)] = None,
    /,
) -> int:
    """Print a script that lets the shell complete the commands and options of shadows.

    bash: eval "$(shadows completion bash)" in ~/.bashrc; zsh: eval "$(shadows completion zsh)" in ~/.zshrc, behind
    compinit; fish: shadows completion fish > ~/.config/fish/completions/shadows.fish
    """
    name = shell or PurePath(os.environ.get("SHELL", "")).name
    if name not in SCRIPTS:
        raise UsageError(f"there is no completion for the shell {name!r}", "shadows completion bash, or zsh, or fish")
    print(SCRIPTS[name]({name: command.purpose for name, command in COMMANDS.items()}, words()), end="")
    return Code.OK


def words() -> dict[str, list[Word]]:
    """Return what can be typed in each command: its options, and arguments that are one of a few words."""
    return {
        name: [word for argument in parser(name).assemble_argument_collection() for word in _words(argument)]
        for name in COMMANDS
    }


def _words(argument: Any) -> list[Word]:
    name = argument.names[0].removeprefix("--").replace("-", "_")
    setting = WORKER.get(name) or PROCESS.get(name)
    about = re.split(r" \(|[;:] ", argument.parameter.help or "")[0]
    takes_value = argument.hint not in (bool, bool | None)
    values = setting.reader.among if setting is not None else argument.get_choices() or ()
    options = [Word(each, about, takes_value, tuple(values)) for each in argument.names if each.startswith("--")]
    return options or [Word(value, about) for value in values]
