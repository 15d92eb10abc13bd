"""The front doors on every backend: `place` is each of them in turn, `far` each real server, `proxy` a way to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.clients import by_client
from tests.front.places import Place, ServerPlace
from tests.front.proxy import Proxy
from tests.servers import places, wanted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from shadows import Shadow
    from tests.servers import Servers


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Ask late which servers are wanted: when this file is read, the command line may not be."""
    if "place" in metafunc.fixturenames:
        metafunc.parametrize("place", ["memory", *places()], indirect=True)
    if "far" in metafunc.fixturenames:
        metafunc.parametrize("far", wanted(), indirect=True)


@pytest.fixture(autouse=True)
def codec(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let values travel as $SHADOW_CODEC says, but where a test has some that only a pickle can tell."""
    if request.node.get_closest_marker("pickles"):
        monkeypatch.setenv("SHADOW_CODEC", "cloudpickle")


@pytest.fixture
def place(request: pytest.FixtureRequest, servers: Servers) -> Iterator[Place]:
    """Give each backend in turn; afterwards nothing may be left that nobody accounts for (INV 41)."""
    server = None if request.param == "memory" else servers.place(request.param)
    made = (
        Place("memory", "memory://front")
        if server is None
        else ServerPlace(server.name, by_client(server.url), server=server)
    )
    yield made
    try:
        assert made.leftovers() == []
    finally:
        made.close()


@pytest.fixture
async def shadows(place: Place) -> AsyncIterator[Shadow]:
    """Give an entered client of a shadow of its own."""
    async with place.shadow() as entered:
        yield entered


@pytest.fixture
def far(request: pytest.FixtureRequest, servers: Servers) -> Iterator[ServerPlace]:
    """Give each real server in turn, to tests that break something and so may leave something behind."""
    server = servers.get(request.param)
    made = ServerPlace(server.name, by_client(server.url), server=server)
    yield made
    made.close()


@pytest.fixture
async def proxy(far: ServerPlace) -> AsyncIterator[Proxy]:
    """Give a way to each real server in turn that can be broken at will."""
    async with Proxy(far) as way:
        yield way
