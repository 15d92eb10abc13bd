"""``shadows worker``."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Annotated

import attrs
from cyclopts import Parameter

from shadows.cli.exits import Code
from shadows.cli.options import ShadowName, Tasks, Url, load, shadow_of
from shadows.cli.worker_options import NOTHING_SAID, WorkerWords
from shadows.core.settings import misspelt

if TYPE_CHECKING:
    from shadows.core.settings import ProcessOptions

_log = logging.getLogger("shadows.cli")


def worker(
    *,
    tasks: Tasks = None,
    shadows: ShadowName = None,
    url: Url = None,
    said: WorkerWords = NOTHING_SAID,
    until_finished: Annotated[
        bool,
        Parameter(negative=(), show_default=False, help="end when nothing is left to run, instead of waiting for more"),
    ] = False,
    reload: Annotated[
        bool,
        Parameter(
            negative=(),
            show_default=False,
            help="for development: start anew when a Python file of the working directory, or of the tasks, changes",
        ),
    ] = False,
    check: Annotated[
        bool,
        Parameter(
            negative=(),
            show_default=False,
            help="run nothing; ask the worker at --healthcheck-port on this machine whether it is ready",
        ),
    ] = False,
    check_alive: Annotated[
        bool, Parameter(negative=(), show_default=False, help="the same, but whether it is alive")
    ] = False,
) -> int:
    """Run the calls of a shadow, until the first SIGTERM or Ctrl-C.

    Durations read 10m, 5s, 100ms, 1h30m, 90 (seconds), mm:ss or hh:mm:ss.  An option wins over its variable.
    """
    around, options = said.process(tasks), said.worker()
    if check or check_alive:
        from shadows.cli import check as checks  # noqa: PLC0415 - the HTTP client is slow to import

        return checks.check(around.healthcheck_port, "/livez" if check_alive else "/readyz")
    shadow = shadow_of(shadows, url)
    if reload:
        from shadows.cli.reload import Supervisor, command, sources_of  # noqa: PLC0415 - only where it is wanted

        return Supervisor(command(), sources_of(around.tasks)).run()
    from shadows.cli import logs, process  # noqa: PLC0415 - structlog and the engine are slow to import, help needs none
    from shadows.process.tether import membership  # noqa: PLC0415 - likewise

    member = membership(os.environ)
    logs.configure(around.logging_level, around.logging_format, process=member.number if member else None)
    if member is None:
        _warn(around)
    try:
        with process.starting():
            if member is None and around.processes > 1:
                from shadows.cli import crew  # noqa: PLC0415 - only where it is wanted

                return crew.run(shadow.url, around, until_finished=until_finished)
            from shadows.worker import Worker  # noqa: PLC0415 - a parent needs no engine

            load(shadow, around.tasks)
            if shadow.url.startswith("memory:") and not until_finished:
                _log.warning("%s lives inside of this process, so nobody else can place calls for it", shadow.url)
            if member is not None:
                options = said.numbered(options, member.number)
            runs = Worker(shadow, **attrs.asdict(options))
            return process.run(shadow, runs, around, until_finished=until_finished, member=member)
    except process.StoppedAtStartError:
        return Code.OK


def _warn(around: ProcessOptions) -> None:
    """Tell of what may be a mistake; of several processes, only the parent does."""
    for variable, meant in misspelt(os.environ).items():
        _log.warning("nothing reads the variable %s; did you mean %s?", variable, meant)
    if not around.tasks:
        _log.warning("no tasks are named, so every call is put back; use --tasks module:attribute or SHADOW_TASKS")
