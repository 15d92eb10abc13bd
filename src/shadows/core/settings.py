"""Every option of a shadow, a worker and a process: from an argument, else the environment, else a default.

An option's name is the argument's name; its environment variable is that in capitals behind ``SHADOW_`` or
``SHADOW_WORKER_``.  An empty variable counts as not set.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any, Literal, cast

import attrs

from shadows.core import names, urls
from shadows.core.durations import duration
from shadows.core.names import shown
from shadows.core.scheduling import HORIZON
from shadows.errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    type _Reader = Callable[[object, str], object]
    """From a value and its source to what the option holds; the source begins each message."""

MEBIBYTE = 1 << 20
LARGEST_PAYLOAD = 500 * MEBIBYTE
"""Redis takes no value above 512 MiB."""
LOGGING_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
LOGGING_FORMATS = ("console", "plain", "json")
LEFTOVERS = ("cancel", "warn", "keep")

type Leftover = Literal["cancel", "warn", "keep"]

_WORDS = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}
_WHOLE = re.compile(r"[0-9]{1,18}")
_SIZE = re.compile(r"([0-9]{1,15}) ?(B|KiB|MiB)?")
_SIZES = {None: 1, "B": 1, "KiB": 1 << 10, "MiB": MEBIBYTE}


def _span(*, zero: bool = False) -> _Reader:
    return lambda value, source: duration(value, option=source, zero=zero)


def _whole(least: int, most: int) -> _Reader:
    def read(value: object, source: str) -> int:
        if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
            number = int(value)
        elif isinstance(value, int) and not isinstance(value, bool):
            number = value
        else:
            raise _refused(source, value, f"is no whole number; use one from {least} to {most}")
        if not least <= number <= most:
            raise _refused(source, value, f"is out of range; use {least} to {most}")
        return number

    return read


def _size(value: object, source: str) -> int:
    if isinstance(value, str) and (found := _SIZE.fullmatch(value.strip())):
        size = int(found[1]) * _SIZES[found[2]]
    elif isinstance(value, int) and not isinstance(value, bool):
        size = value
    else:
        raise _refused(source, value, "is no size; write bytes, or for example 8MiB or 512KiB")
    if not 1 <= size <= LARGEST_PAYLOAD:
        raise _refused(source, value, f"is out of range; use 1 to {LARGEST_PAYLOAD} bytes, for example 8MiB")
    return size


def _switch(value: object, source: str) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and (found := _WORDS.get(value.strip().lower())) is not None:
        return found
    raise _refused(source, value, "is neither true nor false; write true or false")


def _choice(among: tuple[str, ...]) -> _Reader:
    def read(value: object, source: str) -> str:
        for each in among:
            if isinstance(value, str) and value.strip().lower() == each.lower():
                return each
        raise _refused(source, value, f"is unknown; use {', '.join(among)}")

    return read


def _shadow_name(value: Any, source: str) -> str:
    return names.shadow_name(value, argument=source)


def _worker_name(value: Any, source: str) -> str:
    return names.worker_name(value, argument=source)


def _url(value: Any, source: str) -> str:
    urls.parse(value, argument=source)
    return str(value).strip()


def _paths(value: object, source: str) -> tuple[str, ...]:
    """From ``a.b:c,d.e:f``, or several of them, to each."""
    if not isinstance(value, str | list | tuple):
        raise _refused(source, value, "names no tasks; write for example myapp.tasks:tasks")
    written = [value] if isinstance(value, str) else cast("Iterable[object]", value)
    paths = [path for text in written for part in str(text).split(",") if (path := part.strip())]
    for path in paths:
        module, colon, attribute = path.partition(":")
        if not (module and colon and attribute):
            raise _refused(source, path, "names no tasks; write module:attribute, for example myapp.tasks:tasks")
    return tuple(paths)


def _task(value: object, source: str) -> object:
    """Take a function as it is, or the path of one."""
    if callable(value):
        return value
    paths = _paths(value, source)
    if len(paths) != 1:
        raise _refused(source, value, "names no task; write module:attribute, for example myapp.tasks:fallback")
    return paths[0]


def _refused(source: str, value: object, why: str) -> ConfigurationError:
    written = shown(value) if isinstance(value, str) else shown(repr(value))[1:-1]
    return ConfigurationError(f"{source}={written} {why}")


@attrs.frozen(kw_only=True)
class ShadowOptions:
    """What a client of a shadow may be told.  Made by :func:`shadow_options`."""

    name: str = "shadows"
    url: str = attrs.field(default="redis://localhost:6379/0", repr=urls.redacted)
    heartbeat_interval: timedelta = timedelta(seconds=2)
    missed_heartbeats: int = 5
    execution_ttl: timedelta = timedelta(minutes=15)
    """how long an ended run's record is kept; zero: not at all"""
    unknown_task_ttl: timedelta = timedelta(days=1)
    dead_letter_ttl: timedelta = timedelta(days=7)
    add_deadline: timedelta = timedelta(seconds=5)
    max_payload: int = 8 * MEBIBYTE
    """bytes"""
    max_result: int = 8 * MEBIBYTE
    """bytes"""
    horizon: timedelta = HORIZON
    strict_when: bool = False
    """whether a time in the past is an error"""
    enable_internal_instrumentation: bool = False
    """whether instrumentations of client libraries may trace what nobody asked for directly"""


@attrs.frozen(kw_only=True)
class WorkerOptions:
    """What a worker may be told.  Made by :func:`worker_options`."""

    name: str
    concurrency: int = 10
    redelivery_timeout: timedelta = timedelta(minutes=5)
    reconnection_delay: timedelta = timedelta(seconds=5)
    minimum_check_interval: timedelta = timedelta(milliseconds=100)
    scheduling_resolution: timedelta = timedelta(milliseconds=250)
    schedule_automatic_tasks: bool = True
    max_deliveries: int = 5
    drain_timeout: timedelta = timedelta(seconds=30)
    dependency_timeout: timedelta = timedelta(seconds=30)
    """what setting up, or cleaning up, one dependency may take"""
    fallback_task: Any = None
    """a function, or the ``module:attribute`` of one, that gets the calls of unknown tasks"""
    task_processes: int | None = None
    """how many processes run calls at most; None: one for each processor"""
    leftover_tasks: Leftover = "cancel"
    """what becomes of asyncio tasks that a body leaves behind; ``warn`` and ``cancel`` tell of them"""
    enable_internal_instrumentation: bool = False
    """whether instrumentations of client libraries may trace what a worker does for itself, such as waiting"""


@attrs.frozen(kw_only=True)
class ProcessOptions:
    """What the process around a worker may be told.  Made by :func:`process_options`."""

    tasks: tuple[str, ...] = ()
    """collections of tasks, each ``module:attribute``"""
    logging_level: str = "INFO"
    logging_format: str = "console"
    healthcheck_port: int | None = None
    metrics_port: int | None = None


def _variables(prefix: str, readers: Mapping[str, _Reader]) -> dict[str, tuple[str, _Reader]]:
    return {name: (f"{prefix}{name.upper()}", reader) for name, reader in readers.items()}


_SHADOW = _variables(
    "SHADOW_",
    {
        "name": _shadow_name,
        "url": _url,
        "heartbeat_interval": _span(),
        "missed_heartbeats": _whole(1, 10_000),
        "execution_ttl": _span(zero=True),
        "unknown_task_ttl": _span(),
        "dead_letter_ttl": _span(),
        "add_deadline": _span(),
        "max_payload": _size,
        "max_result": _size,
        "horizon": _span(),
        "strict_when": _switch,
        "enable_internal_instrumentation": _switch,
    },
)
_WORKER = _variables(
    "SHADOW_WORKER_",
    {
        "name": _worker_name,
        "concurrency": _whole(1, 10_000),
        "redelivery_timeout": _span(),
        "reconnection_delay": _span(),
        "minimum_check_interval": _span(),
        "scheduling_resolution": _span(),
        "schedule_automatic_tasks": _switch,
        "max_deliveries": _whole(1, 1_000_000),
        "drain_timeout": _span(),
        "dependency_timeout": _span(),
        "fallback_task": _task,
        "task_processes": _whole(1, 10_000),
        "leftover_tasks": _choice(LEFTOVERS),
        "enable_internal_instrumentation": _switch,
    },
)
_PROCESS = {
    **_variables(
        "SHADOW_",
        {
            "tasks": _paths,
            "logging_level": _choice(LOGGING_LEVELS),
            "logging_format": _choice(LOGGING_FORMATS),
        },
    ),
    **_variables("SHADOW_WORKER_", {"healthcheck_port": _whole(0, 65_535), "metrics_port": _whole(0, 65_535)}),
}


def shadow_options(
    explicit: Mapping[str, object], environment: Mapping[str, str], *, called: Callable[[str], str] = str
) -> ShadowOptions:
    """Return the options of a shadow; messages call an explicit one what ``called`` makes of its name.

    Raises:
        ConfigurationError: a value cannot work; the text names its source, such as ``SHADOW_URL`` or ``url``.
        TypeError: an argument is of the wrong type, or there is no such option.
    """
    return ShadowOptions(**_read(_SHADOW, explicit, environment, called))


def worker_options(
    explicit: Mapping[str, object],
    environment: Mapping[str, str],
    *,
    default_name: str,
    called: Callable[[str], str] = str,
) -> WorkerOptions:
    """Return the options of a worker, which is called ``default_name`` unless somebody says otherwise.

    Raises:
        ConfigurationError: a value cannot work; the text names its source.
        TypeError: an argument is of the wrong type, or there is no such option.
    """
    found = _read(_WORKER, explicit, environment, called)
    if "name" not in found:
        found["name"] = names.worker_name(default_name)
    return WorkerOptions(**found)


def process_options(
    explicit: Mapping[str, object], environment: Mapping[str, str], *, called: Callable[[str], str] = str
) -> ProcessOptions:
    """Return the options of a process that runs a worker.

    Raises:
        ConfigurationError: a value cannot work; the text names its source.
        TypeError: there is no such option.
    """
    return ProcessOptions(**_read(_PROCESS, explicit, environment, called))


def _read(
    options: Mapping[str, tuple[str, _Reader]],
    explicit: Mapping[str, object],
    environment: Mapping[str, str],
    called: Callable[[str], str],
) -> dict[str, Any]:
    """Return what somebody said about the options, by name."""
    unknown = sorted(explicit.keys() - options.keys())
    if unknown:
        raise TypeError(f"there is no option {unknown[0]!r}; there are {', '.join(options)}")
    found: dict[str, Any] = {}
    for name, (variable, read) in options.items():
        if (value := explicit.get(name)) is not None:
            found[name] = read(value, called(name))
        elif text := environment.get(variable):
            found[name] = read(text, variable)
    return found
