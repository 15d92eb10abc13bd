"""The scripts that complete our command lines, one for each shell.

Each is made of what the commands are for and of what can be typed in them, and asks nobody when it runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    type Purposes = Mapping[str, str]
    """what each command is for"""
    type Words = Mapping[str, Sequence[Word]]
    """what can be typed in each command"""


@attrs.frozen
class Word:
    """An option, or one of a few words that an argument can be."""

    text: str
    about: str
    takes_value: bool = False
    values: tuple[str, ...] = ()
    """what the value can be, if those are a few words"""


HELP = Word("--help", "tell what it does")

_BASH = """\
_shadows() {{
    local typed=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} command=${{COMP_WORDS[1]}} words=""
    [ "$COMP_CWORD" = 1 ] && command=""
    case $command in {groups})
        [ "$COMP_CWORD" -gt 2 ] && command="$command ${{COMP_WORDS[2]}}" ;;
    esac
    COMPREPLY=()
    case $command/$before in
{cases}
    esac
    COMPREPLY=($(compgen -W "$words" -- "$typed"))
}}
complete -o default -F _shadows shadows
"""
_ZSH = """\
#compdef shadows
_shadows() {{
    local command=$words[2] before=$words[CURRENT-1]
    local -a names shown
    (( CURRENT == 2 )) && command=""
    case $command in ({groups})
        (( CURRENT > 3 )) && command="$command $words[3]" ;;
    esac
    case $command/$before in
{cases}
    esac
    if (( $#shown )); then compadd -l -d shown -a names; else compadd -a names; fi
}}
if [ "$funcstack[1]" = _shadows ]; then _shadows; else compdef _shadows shadows; fi
"""
_FISH = """\
function __shadows_typed  # the words so far are exactly these
    set -l words (commandline -opc)
    test "$words[2..-1]" = "$argv"
end
function __shadows_in  # the words so far begin with these
    set -l words (commandline -opc)
    set -l last (math 1 + (count $argv))
    test "$words[2..$last]" = "$argv"
end
complete -c shadows -f
{lines}
"""


def bash(purposes: Purposes, words: Words) -> str:
    """Return the script for bash; where it has nothing to say, bash completes file names."""
    cases: list[str] = []
    for name, found in words.items():
        cases += [
            f"        {_quoted(place)}) words={_quoted(' '.join(known))} ;;" for place, known in _known(name, found)
        ]
        if free := _free(name, found):
            cases.append(f"        {'|'.join(map(_quoted, free))}) return ;;")
    for name, found in _all(purposes, words).items():
        cases.append(f"        {_quoted(name)}/*) words={_quoted(' '.join(word.text for word in found))} ;;")
    return _BASH.format(groups=_any(_groups(purposes)), cases="\n".join(cases))


def zsh(purposes: Purposes, words: Words) -> str:
    """Return the script for zsh, to be evaluated, or to lie in its ``fpath`` as ``_shadows``."""
    cases: list[str] = []
    for name, found in words.items():
        cases += [f"        ({_quoted(place)}) names=({' '.join(known)}) ;;" for place, known in _known(name, found)]
        if free := _free(name, found):
            cases.append(f"        ({'|'.join(map(_quoted, free))}) _default; return ;;")
    for name, found in _all(purposes, words).items():
        width = max(len(word.text) for word in found)
        names = " ".join(word.text for word in found)
        shown = " ".join(_quoted(f"{word.text:<{width}}  {word.about}") for word in found)
        cases.append(f"        ({_quoted(name)}/*) names=({names}) shown=({shown}) ;;")
    return _ZSH.format(groups=_any(_groups(purposes)), cases="\n".join(cases))


def fish(purposes: Purposes, words: Words) -> str:
    """Return the script for fish."""
    lines: list[str] = []
    for place in ["", *_groups(purposes)]:
        begin = f"complete -c shadows -n '__shadows_typed {place}' -a"
        lines += [f"{begin} {word.text} -d {_quoted(word.about)}" for word in _members(place, purposes)]
    for name, found in words.items():
        for word in [*found, HELP]:
            what = f"-l {word.text.removeprefix('--')}" if word.text.startswith("--") else f"-a {word.text}"
            values = f" -x -a {_quoted(' '.join(word.values))}" if word.values else " -r" if word.takes_value else ""
            lines.append(f"complete -c shadows -n '__shadows_in {name}' {what}{values} -d {_quoted(word.about)}")
    return _FISH.format(lines="\n".join(lines))


SCRIPTS: Mapping[str, Callable[[Purposes, Words], str]] = {"bash": bash, "zsh": zsh, "fish": fish}
"""By the name of the shell."""


def _groups(purposes: Purposes) -> list[str]:
    return [*dict.fromkeys(name.partition(" ")[0] for name in purposes if " " in name)]


def _any(groups: Sequence[str]) -> str:
    return "|".join(groups) or "''"


def _members(place: str, purposes: Purposes) -> list[Word]:
    """Return the words that may follow a group, or begin; a group is for all that its commands are for."""
    found: dict[str, str] = {}
    for name, purpose in purposes.items():
        first, _, second = name.partition(" ")
        if not place or (first == place and second):
            word = second if place else first
            found[word] = f"{found[word]}; {purpose}" if word in found else purpose
    return [Word(word, about) for word, about in found.items()]


def _all(purposes: Purposes, words: Words) -> dict[str, list[Word]]:
    """Return what may be typed next, wherever one is: in a command, or before it is complete."""
    incomplete = {place: _members(place, purposes) for place in ["", *_groups(purposes)]}
    return {**incomplete, **{name: [*found, HELP] for name, found in words.items()}}


def _known(name: str, words: Sequence[Word]) -> list[tuple[str, tuple[str, ...]]]:
    """Return the options of a command whose values are a few words, each with these."""
    return [(f"{name}/{word.text}", word.values) for word in words if word.values]


def _free(name: str, words: Sequence[Word]) -> list[str]:
    """Return the options of a command whose values nobody can guess."""
    return [f"{name}/{word.text}" for word in words if word.takes_value and not word.values]


def _quoted(text: str) -> str:
    """Quote for any of the shells; they do not agree on how to write a quote inside, so there is none."""
    return "'" + text.replace("'", "`") + "'"
