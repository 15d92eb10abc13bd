from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import redis
from redis import asyncio as aioredis
from redis.credentials import UsernamePasswordCredentialProvider

from shadows.adapters.memory.backend import MemoryBackend
from shadows.adapters.open import Connection, open_backend
from shadows.adapters.redis.backend import RedisBackend
from shadows.adapters.redis.places import Address
from shadows.errors import ConfigurationError
from shadows.ports.backend import Terms

TERMS = Terms(execution_ttl=1)
ONLY_MEMORY = """
import sys
from shadows.adapters.open import Connection, open_backend
from shadows.ports.backend import Terms
open_backend(Connection("memory://x", "shop"), Terms())
print(sorted({"redis", "hiredis"} & set(sys.modules)))
"""


def server_of(connection: Connection) -> RedisBackend:
    """Return the backend, which must be one on a server."""
    found = open_backend(connection, TERMS)
    assert isinstance(found, RedisBackend)
    return found


def address_of(backend: RedisBackend) -> Address:
    """Return its place, which must be one server that stays where it is."""
    assert isinstance(backend.place, Address)
    return backend.place


def test_memory_is_a_place_of_this_process() -> None:
    """What two shadows of one place keep apart is their name."""
    found = open_backend(Connection("memory://here", "shop"), TERMS)
    assert isinstance(found, MemoryBackend)
    assert found.name == "here/shop"


@pytest.mark.parametrize("scheme", ["redis", "rediss", "valkey", "valkeys"])
def test_a_url_leads_to_a_server(scheme: str) -> None:
    """Nothing is connected yet, so that nothing is there to fail."""
    found = server_of(Connection(f"{scheme}://me:pw@example.org:6380/2", "shop"))
    assert (found.keys.base, found.terms) == ("shop:", TERMS)
    options = address_of(found).options
    assert (options["host"], options["port"], options["db"]) == ("example.org", 6380, 2)
    assert (options["username"], options["password"]) == ("me", "pw")
    assert found.place.text == f"{scheme}://me:***@example.org:6380/2"


def test_a_socket_is_a_server_too() -> None:
    """The third of redis-py's ways."""
    assert address_of(server_of(Connection("unix:///run/redis.sock?db=3", "shop"))).options["path"] == "/run/redis.sock"


def test_a_credential_provider_is_asked_by_the_connections() -> None:
    """FAULT 68: a rotated password is fetched anew with each of them."""
    provider: Any = UsernamePasswordCredentialProvider("me", "pw")
    found = server_of(Connection("redis://example.org", "shop", credentials=provider))
    assert address_of(found).options["credential_provider"] is provider


def test_a_pool_is_used_instead_of_the_url() -> None:
    """SEMANTICS, three connections: its parameters are taken, whatever the URL says."""
    pool = aioredis.ConnectionPool.from_url("redis://:pw@pool.example.org:7000/1")
    for url in ("redis://localhost:6379/0", "memory://x"):
        found = server_of(Connection(url, "shop", pool))
        assert (address_of(found).options["host"], address_of(found).options["port"]) == ("pool.example.org", 7000)
        assert found.keys.base == "shop:"
        assert "pw" not in found.place.text


def test_a_pool_and_a_credential_provider_contradict_each_other() -> None:
    """One of them would silently not be asked."""
    pool = aioredis.ConnectionPool.from_url("redis://pool.example.org")
    provider: Any = UsernamePasswordCredentialProvider("me", "pw")
    with pytest.raises(ConfigurationError, match="give the credential_provider to the connection_pool itself"):
        open_backend(Connection("redis://x", "shop", pool, provider), TERMS)


@pytest.mark.parametrize(
    "url", ["", "localhost", "http://x", "redis+sentinel://x", "redis+cluster://x/1", "embedded://x"]
)
def test_a_url_that_cannot_work_is_refused(url: str) -> None:
    """Also beside a pool: it is a mistake that somebody will wonder about."""
    with pytest.raises(ConfigurationError, match="url="):
        open_backend(Connection(url, "shop"), TERMS)


def test_a_connection_shows_no_secret() -> None:
    """It stands in messages and in tracebacks; a pool knows its password, and older redis-pys show it."""
    pool = aioredis.ConnectionPool.from_url("redis://:hidden@pool.example.org")
    connection = Connection("redis://me:hidden@example.org", "shop", pool, "hidden")
    assert "hidden" not in repr(connection)
    assert connection.shown == "(connection_pool)"
    assert Connection("redis://me:hidden@example.org", "shop").shown == "redis://me:***@example.org"
    assert Connection("memory://x", "shop").shown == "memory://x"


def test_a_connection_finds_out_once_which_library_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """redis-py reads a file for that with each connection, while the event loop stands still."""
    address = Address("there", {"host": "h"})
    first = address.connection()

    def read() -> str:
        raise AssertionError

    monkeypatch.setattr("redis.utils.get_lib_version", read)
    assert address.connection().driver_info.lib_version == first.driver_info.lib_version == redis.__version__


@pytest.mark.parametrize("own", [{"lib_name": "mine"}, {"lib_name": None, "lib_version": None}])
@pytest.mark.filterwarnings("ignore:Call to '__init__' function with deprecated usage:DeprecationWarning")
def test_a_connection_that_was_given_other_words_for_it_keeps_them(own: dict[str, Any]) -> None:
    """Also one that is to say nothing at all."""
    told = Address("there", {"host": "h", **own}).connection().driver_info
    assert (told and told.name) == own["lib_name"]


def test_whoever_works_in_memory_loads_no_client_library() -> None:
    """They cost 100 ms, and an install without them may be wanted."""
    done = subprocess.run([sys.executable, "-c", ONLY_MEMORY], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
