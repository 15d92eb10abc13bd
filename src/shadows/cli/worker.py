"""``shadows worker``."""

from __future__ import annotations

import logging
import os
import socket
from typing import Annotated

import attrs
from cyclopts import Parameter

from shadows.cli import process
from shadows.cli.exits import Code
from shadows.cli.options import ShadowName, Tasks, Url, load, option, shadow_of
from shadows.core import settings
from shadows.worker import Worker

_log = logging.getLogger("shadows.cli")


def _option(metavar: str, text: str) -> Parameter:
    return Parameter(metavar=metavar, help=text)


def worker(
    *,
    tasks: Tasks = None,
    shadows: ShadowName = None,
    url: Url = None,
    name: Annotated[
        str | None, _option("NAME", "what people call this worker (SHADOW_WORKER_NAME; default: host#pid)")
    ] = None,
    concurrency: Annotated[
        str | None, _option("N", "how many calls run at the same time (SHADOW_WORKER_CONCURRENCY; default: 10)")
    ] = None,
    redelivery_timeout: Annotated[
        str | None,
        _option(
            "TIME",
            "after so long without a sign of life, a worker's calls go to another one "
            "(SHADOW_WORKER_REDELIVERY_TIMEOUT; default: 5m)",
        ),
    ] = None,
    reconnection_delay: Annotated[
        str | None,
        _option(
            "TIME",
            "longest pause between two tries to reach the server (SHADOW_WORKER_RECONNECTION_DELAY; default: 5s)",
        ),
    ] = None,
    minimum_check_interval: Annotated[
        str | None,
        _option(
            "TIME",
            "pause after the second and later of several looks that found nothing "
            "(SHADOW_WORKER_MINIMUM_CHECK_INTERVAL; default: 100ms)",
        ),
    ] = None,
    scheduling_resolution: Annotated[
        str | None,
        _option(
            "TIME",
            "how often to look while a call is due within a second "
            "(SHADOW_WORKER_SCHEDULING_RESOLUTION; default: 250ms)",
        ),
    ] = None,
    schedule_automatic_tasks: Annotated[
        bool | None,
        Parameter(
            name="--schedule-automatic-tasks",
            negative="--no-schedule-automatic-tasks",
            help="start the automatic tasks (SHADOW_WORKER_SCHEDULE_AUTOMATIC_TASKS; default: true)",
        ),
    ] = None,
    drain_timeout: Annotated[
        str | None,
        _option(
            "TIME",
            "how long running calls may go on after the first SIGTERM or Ctrl-C; a second one stops at once "
            "(SHADOW_WORKER_DRAIN_TIMEOUT; default: 30s)",
        ),
    ] = None,
    dependency_timeout: Annotated[
        str | None,
        _option(
            "TIME",
            "what setting up, or cleaning up, one dependency of a call may take "
            "(SHADOW_WORKER_DEPENDENCY_TIMEOUT; default: 30s)",
        ),
    ] = None,
    fallback_task: Annotated[
        str | None,
        _option(
            "MODULE:ATTRIBUTE",
            "the function that gets the calls of unknown tasks, with their arguments "
            "(SHADOW_WORKER_FALLBACK_TASK; default: they are put back for a worker that knows them)",
        ),
    ] = None,
    task_processes: Annotated[
        str | None,
        _option(
            "N", "how many processes run tasks at most (SHADOW_WORKER_TASK_PROCESSES; default: one for each processor)"
        ),
    ] = None,
    leftover_tasks: Annotated[
        str | None,
        _option(
            "WHAT",
            "what becomes of asyncio tasks that a call leaves behind: cancel (with a warning), warn or keep "
            "(SHADOW_WORKER_LEFTOVER_TASKS; default: cancel)",
        ),
    ] = None,
    enable_internal_instrumentation: Annotated[
        bool | None,
        Parameter(
            name="--enable-internal-instrumentation",
            negative="--no-enable-internal-instrumentation",
            help="let an OpenTelemetry instrumentation of the client library trace also how the worker waits "
            "(SHADOW_WORKER_ENABLE_INTERNAL_INSTRUMENTATION; default: false)",
        ),
    ] = None,
    until_finished: Annotated[
        bool,
        Parameter(negative=(), show_default=False, help="end when nothing is left to run, instead of waiting for more"),
    ] = False,
    logging_level: Annotated[
        str | None, _option("LEVEL", "DEBUG, INFO, WARNING, ERROR or CRITICAL (SHADOW_LOGGING_LEVEL; default: INFO)")
    ] = None,
    logging_format: Annotated[
        str | None, _option("FORMAT", "console, plain or json (SHADOW_LOGGING_FORMAT; default: console)")
    ] = None,
) -> int:
    """Run the calls of a shadow, until the first SIGTERM or Ctrl-C.

    Durations read 10m, 5s, 100ms, 1h30m, 90 (seconds), mm:ss or hh:mm:ss.  An option wins over its variable.
    """
    around = settings.process_options(
        {"tasks": tasks, "logging_level": logging_level, "logging_format": logging_format},
        os.environ,
        called=option,
    )
    options = settings.worker_options(
        {
            "name": name,
            "concurrency": concurrency,
            "redelivery_timeout": redelivery_timeout,
            "reconnection_delay": reconnection_delay,
            "minimum_check_interval": minimum_check_interval,
            "scheduling_resolution": scheduling_resolution,
            "schedule_automatic_tasks": schedule_automatic_tasks,
            "drain_timeout": drain_timeout,
            "dependency_timeout": dependency_timeout,
            "fallback_task": fallback_task,
            "task_processes": task_processes,
            "leftover_tasks": leftover_tasks,
            "enable_internal_instrumentation": enable_internal_instrumentation,
        },
        os.environ,
        default_name=f"{socket.gethostname()}#{os.getpid()}",
        called=option,
    )
    shadow = shadow_of(shadows, url)
    from shadows.cli import logs  # noqa: PLC0415 - structlog is slow to import, and help needs none

    logs.configure(around.logging_level, around.logging_format)
    if not around.tasks:
        _log.warning("no tasks are named, so every call is put back; use --tasks module:attribute or SHADOW_TASKS")
    try:
        with process.starting():
            load(shadow, around.tasks)
            runs = Worker(shadow, **attrs.asdict(options))
            return process.run(shadow, runs, until_finished=until_finished)
    except process.StoppedAtStartError:
        return Code.OK
