"""Every command: what it is for, and the function that carries it out, which is imported when it is its turn."""

from __future__ import annotations

from typing import NamedTuple


class Command(NamedTuple):
    """One command; its name has one word, or two when it belongs to a group."""

    purpose: str
    place: str
    """module:function"""


COMMANDS = {
    "worker": Command("run the calls of a shadow", "shadows.cli.worker:worker"),
    "snapshot": Command("show what waits, what runs, and who works", "shadows.cli.snapshot:snapshot"),
    "strike": Command("stop calls without a deploy: by task, by argument, or both", "shadows.cli.strikes:strike"),
    "restore": Command("lift a strike again", "shadows.cli.strikes:restore"),
    "strikes ls": Command("list the strikes in force", "shadows.cli.strikes:ls"),
    "add": Command("place a call by the name of its task", "shadows.cli.add:add"),
    "watch": Command("follow one call to its end", "shadows.cli.watch:watch"),
    "cancel": Command("cancel one call by its key", "shadows.cli.cancel:cancel"),
    "clear": Command("cancel every waiting call; running ones go on", "shadows.cli.clear:clear"),
    "tasks trace": Command("place a call that writes to the worker's log", "shadows.cli.tasks:trace"),
    "tasks fail": Command("place a call that fails", "shadows.cli.tasks:fail"),
    "tasks sleep": Command("place a call that takes a while", "shadows.cli.tasks:sleep"),
    "workers ls": Command("list the workers that are here", "shadows.cli.workers:ls"),
    "workers for-task": Command("list those that know a task", "shadows.cli.workers:for_task"),
    "explain": Command("say why a call does not run", "shadows.cli.explain:explain"),
    "doctor": Command("say what is wrong with a shadow and its server", "shadows.cli.doctor:doctor"),
    "acl": Command("print what a user of the server needs to be allowed", "shadows.cli.acl:acl"),
    "dead ls": Command("list the calls that could not be run", "shadows.cli.dead:ls"),
    "dead show": Command("show one of them, with its arguments", "shadows.cli.dead:show"),
    "dead replay": Command("run some of them once more", "shadows.cli.dead:replay"),
    "dead discard": Command("throw some of them away", "shadows.cli.dead:discard"),
    "config": Command("show every setting that is in force, and where it comes from", "shadows.cli.config:config"),
    "completion": Command("let the shell complete commands and options", "shadows.cli.completion:completion"),
    "demo": Command("see shadows at work; needs no server", "shadows.cli.demo:demo"),
    "version": Command("print the version", "shadows.cli.version:version"),
}
"""By name, in the order in which they are shown."""


def group(name: str) -> dict[str, str]:
    """Return the commands of a group, by their second word, with what they are for; empty if there is no such group."""
    members = {words: command for words, command in COMMANDS.items() if words.startswith(f"{name} ")}
    return {words.partition(" ")[2]: command.purpose for words, command in members.items()}
