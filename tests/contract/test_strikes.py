"""Placing and claiming mind the strike log; what a strike means is decided above the port."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from shadows.adapters.redis.broker import Scripts
from shadows.ports.broker import BATCH, Entry, OnLive, Order
from shadows.ports.strike_log import Instruction, StrikesMoved
from shadows.testing.exam.acts import call, claim, done, instead, keys, look, place, start, state, take_one, worker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.contract.harness import Harness, ServerHarness

STRIKE = Instruction("one", b"strike")
OTHER = Instruction("two", b"strike")


async def strike(harness: Harness, instruction: Instruction = STRIKE) -> str:
    """Write into the log and return the position after that."""
    noted = await harness.backend.strike_log.append(instruction)
    assert noted.news is not None
    return noted.news.position


def struck(entry: Entry) -> Entry:
    """Return the entry as one that a strike forbids."""
    return attrs.evolve(entry, struck=True)


async def test_what_was_decided_with_an_older_list_is_refused(harness: Harness) -> None:
    """INV 46, SEMANTICS, Strikes: nothing is placed; with what is new the sender decides again."""
    first = await strike(harness)
    second = await strike(harness, OTHER)
    for position, told, anew in (("", (STRIKE, OTHER), True), (first, (OTHER,), False)):
        with pytest.raises(StrikesMoved) as moved:
            await place(harness.broker, call("a"), call("b", after=5), strikes=position)
        news = moved.value.news
        assert (news.position, news.instructions, news.anew) == (second, told, anew)
        assert not moved.value.partly
    assert [await state(harness.broker, key) for key in "ab"] == [None, None]
    assert await place(harness.broker, call("a"), strikes=second) == ["scheduled"]


async def test_a_restore_makes_what_was_refused_possible_again(harness: Harness) -> None:
    """INV 46: a list that is older by a restore is old as well: what is struck by it may run now."""
    position = await strike(harness)
    await strike(harness, Instruction("one"))
    with pytest.raises(StrikesMoved) as moved:
        await place(harness.broker, struck(call("a")), strikes=position)
    assert moved.value.news.instructions == (Instruction("one"),)


async def test_what_was_decided_with_a_list_that_is_gone_is_refused(real: ServerHarness) -> None:
    """INV 46: a server that was flushed has no strikes; the sender forgets its own and decides again."""
    position = await strike(real)
    real.ask("DEL", real.key("strikes"))
    with pytest.raises(StrikesMoved) as moved:
        await place(real.broker, call("a"), strikes=position)
    news = moved.value.news
    assert (news.position, news.instructions, news.anew) == ("", (), True)
    assert await state(real.broker, "a") is None


async def test_to_place_nothing_asks_only_whether_the_list_moved(harness: Harness) -> None:
    """SEMANTICS, Strikes: decided on the broker's own list also where there is nothing to place."""
    assert await harness.broker.schedule([]) == []
    position = await strike(harness)
    with pytest.raises(StrikesMoved):
        await harness.broker.schedule([])
    assert await harness.broker.schedule([], strikes=position) == []


@pytest.mark.parametrize("on_live", [*OnLive])
async def test_of_a_struck_call_nothing_is_placed(harness: Harness, on_live: OnLive) -> None:
    """SEMANTICS, Strikes: its key stays free, those beside it are placed."""
    entries = [call("a", run="1"), struck(Entry("b", b"", run="2", on_live=on_live)), call("c")]
    assert await place(harness.broker, *entries) == ["scheduled", "struck", "scheduled"]
    assert await place(harness.broker, entries[1]) == ["struck"]
    assert await state(harness.broker, "b") is None
    assert await place(harness.broker, call("b", run="3")) == ["scheduled"]


async def test_a_struck_call_leaves_the_live_one_of_its_key_alone(harness: Harness) -> None:
    """SEMANTICS, Strikes: neither replaces nor follows it, wherever that is."""
    who, lease = await start(harness.broker, "running")
    await place(harness.broker, call("queued", b"old"), call("scheduled", b"old", after=5))
    entries = [struck(instead(key, b"new", run="new")) for key in ("running", "queued", "scheduled")]
    assert await place(harness.broker, *entries) == ["struck"] * 3
    records = [await look(harness.broker, key) for key in ("running", "queued", "scheduled")]
    assert [record.payload for record in records] == [b"payload", b"old", b"old"]
    assert records[0].successor is None
    await harness.broker.settle(who, [(lease, done())])
    assert await state(harness.broker, "running") == "completed"


async def test_a_repeated_request_gets_its_first_answer_though_it_is_struck_by_now(harness: Harness) -> None:
    """SEMANTICS, Repeats: the answer of the first is lost, then comes a strike: the call was placed all the same."""
    entries = [call("a", run="1"), call("b"), call("c", run="3", after=5)]
    await place(harness.broker, *entries)
    position = await strike(harness)
    again = [struck(entry) for entry in [*entries, call("d", run="4"), call("e")]]
    answers = await place(harness.broker, *again, repeated=True, strikes=position)
    assert answers == ["scheduled"] * 3 + ["struck"] * 2


async def test_a_claim_tells_what_is_new_with_its_leases(harness: Harness) -> None:
    """INV 46: so no lease is judged by an older list than that of the moment when it was given."""
    await place(harness.broker, call("a"), call("b"))
    assert (await claim(harness.broker, worker(), 1)).strikes is None
    position = await strike(harness)
    told = await claim(harness.broker, worker(), 1)
    assert keys(told.leases) == ["b"]
    assert told.strikes is not None
    assert (told.strikes.position, told.strikes.instructions) == (position, (STRIKE,))
    assert (await claim(harness.broker, worker(), strikes=position)).strikes is None


async def test_a_turn_tells_what_is_new_as_well(harness: Harness) -> None:
    """INV 46: and settles what it was given."""
    who, lease = await start(harness.broker)
    await place(harness.broker, call("b"))
    position = await strike(harness)
    settled, told = await harness.broker.turn([(lease, done())], Order(who, 10))
    assert (settled, keys(told.leases)) == (["settled"], ["b"])
    assert told.strikes is not None
    assert told.strikes.position == position
    _, told = await harness.broker.turn([], Order(who, 10, strikes=position))
    assert told.strikes is None


async def test_who_waits_at_the_door_hears_of_strikes_when_it_wakes(harness: Harness) -> None:
    """INV 46: the order was written before the strike; what else the waker has to tell is not lost."""
    who, lease = await start(harness.broker)
    waiting = asyncio.create_task(harness.broker.claim(Order(who, 0), patience=20))
    await harness.somebody_waits()
    position = await strike(harness)
    await harness.broker.cancel("a")
    told = await waiting
    assert told.cancels == (("a", lease.fence),)
    assert told.strikes is not None
    assert told.strikes.position == position


async def test_the_end_of_a_strike_is_seen_without_anybody_reading_the_log(harness: Harness) -> None:
    """Issue 4, ``until``: an idle worker's claim finds it, and so does the next sender."""
    position = await strike(harness, Instruction("one", b"strike", call("", after=5).due))
    await harness.pass_time(5)
    with pytest.raises(StrikesMoved) as moved:
        await place(harness.broker, call("a"), strikes=position)
    assert moved.value.news.instructions == (Instruction("one"),)
    told = (await claim(harness.broker, worker(), strikes=position)).strikes
    assert told == moved.value.news


async def test_without_a_strike_nothing_of_it_is_on_the_server(real: ServerHarness) -> None:
    """INV 41: placing, claiming and restoring what is not struck leave no log behind."""
    await place(real.broker, call("a"))
    lease = await take_one(real.broker, who := worker())
    await real.broker.settle(who, [(lease, done())])
    await real.backend.strike_log.append(Instruction("one"))
    assert real.keys() & {"strikes"} == set()


async def test_a_list_that_moves_in_the_middle_of_a_large_batch_says_so(
    real: ServerHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEMANTICS: a batch above 200 is several scripts, between which somebody may strike: some calls are placed."""
    entries = [call(f"k{number}", run=f"{number}") for number in range(BATCH + 5)]
    run_all = Scripts.run_all

    async def interrupted(self: Scripts, verb: str, batches: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
        answers = await run_all(self, verb, batches[:1])
        if len(batches) > 1:
            await strike(real)
            answers += await run_all(self, verb, batches[1:])
        return answers

    with monkeypatch.context() as patch:
        patch.setattr(Scripts, "run_all", interrupted)
        with pytest.raises(StrikesMoved) as moved:
            await real.broker.schedule(entries)
    assert moved.value.partly
    assert [await state(real.broker, key) for key in ("k0", f"k{BATCH}")] == ["queued", None]
    position = moved.value.news.position
    answers = await place(real.broker, *map(struck, entries), repeated=True, strikes=position)
    assert answers == ["scheduled"] * BATCH + ["struck"] * 5
