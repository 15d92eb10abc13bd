from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.contract.harness import Harness


async def test_instructions_come_back_in_the_order_in_which_they_were_appended(harness: Harness) -> None:
    """Any bytes, each at the position that its append had answered."""
    log = harness.backend.strike_log
    instructions = [b"first", b"", bytes(range(256)), b"first"]
    positions = [await log.append(instruction) for instruction in instructions]
    assert len(set(positions)) == 4
    assert list(await log.since()) == list(zip(positions, instructions, strict=True))


async def test_a_reader_goes_on_after_its_position(harness: Harness) -> None:
    """INV 46: it misses nothing and reads nothing twice, in steps of any size."""
    log = harness.backend.strike_log
    written = [await log.append(b"%d" % number) for number in range(7)]
    position, read = "", []
    while step := await log.since(position, limit=3):
        assert len(step) <= 3
        position = step[-1][0]
        read += [instruction for _, instruction in step]
    assert (read, position) == ([b"%d" % number for number in range(7)], written[-1])
    later = await log.append(b"later")
    assert list(await log.since(position)) == [(later, b"later")]


async def test_an_empty_log_has_nothing_to_read(harness: Harness) -> None:
    """From the start and from anywhere."""
    assert list(await harness.backend.strike_log.since()) == []


async def test_everybody_reads_the_same_order(harness: Harness) -> None:
    """INV 46: however many write at once, the log is totally ordered."""
    writers = [(await harness.open()).strike_log for _ in range(4)]
    await asyncio.gather(*(log.append(b"%d" % number) for number, log in enumerate(writers * 5)))
    readings = [list(await log.since()) for log in writers]
    assert len(readings[0]) == 20
    assert all(reading == readings[0] for reading in readings)


async def test_the_log_of_one_shadow_is_not_read_in_another(harness: Harness) -> None:
    """INV 8: a strike reaches its own shadow only."""
    other = await harness.open(name=harness.name + "s")
    await harness.backend.strike_log.append(b"strike")
    assert list(await other.strike_log.since()) == []
