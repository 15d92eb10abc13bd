"""Servers that refuse: each test has one of its own to spoil."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest

from shadows.errors import BrokerFull, BrokerUnavailable, NotAllowed
from shadows.ports.broker import Order
from shadows.ports.strike_log import Instruction
from tests.contract.acts import call, done, keys, look, place, retry, settle, take, take_one, worker
from tests.contract.harness import ServerHarness

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from shadows.adapters.redis.backend import RedisBackend
    from shadows.adapters.redis.driver import Command, Driver
    from tests.servers import Server


@pytest.fixture
def spoilt_server(server_name: str, own_server: Callable[..., Server]) -> Server:
    """Give a server that the test may configure, stop and restart as it likes."""
    return own_server(server_name)


@pytest.fixture
async def spoilt(spoilt_server: Server) -> AsyncIterator[ServerHarness]:
    """Give a harness on that server."""
    async with ServerHarness(spoilt_server) as harness:
        yield harness


@attrs.frozen
class Trouble:
    """How to make a server refuse, how to make it well again, and what we call that."""

    spoil: tuple[str | int, ...]
    mend: tuple[str | int, ...]
    error: type[BrokerUnavailable] = BrokerUnavailable


TROUBLES = {
    "OOM": Trouble(("CONFIG", "SET", "maxmemory", 1), ("CONFIG", "SET", "maxmemory", 0), BrokerFull),
    "READONLY": Trouble(("REPLICAOF", "127.0.0.1", 1), ("REPLICAOF", "NO", "ONE")),
    "NOREPLICAS": Trouble(("CONFIG", "SET", "min-replicas-to-write", 1), ("CONFIG", "SET", "min-replicas-to-write", 0)),
}


async def refused_by(work: Coroutine[Any, Any, Any], kind: type[BrokerUnavailable]) -> BrokerUnavailable | None:
    """Do the work, and return what refused it, if anything did."""
    try:
        await work
    except kind as refusal:
        return refusal
    return None


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_a_server_that_takes_no_writes_is_unavailable(spoilt: ServerHarness, trouble: str) -> None:
    """INV 33, FAULT 62, FAULT 64: the error is ours, nothing was half done, which it says, and the same request
    succeeds later.

    A server whose memory is full lets a script go on that has begun by deleting: that is as good.
    """
    broker, who, how = spoilt.broker, worker(), TROUBLES[trouble]
    await place(broker, call("a"), call("b"))
    (lease,) = await take(broker, who, 1)
    work: dict[str, Callable[[], Coroutine[Any, Any, Any]]] = {
        "schedule": lambda: broker.schedule([call("c", b"x" * 100)]),
        "claim": lambda: broker.claim(Order(who, 10, sweep="-")),
        "settle": lambda: broker.settle(who, [(lease, retry(lease))]),
        "turn": lambda: broker.turn([(lease, retry(lease))], Order(who, 10)),
        "cancel": lambda: broker.cancel("b"),
        "report": lambda: broker.report(lease, {"done": "half"}),
        "append": lambda: spoilt.backend.strike_log.append(Instruction("one", b"strike")),
        "check_in": lambda: spoilt.backend.presence.check_in(who, ["task"], horizon=1_000),
    }
    refused = set[str]()
    spoilt.ask(*how.spoil)
    for verb, ask in work.items():
        before = spoilt.dump()
        refusal = await refused_by(ask(), how.error)
        if refusal is not None:
            refused.add(verb)
            assert not refusal.sent, verb
            assert spoilt.dump() == before, verb
    spoilt.ask(*how.mend)
    assert refused >= ({"schedule", "append"} if how.error is BrokerFull else set(work))
    assert await place(broker, call("c")) == ["scheduled"]
    if how.error is BrokerUnavailable:
        assert await settle(broker, who, lease, done()) == "settled"
        assert keys(await take(broker, who)) == ["b", "c"]


@attrs.define
class HalfwayDriver:
    """A driver that lets something happen behind the first command of a trip, and once loses the trip after it."""

    driver: Driver
    between: Callable[[], object]
    lose: bool = False
    trips: int = 0

    async def ask(self, *commands: Command) -> list[Any]:
        """Ask the first command, let it happen, and ask the others."""
        self.trips += 1
        if self.trips > 1:
            if self.lose:
                raise BrokerUnavailable("nobody is there any more", sent=False)
            return await self.driver.ask(*commands)
        first = await self.driver.ask(*commands[:1])
        self.between()
        return [*first, *await self.driver.ask(*commands[1:])]


def halfway(spoilt: ServerHarness, between: Callable[[], object]) -> HalfwayDriver:
    """Let something happen behind the first command of the next trip of the broker of `spoilt`."""
    backend: RedisBackend = spoilt.backend  # type: ignore[assignment]
    driver = HalfwayDriver(backend.driver, between)
    backend.broker.scripts.driver = driver  # type: ignore[assignment]
    return driver


MANY = [call(f"k{number}") for number in range(250)]
"""Calls that take two scripts."""


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_what_was_refused_in_part_may_have_been_carried_out(spoilt: ServerHarness, trouble: str) -> None:
    """INV 33: of two scripts the server has run the first, and refuses the second: nobody is told that nothing was."""
    broker, how = spoilt.broker, TROUBLES[trouble]
    await place(broker, call("first"))
    halfway(spoilt, lambda: spoilt.ask(*how.spoil))
    with pytest.raises(how.error) as refusal:
        await broker.schedule(MANY)
    assert refusal.value.sent
    spoilt.ask(*how.mend)
    assert await place(broker, *MANY, repeated=True) == ["scheduled"] * 250
    assert (await broker.survey(0)).counts.queued == 251


async def test_what_was_forgotten_in_part_may_have_been_carried_out(spoilt: ServerHarness) -> None:
    """INV 33, FAULT 63: the second script is not known any more, and then the server is away."""
    broker = spoilt.broker
    await place(broker, call("first"))
    way = halfway(spoilt, lambda: spoilt.ask("SCRIPT", "FLUSH"))
    way.lose = True
    with pytest.raises(BrokerUnavailable) as away:
        await broker.schedule(MANY)
    assert away.value.sent
    way.lose = False
    assert await place(broker, *MANY, repeated=True) == ["scheduled"] * 250


async def test_a_server_that_wants_a_password_is_not_allowed(spoilt: ServerHarness) -> None:
    """INV 33, FAULT 68: that is no fault that waiting mends, and the text says what it is."""
    await place(spoilt.broker, call("a"))
    spoilt.ask("CONFIG", "SET", "requirepass", "secret")
    stranger = (await spoilt.open()).broker
    with pytest.raises(NotAllowed, match=r"(?i)authenticat"):
        await stranger.read("a")
    spoilt.ask("CONFIG", "SET", "requirepass", "")
    assert (await look(stranger, "a")).state == "queued"


async def test_a_right_that_is_missing_is_named(spoilt: ServerHarness) -> None:
    """INV 33, FAULT 68: the server's clock needs +time, which an older list of rights does not have."""
    spoilt.ask("ACL", "SETUSER", "default", "-time")
    with pytest.raises(NotAllowed, match="time"):
        await place(spoilt.broker, call("a", after=1))
    spoilt.ask("ACL", "SETUSER", "default", "+time")
    assert await place(spoilt.broker, call("a", after=1)) == ["scheduled"]


async def test_a_server_that_is_gone_and_comes_back(spoilt: ServerHarness, spoilt_server: Server) -> None:
    """INV 33, FAULT 54: unavailable for as long as it is away; then everything works, without its old data."""
    broker, who = spoilt.broker, worker()
    await place(broker, call("a"))
    lease = await take_one(broker, who)
    spoilt_server.kill()
    for _ in range(2):
        with pytest.raises(BrokerUnavailable):
            await broker.read("a")
        with pytest.raises(BrokerUnavailable):
            broker.renew(who, [lease.token])
        with pytest.raises(BrokerUnavailable):
            await broker.claim(Order(who, 10), patience=1)
    spoilt_server.restart()
    assert broker.renew(who, [lease.token]) == {lease.token}
    assert await settle(broker, who, lease, done()) == "superseded"
    await place(broker, call("a"))
    assert keys(await take(broker, who)) == ["a"]
