"""The options that tell how a worker works, for the commands that run one or that show how it would be."""

from __future__ import annotations

import os
import socket
from typing import Annotated, Any

import attrs
from cyclopts import Parameter

from shadows.cli.options import option
from shadows.core import names, settings
from shadows.core.settings import PROCESS, WORKER, ProcessOptions, Setting, WorkerOptions


def said_of(setting: Setting, text: str, default: str = "") -> str:
    """Return the help of an option: what it is, its variable, and its default."""
    return f"{text} ({setting.variable}; default: {default or setting.written(setting.default)})"


def _worker(name: str, metavar: str, text: str, default: str = "") -> Parameter:
    return Parameter(metavar=metavar, help=said_of(WORKER[name], text, default))


def _process(name: str, metavar: str, text: str, default: str = "") -> Parameter:
    return Parameter(metavar=metavar, help=said_of(PROCESS[name], text, default))


@attrs.frozen(kw_only=True)
class WorkerSays:
    """What was said of a worker and its process, in words; None where nothing was."""

    name: Annotated[str | None, _worker("name", "NAME", "what people call this worker", "host#pid")] = None
    concurrency: Annotated[str | None, _worker("concurrency", "N", "how many calls run at the same time")] = None
    redelivery_timeout: Annotated[
        str | None,
        _worker("redelivery_timeout", "TIME", "after so long without a sign of life, its calls go to another one"),
    ] = None
    reconnection_delay: Annotated[
        str | None, _worker("reconnection_delay", "TIME", "longest pause between two tries to reach the server")
    ] = None
    minimum_check_interval: Annotated[
        str | None,
        _worker("minimum_check_interval", "TIME", "pause after the second and later of several looks in vain"),
    ] = None
    scheduling_resolution: Annotated[
        str | None,
        _worker("scheduling_resolution", "TIME", "how often to look while a call is due within a second"),
    ] = None
    schedule_automatic_tasks: Annotated[
        bool | None,
        Parameter(
            name="--schedule-automatic-tasks",
            negative="--no-schedule-automatic-tasks",
            help=said_of(WORKER["schedule_automatic_tasks"], "start the automatic tasks"),
        ),
    ] = None
    max_deliveries: Annotated[
        str | None,
        _worker("max_deliveries", "N", "a call that was lost with its worker so many times is a dead letter"),
    ] = None
    drain_timeout: Annotated[
        str | None,
        _worker(
            "drain_timeout",
            "TIME",
            "how long running calls may go on after the first SIGTERM or Ctrl-C; a second one stops at once",
        ),
    ] = None
    dependency_timeout: Annotated[
        str | None,
        _worker("dependency_timeout", "TIME", "what setting up, or cleaning up, one dependency of a call may take"),
    ] = None
    fallback_task: Annotated[
        str | None,
        _worker(
            "fallback_task",
            "MODULE:ATTRIBUTE",
            "the function that gets the calls of unknown tasks, with their arguments",
            "they are put back for a worker that knows them",
        ),
    ] = None
    task_processes: Annotated[
        str | None,
        _worker("task_processes", "N", "how many processes run tasks at most", "one for each processor"),
    ] = None
    leftover_tasks: Annotated[
        str | None,
        _worker(
            "leftover_tasks",
            "WHAT",
            "what becomes of asyncio tasks that a call leaves behind: cancel (with a warning), warn or keep",
        ),
    ] = None
    enable_internal_instrumentation: Annotated[
        bool | None,
        Parameter(
            name="--enable-internal-instrumentation",
            negative="--no-enable-internal-instrumentation",
            help=said_of(
                WORKER["enable_internal_instrumentation"],
                "let an OpenTelemetry instrumentation of the client library trace also how the worker waits",
            ),
        ),
    ] = None
    logging_level: Annotated[
        str | None, _process("logging_level", "LEVEL", "what is logged: DEBUG, INFO, WARNING, ERROR or CRITICAL")
    ] = None
    logging_format: Annotated[
        str | None,
        _process("logging_format", "FORMAT", "console, plain or json", "console on a terminal, else plain"),
    ] = None
    healthcheck_port: Annotated[
        str | None,
        _process("healthcheck_port", "PORT", "serve /readyz, /livez and /autoscale on this port", "none"),
    ] = None
    metrics_port: Annotated[
        str | None,
        _process(
            "metrics_port",
            "PORT",
            "serve /metrics for Prometheus on this port, which may be the same; "
            "needs pip install 'shadow-task[metrics]'",
            "none",
        ),
    ] = None
    processes: Annotated[
        str | None,
        _process("processes", "N", "how many such worker processes run, under a parent that starts a dead one anew"),
    ] = None
    loop: Annotated[
        str | None,
        _process("loop", "LOOP", "the event loop: asyncio or uvloop, which needs pip install 'shadow-task[uvloop]'"),
    ] = None

    def of_worker(self) -> dict[str, Any]:
        """Return what was said of the worker itself, by setting."""
        return {name: value for name, value in attrs.asdict(self).items() if name in WORKER}

    def of_process(self, tasks: list[str] | None) -> dict[str, Any]:
        """Return what was said of the process around it, by setting."""
        rest = {name: value for name, value in attrs.asdict(self).items() if name in PROCESS}
        return {**rest, "tasks": tasks}

    def worker(self) -> WorkerOptions:
        """Return the options of the worker.

        Raises:
            ConfigurationError: an option or a variable cannot work.
        """
        return settings.worker_options(self.of_worker(), os.environ, default_name=default_name(), called=option)

    def numbered(self, options: WorkerOptions, number: int) -> WorkerOptions:
        """Return the options of one worker process of several: a name that was given gets its number.

        Raises:
            ConfigurationError: that is too long.
        """
        if not (self.name or os.environ.get(WORKER["name"].variable)):
            return options
        return attrs.evolve(options, name=names.worker_name(f"{options.name}-{number}"))

    def process(self, tasks: list[str] | None) -> ProcessOptions:
        """Return the options of the process.

        Raises:
            ConfigurationError: an option or a variable cannot work.
        """
        return settings.process_options(self.of_process(tasks), os.environ, called=option)


WorkerWords = Annotated[WorkerSays, Parameter(name="*")]
NOTHING_SAID = WorkerSays()


def default_name() -> str:
    """Return what a worker is called when nobody says."""
    return f"{socket.gethostname()}#{os.getpid()}"
