"""What to type instead: a command line that makes sense, made of one that does not."""

from __future__ import annotations

import difflib
import re
import shlex
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import attrs

from shadows.cli.commands import COMMANDS, group
from shadows.core.settings import PROCESS, SHADOW, WORKER
from shadows.core.urls import redacted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cyclopts import App

OTHERS = {
    "status": "snapshot",
    "info": "snapshot",
    "stats": "snapshot",
    "inspect": "snapshot",
    "ps": "snapshot",
    "ls": "snapshot",
    "list": "snapshot",
    "run": "worker",
    "start": "worker",
    "serve": "worker",
    "consume": "worker",
    "purge": "clear",
    "flush": "clear",
    "pause": "strike",
    "block": "strike",
    "resume": "restore",
    "unblock": "restore",
    "enqueue": "add",
    "schedule": "add",
    "send": "add",
    "call": "add",
    "follow": "watch",
    "tail": "watch",
    "revoke": "cancel",
    "delete": "cancel",
    "settings": "config",
    "env": "config",
    "why": "explain",
    "check": "doctor",
    "health": "doctor",
}
"""What other programs call our commands."""

_NO = {"false", "no", "off", "0"}
_YES = {"true", "yes", "on", "1"}
_PLAIN = {"rediss": "redis", "valkeys": "valkey"}
"""Without TLS."""
_SHORT = re.compile(r"-[a-zA-Z]")
_NEGATIVE = re.compile(r"-\s*[0-9.].*", re.DOTALL)


@attrs.frozen
class Option:
    """What a command can be told."""

    names: tuple[str, ...]
    is_flag: bool
    example: str
    """a value that can be written for it"""


def typed(words: Sequence[str]) -> str:
    """Return a command line as it is typed, without the passwords of its URLs."""
    return f"shadows {shlex.join(redacted(word) if '://' in word else word for word in words)}"


def options(app: App) -> list[Option]:
    """Return the options of a command."""
    return [
        Option(argument.names, argument.hint in (bool, bool | None), example(argument))
        for argument in app.assemble_argument_collection()
        if argument.names[0].startswith("--")
    ]


def example(argument: Any) -> str:
    """Return something that can be written for an argument."""
    name = argument.names[0].removeprefix("--").replace("-", "_")
    known = SHADOW["name"] if name == "shadows" else WORKER.get(name) or PROCESS.get(name) or SHADOW.get(name)
    if known is not None:
        return known.example
    default = argument.field_info.default
    if isinstance(default, bool):
        return "true"
    if choices := argument.get_choices():
        return str(choices[0])
    return str(default) if isinstance(default, int | float | str) else argument.parameter.metavar or name.upper()


def meant_command(words: Sequence[str]) -> str:
    """Return the command line that was meant, for one whose command does not exist; empty if nobody can tell."""
    if words[0].startswith("-"):
        return _command_first(words)
    if len(words) > 1 and (members := group(words[0])):
        near = difflib.get_close_matches(words[1].lower(), members, n=1)
        return typed([words[0], near[0], *words[2:]]) if near else ""
    for length in (2, 1):
        if len(words) < length or any(word.startswith("-") for word in words[:length]):
            continue
        name = " ".join(words[:length]).lower()
        near = [OTHERS[name]] if OTHERS.get(name) in COMMANDS else difflib.get_close_matches(name, COMMANDS, n=1)
        if near:
            return typed([*near[0].split(), *words[length:]])
    return ""


def _command_first(words: Sequence[str]) -> str:
    for place in range(len(words)):
        for length in (2, 1):
            name = " ".join(words[place : place + length])
            if name in COMMANDS:
                return typed([*name.split(), *words[:place], *words[place + length :]])
    return ""


def meant_option(name: str, words: Sequence[str], unknown: str, offered: Sequence[Option]) -> str:
    """Return the command line that was meant, for one with an option that the command does not have."""
    names = [each for option in offered for each in option.names]
    if _SHORT.fullmatch(unknown):
        near = [each for each in names if each.startswith(f"-{unknown}")]
    else:
        near = [each for each in names if each.startswith(unknown)] or difflib.get_close_matches(unknown, names, n=1)
    if not near:
        return ""
    meant = [f"{near[0]}{word.removeprefix(unknown)}" if word.split("=")[0] == unknown else word for word in words]
    return typed([*name.split(), *meant])


def with_example(name: str, words: Sequence[str], lacking: str, offered: Sequence[Option]) -> str:
    """Return the command line with an example for an option that lacks its value."""
    place = len(words) - words[::-1].index(lacking)
    written = next(option.example for option in offered if lacking in option.names)
    return typed([*name.split(), *words[:place], written, *words[place:]])


def with_place(name: str, words: Sequence[str], extra: str, offered: Sequence[Option]) -> str:
    """Return the command line that was meant, for one with a word that has no place; empty if nobody can tell."""
    at = words.index(extra)
    before, after = words[:at], words[at + 1 :]
    flag = next((each for each in offered if each.is_flag and before and before[-1] in each.names), None)
    if flag is not None and extra.lower() in _YES | _NO:
        instead = flag.names[:1] if extra.lower() in _YES else flag.names[1:]
        return typed([*name.split(), *before[:-1], *instead, *after])
    grouped = [each for each in COMMANDS if " " in each]
    if near := difflib.get_close_matches(f"{name} {extra}", grouped, n=1, cutoff=0.9):
        return typed([*near[0].split(), *before, *after])
    meant = "--tasks" if re.search(r"[.:]", extra) else "--shadows"
    has_it = any(meant in option.names for option in offered)
    return typed([*name.split(), *before, meant, extra, *after]) if has_it else ""


def replaced(words: Sequence[str], option: str, value: str, instead: str) -> str:
    """Return the command line with something else in the place of a value, or of a part of it, that cannot work.

    ``option`` is what it was given for, or whatever stands for an argument without a name.
    """
    found = list(words)
    places = [
        (place, before)
        for place, word in enumerate(words)
        for before in (f"{option}=" if word.startswith(f"{option}=") else "",)
        if before or (place > 0 and words[place - 1] == option)
    ]
    places = places or [(place, "") for place, word in enumerate(words) if word == value]
    exact = [(place, before) for place, before in places if value in _parts(words[place].removeprefix(before))]
    for place, before in exact or places[-1:]:
        found[place] = before + _with(words[place].removeprefix(before), value, instead)
    return typed(found)


def exported(variable: str, written: str, value: str, instead: str) -> str:
    """Return what sets a variable, with something else in the place of what cannot work."""
    return f"export {variable}={shlex.quote(redacted(_with(written, value, instead)))}"


def said_by(source: str, words: Sequence[str], environment: Mapping[str, str]) -> str:
    """Return what the user calls a setting: the option that was typed, else the variable that is set."""
    setting = WORKER.get(source) or PROCESS.get(source) or SHADOW.get(source)
    if setting is None:
        return source
    option = f"--{source.replace('_', '-')}"
    if any(word.split("=")[0] == option for word in words):
        return option
    return setting.variable if environment.get(setting.variable) else source


def meant_server(answer: str, words: Sequence[str], environment: Mapping[str, str]) -> str:
    """Return what to type after such an answer of a server; empty if nobody can tell."""
    url = _said("--url", words) or environment.get("SHADOW_URL") or SHADOW["url"].default
    split = urlsplit(url)
    if "no such database" in answer:
        instead = split._replace(path="/0").geturl()
    elif split.scheme in _PLAIN and ("no answer" in answer or "SSL" in answer):
        instead = split._replace(scheme=_PLAIN[split.scheme]).geturl()
    elif "permissions" in answer.lower() or "executing the script" in answer:
        name = _said("--shadows", words) or environment.get("SHADOW_NAME") or SHADOW["name"].default
        return f"redis-cli ACL SETUSER {split.username or 'default'} ~{name}:* &{name}:* +@all, on the server"
    else:
        return ""
    if _said("--url", words):
        return replaced(words, "--url", url, redacted(instead))
    return exported("SHADOW_URL", url, url, instead)


def _said(option: str, words: Sequence[str]) -> str:
    """Return the value that was given for an option, or nothing."""
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word == option:
            return following
        if word.startswith(f"{option}="):
            return word.removeprefix(f"{option}=")
    return ""


def _parts(written: str) -> list[str]:
    return [part.strip() for part in written.split(",")]


def _with(written: str, value: str, instead: str) -> str:
    """A value that is no part of what was written is the whole of it, without its password."""
    parts = _parts(written)
    return ",".join(instead if part == value else part for part in parts) if value in parts else instead


def with_values(words: Sequence[str]) -> list[str]:
    """Return the words so that a negative value is no option: `--delay -1s` as `--delay=-1s`."""
    found: list[str] = []
    for word in words:
        if _NEGATIVE.fullmatch(word) and found and found[-1].startswith("--") and "=" not in found[-1]:
            found[-1] += f"={word}"
        else:
            found.append(word)
    return found
