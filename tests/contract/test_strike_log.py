from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import attrs
import pytest

from shadows.core.scheduling import Due
from shadows.errors import ConfigurationError
from shadows.ports.strike_log import MOST, MOST_RESTORES, Instruction, News, StrikesMoved
from shadows.testing.exam.acts import call, claim, place, worker

if TYPE_CHECKING:
    from shadows.ports.strike_log import StrikeLog
    from tests.contract.harness import Harness, ServerHarness


def strike(name: str, data: bytes = b"strike", *, after: float | None = None, hold: bool = False) -> Instruction:
    """Return a strike, which ends by itself after so many seconds."""
    return Instruction(name, data, None if after is None else Due(after=round(after * 1000)), hold)


def restore(name: str) -> Instruction:
    """Return a restore."""
    return Instruction(name)


@attrs.define
class Reader:
    """Somebody who follows the log, and knows what is in force."""

    log: StrikeLog
    position: str = ""
    known: dict[str, bytes] = attrs.field(factory=dict[str, bytes])
    began_anew: int = 0

    async def read(self) -> list[str]:
        """Read what is new and return the names of what is in force, oldest first."""
        news = await self.log.since(self.position)
        if news is not None:
            self.hear(news)
        return [*self.known]

    def hear(self, news: News) -> None:
        """Take in what is new."""
        self.position = news.position
        if news.anew:
            self.known.clear()
            self.began_anew += 1
        for one in news.instructions:
            self.known.pop(one.name, None)
            if one.strike:
                self.known[one.name] = one.strike


async def next_millisecond(real: ServerHarness) -> None:
    """Wait until the server numbers its messages anew."""
    began = real.ask("TIME")
    while [int(part) // 1000 for part in real.ask("TIME")] == [int(part) // 1000 for part in began]:  # noqa: ASYNC110
        await asyncio.sleep(0)


async def in_force(log: StrikeLog) -> list[str]:
    """Return the names of what is in force, as somebody sees who reads all."""
    return await Reader(log).read()


async def test_what_is_struck_and_restored_comes_back_in_order(harness: Harness) -> None:
    """Any bytes, with what the log itself must know of them."""
    log = harness.backend.strike_log
    strikes = [strike("a", b"first"), strike("b", bytes(range(256))), strike("c", b"first", hold=True)]
    for each in strikes:
        await log.append(each)
    news = await log.since()
    assert news is not None
    assert (news.instructions, news.anew) == (tuple(strikes), True)
    assert await log.since(news.position) is None


async def test_a_reader_goes_on_after_its_position(harness: Harness) -> None:
    """INV 46: it hears what is new, and nothing twice."""
    log = harness.backend.strike_log
    await log.append(strike("a"))
    reader = Reader(log)
    assert await reader.read() == ["a"]
    position = reader.position
    await log.append(strike("b"))
    await log.append(restore("a"))
    news = await log.since(position)
    assert news is not None
    assert (news.instructions, news.anew) == ((strike("b"), restore("a")), False)
    reader.hear(news)
    assert await reader.read() == ["b"]


async def test_the_writer_hears_what_it_did_not_know(harness: Harness) -> None:
    """Its own instruction is the last of it; a position of its own needs no second trip."""
    log = harness.backend.strike_log
    reader = Reader(log)
    await reader.read()
    await log.append(strike("a"))
    noted = await log.append(strike("b"), position=reader.position)
    assert noted.news is not None
    reader.hear(noted.news)
    assert [*reader.known] == ["a", "b"]
    noted = await log.append(restore("nothing"), position=reader.position)
    assert (noted.found, noted.news) == (False, None)


async def test_a_restore_removes_exactly_the_strike_of_its_name(harness: Harness) -> None:
    """SEMANTICS, Strikes: and says whether there was one; a second one changes nothing."""
    log = harness.backend.strike_log
    for name in ("a", "aa", "b"):
        await log.append(strike(name))
    assert (await log.append(restore("a"))).found
    assert not (await log.append(restore("a"))).found
    assert not (await log.append(restore("c"))).found
    assert await in_force(log) == ["aa", "b"]


async def test_the_same_strike_once_more_takes_the_place_of_the_first(harness: Harness) -> None:
    """SEMANTICS, Strikes: so one restore is enough, however often somebody struck; a reader hears the new terms."""
    log = harness.backend.strike_log
    await log.append(strike("a", b"old"))
    reader = Reader(log)
    await log.append(strike("b"))
    await reader.read()
    assert (await log.append(strike("a", b"new"))).found
    assert await reader.read() == ["b", "a"]
    assert reader.known["a"] == b"new"
    await log.append(restore("a"))
    assert await reader.read() == await in_force(log) == ["b"]
    assert not (await log.append(strike("a"))).found
    assert await reader.read() == ["b", "a"]
    assert reader.began_anew == 1


async def test_an_empty_log_has_nothing_to_tell(harness: Harness) -> None:
    """From the start; who was further, before somebody deleted it, is told to forget."""
    log = harness.backend.strike_log
    assert await log.since() is None
    assert not (await log.append(restore("a"))).found
    assert await log.since() is None


async def test_a_strike_ends_by_itself(harness: Harness) -> None:
    """Issue 4, ``until``: by the broker's clock, and then readers hear of a restore like any other."""
    log, reader = harness.backend.strike_log, Reader(harness.backend.strike_log)
    await log.append(strike("short", after=5))
    await log.append(strike("forever"))
    await log.append(Instruction("long", b"strike", Due(at=harness.now + 60_000)))
    assert await reader.read() == ["short", "forever", "long"]
    news = await log.since()
    assert news is not None
    assert [one.until for one in news.instructions] == [
        Due(at=harness.now + 5_000),
        None,
        Due(at=harness.now + 60_000),
    ]
    await harness.pass_time(4.999)
    assert await log.since(reader.position) is None
    await harness.pass_time(0.001)
    assert await reader.read() == ["forever", "long"]
    assert not (await log.append(restore("short"))).found
    await harness.pass_time(60)
    assert await reader.read() == await in_force(log) == ["forever"]
    assert reader.began_anew == 1


async def test_several_strikes_may_end_at_the_same_moment(harness: Harness) -> None:
    """Issue 4, ``until``: one look finds them all, whoever looks, and whatever it writes."""
    log, reader = harness.backend.strike_log, Reader(harness.backend.strike_log)
    for name in "abc":
        await log.append(strike(name, after=5))
    await log.append(strike("stays", after=6))
    await reader.read()
    await harness.pass_time(5)
    await log.append(strike("b", b"again"))
    assert await reader.read() == await in_force(log) == ["stays", "b"]
    await log.append(strike("past", after=0))
    assert await reader.read() == ["stays", "b"]


async def test_the_end_of_a_strike_is_noticed_by_who_adds_and_who_claims(harness: Harness) -> None:
    """SEMANTICS, Strikes: what was decided with the strike is refused as soon as it has ended."""
    log, reader = harness.backend.strike_log, Reader(harness.backend.strike_log)
    await log.append(strike("a", after=5))
    await log.append(strike("b", after=10))
    await reader.read()
    await harness.pass_time(5)
    told = (await claim(harness.broker, worker(), strikes=reader.position)).strikes
    assert told is not None
    assert told.instructions == (restore("a"),)
    reader.hear(told)
    assert await place(harness.broker, call("k"), strikes=reader.position) == ["scheduled"]


async def test_who_only_looks_is_told_of_the_end_of_a_strike_and_leaves_no_mark(real: ServerHarness) -> None:
    """`shadows acl`, observer: whoever may write puts the log in order later, and the reader understands that too."""
    log, reader = real.backend.strike_log, Reader(real.backend.strike_log)
    await log.append(strike("a", after=5))
    await log.append(strike("b"))
    await log.append(strike("c", after=7))
    await reader.read()
    await real.pass_time(5)
    before = real.dump()
    for _ in range(2):
        assert await reader.read() == await in_force(log) == ["b", "c"]
    assert real.dump() == before
    await log.append(strike("d"))
    await real.pass_time(2)
    assert await reader.read() == await in_force(log) == ["b", "d"]
    await claim(real.broker, worker(), strikes=reader.position)
    assert await reader.read() == await in_force(log) == ["b", "d"]
    assert await log.since(reader.position) is None


async def test_who_reads_is_told_of_an_end_until_somebody_has_written_it_down(harness: Harness) -> None:
    """INV 46: a position moves only with the log, so who decides by this is refused once, and told again."""
    log = harness.backend.strike_log
    await log.append(strike("a", after=5))
    before = (await log.append(strike("b"))).news
    assert before is not None
    await harness.pass_time(5)
    for _ in range(2):
        told = await log.since(before.position)
        assert told is not None
        assert (told.position, told.instructions, told.anew) == (before.position, (restore("a"),), False)
        whole = await log.since()
        assert whole is not None
        assert (whole.instructions, whole.anew) == ((restore("a"), strike("b")), True)
    with pytest.raises(StrikesMoved) as moved:
        await harness.broker.schedule([], strikes=before.position)
    assert moved.value.news.instructions == (restore("a"),)
    assert await log.since(moved.value.news.position) is None


async def test_the_log_does_not_grow_with_what_is_struck_and_restored(harness: Harness) -> None:
    """INV 46: who followed it hears each restore; who slept for long starts anew, and knows the same."""
    log = harness.backend.strike_log
    follower, sleeper, late = Reader(log), Reader(log), Reader(log)
    await log.append(strike("stays"))
    await log.append(strike("ends"))
    await sleeper.read()
    for number in range(MOST_RESTORES + 5):
        await log.append(strike(f"n{number}"))
        await log.append(restore(f"n{number}"))
        assert await follower.read() == ["stays", "ends"]
        if number == 10:
            await late.read()
    await log.append(restore("ends"))
    assert await follower.read() == await sleeper.read() == await late.read() == ["stays"]
    assert [reader.began_anew for reader in (follower, sleeper, late)] == [1, 2, 1]
    news = await log.since()
    assert news is not None
    assert len(news.instructions) == 1 + MOST_RESTORES


async def test_no_more_than_so_many_strikes_are_taken(harness: Harness) -> None:
    """INV 46: the text says what to do; one that is in force already can be struck again."""
    log, reader = harness.backend.strike_log, Reader(harness.backend.strike_log)
    for number in range(MOST):
        noted = await log.append(strike(f"n{number}"), position=reader.position)
        assert noted.news is not None
        reader.hear(noted.news)
    with pytest.raises(ConfigurationError, match="restore some"):
        await log.append(strike("excess"))
    assert (await log.append(strike("n7", b"again"))).found
    await log.append(restore("n8"))
    await log.append(strike("more"))
    assert len(await in_force(log)) == MOST


async def test_very_many_strikes_may_end_at_once(harness: Harness) -> None:
    """INV 46: more than restores are kept, so whoever did not see it starts anew."""
    log, reader = harness.backend.strike_log, Reader(harness.backend.strike_log)
    await log.append(strike("stays"))
    for number in range(MOST_RESTORES + 7):
        await log.append(strike(f"n{number}", after=5))
    await reader.read()
    await harness.pass_time(5)
    await claim(harness.broker, worker())  # who may write puts the log in order
    assert await reader.read() == ["stays"]
    assert reader.began_anew == 2
    assert await reader.read() == await in_force(log)
    await log.append(strike("later"))
    assert await reader.read() == ["stays", "later"]
    assert reader.began_anew == 2


async def test_everybody_reads_the_same_order(harness: Harness) -> None:
    """INV 46: however many write at once, the log is totally ordered."""
    logs = [(await harness.open()).strike_log for _ in range(4)]
    await asyncio.gather(*(log.append(strike(f"n{number}")) for number, log in enumerate(logs * 5)))
    readings = [await in_force(log) for log in logs]
    assert len(readings[0]) == 20
    assert all(reading == readings[0] for reading in readings)


async def test_the_log_of_one_shadow_is_not_read_in_another(harness: Harness) -> None:
    """INV 8: a strike reaches its own shadow only."""
    other = await harness.open(name=harness.name + "s")
    await harness.backend.strike_log.append(strike("a"))
    assert await other.strike_log.since() is None
    assert await place(other.broker, call("k")) == ["scheduled"]


async def test_who_knew_a_log_that_was_lost_starts_anew(real: ServerHarness) -> None:
    """FAULT 52: after a FLUSHALL, or with a replica that lacks the last entries, nobody clings to what is gone."""
    log, reader = real.backend.strike_log, Reader(real.backend.strike_log)
    await log.append(strike("kept"))
    newest = await Reader(log).read()
    await log.append(strike("lost"))
    await reader.read()
    real.ask("XDEL", real.key("strikes"), reader.position)
    assert await reader.read() == newest
    real.ask("DEL", real.key("strikes"))
    assert await reader.read() == []
    await log.append(strike("old"))
    await reader.read()
    real.ask("DEL", real.key("strikes"))
    await next_millisecond(real)
    await log.append(strike("new"))
    assert await reader.read() == ["new"]
    assert reader.began_anew == 5


async def test_what_a_stranger_writes_into_the_log_is_passed_over(real: ServerHarness) -> None:
    """FAULT 43: and is gone with the next instruction."""
    log, reader = real.backend.strike_log, Reader(real.backend.strike_log)
    await log.append(strike("a", after=60))
    await reader.read()
    real.ask("XADD", real.key("strikes"), "*", "junk", b"\xff")
    assert await reader.read() == await in_force(log) == ["a"]
    assert await log.since(reader.position) is None
    await log.append(strike("b"))
    assert await reader.read() == ["a", "b"]
    assert real.ask("XLEN", real.key("strikes")) == 2
    await real.pass_time(60)
    assert await reader.read() == ["b"]


async def test_an_entry_with_more_fields_is_read(real: ServerHarness) -> None:
    """INV 47: a later release may tell more."""
    log = real.backend.strike_log
    real.ask("XADD", real.key("strikes"), "*", "instruction", "2 n - 0 = - more\ns")
    assert await in_force(log) == ["n"]
    assert (await log.append(restore("n"))).found
