"""The pytest plugin: a shadow and a worker for each test, and a look at what the test left behind.

Pytest imports this file in every run where the package is installed, so all else is imported when a test asks for it.
"""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

    from shadows.adapters.memory.virtual_clock import VirtualClock
    from shadows.shadow import Shadow
    from shadows.worker import Worker

KINDS: Final = ("waiting", "running", "workers", "dead")
"""What a test may leave behind, if it is allowed to."""
SCOPES: Final = ("function", "class", "module", "package", "session")
"""Event loops that pytest-asyncio may run a test on."""

_PASSED: Final = pytest.StashKey[bool]()

pytest.register_assert_rewrite("shadows.testing.exam")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what chooses the backend."""
    told = "where the fixture `shadow` lives: memory:// (the default), or a server such as redis://localhost:6379/0"
    parser.getgroup("shadows").addoption("--shadows-url", metavar="URL", help=told)
    parser.addini("shadows_url", told, default="memory://")
    kinds = ", ".join(KINDS)
    parser.addini("shadows_allow", f"what tests may leave behind: {kinds}", type="args", default=["waiting"])


def pytest_configure(config: pytest.Config) -> None:
    """Add the marker, and the fixtures that each of the installed plugins for asynchronous tests can run."""
    config.addinivalue_line(
        "markers",
        "shadows(inline=False, start=None, allow=[...]): let calls run before `add` returns; when `virtual_clock` "
        f"starts; what the test may leave behind ({', '.join(KINDS)})",
    )
    if config.pluginmanager.hasplugin("asyncio"):
        import pytest_asyncio  # noqa: PLC0415 - only where it is used

        for scope in SCOPES:
            made: Any = pytest_asyncio.fixture(loop_scope=scope)  # pyright: ignore[reportUnknownMemberType, reportArgumentType]
            config.pluginmanager.register(_fixtures(scope, made))
    if config.pluginmanager.hasplugin("anyio"):
        config.pluginmanager.register(_fixtures("anyio", pytest.fixture))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note whether the test itself has passed: only then does it matter what it left behind."""
    report = yield
    if call.when == "call":
        item.stash[_PASSED] = report.passed
    return report


@pytest.fixture
def shadow(request: pytest.FixtureRequest) -> Shadow:
    """Give an entered shadow of a name that nobody else has; afterwards it is checked, and all of it deleted.

    Under ``virtual_clock``, if the test asks for that, too.  Overriding ``shadow_options`` changes how it is made.
    """
    if "virtual_clock" in request.fixturenames:
        request.getfixturevalue("virtual_clock")
    found: Shadow = request.getfixturevalue(_runnable("shadow", request))
    return found


@pytest.fixture
def worker(request: pytest.FixtureRequest, shadow: Shadow) -> Worker:  # noqa: ARG001 - it must be there first
    """Give an entered worker of ``shadow``, which works when it is told to: ``await worker.run_until_finished()``.

    Overriding ``worker_options`` changes how it is made.
    """
    found: Worker = request.getfixturevalue(_runnable("worker", request))
    return found


@pytest.fixture
def virtual_clock(request: pytest.FixtureRequest) -> VirtualClock:
    """Give the clock that the test, its ``shadow`` (on ``memory://``) and its ``worker`` go by."""
    found: VirtualClock = request.getfixturevalue(_runnable("clock", request))
    return found


@pytest.fixture
def shadow_options() -> dict[str, Any]:
    """Give the arguments for ``Shadow``, to be overridden."""
    return {}


@pytest.fixture
def worker_options() -> dict[str, Any]:
    """Give the arguments for ``Worker``, to be overridden."""
    return {}


def _runnable(what: str, request: pytest.FixtureRequest) -> str:
    """Return the name of the fixture that lives on the event loop of the test."""
    if "anyio_backend" in request.fixturenames:
        return f"_shadows_{what}_anyio"
    if not request.config.pluginmanager.hasplugin("asyncio"):
        pytest.fail(
            f"the fixture for a {what} needs an event loop: pip install pytest-asyncio, or mark the test for anyio",
            pytrace=False,
        )
    marker = request.node.get_closest_marker("asyncio")
    said = None if marker is None else marker.kwargs.get("loop_scope")
    scope = said or request.config.getini("asyncio_default_test_loop_scope") or "function"
    return f"_shadows_{what}_{scope}"


def _fixtures(runner: str, fixture: Callable[..., Any]) -> ModuleType:
    """Return a plugin with the fixtures for one kind of event loop."""
    made = ModuleType(f"shadows_fixtures_{runner}")

    async def clock(request: pytest.FixtureRequest) -> AsyncGenerator[VirtualClock]:
        from shadows.testing import surroundings  # noqa: PLC0415 - when a test asks for it

        async with surroundings.clock(_marked(request, "start")) as entered:
            yield entered

    async def shadow(request: pytest.FixtureRequest, shadow_options: dict[str, Any]) -> AsyncGenerator[Shadow]:
        from shadows.testing import surroundings  # noqa: PLC0415 - when a test asks for it

        virtual = "virtual_clock" in request.fixturenames
        clock = request.getfixturevalue("virtual_clock") if virtual else None
        url = request.config.getoption("--shadows-url") or request.config.getini("shadows_url")
        left: list[str] = []
        async with surroundings.shadow(url, clock, shadow_options) as entered:
            async with surroundings.at_once(entered, wanted=bool(_marked(request, "inline"))):
                yield entered
            if request.node.stash.get(_PASSED, False):
                left = await surroundings.left_behind(entered, _allowed(request))
        if left:
            pytest.fail("\n  ".join(["the test left something behind:", *left]), pytrace=False)

    async def worker(shadow: Shadow, worker_options: dict[str, Any]) -> AsyncGenerator[Worker]:
        from shadows.testing import surroundings  # noqa: PLC0415 - when a test asks for it

        async with surroundings.worker(shadow, worker_options) as entered:
            yield entered

    for function in (clock, shadow, worker):
        name = f"_shadows_{function.__name__}_{runner}"
        setattr(made, name, fixture(function))
    return made


def _marked(request: pytest.FixtureRequest, option: str) -> Any:
    """Return what the nearest marker that says something of this says of it."""
    for marker in request.node.iter_markers("shadows"):
        if unknown := {*marker.kwargs} - {"inline", "start", "allow"} or marker.args:
            pytest.fail(f"the marker shadows takes inline=, start= and allow=, not {unknown}", pytrace=False)
        if option in marker.kwargs:
            return marker.kwargs[option]
    return None


def _allowed(request: pytest.FixtureRequest) -> list[str]:
    marked = _marked(request, "allow")
    allowed: list[str] = [*(request.config.getini("shadows_allow") if marked is None else marked)]
    if unknown := {*allowed} - {*KINDS}:
        pytest.fail(f"a test may leave behind {', '.join(KINDS)}, not {', '.join(sorted(unknown))}", pytrace=False)
    return allowed
