"""`shadows config`: what is in force, and who said so."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any

import pytest

from shadows.cli.app import parser
from shadows.cli.corrections import options
from shadows.core.settings import PROCESS, SHADOW, WORKER, Setting
from tests.system.programs import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.system.conftest import Said

    type Run = Callable[..., Said]

EVERY = [setting for part in (SHADOW, WORKER, PROCESS) for setting in part.values()]


def in_json(said: Said) -> dict[str, dict[str, Any]]:
    """Give the settings by variable."""
    return {each["variable"]: each for each in json.loads(said.out)["settings"]}


def test_every_setting_is_shown_with_where_it_comes_from(shadows: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """An option, else a variable, else nobody."""
    monkeypatch.setenv("SHADOW_WORKER_CONCURRENCY", "50")
    monkeypatch.setenv("SHADOW_NAME", "orders")
    monkeypatch.setenv("SHADOW_WORKER_FALLBACK_TASK", "")
    said = shadows("config", "--concurrency", "5", "--tasks", "a:b,c:d", "--tasks", "e:f", "--drain-timeout", "90")
    assert (said.code, said.err) == (0, "")
    found = {line.split()[0]: line.split()[1:] for line in said.out.splitlines() if line.startswith("SHADOW_")}
    assert set(found) == {setting.variable for setting in EVERY}
    assert found["SHADOW_WORKER_CONCURRENCY"] == ["5", "option"]
    assert found["SHADOW_TASKS"] == ["a:b,c:d,e:f", "option"]
    assert found["SHADOW_WORKER_DRAIN_TIMEOUT"] == ["1m30s", "option"]
    assert found["SHADOW_NAME"] == ["orders", "variable"]
    assert found["SHADOW_WORKER_FALLBACK_TASK"] == ["-", "default"]
    assert found["SHADOW_WORKER_NAME"][0].endswith(f"#{os.getpid()}")
    assert max(map(len, said.out.splitlines())) <= 80


def test_the_same_in_json(shadows: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What can be written for it, or null; for programs the name of the argument stands beside."""
    monkeypatch.setenv("SHADOW_EXECUTION_TTL", "900")
    found = in_json(shadows("config", "--json", "--shadows", "orders", "--no-schedule-automatic-tasks"))
    assert found["SHADOW_NAME"] == {
        "part": "shadow",
        "name": "name",
        "variable": "SHADOW_NAME",
        "value": "orders",
        "from": "option",
    }
    assert (found["SHADOW_EXECUTION_TTL"]["value"], found["SHADOW_EXECUTION_TTL"]["from"]) == ("15m", "variable")
    assert found["SHADOW_WORKER_SCHEDULE_AUTOMATIC_TASKS"]["value"] == "false"
    assert found["SHADOW_WORKER_METRICS_PORT"]["value"] is None
    assert {(each["part"], each["name"]) for each in found.values()} == {
        (part, name)
        for part, settings in {"shadow": SHADOW, "worker": WORKER, "process": PROCESS}.items()
        for name in settings
    }


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_password_is_not_shown(shadows: Run, monkeypatch: pytest.MonkeyPatch, form: list[str]) -> None:
    """FAULT 54: whoever reads it over a shoulder, or in a ticket, learns none."""
    monkeypatch.setenv("SHADOW_URLS", "redis://me:hunter2@there/0")
    said = shadows("config", "--url", "redis://me:hunter2@redis.example.com:6379/0?password=hunter2", *form)
    assert "hunter2" not in said.out + said.err
    assert "redis://me:***@" in re.sub(r"\s", "", said.out)
    assert "export SHADOW_URL=redis://me:***@there/0" in said.err


@pytest.mark.parametrize("form", [[], ["--json"]])
@pytest.mark.parametrize("variable", ["SHADOW_SECRET", "SHADOW_SECRETS"])
@pytest.mark.parametrize("secret", ["hunter2", "hunter2-hunter2-hunter2,hunter2-hunter2-hunter3"])
def test_a_secret_is_not_shown(
    shadows: Run, monkeypatch: pytest.MonkeyPatch, form: list[str], variable: str, secret: str
) -> None:
    """FAULT 54: neither where it counts, nor where it is too short, nor where nothing reads it."""
    monkeypatch.setenv(variable, secret)
    said = shadows("config", *form)
    assert "hunter" not in said.out + said.err
    assert said.code in {0, 78}


def test_a_variable_that_nothing_reads_ends_with_78_after_the_list(
    shadows: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would go unnoticed for ever otherwise."""
    monkeypatch.setenv("SHADOW_CONCURRENCY", "20")
    said = shadows("config", "--json")
    assert said.code == 78
    assert json.loads(said.out)["misspelt"] == [
        {"variable": "SHADOW_CONCURRENCY", "meant": "SHADOW_WORKER_CONCURRENCY"}
    ]
    assert "nothing reads the variable SHADOW_CONCURRENCY" in said.err


def test_a_worker_says_that_nothing_reads_a_variable(shadows: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """It works all the same: what looks like a mistake may be somebody else's."""
    monkeypatch.setenv("SHADOW_CONCURRENCY", "20")
    said = shadows("worker", "--url", "memory://misspelt", "--until-finished")
    assert said.code == 0
    assert "nothing reads the variable SHADOW_CONCURRENCY; did you mean SHADOW_WORKER_CONCURRENCY?" in said.err


def test_a_value_that_cannot_work_is_refused_as_anywhere(shadows: Run) -> None:
    """One validator for all."""
    assert shadows("config", "--concurrency", "0").code == 78


# The page


def rows(part: str) -> dict[str, list[str]]:
    """Give the rows of a table of docs/configuration.md, by their first cell."""
    section = (ROOT / "docs" / "configuration.md").read_text().split(f"## {part}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| `")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0].strip("`"): row for row in cells}


@pytest.mark.parametrize(
    ("part", "settings"),
    [("A shadow", SHADOW), ("A worker", WORKER), ("The process around a worker", PROCESS)],
)
def test_the_page_names_every_setting_as_it_is(part: str, settings: dict[str, Setting]) -> None:
    """Argument, option, variable and default, in the order in which they are shown."""
    found = rows(part)
    assert list(found) == list(settings)
    offered = {name for option in options(parser("worker")) for name in option.names}
    for name, setting in settings.items():
        _, option, variable, default, what = found[name]
        assert variable == f"`{setting.variable}`"
        shown = setting.written(setting.default)
        assert default == f"`{shown}`" if shown else "`" not in default
        written = "--shadows" if setting is SHADOW["name"] else f"--{name.replace('_', '-')}"
        has_it = written in offered and (settings is not SHADOW or name in ("name", "url"))
        assert set(re.findall(r"--[a-z-]+", option)) == (
            {written, f"--no-{written[2:]}"} & offered if has_it else set()
        )
        assert what
