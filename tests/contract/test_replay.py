"""Dead letters and failed runs, run once more."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from shadows.core import verdict
from shadows.core.scheduling import Due
from shadows.core.verdict import Occurrence
from shadows.ports.backend import Terms
from shadows.ports.broker import Order
from shadows.ports.letters import Replay, Replayed
from shadows.ports.strike_log import Instruction, StrikesMoved
from shadows.testing.exam.acts import (
    call,
    dead,
    done,
    instead,
    keys,
    look,
    place,
    settle,
    start,
    state,
    take,
    take_one,
    worker,
)

if TYPE_CHECKING:
    from shadows.ports.broker import Broker
    from tests.contract.harness import Harness


async def bury(broker: Broker, key: str = "a", payload: bytes = b"payload") -> str:
    """Let a call die, and return the id of its letter."""
    await place(broker, call(key, payload))
    lease = await take_one(broker, who := worker())
    await settle(broker, who, lease, dead(lease, "worker-lost"))
    (letter,) = await broker.dead(limit=1)
    return letter.id


async def fail(broker: Broker, key: str = "a", payload: bytes = b"payload") -> None:
    """Let a call fail like any other."""
    who, lease = await start(broker, key, payload)
    await settle(broker, who, lease, verdict.failed("task", b"error"))


async def replay(broker: Broker, *replays: Replay, repeated: bool = False, strikes: str = "") -> list[Replayed]:
    return await broker.replay(replays, repeated=repeated, strikes=strikes)


@pytest.mark.parametrize("size", [5, 100])
@pytest.mark.parametrize("by_key", [False, True])
async def test_a_dead_letter_runs_once_more_as_if_it_were_new(harness: Harness, size: int, *, by_key: bool) -> None:
    """FAULTS 47: a new run under its key with its arguments, first attempt, first delivery; and no letter any more."""
    broker = harness.broker
    letter = await bury(broker, payload=b"x" * size)
    assert await replay(broker, Replay("a", "again", "" if by_key else letter)) == ["replayed"]
    record = await look(broker, "a")
    assert (record.state, record.run, record.attempt, record.reason) == ("queued", "again", 1, None)
    assert (record.letter, record.payload) == (None, b"x" * size)
    assert await broker.dead(limit=10) == []
    lease = await take_one(broker, who := worker())
    assert (lease.attempt, lease.deliveries, lease.payload) == (1, 1, b"x" * size)
    await settle(broker, who, lease, done())
    assert await state(broker, "a") == "completed"


async def test_a_dead_letter_is_found_by_its_id(harness: Harness) -> None:
    """What is no id, or an id of nothing, finds nothing; the record of the key names its letter."""
    broker = harness.broker
    assert await broker.letter("1-1") is None
    assert await broker.letter("no such id") is None
    assert await broker.letter("") is None
    letter = await bury(broker)
    assert [await broker.letter(letter)] == await broker.dead(limit=10)
    assert (await look(broker, "a")).letter == letter


async def test_a_replay_may_wait_for_its_time(harness: Harness) -> None:
    """Like any call that is placed."""
    broker = harness.broker
    letter = await bury(broker)
    assert await replay(broker, Replay("a", "again", letter, Due(after=5_000))) == ["replayed"]
    assert (await look(broker, "a")).due == harness.now + 5_000
    assert await take(broker, worker()) == ()
    await harness.pass_time(5)
    assert (await take_one(broker, worker())).payload == b"payload"


@pytest.mark.parametrize("size", [0, 5, 100])
async def test_a_failed_run_is_replayed_by_its_key_while_it_is_kept(harness: Harness, size: int) -> None:
    """SEMANTICS, Dead letter: its payload is kept as long as its record."""
    broker = harness.broker
    await fail(broker, payload=b"x" * size)
    assert await replay(broker, Replay("a", "again")) == ["replayed"]
    record = await look(broker, "a")
    assert (record.state, record.payload, record.result) == ("queued", b"x" * size, None)


async def test_what_is_no_failed_run_any_more_cannot_be_replayed(harness: Harness) -> None:
    """Of a completed or cancelled run no arguments are kept, of an expired one nothing at all."""
    broker = harness.broker
    assert await replay(broker, Replay("nobody", "r0")) == ["gone"]
    who, lease = await start(broker)
    await settle(broker, who, lease, done(b"result"))
    assert await replay(broker, Replay("a", "r1")) == ["gone"]
    await place(broker, call("a"))
    await broker.cancel("a")
    assert await replay(broker, Replay("a", "r2")) == ["gone"]
    assert await state(broker, "nobody") is None


async def test_a_letter_belongs_to_its_key(harness: Harness) -> None:
    """One that is gone, was never there, or is another key's is not replayed."""
    broker = harness.broker
    letter = await bury(broker)
    other = await bury(broker, "b")
    assert await replay(broker, Replay("a", "r1", other), Replay("a", "r2", "1-1")) == ["gone", "gone"]
    assert await replay(broker, Replay("a", "r3", "no id at all")) == ["gone"]
    assert await replay(broker, Replay("a", "r4", letter)) == ["replayed"]
    assert await replay(broker, Replay("a", "r5", letter)) == ["gone"]
    assert [one.id for one in await broker.dead(limit=10)] == [other]


async def test_a_live_key_is_left_alone_and_so_is_its_letter(harness: Harness) -> None:
    """INV 1, INV 2: somebody has used the key since; who replays is told, and the letter stays."""
    broker = harness.broker
    letter = await bury(broker)
    await place(broker, call("a", b"newer"))
    for replays in (Replay("a", "r1", letter), Replay("a", "r2")):
        assert await replay(broker, replays) == ["already"]
    lease = await take_one(broker, who := worker())
    assert lease.payload == b"newer"
    assert await replay(broker, Replay("a", "r3", letter)) == ["already"]
    await settle(broker, who, lease, done())
    assert await replay(broker, Replay("a", "r4", letter)) == ["replayed"]
    assert (await look(broker, "a")).payload == b"payload"


async def test_an_older_letter_of_a_key_can_be_replayed_after_a_newer_one(harness: Harness) -> None:
    """Each letter is a call of its own; by the key alone it is that of its last run."""
    broker = harness.broker
    first = await bury(broker, payload=b"first")
    await bury(broker, payload=b"second")
    assert await replay(broker, Replay("a", "r1")) == ["replayed"]
    lease = await take_one(broker, who := worker())
    assert lease.payload == b"second"
    await settle(broker, who, lease, done())
    assert await replay(broker, Replay("a", "r2", first)) == ["replayed"]
    assert (await take_one(broker, worker())).payload == b"first"


@pytest.mark.parametrize("ttl", [900_000, 0])
@pytest.mark.parametrize("ended", [False, True])
async def test_a_replay_that_is_sent_twice_counts_once(harness: Harness, ttl: int, *, ended: bool) -> None:
    """INV 16: the answer was lost; the run may have ended since, or died again with a letter of its own."""
    broker = (await harness.open(Terms(execution_ttl=ttl))).broker
    asked = Replay("a", "again", await bury(broker))
    assert await replay(broker, asked) == ["replayed"]
    if ended:
        lease = await take_one(broker, who := worker())
        await settle(broker, who, lease, dead(lease))
    for again in (asked, Replay("a", "again")):
        assert await replay(broker, again, repeated=True) == ["replayed"]
    assert len(await broker.dead(limit=10)) == ended
    assert keys(await take(broker, worker())) == ([] if ended else ["a"])


async def test_a_struck_call_stays_a_dead_letter(harness: Harness) -> None:
    """It would only be dropped by the next worker, and then its arguments were lost."""
    broker = harness.broker
    letter = await bury(broker)
    assert await replay(broker, Replay("a", "r1", letter, struck=True)) == ["struck"]
    assert (await state(broker, "a"), len(await broker.dead(limit=10))) == ("failed", 1)


async def test_a_replay_that_was_judged_by_an_older_list_is_judged_anew(harness: Harness) -> None:
    """INV 46: nothing is placed then, and the news come with the refusal."""
    broker = harness.broker
    letter = await bury(broker)
    await harness.backend.strike_log.append(Instruction("one", b"strike"))
    with pytest.raises(StrikesMoved) as moved:
        await replay(broker, Replay("a", "r1", letter))
    assert [one.name for one in moved.value.news.instructions] == ["one"]
    assert await state(broker, "a") == "failed"
    assert await replay(broker, Replay("a", "r1", letter), strikes=moved.value.news.position) == ["replayed"]


async def test_many_replays_travel_together_and_stand_alone(harness: Harness) -> None:
    """INV 9: more than one script handles, in order; one that is refused does not stop the others."""
    broker, who = harness.broker, worker()
    names = [f"k{number:03}" for number in range(210)]
    await place(broker, *(call(key, key.encode()) for key in names))
    await broker.settle(who, [(lease, dead(lease)) for lease in await take(broker, who, 200)])
    await broker.settle(who, [(lease, dead(lease)) for lease in await take(broker, who, 200)])
    letters = {letter.key or "": letter.id for letter in await broker.dead(limit=1000)}
    replays = [Replay(key, f"run-{key}", letters[key]) for key in names]
    replays.insert(5, Replay("nobody", "nothing", "1-1"))
    answers = await broker.replay(replays)
    assert answers == [Replayed.REPLAYED] * 5 + [Replayed.GONE] + [Replayed.REPLAYED] * 205
    assert keys((await broker.claim(Order(who, 200))).leases) == names[:200]
    assert await broker.replay([]) == []


async def test_a_replay_wakes_a_worker(harness: Harness) -> None:
    """As any call does that is placed."""
    broker = harness.broker
    letter = await bury(broker)
    waiting = asyncio.create_task(broker.claim(Order(worker(), 1), patience=20))
    await harness.somebody_waits()
    await replay(broker, Replay("a", "again", letter))
    assert keys((await waiting).leases) == ["a"]


async def test_a_run_that_a_next_occurrence_followed_is_not_in_its_way(harness: Harness) -> None:
    """INV 25: the chain goes on; a replay by the key never starts a second one beside it."""
    broker = harness.broker
    who, lease = await start(broker)
    follow = Occurrence(b"next", Due(after=60_000))
    await settle(broker, who, lease, verdict.failed("task", b"error", follow=follow))
    assert await replay(broker, Replay("a", "again")) == ["already"]
    assert (await look(broker, "a")).payload == b"next"


async def test_a_replayed_key_can_be_replaced_and_cancelled(harness: Harness) -> None:
    """It is a run like any other."""
    broker = harness.broker
    await replay(broker, Replay("a", "r1", await bury(broker)))
    await place(broker, instead("a", b"newer", run="r2"))
    assert (await look(broker, "a")).payload == b"newer"
    assert await broker.cancel("a") == "cancelled"


async def test_discarded_letters_are_gone_for_good(harness: Harness) -> None:
    """Their arguments too; the record still says why the run failed."""
    broker = harness.broker
    letters = [await bury(broker, key) for key in "abc"]
    thrown = [letters[0], "1-1", "no id", letters[2], letters[0]]
    assert await broker.discard(thrown) == [True, False, False, True, False]
    assert await broker.discard([letters[0]]) == [False]
    assert await broker.discard([]) == []
    assert [letter.key for letter in await broker.dead(limit=10)] == ["b"]
    record = await look(broker, "a")
    assert (record.state, record.reason, record.payload) == ("failed", "worker-lost", None)
    assert await replay(broker, Replay("a", "r1"), Replay("a", "r2", letters[0])) == ["gone", "gone"]
    assert (await broker.survey(0)).counts.dead == 1
