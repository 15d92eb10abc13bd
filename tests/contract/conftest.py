"""One exam for every backend: `harness` is each of them in turn, `real` each real server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.contract.harness import MemoryHarness, ServerHarness
from tests.servers import places, wanted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.contract.harness import Harness
    from tests.servers import Servers


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Ask late which servers are wanted: when this file is read, the command line may not be."""
    if "harness" in metafunc.fixturenames:
        metafunc.parametrize("harness", ["memory", *places()], indirect=True)
    if "real" in metafunc.fixturenames:
        metafunc.parametrize("real", places(), indirect=True)
    if "server_name" in metafunc.fixturenames:
        metafunc.parametrize("server_name", wanted())


@pytest.fixture
async def harness(request: pytest.FixtureRequest, servers: Servers) -> AsyncIterator[Harness]:
    """Give each backend in turn; afterwards no key may be left that nobody accounts for (INV 41)."""
    if request.param == "memory":
        async with MemoryHarness() as model:
            yield model
        return
    async with ServerHarness(servers.place(request.param)) as server:
        yield server
        assert server.stray_keys() == []


@pytest.fixture
async def real(request: pytest.FixtureRequest, servers: Servers) -> AsyncIterator[ServerHarness]:
    """Give each real server in turn, to tests that look behind the curtain; the keys are counted as well."""
    async with ServerHarness(servers.place(request.param)) as server:
        yield server
        assert server.stray_keys() == []
