"""How a server is: what it tells of itself, and which rights we have there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import redis

from shadows.adapters.redis import rights, scripts
from shadows.adapters.redis.backend import open_backend
from shadows.adapters.redis.keys import standalone
from shadows.core.urls import parse
from shadows.errors import NotAllowed
from shadows.ports.backend import Terms
from tests.contract.acts import call, place
from tests.servers import Server
from tests.topologies import ask

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shadows.ports.backend import Backend
    from shadows.ports.vitals import Vitals
    from tests.contract.harness import Harness, ServerHarness

CLIENT_SIDE = {"BLPOP", "EVALSHA", "HGETALL", "PING", "RPUSH", "SCRIPT", "SUBSCRIBE", "UNSUBSCRIBE", "XREVRANGE"}


def test_every_command_that_a_script_uses_is_among_the_rights() -> None:
    """A script that needs one more lets this fail, not somebody's deployment."""
    used = {name for text in scripts.written().values() for name in re.findall(r"(?:call|try|tried)\('([A-Z]+)'", text)}
    named = {str(command[0]) for command in rights.samples(standalone("shop"))}
    assert named == used | CLIENT_SIDE


def test_a_worker_may_do_all_that_is_needed_and_an_admin_more() -> None:
    """Issue 6, least privilege: each role has what the one before it has."""
    needed = {str(command[0]).lower() for command in rights.samples(standalone("shop"))}
    observer, producer, worker, admin = (
        {rule.removeprefix("+").partition("|")[0] for rule in rights.rules(role, "shop:")}
        for role in (rights.Role.OBSERVER, rights.Role.PRODUCER, rights.Role.WORKER, rights.Role.ADMIN)
    )
    assert worker == needed | {"info", "select", "wait", "~shop:*", "&shop:*"}
    assert observer < producer < worker < admin


async def test_a_healthy_server_lacks_nothing(harness: Harness) -> None:
    """Asking changes nothing on it."""
    await place(harness.broker, call("a"))
    vitals = await harness.backend.vitals()
    assert (vitals.primary, vitals.lacking, vitals.hidden) == (True, (), ())
    assert abs(vitals.skew) < 5 + vitals.trip
    survey = await harness.broker.survey(10)
    assert [record.key for record in survey.records] == ["a"]


async def test_a_server_tells_of_itself(real: ServerHarness) -> None:
    """Its version, how it keeps what it is told, and how full it is."""
    before = real.keys()
    vitals = await real.backend.vitals()
    flavour, _, version = real.server.program.partition("-")
    assert vitals.product == flavour.capitalize()
    assert (vitals.version or "").startswith(version.split(".")[0])
    assert (vitals.log, vitals.snapshots, vitals.unsaved) == (real.kind == "embedded", False, "")
    assert vitals.user == ("admin" if real.kind == "acl" else "default")
    assert (vitals.eviction, vitals.evicted, vitals.most_memory) == ("noeviction", 0, 0)
    assert (vitals.memory or 0) > 0
    assert (vitals.clients or 0) > 0
    assert (vitals.most_clients or 0) > (vitals.clients or 0)
    assert vitals.rejected is not None
    assert real.keys() == before


@pytest.fixture
def guarded(real: ServerHarness) -> Iterator[None]:
    """See that the user is gone after the test."""
    yield
    for server in real.server.servers:
        ask(server, "ACL", "DELUSER", "clerk")


async def vitals_of(real: ServerHarness, *rules: str) -> Vitals:
    """Examine the server as a user with these rights."""
    if real.kind == "cluster":
        rules = (*rules, "+cluster|slots")
    for server in real.server.servers:
        ask(server, "ACL", "SETUSER", "clerk", "reset", "resetchannels", "on", ">pass", *rules)
    async with _as_clerk(real) as backend:
        return await backend.vitals()


def _as_clerk(real: ServerHarness) -> Backend:
    return open_backend(parse(real.server.bare_url.replace("//", "//clerk:pass@")), real.name, Terms())


@pytest.mark.usefixtures("guarded")
async def test_rights_that_are_missing_are_named(real: ServerHarness) -> None:
    """FAULT 68: the commands, as a rule of the ACL spells them."""
    mine = (f"~{real.key('*')}", f"&{real.key('*')}")
    found = await vitals_of(real, "+@all", "-xadd", "-time", "-subscribe", *mine)
    assert found.lacking == ("+subscribe", "+time", "+xadd")
    assert (found.user, found.trip > 0, found.skew) == ("clerk", True, 0)
    found = await vitals_of(real, "+@all", *mine)
    assert found.lacking == ()


@pytest.mark.usefixtures("guarded")
async def test_keys_and_channels_that_are_out_of_reach_are_named(real: ServerHarness) -> None:
    """FAULT 68: as patterns."""
    found = await vitals_of(real, "+@all", "~other:*", f"&{real.key('*')}")
    assert found.lacking == (f"~{real.key('*')}",)
    found = await vitals_of(real, "+@all", f"~{real.key('*')}", "&other:*")
    assert found.lacking == (f"&{real.key('*')}",)


@pytest.mark.usefixtures("guarded")
async def test_what_may_not_be_asked_is_said(real: ServerHarness) -> None:
    """As on a managed server: whoever reads it knows what was not seen."""
    hidden = ("-info", "-config", "-acl", "-multi", "-discard")
    found = await vitals_of(real, "+@all", "allkeys", "allchannels", *hidden)
    assert found.hidden == ("INFO", "CONFIG GET", "ACL WHOAMI")
    assert found.lacking is None
    assert (found.version, found.primary, found.log, found.snapshots, found.eviction) == (None,) * 5
    assert found.product == "a server that does not tell what it is"


@pytest.mark.usefixtures("guarded")
async def test_a_user_with_the_named_rights_can_do_everything(real: ServerHarness) -> None:
    """So the list is neither too long nor too short to be a remedy."""
    needed = sorted({f"+{str(command[0]).lower()}" for command in rights.samples(standalone(real.name))})
    found = await vitals_of(real, *needed, f"~{real.key('*')}", f"&{real.key('*')}", "+multi", "+discard")
    assert found.lacking == ()
    async with _as_clerk(real) as backend:
        assert await place(backend.broker, call("a")) == ["scheduled"]
        await backend.broker.cancel("a")


@pytest.mark.usefixtures("guarded")
async def test_whoever_is_not_let_in_is_told_so(real: ServerHarness) -> None:
    """FAULT 68: there is nothing to examine then."""
    for server in real.server.servers:
        ask(server, "ACL", "SETUSER", "clerk", "reset", "off")
    async with _as_clerk(real) as backend:
        with pytest.raises(NotAllowed):
            await backend.vitals()


async def test_persistence_and_limits_are_seen(server_name: str) -> None:
    """As they are configured, and when saving goes wrong."""
    with Server(server_name, "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru", aof=True) as server:
        async with open_backend(parse(server.url), "shop", Terms()) as backend:
            vitals = await backend.vitals()
        assert (vitals.log, vitals.eviction, vitals.most_memory) == (True, "allkeys-lru", 100 * 2**20)


async def test_a_replica_says_that_it_is_none_to_write_to(server_name: str) -> None:
    """FAULT 62: a URL may lead to one."""
    with Server(server_name) as server, redis.Redis.from_url(server.url) as client:
        client.replicaof("127.0.0.1", "1")
        async with open_backend(parse(server.url), "shop", Terms()) as backend:
            vitals = await backend.vitals()
        assert (vitals.primary, vitals.lacking) == (False, ())
