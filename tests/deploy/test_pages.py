"""What the pages show of images, compositions, units, manifests and questions: the tools of those who read them do."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from tests.deploy.readers import analyze, composed, hold, lint, understand
from tests.system.fences import READ_BY_TOOLS, Block, every

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    type Tool = Callable[[str], str]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # the first run fetches the tools

yaml: Any = import_module("yaml")  # which tells no types
WRITTEN = {language: [one for one in every("tool") if one.language == language] for language in sorted(READ_BY_TOOLS)}
DOCUMENTS = [one for one in every("read") if one.language == "yaml"]
UNITS = [one for one in every("read") if one.language == "ini"]
UNPINNED = "DL3013"
"""hadolint wants the version of a package; a page that names one would soon name an old one."""


def holding(blocks: list[Block], word: str) -> list[Block]:
    """Give the blocks with a line that begins so; there must be some."""
    found = [block for block in blocks if any(line.startswith(word) for line in block.text.splitlines())]
    assert found
    return found


def test_hadolint_reads_the_images(tool: Tool, tmp_path: Path) -> None:
    """And finds a word that it does not know."""
    assert WRITTEN["dockerfile"]
    for block in WRITTEN["dockerfile"]:
        (tmp_path / "Dockerfile").write_text(block.text)
        assert lint(tool, tmp_path / "Dockerfile", "--ignore", UNPINNED) == "", block.where
        (tmp_path / "Dockerfile").write_text(block.text.replace("FROM", "FORM"))
        assert "unexpected" in lint(tool, tmp_path / "Dockerfile", "--ignore", UNPINNED)


def test_compose_reads_the_compositions(tool: Tool, tmp_path: Path) -> None:
    """They mount nothing that is not there."""
    for block in holding(DOCUMENTS, "services:"):
        (tmp_path / "compose.yaml").write_text(block.text)
        done = composed(tool, tmp_path / "compose.yaml")
        assert (done.returncode, done.stderr) == (0, ""), block.where


def test_kubernetes_and_keda_know_all_that_the_manifests_say(tmp_path: Path) -> None:
    """By their own models."""
    files = []
    for number, block in enumerate(holding(DOCUMENTS, "apiVersion:")):
        files.append(tmp_path / f"{number}.yaml")
        files[-1].write_text(block.text)
    assert hold(*files) == ""


def test_what_is_shown_of_a_container_fits_into_one(tmp_path: Path) -> None:
    """The parts of a manifest, too: here, the probes."""
    for number, block in enumerate(holding(DOCUMENTS, "livenessProbe:")):
        container = {"name": "worker", "image": "worker:1", **yaml.safe_load(block.text)}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "worker"}, "spec": {"containers": [container]}}
        (tmp_path / f"{number}.yaml").write_text(yaml.safe_dump(pod))
        assert hold(tmp_path / f"{number}.yaml") == "", block.where


def test_no_document_is_left_out() -> None:
    """Each is of a kind that is tried above."""
    known = [
        *holding(DOCUMENTS, "services:"),
        *holding(DOCUMENTS, "apiVersion:"),
        *holding(DOCUMENTS, "livenessProbe:"),
    ]
    assert sorted(block.where for block in known) == sorted(block.where for block in DOCUMENTS)


def test_systemd_reads_the_units(tool: Tool, tmp_path: Path) -> None:
    """It knows every word, and finds what they name."""
    for block in holding(UNITS, "[Service]"):
        done = analyze(tool, tmp_path, block.text, "verify", "--man=no")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), block.where


def test_promtool_reads_the_questions(tool: Tool, tmp_path: Path) -> None:
    """One in a line, with what it asks for above it."""
    lines = [line for block in WRITTEN["promql"] for line in block.text.splitlines()]
    questions = [line for line in lines if line and not line.startswith("#")]
    assert questions
    understand(tool, questions, tmp_path)
    with pytest.raises(AssertionError, match="could not parse"):
        understand(tool, [f"{questions[0]})"], tmp_path)
