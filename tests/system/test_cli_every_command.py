"""What is so of every command."""

from __future__ import annotations

import inspect
import json
import re
from datetime import timedelta
from pkgutil import resolve_name
from typing import TYPE_CHECKING

import pytest

from shadows import __version__
from shadows.cli.commands import COMMANDS
from tests.system.conftest import attend, on

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.system.conftest import Said

    type Run = Callable[..., Said]

NEEDS = {"strike": ["double"], "restore": ["double"], "dead replay": ["k"], "dead discard": ["k"]}
NEEDS["acl"] = ["--role", "worker"]
"""Words that a command cannot do without, although each of them alone may be left out."""


def parameters(command: str) -> Mapping[str, inspect.Parameter]:
    """Give what a command takes."""
    return inspect.signature(resolve_name(COMMANDS[command].place)).parameters


def words(command: str) -> list[str]:
    """Give a command line of it that makes sense."""
    taken = parameters(command).values()
    return [
        *command.split(),
        *("k" for one in taken if one.kind is one.POSITIONAL_ONLY and one.default is one.empty),
        *NEEDS.get(command, ()),
    ]


ASKS_NONE = {"worker", "acl", "config", "demo"}
ASKS_A_SERVER = [name for name in COMMANDS if "url" in parameters(name) and name not in ASKS_NONE]


async def double(n: int) -> int:
    """Return twice as much."""
    return 2 * n


@pytest.mark.parametrize("command", [*ASKS_A_SERVER, "version"])
def test_every_command_that_prints_data_prints_json_too(shadows: Run, command: str) -> None:
    """All under one name."""
    assert re.search(r"--json\b", shadows(*command.split(), "--help").out)


@pytest.mark.parametrize("command", ASKS_A_SERVER)
def test_every_command_ends_with_69_if_the_server_is_away(
    shadows: Run, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """The URL, the reason and what to type, and no password."""
    monkeypatch.setenv("SHADOW_ADD_DEADLINE", "50ms")
    monkeypatch.setenv("SHADOW_URL", "redis://me:hunter2@127.0.0.1:1/0")
    found = shadows(*words(command))
    assert found.code == 69, found.err
    assert "redis://me:***@127.0.0.1:1/0" in found.err
    assert "hunter2" not in found.err + found.out
    assert len(found.err.splitlines()) <= 8


def test_clear_and_version_in_json(shadows: Run, here: tuple[str, str]) -> None:
    """Numbers are numbers."""
    on(*here, lambda shadow: shadow.add(double, when=timedelta(hours=1))(1))
    assert json.loads(shadows("clear", "--json").out) == {"shadow": here[1], "cancelled": 1}
    assert json.loads(shadows("version", "--json").out) == {"version": __version__}


def test_what_others_have_written_cannot_steer_the_terminal(shadows: Run, here: tuple[str, str]) -> None:
    """Keys, names and reasons come from whoever may place a call."""
    evil = "\x1b]0;owned\x07\x1b[2J"
    on(*here, lambda shadow: shadow.add(double, key=f"k{evil}", when=timedelta(hours=1))(1))
    on(*here, lambda shadow: shadow.strike(f"t{evil}", "n", "==", evil, reason=evil))
    attend(*here, "worker-1", f"task{evil}")
    key = ["--", f"k{evil}"]
    commands = (
        ["snapshot"],
        ["strikes", "ls"],
        ["workers", "ls"],
        ["watch", "--timeout", "10ms", *key],
        ["explain", *key],
    )
    for line in (*commands, ["cancel", *key], ["cancel", *key], ["cancel", "--", f"x{evil}"]):
        said = shadows(*line)
        assert "\x1b" not in said.out + said.err, line
        assert "owned" in (said.out + said.err).replace("\n", ""), line
