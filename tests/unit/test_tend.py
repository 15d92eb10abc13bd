from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, cast

import pytest

from shadows.core.holder import Holder, holder
from shadows.engine.tend import InThread, OnLoop, Renewals
from shadows.errors import BrokerUnavailable, NotAllowed
from tests.contract.acts import call, place, sweep, take_one, worker
from tests.front.acts import comes_true
from tests.unit.trouble import Trouble

if TYPE_CHECKING:
    from shadows.ports.broker import Broker

LEASE = timedelta(milliseconds=40)


class House:
    """A holder with one lease, and what its renewals say, wherever they are made."""

    def __init__(self, where: str) -> None:
        self.trouble = Trouble()
        self.who: Holder = holder("w", LEASE, nonce="1")
        self.tokens: list[str] = []
        self.lost: list[frozenset[str]] = []
        self.broken: list[Exception] = []
        self.renewals = Renewals(
            cast("Broker", self.trouble), self.who, lambda: [*self.tokens], self.lost.append, self.broken.append
        )
        self.holding = asyncio.Event()
        self.renewal = InThread(self.renewals) if where == "thread" else OnLoop(self.renewals, self.holding)

    async def hold(self) -> None:
        await place(self.trouble.broker, call("k"))
        self.tokens.append((await take_one(self.trouble.broker, self.who)).token)
        self.holding.set()

    def has_ended(self) -> bool:
        """No renewal will ever come again."""
        if isinstance(self.renewal, InThread):
            return not self.renewal._thread.is_alive()
        return self.renewal._task.done()

    def is_well(self) -> None:
        """Nothing was lost, and nothing broke."""
        assert self.lost == []
        assert self.broken == []


@pytest.fixture(params=["thread", "loop"])
def house(request: pytest.FixtureRequest) -> House:
    return House(request.param)


async def test_leases_are_renewed_four_times_in_their_length(house: House) -> None:
    """SEMANTICS, lease: another worker that sweeps finds nothing expired, however long the body takes."""
    await house.hold()
    with house.renewal:
        await comes_true(lambda: house.trouble.count("renew") >= 8)
        assert await sweep(house.trouble.broker, worker()) == ()
    house.is_well()


async def test_nothing_is_asked_while_nothing_is_held(house: House) -> None:
    """SEMANTICS, wake-ups: an idle worker sends no renewals."""
    house.holding.set()
    rounds = threading.Semaphore(0)

    def held() -> list[str]:
        rounds.release()
        return []

    house.renewals.held = held
    with house.renewal:
        for _ in range(3):
            assert await asyncio.to_thread(rounds.acquire, timeout=5)
    assert house.trouble.count("renew") == 0


async def test_a_lost_lease_is_told(house: House) -> None:
    """INV 12."""
    await house.hold()
    house.tokens.append("nobody's")
    with house.renewal:
        await comes_true(lambda: bool(house.lost))
    assert house.lost[0] == frozenset({"nobody's"})


async def test_a_broker_that_is_away_is_asked_again_soon(house: House) -> None:
    """INV 33: sooner than at the next round, for the lease is running out."""
    await house.hold()
    house.trouble.before("renew", BrokerUnavailable("away"), BrokerUnavailable("away"))
    with house.renewal:
        await comes_true(lambda: house.trouble.count("renew") >= 4)
    house.is_well()


async def test_however_often_it_fails_the_next_try_comes_no_later_than_usual(house: House) -> None:
    """FAULT 67: a lease has slack for three renewals that fail, and for none that is left out."""
    await house.hold()
    house.trouble.before("renew", *[BrokerUnavailable("away")] * 5)
    waits = [house.renewals.once() or 0 for _ in range(5)]
    assert 0 < min(waits) <= max(waits) <= house.renewals.interval


async def test_whoever_could_not_renew_long_leases_tries_again_every_second() -> None:
    """INV 12: a server that is back hears of each lease before others may take it over, however long it is."""
    trouble, who = Trouble(), holder("w", timedelta(minutes=5), nonce="1")
    trouble.before("renew", *[BrokerUnavailable("away")] * 20)
    renewals = Renewals(cast("Broker", trouble), who, lambda: ["token"], lambda _: None, lambda _: None)
    assert max(renewals.once() or 0 for _ in range(20)) <= 1
    assert renewals.once() == 75


@pytest.mark.parametrize("bug", [NotAllowed("no right to renew"), ValueError("a bug")])
async def test_anything_else_ends_the_renewals_and_is_told(house: House, bug: Exception) -> None:
    """INV 33: without renewals no lease lasts, so the worker must not go on as if nothing had happened."""
    await house.hold()
    house.trouble.before("renew", bug)
    with house.renewal:
        await comes_true(lambda: bool(house.broken))
        await comes_true(house.has_ended)
    assert house.broken == [bug]


async def test_on_the_loop_no_timer_runs_while_nothing_is_held() -> None:
    """Under a virtual clock it would be a reason for time to pass; what is held later is renewed all the same."""
    house = House("loop")
    rounds: list[int] = []

    def held() -> list[str]:
        rounds.append(1)
        return [*house.tokens]

    house.renewals.held = held
    with house.renewal:
        await asyncio.sleep(LEASE.total_seconds())
        assert rounds == []
        await house.hold()
        await comes_true(lambda: house.trouble.count("renew") >= 2)
    house.is_well()


async def test_what_breaks_while_it_leaves_is_nobody_s_business() -> None:
    """The connection is closed under a renewal that hangs in its thread: nobody is left to hear of it."""
    house = House("thread")
    assert isinstance(house.renewal, InThread)
    leave = house.renewal._leave
    await house.hold()
    asked = threading.Event()

    def close() -> object:
        asked.set()
        leave.wait(5)
        raise ValueError("I/O operation on closed file")

    house.trouble.before("renew", close)
    with house.renewal:
        assert await asyncio.to_thread(asked.wait, 5)
    assert house.broken == []
