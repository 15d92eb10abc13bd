"""Every option of a shadow, a worker and a process: from an argument, else the environment, else a default.

An option's name is the argument's name; its environment variable is that in capitals behind ``SHADOW_`` or
``SHADOW_WORKER_``.  An empty variable counts as not set.
"""

from __future__ import annotations

import difflib
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import attrs

from shadows.core import names, travel, urls
from shadows.core.names import shown
from shadows.core.readers import (
    CODECS,
    FILE,
    MEBIBYTE,
    MOMENT,
    PATHS,
    SECRETS,
    SHADOW_NAME,
    SIZE,
    STORAGE,
    SWITCH,
    TASK,
    URL,
    WORKER_NAME,
    Reader,
    choice,
    span,
    whole,
)
from shadows.core.scheduling import HORIZON, milliseconds
from shadows.errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LOGGING_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
LOGGING_FORMATS = ("console", "plain", "json")
LEFTOVERS = ("cancel", "warn", "keep")

type Leftover = Literal["cancel", "warn", "keep"]

_OF_KUBERNETES = re.compile(r"(?:tcp|udp|sctp)://[^/]+")
"""What Kubernetes writes into NAME_PORT for each service NAME that a pod could use."""


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
    wait_replicas: int = 0
    """how many replicas must have a change before it counts as done"""
    max_payload: int = 8 * MEBIBYTE
    """bytes"""
    max_result: int = 8 * MEBIBYTE
    """bytes"""
    result_storage: Any = None
    """a store of py-key-value-aio, or the ``module:attribute`` of one, where outcomes lie instead of in the broker"""
    result_deadline: timedelta = timedelta(seconds=30)
    """for how long a result storage that is away is asked again"""
    codec: tuple[Any, ...] = ("cloudpickle",)
    """names of codecs, or codecs: the first one writes, all of them read"""
    secret: tuple[bytes, ...] = attrs.field(default=(), repr=travel.secrets_written)
    """the first one seals, all of them open; none: nothing is sealed"""
    secret_file: Path | None = None
    """where the secrets stand, one in a line, if ``secret`` names none"""
    seal: str = "sign"
    """what is done with the secret"""
    accept_unsigned_until: datetime | None = None
    """until then, what is not sealed is read too"""
    horizon: timedelta = HORIZON
    strict_when: bool = False
    """whether a time in the past is an error"""
    enable_internal_instrumentation: bool = False
    """whether instrumentations of client libraries may trace what nobody asked for directly"""

    @property
    def presence_horizon(self) -> int:
        """Milliseconds without a heartbeat after which a worker counts as gone."""
        return milliseconds(self.heartbeat_interval) * self.missed_heartbeats


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
    logging_format: str | None = None
    """None: console on a terminal, plain elsewhere"""
    healthcheck_port: int | None = None
    metrics_port: int | None = None
    processes: int = 1
    """how many worker processes run under one parent"""
    loop: str = "asyncio"
    """the event loop: ``asyncio`` or ``uvloop``"""


@attrs.frozen
class Setting:
    """One option, whoever says what it holds."""

    name: str
    """the argument"""
    variable: str
    """in the environment"""
    reader: Reader
    default: Any
    """None: there is none, or it is made up when it is needed"""

    @property
    def example(self) -> str:
        """Something that can be written for it: the default, if there is one."""
        return self.written(self.default) or self.reader.example

    def written(self, value: Any) -> str:
        """Return a value as one would write it, but for passwords; None is empty."""
        return "" if value is None else self.reader.write(value)

    def read(self, value: object, source: str) -> Any:
        """Return what somebody has said.

        Raises:
            ConfigurationError: it cannot work; the text begins with ``source``.
            TypeError: it is of the wrong type.
        """
        try:
            return self.reader.read(value, source)
        except ConfigurationError as error:
            error.source = source
            error.value = error.value or urls.redacted(str(value))
            error.instead = error.instead or ("" if error.remedy else self.example)
            raise


@attrs.frozen
class Effective:
    """What a setting holds in the end."""

    setting: Setting
    value: Any
    source: str = ""
    """the argument, the option or the variable that said so; empty: nobody did"""

    @property
    def shown(self) -> str:
        """The value as one would write it, but for passwords."""
        return self.setting.written(self.value)


def _settings(prefix: str, kind: type[Any], readers: Mapping[str, Reader]) -> dict[str, Setting]:
    fields = attrs.fields_dict(kind)
    defaults = {name: fields[name].default for name in readers}
    return {
        name: Setting(name, f"{prefix}{name.upper()}", reader, None if default is attrs.NOTHING else default)
        for (name, reader), default in zip(readers.items(), defaults.values(), strict=True)
    }


SHADOW = _settings(
    "SHADOW_",
    ShadowOptions,
    {
        "name": SHADOW_NAME,
        "url": URL,
        "heartbeat_interval": span(),
        "missed_heartbeats": whole(1, 10_000, 5),
        "execution_ttl": span(zero=True),
        "unknown_task_ttl": span(),
        "dead_letter_ttl": span(),
        "add_deadline": span(),
        "wait_replicas": whole(0, 100, 1),
        "max_payload": SIZE,
        "max_result": SIZE,
        "result_storage": STORAGE,
        "result_deadline": span(),
        "codec": CODECS,
        "secret": SECRETS,
        "secret_file": FILE,
        "seal": choice(*travel.SEALS),
        "accept_unsigned_until": MOMENT,
        "horizon": span(),
        "strict_when": SWITCH,
        "enable_internal_instrumentation": SWITCH,
    },
)
WORKER = _settings(
    "SHADOW_WORKER_",
    WorkerOptions,
    {
        "name": WORKER_NAME,
        "concurrency": whole(1, 10_000, 10),
        "redelivery_timeout": span(),
        "reconnection_delay": span(),
        "minimum_check_interval": span(),
        "scheduling_resolution": span(),
        "schedule_automatic_tasks": SWITCH,
        "max_deliveries": whole(1, 1_000_000, 5),
        "drain_timeout": span(),
        "dependency_timeout": span(),
        "fallback_task": TASK,
        "task_processes": whole(1, 10_000, 4),
        "leftover_tasks": choice(*LEFTOVERS),
        "enable_internal_instrumentation": SWITCH,
    },
)
PROCESS = {
    **_settings(
        "SHADOW_",
        ProcessOptions,
        {
            "tasks": PATHS,
            "logging_level": choice(*LOGGING_LEVELS),
            "logging_format": choice(*LOGGING_FORMATS),
        },
    ),
    **_settings(
        "SHADOW_WORKER_",
        ProcessOptions,
        {
            "healthcheck_port": whole(0, 65_535, 8080),
            "metrics_port": whole(0, 65_535, 9090),
            "processes": whole(1, 1_000, 4),
            "loop": choice("asyncio", "uvloop"),
        },
    ),
}


def shadow_options(
    explicit: Mapping[str, object], environment: Mapping[str, str], *, called: Callable[[str], str] = str
) -> ShadowOptions:
    """Return the options of a shadow; messages call an explicit one what ``called`` makes of its name.

    Raises:
        ConfigurationError: a value cannot work; the text names its source, such as ``SHADOW_URL`` or ``url``.
        TypeError: an argument is of the wrong type, or there is no such option.
    """
    return ShadowOptions(**_said(effective(SHADOW, explicit, environment, called=called)))


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
    found = _said(effective(WORKER, explicit, environment, called=called))
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
    return ProcessOptions(**_said(effective(PROCESS, explicit, environment, called=called)))


def effective(
    settings: Mapping[str, Setting],
    explicit: Mapping[str, object],
    environment: Mapping[str, str],
    *,
    called: Callable[[str], str] = str,
) -> list[Effective]:
    """Return what each of these settings holds, and who said so.

    Raises:
        ConfigurationError: a value cannot work; the text names its source.
        TypeError: an argument is of the wrong type, or there is no such option.
    """
    unknown = sorted(explicit.keys() - settings.keys())
    if unknown:
        raise TypeError(f"there is no option {unknown[0]!r}; there are {', '.join(settings)}")
    found: list[Effective] = []
    for name, setting in settings.items():
        if (value := explicit.get(name)) is not None:
            source = called(name)
            found.append(Effective(setting, setting.read(value, source), source))
        elif text := environment.get(setting.variable):
            _refuse_what_kubernetes_wrote(setting.variable, text)
            found.append(Effective(setting, setting.read(text, setting.variable), setting.variable))
        else:
            found.append(Effective(setting, setting.default))
    return found


def misspelt(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that nothing reads but that are nearly called like one, with what that one is called."""
    known = [setting.variable for part in (WORKER, PROCESS, SHADOW) for setting in part.values()]
    bare = {_bare(variable): variable for variable in known}
    found: dict[str, str] = {}
    for variable in sorted(environment.keys() - set(known)):
        if not variable.startswith("SHADOW_"):
            continue
        if near := difflib.get_close_matches(variable, known, n=1, cutoff=0.9):
            found[variable] = near[0]
        elif near := difflib.get_close_matches(_bare(variable), bare, n=1, cutoff=0.9):
            found[variable] = bare[near[0]]
    return found


def _bare(variable: str) -> str:
    return variable.removeprefix("SHADOW_").removeprefix("WORKER_")


def _said(found: list[Effective]) -> dict[str, Any]:
    return {each.setting.name: each.value for each in found if each.source}


def _refuse_what_kubernetes_wrote(variable: str, text: str) -> None:
    if not (variable.endswith("_PORT") and _OF_KUBERNETES.fullmatch(text)):
        return
    service = variable.removesuffix("_PORT").lower().replace("_", "-")
    raise ConfigurationError(
        f"{variable}={shown(text)} was set by Kubernetes, which does so for each service; one is called {service!r}",
        remedy="enableServiceLinks: false, into the spec of the pod; or call the service something else",
    )
