from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from shadows import BrokerUnavailable, Disposition, Shadow, StrikeList, strike_list
from tests.front.acts import comes_true

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.front.places import Place, ServerPlace
    from tests.front.proxy import Proxy


async def checkout(customer_id: int, amount: float = 10) -> None: ...


@pytest.fixture
async def strikes(place: Place) -> AsyncIterator[StrikeList]:
    """Give an entered list of a shadow that nobody has opened."""
    async with StrikeList(place.url, place.name) as entered:
        yield entered


async def test_a_service_has_a_kill_switch_without_a_shadow(strikes: StrikeList) -> None:
    """PARITY, ``StrikeList``: by arguments, with or without the name of what they are for."""
    assert not strikes.is_stricken({"customer_id": 7})
    await strikes.strike(None, "customer_id", "==", 7)
    await strikes.strike("checkout", where={"amount": (">", 100), "country": ("==", "NL")})
    assert strikes.is_stricken({"customer_id": 7})
    assert strikes.is_stricken({"customer_id": 7}, function="anything")
    assert not strikes.is_stricken({"customer_id": 8})
    both = {"amount": 101, "country": "NL"}
    assert strikes.is_stricken(both, function="checkout")
    assert not strikes.is_stricken(both)
    assert [each.function for each in await strikes.strikes()] == [None, "checkout"]
    assert await strikes.restore(None, "customer_id", "==", 7)
    assert not await strikes.restore(None, "customer_id", "==", 7)
    assert not strikes.is_stricken({"customer_id": 7})


async def test_an_execution_is_judged_as_the_shadow_judges_it(strikes: StrikeList, shadows: Shadow) -> None:
    """PARITY, ``is_stricken(execution)``: its arguments have names also where the task is not registered."""
    execution = await shadows.add(checkout)(7)
    assert not strikes.is_stricken(execution)
    await strikes.strike("checkout", "amount", "<=", 10)
    assert strikes.is_stricken(execution)
    assert (await shadows.add(checkout)(7)).disposition is Disposition.STRUCK
    await strikes.restore(checkout, "amount", "<=", 10)
    await strikes.strike(checkout, "customer_id", "between", (5, 9))
    assert strikes.is_stricken(execution)


async def test_what_others_strike_is_known_within_a_second(strikes: StrikeList, shadows: Shadow) -> None:
    """SPEC 2: and what they restore."""
    began = asyncio.get_running_loop().time()
    await shadows.strike("checkout")
    await comes_true(lambda: strikes.is_stricken({}, function="checkout"))
    await shadows.restore("checkout")
    await comes_true(lambda: not strikes.is_stricken({}, function="checkout"))
    assert asyncio.get_running_loop().time() - began < 5


async def test_what_was_struck_before_is_known_on_entering(place: Place, shadows: Shadow) -> None:
    """INV 46: before the first question."""
    await shadows.strike("checkout")
    async with StrikeList(place.url, place.name) as strikes:
        assert strikes.is_stricken({}, function="checkout")


async def test_a_list_is_entered_once_and_used_inside(place: Place) -> None:
    """FAULT 21: a clear error; and it can be entered again."""
    strikes = StrikeList(place.url, place.name)
    assert repr(strikes) == f"StrikeList({strikes._connection.shown!r}, name={place.name!r})"
    with pytest.raises(RuntimeError, match="is not open"):
        await strikes.strike("checkout")
    for _ in range(2):
        async with strikes:
            assert await strikes.strikes() == []
            with pytest.raises(RuntimeError, match="entered already"):
                await strikes.__aenter__()
    await strikes.__aexit__(None, None, None)


def test_where_it_is_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """SPEC 1, configuration: as for a Shadow."""
    monkeypatch.setenv("SHADOW_NAME", "shop")
    monkeypatch.setenv("SHADOW_URL", "memory://environment")
    assert repr(StrikeList()) == "StrikeList('memory://environment', name='shop')"
    assert StrikeList(name="other").name == "other"


async def test_while_the_server_is_away_what_is_known_stays_in_force(
    proxy: Proxy, far: ServerPlace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """INV 33: the list rides it out, and catches up."""
    monkeypatch.setattr(strike_list, "REFRESH", 0.02)
    monkeypatch.setenv("SHADOW_ADD_DEADLINE", "100ms")
    async with StrikeList(proxy.url, far.name) as strikes:
        await strikes.strike("checkout")
        caplog.set_level("INFO", "shadows.worker")
        await proxy.down()
        await comes_true(lambda: "the broker is away" in caplog.text)
        assert strikes.is_stricken({}, function="checkout")
        async with far.shadow() as shadows:
            await shadows.restore("checkout")
        await proxy.up()
        await comes_true(lambda: not strikes.is_stricken({}, function="checkout"))
        assert "the broker is back" in caplog.text


async def test_entering_without_a_server_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """FAULT 54: after the deadline; nothing stays open."""
    monkeypatch.setenv("SHADOW_ADD_DEADLINE", "100ms")
    strikes = StrikeList("redis://localhost:1/0", "nowhere")
    for _ in range(2):
        with pytest.raises(BrokerUnavailable):
            await strikes.__aenter__()
