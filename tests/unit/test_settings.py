from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import attrs
import pytest

from shadows.core.readers import MEBIBYTE
from shadows.core.settings import (
    PROCESS,
    SHADOW,
    WORKER,
    ProcessOptions,
    Setting,
    ShadowOptions,
    WorkerOptions,
    effective,
    misspelt,
    process_options,
    shadow_options,
    worker_options,
)
from shadows.errors import ConfigurationError

D = timedelta


def worker(environment: dict[str, str] | None = None, **explicit: object) -> WorkerOptions:
    return worker_options(explicit, environment or {}, default_name="host#1")


def test_without_a_word_the_documented_defaults_hold() -> None:
    """SPEC and PARITY name them."""
    assert shadow_options({}, {}) == ShadowOptions(
        name="shadows",
        url="redis://localhost:6379/0",
        heartbeat_interval=D(seconds=2),
        missed_heartbeats=5,
        execution_ttl=D(minutes=15),
        unknown_task_ttl=D(hours=24),
        dead_letter_ttl=D(days=7),
        add_deadline=D(seconds=5),
        wait_replicas=0,
        max_payload=8 * MEBIBYTE,
        max_result=8 * MEBIBYTE,
        horizon=D(days=3653),
        strict_when=False,
    )
    assert worker() == WorkerOptions(
        name="host#1",
        concurrency=10,
        redelivery_timeout=D(minutes=5),
        reconnection_delay=D(seconds=5),
        minimum_check_interval=D(milliseconds=100),
        scheduling_resolution=D(milliseconds=250),
        schedule_automatic_tasks=True,
        max_deliveries=5,
        drain_timeout=D(seconds=30),
        dependency_timeout=D(seconds=30),
        fallback_task=None,
        task_processes=None,
        leftover_tasks="cancel",
    )
    assert process_options({}, {}) == ProcessOptions(
        tasks=(),
        logging_level="INFO",
        logging_format=None,
        healthcheck_port=None,
        metrics_port=None,
        processes=1,
        loop="asyncio",
    )


def test_every_documented_variable_is_read() -> None:
    """The example of the production guide, word for word, and the rest of the options."""
    environment = {
        "SHADOW_NAME": "orders",
        "SHADOW_URL": "redis://redis.production.com:6379/0",
        "SHADOW_EXECUTION_TTL": "0",
        "SHADOW_HEARTBEAT_INTERVAL": "1s",
        "SHADOW_MISSED_HEARTBEATS": "3",
        "SHADOW_ADD_DEADLINE": "15",
        "SHADOW_WAIT_REPLICAS": "2",
        "SHADOW_MAX_PAYLOAD": "16MiB",
        "SHADOW_MAX_RESULT": "512 KiB",
        "SHADOW_HORIZON": "30d",
        "SHADOW_STRICT_WHEN": "yes",
        "SHADOW_WORKER_NAME": "orders-worker-1",
        "SHADOW_WORKER_CONCURRENCY": "50",
        "SHADOW_WORKER_REDELIVERY_TIMEOUT": "10m",
        "SHADOW_WORKER_RECONNECTION_DELAY": "5s",
        "SHADOW_WORKER_MINIMUM_CHECK_INTERVAL": "100ms",
        "SHADOW_WORKER_SCHEDULING_RESOLUTION": "250ms",
        "SHADOW_WORKER_SCHEDULE_AUTOMATIC_TASKS": "false",
        "SHADOW_WORKER_DRAIN_TIMEOUT": "1m",
        "SHADOW_WORKER_DEPENDENCY_TIMEOUT": "5s",
        "SHADOW_WORKER_FALLBACK_TASK": "app.tasks:fallback",
        "SHADOW_WORKER_MAX_DELIVERIES": "7",
        "SHADOW_WORKER_HEALTHCHECK_PORT": "8080",
        "SHADOW_WORKER_METRICS_PORT": "9090",
        "SHADOW_LOGGING_LEVEL": "debug",
        "SHADOW_LOGGING_FORMAT": "json",
        "SHADOW_TASKS": "myapp.tasks:production_tasks, other:tasks",
        "HOME": "/root",
    }
    shadow = shadow_options({}, environment)
    assert (shadow.name, shadow.url) == ("orders", "redis://redis.production.com:6379/0")
    assert (shadow.execution_ttl, shadow.heartbeat_interval, shadow.missed_heartbeats) == (D(0), D(seconds=1), 3)
    assert (shadow.add_deadline, shadow.max_payload, shadow.max_result) == (D(seconds=15), 16 * MEBIBYTE, 524_288)
    assert shadow.wait_replicas == 2
    assert (shadow.horizon, shadow.strict_when) == (D(days=30), True)
    found = worker(environment)
    assert (found.name, found.concurrency, found.redelivery_timeout) == ("orders-worker-1", 50, D(minutes=10))
    assert (found.schedule_automatic_tasks, found.drain_timeout, found.max_deliveries) == (False, D(minutes=1), 7)
    assert (found.dependency_timeout, found.fallback_task) == (D(seconds=5), "app.tasks:fallback")
    process = process_options({}, environment)
    assert process.tasks == ("myapp.tasks:production_tasks", "other:tasks")
    assert (process.logging_level, process.logging_format) == ("DEBUG", "json")
    assert (process.healthcheck_port, process.metrics_port) == (8080, 9090)


def test_an_argument_wins_over_the_environment_and_that_over_the_default() -> None:
    """An argument of None and an empty variable count as not given."""
    environment = {"SHADOW_WORKER_CONCURRENCY": "50", "SHADOW_WORKER_NAME": ""}
    assert worker(environment, concurrency=7).concurrency == 7
    assert worker(environment, concurrency=None).concurrency == 50
    assert worker(environment).name == "host#1"
    assert shadow_options({"execution_ttl": D(0), "strict_when": False}, {"SHADOW_STRICT_WHEN": "1"}) == ShadowOptions(
        execution_ttl=D(0)
    )


def test_what_an_argument_overrides_is_not_even_read() -> None:
    """A broken variable does not stop somebody who says what they want."""
    assert worker({"SHADOW_WORKER_CONCURRENCY": "many"}, concurrency=7).concurrency == 7


@pytest.mark.parametrize(
    ("option", "value", "reason"),
    [
        ("concurrency", "x", "SHADOW_WORKER_CONCURRENCY='x' is no whole number; use one from 1 to 10000"),
        ("concurrency", "0", "SHADOW_WORKER_CONCURRENCY='0' is out of range; use 1 to 10000"),
        ("concurrency", 10_001, "concurrency=10001 is out of range; use 1 to 10000"),
        ("concurrency", True, "concurrency=True is no whole number"),
        ("concurrency", 2.5, "concurrency=2.5 is no whole number"),
        ("redelivery_timeout", "5parsecs", "SHADOW_WORKER_REDELIVERY_TIMEOUT='5parsecs' is no duration; write for"),
        ("redelivery_timeout", D(0), "redelivery_timeout=datetime.timedelta(0) is zero; write for example"),
        ("task_processes", "0", "SHADOW_WORKER_TASK_PROCESSES='0' is out of range; use 1 to 10000"),
        ("leftover_tasks", "kill", "SHADOW_WORKER_LEFTOVER_TASKS='kill' is unknown; use cancel, warn, keep"),
        ("drain_timeout", "0", "SHADOW_WORKER_DRAIN_TIMEOUT='0' is zero"),
        ("fallback_task", "a:b,c:d", "SHADOW_WORKER_FALLBACK_TASK='a:b,c:d' names no task"),
        ("fallback_task", "fallback", "SHADOW_WORKER_FALLBACK_TASK='fallback' names no task; write module:attribute"),
        ("schedule_automatic_tasks", "perhaps", "='perhaps' is neither true nor false; write true or false"),
        ("schedule_automatic_tasks", 1, "schedule_automatic_tasks=1 is neither true nor false"),
        ("name", "a\0", "SHADOW_WORKER_NAME='a\\x00' holds characters that do not print"),
    ],
)
def test_a_value_that_cannot_work_is_refused_with_its_source(option: str, value: Any, reason: str) -> None:
    """FAULT 17: the message names the variable or the argument, whichever it came from, and what to write."""
    variable = {f"SHADOW_WORKER_{option.upper()}": value} if isinstance(value, str) else {}
    with pytest.raises(ConfigurationError, match=re.escape(reason)):
        worker(variable, **({} if variable else {option: value}))


@pytest.mark.parametrize(
    ("option", "value", "reason"),
    [
        ("name", "a b", "SHADOW_NAME='a b' cannot name a shadow"),
        ("url", "reddis://h", "SHADOW_URL='reddis://h' has a scheme that does not exist; did you mean redis://?"),
        ("max_payload", "8MB", "SHADOW_MAX_PAYLOAD='8MB' is no size; write bytes, or for example 8MiB"),
        ("max_payload", "600MiB", "SHADOW_MAX_PAYLOAD='600MiB' is out of range"),
        ("max_result", 0, "max_result=0 is out of range"),
        ("max_result", 1.5, "max_result=1.5 is no size"),
        ("execution_ttl", "-1s", "SHADOW_EXECUTION_TTL='-1s' is negative"),
        ("heartbeat_interval", 0, "heartbeat_interval=0 is zero"),
    ],
)
def test_the_same_holds_for_a_shadow(option: str, value: Any, reason: str) -> None:
    """FAULT 8, 12, 17, 54: a payload above what Redis takes is refused before there is one."""
    variable = {f"SHADOW_{option.upper()}": value} if isinstance(value, str) else {}
    with pytest.raises(ConfigurationError, match=re.escape(reason)):
        shadow_options({} if variable else {option: value}, variable)


@pytest.mark.parametrize(
    ("explicit", "reason"),
    [
        ({"healthcheck_port": 99_999}, "healthcheck_port=99999 is out of range; use 0 to 65535"),
        ({"logging_level": "loud"}, "logging_level='loud' is unknown; use DEBUG, INFO"),
        ({"logging_format": 7}, "logging_format=7 is unknown; use console, plain, json"),
        ({"tasks": "my app"}, "tasks='my app' names no tasks; write module or module:attribute"),
        ({"tasks": "myapp/tasks.py"}, "tasks='myapp/tasks.py' is a file; write the module: myapp.tasks"),
        ({"tasks": ["a:b", ":c"]}, "tasks=':c' names no tasks"),
        ({"tasks": 7}, "tasks=7 names no tasks"),
    ],
)
def test_the_same_holds_for_a_process(explicit: dict[str, object], reason: str) -> None:
    """FAULT 83: an impossible port is one line, before any task is claimed."""
    with pytest.raises(ConfigurationError, match=re.escape(reason)):
        process_options(explicit, {})


def test_collections_of_tasks_may_be_given_one_by_one_or_together() -> None:
    """``--tasks`` is repeatable, and each may hold several."""
    assert process_options({"tasks": ["a:b", "c,e.f:g", ""]}, {}).tasks == ("a:b", "c", "e.f:g")


def test_an_option_that_does_not_exist_is_refused() -> None:
    """A misspelt argument must not be silently ignored."""
    with pytest.raises(TypeError, match="there is no option 'concurency'; there are name, concurrency"):
        worker(concurency=5)


def test_the_representation_of_the_options_shows_no_password() -> None:
    """FAULT 54: options are logged when a worker starts."""
    found = shadow_options({"url": " redis://u:sesame@h/0 "}, {})
    assert found.url == "redis://u:sesame@h/0"
    assert "sesame" not in repr(found)
    assert "redis://u:***@h/0" in repr(found)


EVERY = [setting for part in (SHADOW, WORKER, PROCESS) for setting in part.values()]


@pytest.mark.parametrize("setting", EVERY, ids=lambda setting: setting.variable)
def test_what_a_setting_shows_can_be_written(setting: Setting) -> None:
    """A remedy that does not work when it is typed would be worse than none."""
    read = setting.read(setting.example, "there")
    assert setting.written(read) == ("***" if setting.name == "secret" else setting.example)
    if setting.default not in (None, ()):
        assert read == setting.default


def test_every_option_of_the_classes_is_a_setting_and_the_other_way_round() -> None:
    """There is one list of them."""
    assert set(SHADOW) == set(attrs.fields_dict(ShadowOptions))
    assert set(WORKER) == set(attrs.fields_dict(WorkerOptions))
    assert set(PROCESS) == set(attrs.fields_dict(ProcessOptions))


@pytest.mark.parametrize(
    ("variable", "written", "instead"),
    [
        ("SHADOW_WORKER_CONCURRENCY", "ten", "10"),
        ("SHADOW_WORKER_TASK_PROCESSES", "0", "4"),
        ("SHADOW_WORKER_DRAIN_TIMEOUT", "1 minute", "1m"),
        ("SHADOW_WORKER_DRAIN_TIMEOUT", "soon", "30s"),
        ("SHADOW_WORKER_DRAIN_TIMEOUT", "-1s", "30s"),
        ("SHADOW_WORKER_LEFTOVER_TASKS", "kepp", "keep"),
        ("SHADOW_WORKER_LEFTOVER_TASKS", "kill", "cancel"),
        ("SHADOW_WORKER_FALLBACK_TASK", "fallback", "myapp.tasks:fallback"),
        ("SHADOW_WORKER_HEALTHCHECK_PORT", "http", "8080"),
        ("SHADOW_LOGGING_LEVEL", "warn", "WARNING"),
        ("SHADOW_MAX_PAYLOAD", "8MB", "8MiB"),
        ("SHADOW_NAME", "our orders!", "our-orders"),
        ("SHADOW_NAME", "?", "shadows"),
        ("SHADOW_URL", "localhost", "redis://localhost"),
        ("SHADOW_URL", "nothing like it", "redis://localhost:6379/0"),
    ],
)
def test_a_refused_value_comes_with_one_that_works(variable: str, written: str, instead: str) -> None:
    """The nearest to what was meant, else the default, else an example; and who said it stands apart."""
    [setting] = [each for each in EVERY if each.variable == variable]
    with pytest.raises(ConfigurationError) as refused:
        setting.read(written, variable)
    found = refused.value
    assert (found.source, found.value, found.instead, found.remedy) == (variable, written, instead, "")
    setting.read(found.instead, variable)


def test_an_error_that_another_value_does_not_help_says_what_does() -> None:
    """An example would lead astray."""
    with pytest.raises(ConfigurationError) as refused:
        shadow_options({"url": "redis://:a#b@host/0"}, {}, called="--{}".format)
    assert (refused.value.source, refused.value.instead) == ("--url", "")
    assert "%23 for #" in refused.value.remedy


def test_what_kubernetes_writes_for_a_service_is_known_for_what_it_is() -> None:
    """Nobody remembers to have set it."""
    with pytest.raises(ConfigurationError, match="for each service; one is called 'shadow-worker-metrics'") as refused:
        process_options({}, {"SHADOW_WORKER_METRICS_PORT": "tcp://10.0.0.1:9090"})
    assert "enableServiceLinks: false" in refused.value.remedy
    with pytest.raises(ConfigurationError, match="is no whole number"):
        process_options({}, {"SHADOW_WORKER_METRICS_PORT": "tcp:9090"})


def test_each_setting_says_where_it_comes_from() -> None:
    """An argument, under the name that its user gave it, else a variable, else nobody."""
    environment = {"SHADOW_WORKER_CONCURRENCY": "50", "SHADOW_WORKER_LEFTOVER_TASKS": "warn"}
    found = {
        each.setting.name: each
        for each in effective(WORKER, {"concurrency": "7", "fallback_task": worker}, environment, called="--{}".format)
    }
    assert [(found[name].value, found[name].source) for name in ("concurrency", "leftover_tasks", "drain_timeout")] == [
        (7, "--concurrency"),
        ("warn", "SHADOW_WORKER_LEFTOVER_TASKS"),
        (D(seconds=30), ""),
    ]
    assert found["fallback_task"].shown == f"{__name__}:worker"
    assert found["schedule_automatic_tasks"].shown == "true"
    assert found["name"].shown == ""


def test_settings_show_sizes_in_units_and_urls_without_passwords() -> None:
    """They are printed for everybody to see."""
    given = {"url": "redis://u:secret@h/0", "max_payload": 1536, "max_result": 1000, "strict_when": False}
    shown = {each.setting.name: each.shown for each in effective(SHADOW, given, {})}
    assert [shown[name] for name in given] == ["redis://u:***@h/0", "1536", "1000", "false"]


def test_a_misspelt_variable_is_found_among_those_that_nothing_reads() -> None:
    """Those of other programs, and of Kubernetes, are left alone."""
    environment = dict.fromkeys(
        [
            "SHADOW_NAME",
            "SHADOW_WORKER_CONCURENCY",
            "SHADOW_CONCURRENCY",
            "SHADOW_WORKER_URL",
            "SHADOW_PORT",
            "SHADOW_PORT_6379_TCP",
            "SHADOW_WORKER_SERVICE_HOST",
            "SHADOW_WORKER_METRICS_SERVICE_PORT",
            "SHADOWS_SERVERS",
            "HOME",
        ],
        "x",
    )
    assert misspelt(environment) == {
        "SHADOW_CONCURRENCY": "SHADOW_WORKER_CONCURRENCY",
        "SHADOW_WORKER_CONCURENCY": "SHADOW_WORKER_CONCURRENCY",
        "SHADOW_WORKER_URL": "SHADOW_URL",
    }
