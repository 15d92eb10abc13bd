"""Gates under the virtual clock: their windows pass as real time would, to the millisecond."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from shadows import Cooldown, Debounce, RateLimit, Shadow
from shadows.testing import VirtualClock
from tests.front.acts import HOUR, working

START = datetime(2024, 2, 28, 22, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


async def test_windows_pass_in_virtual_time() -> None:
    """A rate lets two pass in each hour, a cooldown one in an hour, and a debounce the last of many after quiet."""
    clock, seen = VirtualClock(START), list[tuple[str, timedelta]]()

    def note(what: str) -> None:
        seen.append((what, clock.now() - START))

    async def paced(rate: RateLimit = RateLimit(2, per=HOUR)) -> None:
        note("paced")

    async def cool(cooldown: Cooldown = Cooldown(HOUR)) -> None:
        note("cool")

    async def calm(number: int, debounce: Debounce = Debounce(10 * MINUTE)) -> None:
        note(f"calm {number}")

    async with clock, Shadow("gates", "memory://virtual-gates", clock=clock) as shadows, working(shadows):
        await shadows.add_many(shadows.call(paced)() for _ in range(5))
        await clock.advance(days=1)
        assert [passed for _, passed in seen] == [0 * HOUR, 0 * HOUR, HOUR, HOUR, 2 * HOUR]
        seen.clear()
        for _ in range(5):
            await shadows.add(cool)()
            await clock.advance(minutes=30)
        assert [passed - 24 * HOUR for _, passed in seen] == [0 * HOUR, HOUR, 2 * HOUR]
        seen.clear()
        for number in range(3):
            await shadows.add(calm)(number)
            await clock.advance(minutes=9)
        await clock.advance(hours=1)
        assert seen == [("calm 2", 24 * HOUR + 5 * 30 * MINUTE + 28 * MINUTE)]
