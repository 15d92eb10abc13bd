"""Whole programs: the command line in this process and in processes of its own, on memory and real servers."""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import attrs
import pytest
import redis

from shadows import Shadow
from shadows.cli import main
from shadows.core.holder import holder
from tests.servers import wanted
from tests.system.programs import PATIENCE, ROOT, Program
from tests.system.reading import Reader

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from tests.servers import Servers


def one_of_each() -> list[str]:
    """Give the newest Redis and the newest Valkey that this run tests on, in this order."""
    flavours = {name.partition("-")[0]: name for name in sorted(wanted())}
    return list(flavours.values())


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run with each place: `place` is the URL of memory, of a Redis and of a Valkey in turn, `real_place` of the
    latter two, `one_place` of one of them; `one_name` and `each_name` are the names of one and of both.
    Where there is none, it is a skip.
    """
    if {"place", "here"} & set(metafunc.fixturenames):
        metafunc.parametrize("place", ["memory", *one_of_each()], indirect=True)
    if "real_place" in metafunc.fixturenames:
        metafunc.parametrize("real_place", one_of_each(), indirect=True)
    if "one_place" in metafunc.fixturenames:
        metafunc.parametrize("one_place", one_of_each()[-1:], indirect=True)
    if "one_name" in metafunc.fixturenames:
        metafunc.parametrize("one_name", one_of_each()[-1:])
    if "each_name" in metafunc.fixturenames:
        metafunc.parametrize("each_name", one_of_each())


def _url(request: pytest.FixtureRequest, servers: Servers) -> str:
    name: str = request.param
    return f"memory://{uuid4().hex}" if name == "memory" else servers.get(name).url


async def until(happens: Callable[[], Awaitable[object]]) -> None:
    """Look again and again until something is the case."""
    async with asyncio.timeout(PATIENCE):
        while not await happens():  # noqa: ASYNC110 - other processes set no event of ours
            await asyncio.sleep(0.02)


def on(url: str, name: str, act: Callable[[Shadow], Awaitable[Any]]) -> Any:
    """Do something to a shadow, in a loop of its own."""

    async def run() -> Any:
        async with Shadow(name, url) as shadow:
            return await act(shadow)

    return asyncio.run(run())


def attend(url: str, name: str, worker: str, *tasks: str) -> None:
    """Let a worker be here that knows these tasks, and does nothing."""
    its = holder(worker, timedelta(minutes=1), nonce=uuid4().hex)
    on(url, name, lambda shadow: shadow.backend().presence.check_in(its, tasks, horizon=60_000))


def empty_database(place: str) -> str:
    """Give a database of this server that nothing is in: for programs that use names of their own."""
    if place.startswith("memory:"):
        return place
    url = f"{place.removesuffix('/0')}/7"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url


@pytest.fixture
def place(request: pytest.FixtureRequest, servers: Servers) -> str:
    """Give a URL; on memory, one that nobody else uses."""
    return _url(request, servers)


@pytest.fixture
def real_place(request: pytest.FixtureRequest, servers: Servers) -> str:
    """Give the URL of a Redis and of a Valkey."""
    return _url(request, servers)


@pytest.fixture
def one_place(request: pytest.FixtureRequest, servers: Servers) -> str:
    """Give the URL of one server, where it does not matter which."""
    return _url(request, servers)


@pytest.fixture
def shadow_name() -> str:
    """Give a name that no other test uses."""
    return f"test-{uuid4().hex[:12]}"


@pytest.fixture
def here(place: str, shadow_name: str, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Give a URL and a name which the environment holds too, so that commands need no options."""
    monkeypatch.setenv("SHADOW_URL", place)
    monkeypatch.setenv("SHADOW_NAME", shadow_name)
    return place, shadow_name


def _reader(place: str, name: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Reader]:
    monkeypatch.setenv("SHADOW_URL", place)
    monkeypatch.setenv("SHADOW_NAME", name)
    return lambda document: Reader(document, place)


@pytest.fixture
def reader(place: str, shadow_name: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Reader]:
    """Give a function that gives a reader of a document, for whom `Shadow()` is a shadow of this test."""
    return _reader(place, shadow_name, monkeypatch)


@pytest.fixture
def real_reader(real_place: str, shadow_name: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Reader]:
    """Give the same, on a Redis and on a Valkey."""
    return _reader(real_place, shadow_name, monkeypatch)


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the settings of whoever runs the tests."""
    for variable in [name for name in os.environ if name.startswith("SHADOW_")]:
        monkeypatch.delenv(variable)


@pytest.fixture(autouse=True)
def no_traces() -> Iterator[None]:
    """Take back what the command line changes in a process that it thinks is its own."""
    import logging  # noqa: PLC0415

    root, path, modules = logging.getLogger(), list(sys.path), set(sys.modules)
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers, sys.path[:] = handlers, path
    root.setLevel(level)
    for name in set(sys.modules) - modules:
        where = getattr(sys.modules[name], "__file__", None) or ""
        if not where.startswith((sys.prefix, sys.base_prefix, str(ROOT))):
            del sys.modules[name]


@attrs.frozen
class Said:
    """What a command left behind."""

    code: int
    out: str
    err: str


@pytest.fixture
def shadows(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Give a function that runs a command line in this process."""

    def run(*words: str) -> Said:
        capsys.readouterr()
        code = main(words)
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return run


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Callable[..., Program]]:
    """Give a function that starts a command line in a process of its own, in an empty folder."""
    started: list[Program] = []

    def start(*words: str, cwd: Path = tmp_path, **environment: str) -> Program:
        started.append(Program(*words, cwd=cwd, **environment))
        return started[-1]

    yield start
    for one in started:
        one.__exit__()
