"""Clocks that are wrong, and clocks that jump: the server's alone decides what is due (FAULT 76)."""

from __future__ import annotations

import asyncio
import os
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from shadows import Perpetual, Retry, Shadow
from shadows.adapters import clock
from tests.front.acts import DEADLINE, comes_true, heard, working
from tests.servers import available, wanted
from tests.shifted import Shifted, compiler

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.front.places import ServerPlace

HOUR = 3600
MOMENT = timedelta(milliseconds=200)

ran: list[str] = []


async def note(word: str) -> str:
    """Run, and let everybody see how often."""
    ran.append(word)
    return word


@pytest.fixture
def shifted(tmp_path: Path) -> Iterator[Shifted]:
    """Give a server whose clock jumps when a test says so: one of those wanted, if a library can be put into it."""
    fit = [name for name in (*available(), *wanted()) if available()[name].read_bytes()[:4] == b"\x7fELF"]
    if not wanted() or not fit or (compiler() is None and os.environ.get("CI") != "true"):
        pytest.skip("this run wants no servers, or there is no compiler to make a clock with")
    ran.clear()
    with Shifted(fit[-1], tmp_path) as server:
        yield server


def shadow(server: Shifted) -> Shadow:
    """Return a client of a shadow on it."""
    made = Shadow("shop", server.url)
    made.register(note)
    return made


def jumps(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was said of the clock."""
    return [record.getMessage() for record in caplog.records if "clock has jumped" in record.getMessage()]


async def test_a_server_clock_that_jumps_ahead_brings_one_early_batch(
    shifted: Shifted, caplog: pytest.LogCaptureFixture
) -> None:
    """FAULT 76: what was due within that hour runs at once, and once; what comes later waits as before."""
    async with shadow(shifted) as shadows, working(shadows):
        for minutes in (10, 20, 30, 90):
            await shadows.add(note, key=f"{minutes}", when=timedelta(minutes=minutes))(f"in {minutes}")
        assert await (await shadows.add(note)("before")).get_result(timeout=DEADLINE) == "before"
        shifted.put_ahead(HOUR)
        await comes_true(lambda: len(ran) == 4)
        assert await (await shadows.add(note)("at once")).get_result(timeout=DEADLINE) == "at once"
        assert await (await shadows.add(note, when=MOMENT)("soon")).get_result(timeout=DEADLINE) == "soon"
        await comes_true(lambda: len(jumps(caplog)) == 1)
        assert (await shadows.snapshot()).total_tasks == 1
    assert ran == ["before", "in 10", "in 20", "in 30", "at once", "soon"]
    assert "ahead" in jumps(caplog)[0]


async def test_a_server_clock_that_jumps_back_makes_one_batch_late(
    shifted: Shifted, caplog: pytest.LogCaptureFixture
) -> None:
    """FAULT 76: what waits goes by the server's time, and so does what is placed from then on; nothing runs twice."""
    shifted.put_ahead(HOUR)
    async with shadow(shifted) as shadows, working(shadows):
        assert await (await shadows.add(note, key="k")("before")).get_result(timeout=DEADLINE) == "before"
        late = await shadows.add(note, key="late", when=timedelta(seconds=2))("late")
        shifted.put_ahead(0)
        assert await (await shadows.add(note, key="k")("again")).get_result(timeout=DEADLINE) == "again"
        assert await (await shadows.add(note, when=MOMENT)("soon")).get_result(timeout=DEADLINE) == "soon"
        await comes_true(lambda: len(jumps(caplog)) == 1)
        await late.sync()
        assert late.state is not None
        assert late.state.value == "scheduled"
        shifted.put_ahead(HOUR)
        assert await late.get_result(timeout=DEADLINE) == "late"
    assert ran == ["before", "again", "soon", "late"]
    assert "back" in jumps(caplog)[0]
    assert "ahead" in jumps(caplog)[1]


@pytest.mark.parametrize("step", [HOUR, -HOUR])
async def test_a_lease_outlives_a_jump_or_is_lost_as_ever(shifted: Shifted, step: int) -> None:
    """FAULT 76, INV 12: ahead, a lease looks expired until it is renewed, and may go to another worker, once; back,
    it is as good as before.  Either way one end counts, and what comes after it runs.
    """
    begun, go, ended = asyncio.Event(), asyncio.Event(), list[str]()

    async def slow() -> str:
        ran.append("slow")
        begun.set()
        try:
            await go.wait()
        finally:
            ended.append("slow")
        return "done"

    lease = timedelta(seconds=2)
    shifted.put_ahead(HOUR)
    async with (
        shadow(shifted) as shadows,
        working(shadows, redelivery_timeout=lease),
        working(shadows, redelivery_timeout=lease),
    ):
        execution = await shadows.add(slow, key="k")()
        await heard(begun)
        shifted.put_ahead(HOUR + step)
        await asyncio.sleep(2 * lease.total_seconds())
        go.set()
        assert await execution.get_result(timeout=DEADLINE) == "done"
        assert await (await shadows.add(note, key="k")("next")).get_result(timeout=DEADLINE) == "next"
        await comes_true(lambda: len(ended) == ran.count("slow"))
    assert ran.count("slow") <= (2 if step > 0 else 1)


@pytest.mark.parametrize("off", ["ahead", "behind", "stepping"])
async def test_the_clock_of_a_worker_decides_nothing(
    far: ServerPlace, monkeypatch: pytest.MonkeyPatch, off: str
) -> None:
    """FAULT 76: delays, retries, occurrences and time-outs are the server's, or measured by what never jumps."""
    looks: list[int] = []

    class Wrong(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            looks.append(len(looks))
            sign = {"ahead": 1, "behind": -1, "stepping": (-1) ** len(looks)}[off]
            return datetime.now(UTC) + timedelta(hours=sign)

    monkeypatch.setattr(clock, "datetime", Wrong)
    began, at = time.monotonic(), dict[str, float]()

    async def soon() -> str:
        at["soon"] = time.monotonic() - began
        return "soon"

    async def flaky(retry: Retry = Retry(attempts=2, delay=MOMENT)) -> str:
        at.setdefault("first", time.monotonic() - began)
        if retry.attempt == 1:
            raise ValueError("once more")
        at["second"] = time.monotonic() - began
        return "flaky"

    async def again(perpetual: Perpetual = Perpetual(every=MOMENT)) -> None:
        at["again"] = at.get("again", 0) + 1
        if at["again"] == 3:
            perpetual.cancel()

    async with far.shadow() as shadows, working(shadows):
        assert await (await shadows.add(soon, when=MOMENT)()).get_result(timeout=DEADLINE) == "soon"
        assert await (await shadows.add(flaky)()).get_result(timeout=DEADLINE) == "flaky"
        await shadows.add(again, key="again")()
        await comes_true(lambda: at.get("again") == 3)
    assert looks
    assert at["soon"] >= MOMENT.total_seconds()
    assert at["second"] - at["first"] >= MOMENT.total_seconds() / 2
