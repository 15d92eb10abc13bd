"""What every test may use: real servers, chosen by `--servers` or $SHADOWS_SERVERS."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests import clients
from tests import servers as house
from tests.servers import Server, Servers

EVERYWHERE = ("tests/contract/", "tests/front/")
"""The suites that are the same for every backend and every client."""
BESIDE = "tests/front/test_seed_strikes.py"
"""Reads what lies beside a checkout, or does not."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--servers",
        metavar="NAMES",
        help="test on valkey-9,redis-6.2,sentinel or all servers or none (default: the newest that is here; in CI all)",
    )
    parser.addoption("--client", metavar="NAME", help="let redis-py or glide serve the shadows (default: as the URL)")
    parser.addoption("--slow", action="store_true", help="run also what takes long or fetches tools (in CI always)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave what is slow to those who ask for it."""
    if config.getoption("--slow") or os.environ.get("CI") == "true":
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    if slow:
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: takes long or fetches tools; runs in CI and with `--slow`")
    config.addinivalue_line("markers", "pickles: has values that only a pickle can tell, whatever $SHADOW_CODEC says")
    try:
        house.choose(config.getoption("--servers"))
        clients.choose(config.getoption("--client"))
    except (house.ServerMissingError, clients.NoSuchClientError) as why:
        raise pytest.UsageError(str(why)) from why


def pytest_report_header() -> str:
    here = ", ".join(house.available()) or "none"
    return f"servers: {', '.join(house.places()) or 'none'} (here: {here}; --servers all)"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if os.environ.get("CI") == "true" and (skipped := _skipped(terminalreporter.config)):
        terminalreporter.section("NOT TESTED: nothing may be skipped here", red=True, bold=True)
        terminalreporter.line("\n".join(skipped))
    if missing := house.unavailable():
        terminalreporter.section("NOT TESTED: servers are missing", yellow=True, bold=True)
        terminalreporter.line(f"{', '.join(missing)} - `python3 dev.py servers` fetches them or says why it cannot")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where nothing may be missing, each cell of the matrix passes as many tests as it has collected."""
    if os.environ.get("CI") == "true" and _skipped(session.config) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _skipped(config: pytest.Config) -> list[str]:
    """Return what was skipped of the suites that every backend and every client has to pass."""
    terminal: Any = config.pluginmanager.get_plugin("terminalreporter")
    reports = [] if terminal is None else terminal.stats.get("skipped", [])
    return [
        each.nodeid for each in reports if each.nodeid.startswith(EVERYWHERE) and not each.nodeid.startswith(BESIDE)
    ]


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """Give the servers of this session: `servers.get("valkey-9")` is running, and shared by all tests."""
    session = Servers()
    yield session
    session.stop()


@pytest.fixture(scope="session")
def server(servers: Servers) -> Callable[[str], Server]:
    """Give a function that gives a running shared server by name: `server("valkey-9").url`."""
    return servers.get


@pytest.fixture
def own_server() -> Iterator[Callable[..., Server]]:
    """Give a function that starts a server for this test alone, to be killed, frozen or filled at will."""
    started: list[Server] = []

    def start(name: str, *options: str, aof: bool = False) -> Server:
        started.append(Server(name, *options, aof=aof).start())
        return started[-1]

    yield start
    for one in started:
        one.stop()
