"""`shadows completion`: the scripts, in the shells that they are for."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from shadows.cli.commands import COMMANDS, Command, group
from shadows.cli.completion_scripts import SCRIPTS
from tests.system.programs import PATIENCE
from tools import servers

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.system.conftest import Said

    type Run = Callable[..., Said]
    type Complete = Callable[[str], list[str]]

pytestmark = pytest.mark.slow

ASK = {
    "bash": """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_shadows
printf '%s\\n' "${COMPREPLY[@]}"
""",
    "zsh": """
module_path+=($MODULES)
compdef() { }
_default() { }
compadd() { print -l -- $names }
source "$1"; shift
words=("$@"); CURRENT=$#
_shadows
""",
    "fish": """
source $argv[1]
complete -C "$argv[2..-1]" | string split -f 1 \\t
""",
}
"""How each shell is asked what may follow: the arguments are the script and the words, of which the last is begun."""
OPTIONS = {"bash": ["--norc", "--noprofile"], "zsh": ["-f"], "fish": ["--no-config"]}


@pytest.fixture(params=ASK)
def shell(request: pytest.FixtureRequest) -> str:
    """Give the name of a shell that is here; a laptop may lack one, CI may not."""
    name: str = request.param
    if servers.tool(name) is None and os.environ.get("CI") != "true":
        pytest.skip(f"there is no {name} here, and it could not be fetched")
    return name


@pytest.fixture
def complete(shell: str, shadows: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Complete:
    """Give a function that gives the words that the shell completes the last one to; there is a group of commands."""
    monkeypatch.setitem(COMMANDS, "letters ls", Command("list them", "shadows.cli.clear:clear"))
    monkeypatch.setitem(COMMANDS, "letters show", Command("don't hide one", "shadows.cli.snapshot:snapshot"))
    script = tmp_path / "script"
    script.write_text(shadows("completion", shell).out)
    program = servers.tool(shell)
    assert program is not None
    modules = [*Path(program).parents[1].glob("root/usr/lib/*/zsh/*/zsh")]  # it does not know that it was moved
    monkeypatch.setenv("MODULES", str(modules[0].parent) if modules else "")

    def ask(line: str) -> list[str]:
        words = line.split(" ")
        command = [program, *OPTIONS[shell], "-c", ASK[shell]]
        command += [str(script), *words] if shell == "fish" else [shell, str(script), *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert done.stderr == ""
        return [word for word in done.stdout.splitlines() if word and word.startswith(words[-1])]

    return ask


def test_commands_are_completed(complete: Complete) -> None:
    """A group is one word; its commands come next."""
    firsts = {name.partition(" ")[0] for name in COMMANDS}
    assert set(complete("shadows ")) == firsts
    assert complete("shadows worke") == [name for name in sorted(firsts) if name.startswith("worke")]
    assert set(complete("shadows letters ")) == set(group("letters")) == {"ls", "show"}
    assert complete("shadows letters s") == ["show"]


def test_options_are_completed_in_their_command(complete: Complete) -> None:
    """Also behind other options, and in the commands of a group."""
    assert complete("shadows worker --conc") == ["--concurrency"]
    assert set(complete("shadows worker --concurrency 3 --no-s")) == {"--no-schedule-automatic-tasks"}
    assert "--concurrency" not in complete("shadows clear --")
    assert {"--limit", "--stats", "--help"} <= set(complete("shadows letters show --"))
    assert "--limit" not in complete("shadows letters ls --")


def test_words_that_a_value_can_be_are_completed(complete: Complete) -> None:
    """A number or a URL is nothing to guess."""
    assert set(complete("shadows worker --logging-format ")) == {"console", "plain", "json"}
    assert complete("shadows worker --logging-level W") == ["WARNING"]
    assert complete("shadows worker --concurrency worke") == []
    assert set(complete("shadows completion ")) - {"--help"} == set(SCRIPTS)


def test_the_shell_is_the_one_of_the_user_unless_they_say(shadows: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in `eval "$(shadows completion)"`."""
    monkeypatch.setenv("SHELL", "/usr/bin/zsh")
    assert shadows("completion").out.startswith("#compdef shadows\n")
    monkeypatch.setenv("SHELL", "/bin/csh")
    said = shadows("completion")
    assert (said.code, said.out) == (2, "")
    assert "there is no completion for the shell 'csh'" in said.err


def test_another_shell_is_refused_with_those_that_there_are(shadows: Run) -> None:
    """Like any word that is one of a few."""
    said = shadows("completion", "tcsh")
    assert said.code == 2
    assert "SHELL='tcsh' is not one of bash, zsh, fish" in said.err
    assert "shadows completion bash" in said.err


@pytest.mark.parametrize("shell", SCRIPTS)
def test_without_groups_the_scripts_are_whole(shell: str) -> None:
    """An empty list of alternatives would be an error of syntax."""
    script = SCRIPTS[shell]({"version": "print it"}, {"version": []})
    assert "case $command in )" not in script
    assert "case $command in ()" not in script
