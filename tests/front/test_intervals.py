"""What the three intervals of a worker do, seen in what it sends to its server."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING

from shadows import Shadow
from tests.front.acts import DEADLINE, HOUR, comes_true, working
from tests.front.proxy import Proxy
from tests.listening import Listening

if TYPE_CHECKING:
    import asyncio

    from tests.front.places import ServerPlace

MILLISECOND = timedelta(milliseconds=1)


async def test_minimum_check_interval_delays_the_looks_after_two_that_found_nothing(
    far: ServerPlace, proxy: Proxy
) -> None:
    """SEMANTICS, wake-ups: the first one is followed by another at once, the second by a rest, here of an hour."""

    def rung_for_nothing(way: Proxy, looks: int) -> bool:
        far.curtain.ask("RPUSH", far.curtain.key("!bell"), "")
        return way.seen.count("wait") >= looks

    async with proxy.shadow() as shadows, working(shadows, minimum_check_interval=HOUR):
        await comes_true(lambda: rung_for_nothing(proxy, 2))
        async with Proxy(far) as other, other.shadow() as eager, working(eager, minimum_check_interval=MILLISECOND):
            await comes_true(lambda: rung_for_nothing(other, 20))
        assert proxy.seen.count("wait") == 2


async def test_an_idle_worker_looks_once_a_second_whatever_is_due_later(proxy: Proxy) -> None:
    """SEMANTICS, wake-ups: no look is sent for a call whose time is far."""

    async def later() -> None: ...

    async with proxy.shadow() as shadows:
        await shadows.add(later, when=HOUR, key="later")()
        began = time.monotonic()
        async with working(shadows, minimum_check_interval=MILLISECOND, scheduling_resolution=MILLISECOND):
            await comes_true(lambda: proxy.seen.count("wait") >= 3)
        assert proxy.seen.count("door") <= time.monotonic() - began + 1
        await shadows.cancel("later")


async def test_scheduling_resolution_is_how_often_it_looks_while_a_call_is_due_within_a_second(proxy: Proxy) -> None:
    """SEMANTICS, wake-ups: with a resolution of an hour it looks once a second, and is in time all the same."""
    looks: dict[str, int] = {}

    async def soon() -> None: ...

    async with proxy.shadow() as shadows:
        for name, resolution in (("fine", timedelta(milliseconds=10)), ("coarse", HOUR)):
            before = proxy.seen.count("wait")
            async with working(shadows, minimum_check_interval=MILLISECOND, scheduling_resolution=resolution):
                execution = await shadows.add(soon, when=timedelta(milliseconds=900))()
                await execution.get_result(timeout=DEADLINE)
                looks[name] = proxy.seen.count("wait") - before
    assert looks["coarse"] <= 5
    assert looks["fine"] > 2 * looks["coarse"]


class Refusal:
    """A port on which every connection is closed at once, and counted."""

    def __init__(self) -> None:
        self.tries = 0
        self.listening = Listening(self._close)

    async def _close(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.tries += 1

    async def tried(self, tries: int, reconnection_delay: timedelta) -> float:
        """Have a worker try so often; return the seconds that it took."""
        self.listening.open()
        began = time.monotonic()
        async with (
            Shadow("away", f"redis://127.0.0.1:{self.listening.port}/0") as shadows,
            working(shadows, reconnection_delay=reconnection_delay),
        ):
            await comes_true(lambda: self.tries >= tries)
            took = time.monotonic() - began
        await self.listening.close()
        return took


async def test_reconnection_delay_is_the_longest_pause_between_two_tries() -> None:
    """SEMANTICS, around: by doubling alone, 50 tries would take some millions of years."""
    await Refusal().tried(50, reconnection_delay=timedelta(milliseconds=5))


async def test_the_pauses_between_two_tries_double_from_50_ms() -> None:
    """SEMANTICS, around: at most a half is left off each; the pump and the attendance of a worker try by themselves."""
    assert await Refusal().tried(10, reconnection_delay=HOUR) > (0.05 + 0.1 + 0.2 + 0.4) / 2
