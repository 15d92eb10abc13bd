"""The tools of those who read the samples and the pages."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.deploy.conftest import DEPLOY, ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    type Tool = Callable[[str], str]

INSTANCE = "shadows-worker@1.service"
TARGETS = ("sysinit", "basic", "shutdown", "network-online", "multi-user")


def hold(*files: Path) -> str:
    """Hold documents and dashboards against the models of those who read them; give what is wrong."""
    uv = Path(sys.executable).with_name("uv")
    options = ["--quiet", "--locked", "--no-python-downloads", "--python", sys.executable]
    script = ROOT / "tools" / "documents.py"
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    command: list[str | Path] = [uv, "run", *options, "--script", script, *files]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if (done.returncode, done.stdout) == (0, "") or done.stdout:
        return done.stdout
    if os.environ.get("CI") != "true":
        pytest.skip("the models of Kubernetes and Grafana could not be fetched")
    raise AssertionError(done.stderr)


def composed(tool: Tool, file: Path) -> subprocess.CompletedProcess[str]:
    """Let Compose say what it has understood."""
    command: list[str | Path] = [tool("docker-compose"), "--file", file, "config", "--format", "json"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def promtool(tool: Tool, *words: str | Path) -> str:
    """Let promtool do something, which must go well."""
    done = subprocess.run(
        [tool("promtool"), *words], cwd=DEPLOY / "prometheus", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def analyze(tool: Tool, folder: Path, text: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Let systemd-analyze look at an instance of the unit, on a machine that has only what the unit needs."""
    units, program = folder / "etc" / "systemd" / "system", folder / "opt" / "orders" / ".venv" / "bin" / "shadows"
    units.mkdir(parents=True, exist_ok=True)
    for target in TARGETS:
        (units / f"{target}.target").write_text(f"[Unit]\nDescription={target}\n")
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    (units / INSTANCE.replace("@1", "@")).write_text(text)
    command = [tool("systemd-analyze"), f"--root={folder}", *words, INSTANCE]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def lint(tool: Tool, file: Path, *words: str) -> str:
    """Let hadolint look at a Dockerfile; give what it finds."""
    command: list[str | Path] = [tool("hadolint"), "--no-color", *words, file]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return done.stdout + done.stderr


def understand(tool: Tool, questions: Sequence[str], folder: Path) -> None:
    """Let promtool read questions, as if the answers were to be recorded; it has to understand each."""
    rules = folder / "asked.yml"
    recorded = "".join(f"  - record: asked:number{n}\n    expr: |\n      {each}\n" for n, each in enumerate(questions))
    rules.write_text(f"groups:\n- name: asked\n  rules:\n{recorded}")
    assert f"SUCCESS: {len(questions)} rules found" in promtool(tool, "check", "rules", rules)
