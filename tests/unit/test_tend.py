from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, cast

import pytest

from shadows.core.holder import Holder, holder
from shadows.engine.tend import Renewal
from shadows.errors import BrokerUnavailable, NotAllowed
from tests.contract.acts import call, place, sweep, take_one, worker
from tests.front.acts import comes_true
from tests.unit.trouble import Trouble

if TYPE_CHECKING:
    from shadows.ports.broker import Broker

LEASE = timedelta(milliseconds=40)


class House:
    """A holder with one lease, and what its renewals say."""

    def __init__(self) -> None:
        self.trouble = Trouble()
        self.who: Holder = holder("w", LEASE, nonce="1")
        self.tokens: list[str] = []
        self.lost: list[frozenset[str]] = []
        self.broken: list[Exception] = []
        self.renewal = Renewal(
            cast("Broker", self.trouble), self.who, lambda: [*self.tokens], self.lost.append, self.broken.append
        )

    async def hold(self) -> None:
        await place(self.trouble.broker, call("k"))
        self.tokens.append((await take_one(self.trouble.broker, self.who)).token)

    def is_well(self) -> None:
        """Nothing was lost, and nothing broke."""
        assert self.lost == []
        assert self.broken == []


@pytest.fixture
def house() -> House:
    return House()


async def test_leases_are_renewed_four_times_in_their_length(house: House) -> None:
    """SEMANTICS, lease: another worker that sweeps finds nothing expired, however long the body takes."""
    await house.hold()
    with house.renewal:
        await comes_true(lambda: house.trouble.count("renew") >= 8)
        assert await sweep(house.trouble.broker, worker()) == ()
    house.is_well()


async def test_nothing_is_asked_while_nothing_is_held(house: House) -> None:
    """SEMANTICS, wake-ups: an idle worker sends no renewals."""
    rounds = threading.Semaphore(0)

    def held() -> list[str]:
        rounds.release()
        return []

    house.renewal.held = held
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


@pytest.mark.parametrize("bug", [NotAllowed("no right to renew"), ValueError("a bug")])
async def test_anything_else_ends_the_renewals_and_is_told(house: House, bug: Exception) -> None:
    """INV 33: without renewals no lease lasts, so the worker must not go on as if nothing had happened."""
    await house.hold()
    house.trouble.before("renew", bug)
    with house.renewal:
        await comes_true(lambda: bool(house.broken))
        await comes_true(lambda: not house.renewal._thread.is_alive())
    assert house.broken == [bug]


async def test_what_breaks_while_it_leaves_is_nobody_s_business(house: House) -> None:
    """The connection is closed under a renewal that hangs: nobody is left to hear of it."""
    await house.hold()
    asked = threading.Event()

    def close() -> object:
        asked.set()
        house.renewal._leave.wait(5)
        raise ValueError("I/O operation on closed file")

    house.trouble.before("renew", close)
    with house.renewal:
        assert await asyncio.to_thread(asked.wait, 5)
    assert house.broken == []
