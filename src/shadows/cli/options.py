"""The options that several commands share, and how all of them are read.

A command takes words; :mod:`shadows.core.settings` makes values of them, by the same rules as of the environment.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from shadows.cli.complaints import TasksNotLoadedError
from shadows.core import settings
from shadows.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shadows.shadow import Shadow

ShadowName = Annotated[
    str | None,
    Parameter(name="--shadows", metavar="NAME", help="name of the shadow (SHADOW_NAME; default: shadows)"),
]
Url = Annotated[
    str | None,
    Parameter(
        name="--url",
        metavar="URL",
        help="where it lives: redis://, rediss://, unix://, embedded:///folder or memory://"
        " (SHADOW_URL; default: redis://localhost:6379/0)",
    ),
]
Tasks = Annotated[
    list[str] | None,
    Parameter(
        name="--tasks",
        metavar="PATH",
        negative=(),
        help="the tasks: module:attribute, which is a list of functions or one, or module, which is its `tasks`, else "
        "all its public functions; repeat it, or separate by commas (SHADOW_TASKS)",
    ),
]
AsJson = Annotated[
    bool,
    Parameter(name="--json", negative=(), show_default=False, help="print JSON, all in UTC, for other programs"),
]


def shadow_of(name: str | None, url: str | None, *, allow_unknown: bool = False) -> Shadow:
    """Return the shadow that a command was told of, not entered yet.

    With ``allow_unknown`` it places calls of tasks that are not registered here.

    Raises:
        ConfigurationError: an option or a variable cannot work.
    """
    from shadows.shadow import Shadow  # noqa: PLC0415 - slow to import, and help needs none

    _look_here()
    found = settings.shadow_options({"name": name, "url": url}, os.environ, called=shadow_option)
    return Shadow(name=found.name, url=found.url, allow_unknown=allow_unknown)


def tasks_of(paths: list[str] | None) -> tuple[str, ...]:
    """Return the paths of tasks that a command was told of, or else the environment.

    Raises:
        ConfigurationError: one of them is none.
    """
    return settings.process_options({"tasks": paths}, os.environ, called=option).tasks


def load(shadow: Shadow, paths: Iterable[str]) -> None:
    """Register the tasks that lie at these paths.

    Raises:
        ConfigurationError: there is no such module or attribute, or it holds something else.
        TasksNotLoadedError: the module raised when it was imported.
    """
    for path in paths:
        try:
            shadow.register_collection(path)
        except ConfigurationError:
            raise
        except (Exception, SystemExit) as broken:
            raise TasksNotLoadedError(path) from broken


def _look_here() -> None:
    """Let modules be found in the working directory, as Python does for a script: tasks, and what settings name."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)


def option(name: str) -> str:
    """Return the option that stands for an argument: ``--drain-timeout`` for ``drain_timeout``."""
    return f"--{name.replace('_', '-')}"


def shadow_option(name: str) -> str:
    """Return the option that stands for an argument of a shadow: its name is no worker's."""
    return "--shadows" if name == "name" else option(name)
