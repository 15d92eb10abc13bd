"""How a server lets us in: certificates, sockets, and credentials that change."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from redis import asyncio as aioredis
from redis.credentials import CredentialProvider

from shadows import BrokerUnavailable, NotAllowed, Shadow
from tests.front.acts import DEADLINE, comes_true, heard, working
from tests.servers import Server, wanted
from tests.topologies import Tls, Unix, ask

if TYPE_CHECKING:
    from collections.abc import Iterator

SHORT = timedelta(milliseconds=300)


async def note(word: str) -> str:
    """Run."""
    return word


@pytest.fixture
def tls() -> Iterator[Tls]:
    """Give a server that wants certificates."""
    if not wanted():
        pytest.skip("this run wants no servers")
    with Tls() as server:
        yield server


async def runs(shadow: Shadow) -> bool:
    """Place a call and let a worker run it."""
    async with shadow as shadows, working(shadows):
        execution = await shadows.add(note)("word")
        return await execution.get_result(timeout=DEADLINE) == "word"


async def test_a_server_in_tls_is_spoken_to_with_certificates(tls: Tls) -> None:
    """SPEC, URLs: ``ssl_...`` parameters are redis-py's; all three connections have them, and so has a client."""
    assert await runs(Shadow("shop", tls.url))
    async with Shadow("shop", tls.url) as shadows:
        client = shadows.redis()
        assert await client.ping()
        await client.aclose()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (("ssl_ca_certs=", "ssl_nothing="), "ssl_nothing"),
        (("ssl_ca_certs=", "socket_keepalive=yes&ssl_ca_data="), "certificate|PEM|SSL"),
        (("rediss://", "redis://"), "does not take|closed|reset"),
    ],
)
async def test_a_certificate_that_is_not_good_enough_is_told(tls: Tls, change: tuple[str, str], text: str) -> None:
    """FAULT 54: nobody is let in without, nor takes another server for this one."""
    before, after = change
    with pytest.raises((BrokerUnavailable, ValueError), match=text):
        async with Shadow("shop", tls.url.replace(before, after), add_deadline=SHORT) as shadows:
            await shadows.add(note)("word")


async def test_a_server_behind_a_socket(own_name: str) -> None:
    """SPEC, URLs: ``unix://``."""
    with Unix() as server:
        assert await runs(Shadow(own_name, server.url))


# Credentials


class Rotating(CredentialProvider):
    """Knows the password of the moment."""

    def __init__(self) -> None:
        self.password = "first"  # noqa: S105 - of a user that exists in this test only
        self.asked = 0

    def get_credentials(self) -> tuple[str, str]:
        self.asked += 1
        return ("clerk", self.password)

    async def get_credentials_async(self) -> tuple[str, str]:
        return self.get_credentials()


@pytest.fixture
def own_name() -> str:
    """Give the name of a shadow."""
    if not wanted():
        pytest.skip("this run wants no servers")
    return "shop"


@contextmanager
def guarded() -> Iterator[Server]:
    """Give a server that knows a clerk."""
    with Server(wanted()[-1]) as server:
        ask(server, "ACL", "SETUSER", "clerk", "on", ">first", "allkeys", "allchannels", "+@all")
        yield server


def rotate(server: Server, provider: Rotating) -> None:
    """Change the password, and end every connection that was opened with the one before."""
    ask(server, "ACL", "SETUSER", "clerk", "resetpass", ">second")
    provider.password = "second"  # noqa: S105
    ask(server, "CLIENT", "KILL", "USER", "clerk")


@pytest.mark.usefixtures("own_name")
async def test_a_password_that_rotates_is_asked_for_with_each_connection() -> None:
    """FAULT 68: a worker with a running body goes on, and its lease is renewed."""
    provider = Rotating()
    begun, go = asyncio.Event(), asyncio.Event()

    async def slow() -> str:
        begun.set()
        await go.wait()
        return "done"

    with guarded() as server:
        async with Shadow("shop", server.url, credential_provider=provider) as shadows:
            lease = timedelta(seconds=4)
            async with working(shadows, redelivery_timeout=lease, reconnection_delay=timedelta(seconds=1)):
                execution = await shadows.add(slow)()
                await heard(begun)
                await comes_true(lambda: provider.asked >= 4)  # the lease was renewed once
                asked = provider.asked
                rotate(server, provider)
                await comes_true(lambda: provider.asked >= asked + 2)  # to wait, and to renew
                go.set()
                assert await execution.get_result(timeout=DEADLINE) == "done"
                assert await (await shadows.add(note)("word")).get_result(timeout=DEADLINE) == "word"


@pytest.mark.usefixtures("own_name")
async def test_a_password_that_is_wrong_is_told_at_once() -> None:
    """FAULT 68: waiting does not make it right; neither does the message show it."""
    with guarded() as server:
        for url in (server.url.replace("//", "//clerk:hush@"), server.url.replace("//", "//nobody:hush@")):
            async with Shadow("shop", url) as shadows:
                with pytest.raises(NotAllowed, match="refuses us") as refused:
                    await shadows.add(note)("word")
            assert "hush" not in str(refused.value)


@pytest.mark.usefixtures("own_name")
async def test_a_pool_brings_its_credentials_along() -> None:
    """SEMANTICS, three connections: all three are made like those of the pool."""
    provider: Any = Rotating()
    with guarded() as server:
        pool = aioredis.ConnectionPool(host="127.0.0.1", port=server.port, credential_provider=provider)
        assert await runs(Shadow("shop", connection_pool=pool))
        await pool.aclose()
    assert provider.asked
