"""A server that keeps an append-only file is killed: what it has acknowledged is there when it is back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.contract.acts import call, claim, done, look, place, retry, settle, state, take, worker
from tests.contract.harness import ServerHarness

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers import Server


async def test_what_was_acknowledged_survives_the_kill_of_its_server(
    own_server: Callable[..., Server], server_name: str
) -> None:
    """FAULT 74: what waits, what runs with its lease and its fence, what has ended with its result."""
    server = own_server(server_name, aof=True)
    async with ServerHarness(server) as harness:
        broker, who = harness.broker, worker()
        await place(broker, *(call(key, key.encode(), run=key) for key in "abc"), call("later", after=60))
        ended, retried, lost = await take(broker, who)
        await settle(broker, who, ended, done(b"result"))
        await settle(broker, who, retried, retry(retried))
        server.kill()
        server.restart()
        broker = (await harness.open()).broker
        states = [await state(broker, key) for key in ("a", "b", "c", "later")]
        assert states == ["completed", "queued", "running", "scheduled"]
        assert (await look(broker, "a")).result == b"result"
        (again,) = (await claim(broker, who, known=(lost.token,))).leases
        assert (again.key, again.attempt, again.payload) == ("b", 2, b"b")
        assert again.fence > lost.fence
        assert await settle(broker, who, lost, done()) == "settled"
