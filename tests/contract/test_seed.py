from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from shadows.core import verdict
from shadows.core.lifecycle import ExecutionState
from shadows.core.scheduling import AT_ONCE, Due
from shadows.core.verdict import Occurrence
from shadows.ports.backend import Terms
from shadows.ports.broker import Order
from shadows.ports.looking import Part, Record
from shadows.ports.seeding import Seed, Seeding
from shadows.testing.exam.acts import (
    LEASE,
    back,
    call,
    claim,
    dead,
    done,
    hear,
    instead,
    keys,
    look,
    place,
    retry,
    settle,
    state,
    sweep,
    take,
    take_one,
    unknown,
    worker,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from shadows.core.holder import Holder
    from shadows.core.verdict import Verdict
    from shadows.ports.broker import Broker, Lease
    from tests.contract.harness import Harness, ServerHarness

SEEDED, LIVE, CHANGED, OLDER, CANCELLED = (
    Seeding.SEEDED,
    Seeding.LIVE,
    Seeding.CHANGED,
    Seeding.OLDER,
    Seeding.CANCELLED,
)
EVERYTHING = Part.PAYLOAD | Part.RESULT


def seed(definition: str = "d1", *, key: str = "a", payload: bytes = b"payload", after: float | None = None) -> Seed:
    """Return a seed for now, or for so many seconds from now."""
    return Seed(key, payload, AT_ONCE if after is None else Due(after=round(after * 1000)), definition)


async def sow(broker: Broker, *seeds: Seed, restart: bool = False) -> Seeding:
    """Seed and return the answer to the last one."""
    return (await broker.seed(seeds, restart=restart))[-1]


async def begin(broker: Broker) -> tuple[Holder, Lease]:
    """Seed a call and lease it."""
    assert await sow(broker, seed(), restart=True) == SEEDED
    who = worker()
    return who, await take_one(broker, who)


@pytest.mark.parametrize("size", [0, 64, 65, 5_000])
async def test_a_seed_places_a_call_where_nothing_is_live(harness: Harness, size: int) -> None:
    """INV 26: a run of its own, named by the broker, at its time; sleeping workers hear of it."""
    broker = harness.broker
    assert await sow(broker, seed(payload=b"x" * size, after=5)) == SEEDED
    record = await look(broker, "a")
    due = harness.now + 5_000
    assert record == Record("a", ExecutionState.SCHEDULED, record.run, 1, due=due, payload=b"x" * size)
    assert record.occurrence
    await harness.pass_time(5)
    lease = await take_one(broker, worker())
    assert (lease.payload, lease.attempt, lease.deliveries) == (b"x" * size, 1, 1)


async def test_a_seed_for_now_is_ready_at_once(harness: Harness) -> None:
    """As is one whose time has passed."""
    broker = harness.broker
    past = Seed("b", b"payload", Due(at=harness.now - 1), "d1")
    assert await broker.seed([seed(), past], restart=False) == [SEEDED, SEEDED]
    assert keys(await take(broker, worker())) == ["a", "b"]


async def test_no_run_has_the_name_of_another(harness: Harness) -> None:
    """INV 4: seeds, next occurrences and leases never share a number."""
    broker, who = harness.broker, worker()
    runs: list[str] = []
    fences: list[int] = []
    for _ in range(3):
        await sow(broker, seed(), restart=True)
        runs.append((await look(broker, "a")).run)
        lease = await take_one(broker, who)
        await settle(broker, who, lease, verdict.completed("task", follow=Occurrence(b"next", AT_ONCE)))
        runs.append((await look(broker, "a")).run)
        again = await take_one(broker, who)
        await settle(broker, who, again, done())
        fences += [lease.fence, again.fence]
    assert len(set(runs)) == 6
    assert all(one < other for one, other in pairwise(fences))


@pytest.mark.parametrize("where", ["scheduled", "queued", "running", "retried", "unknown", "handed back"])
async def test_seeding_a_live_call_changes_nothing(harness: Harness, where: str) -> None:
    """INV 26: however often, whatever the seed's time is: a cron does not drift, and no bell rings."""
    broker, who = harness.broker, worker()
    await sow(broker, seed(after=5 if where == "scheduled" else None))
    ends: dict[str, Callable[[Lease], Verdict]] = {"retried": retry, "unknown": unknown, "handed back": back}
    if where not in {"scheduled", "queued"}:
        lease = await take_one(broker, who)
        if where in ends:
            await settle(broker, who, lease, ends[where](lease))
    before = await look(broker, "a"), await broker.survey(10)
    assert await broker.seed([seed(payload=b"other", after=9)] * 3, restart=True) == [LIVE] * 3
    assert (await look(broker, "a"), await broker.survey(10)) == before


async def test_who_seeds_first_wins(harness: Harness) -> None:
    """INV 1: a hundred workers start at once, and one call waits."""
    answers = [await sow(harness.broker, seed(), restart=True) for _ in range(100)]
    assert answers == [SEEDED] + [LIVE] * 99
    assert (await claim(harness.broker, worker())).left == 1


@pytest.mark.parametrize("where", ["scheduled", "queued", "unknown", "handed back"])
@pytest.mark.parametrize("after", [None, 5.0])
async def test_a_newer_definition_gives_a_waiting_call_its_time_and_its_payload(
    harness: Harness, where: str, after: float | None
) -> None:
    """INV 28: a changed interval takes effect at the next deploy; who has a handle on the call keeps it."""
    broker, who = harness.broker, worker()
    await sow(broker, seed(payload=b"x" * 100, after=900 if where == "scheduled" else None))
    if where in {"unknown", "handed back"}:
        lease = await take_one(broker, who)
        await settle(broker, who, lease, unknown(lease) if where == "unknown" else back(lease))
    run = (await look(broker, "a")).run
    assert await sow(broker, seed("d2", payload=b"y" * 100, after=after)) == CHANGED
    record = await look(broker, "a")
    assert (record.state, record.run) == ("queued" if after is None else "scheduled", run)
    assert record.payload == b"y" * 100
    assert (await broker.survey(10)).counts.unknown == 0
    await harness.pass_time(after or 0)
    again = await take_one(broker, who)
    assert (again.payload, again.attempt, again.deliveries) == (b"y" * 100, 1, 1)
    await harness.pass_time(900)
    assert await take(broker, who) == ()


async def test_what_a_call_went_through_is_forgotten_with_its_old_definition(harness: Harness) -> None:
    """INV 14: lost deliveries, and the time for which nobody knew the task, were those of the old payload."""
    broker, who = harness.broker, worker()
    await sow(broker, seed())
    await take_one(broker, worker())
    await harness.pass_time(LEASE + 1)
    (lease,) = await sweep(broker, who)
    assert lease.deliveries == 2
    await settle(broker, who, lease, unknown(lease))
    await harness.pass_time(1)
    lease = await take_one(broker, who)
    await settle(broker, who, lease, unknown(lease))
    assert await sow(broker, seed("d2")) == CHANGED
    lease = await take_one(broker, who)
    assert lease.deliveries == 1
    await settle(broker, who, lease, unknown(lease))
    assert (await look(broker, "a")).due == harness.now + 1_000


@pytest.mark.parametrize("where", ["running", "retried"])
async def test_what_has_begun_ends_under_its_old_definition(harness: Harness, where: str) -> None:
    """INV 28: its next attempts included; its next occurrence is the old one's until the next seed."""
    broker = harness.broker
    who, lease = await begin(broker)
    if where == "retried":
        await settle(broker, who, lease, retry(lease))
    assert await sow(broker, seed("d2", payload=b"new", after=1)) == LIVE
    if where == "retried":
        lease = await take_one(broker, who)
    await settle(broker, who, lease, verdict.completed("task", follow=Occurrence(b"old", Due(after=60_000), "d1")))
    assert (await look(broker, "a")).due == harness.now + 60_000
    assert await sow(broker, seed("d1", payload=b"old", after=60)) == OLDER
    assert await sow(broker, seed("d2", payload=b"new", after=1)) == CHANGED
    record = await look(broker, "a")
    assert (record.due, record.payload) == (harness.now + 1_000, b"new")
    assert await sow(broker, seed("d2", payload=b"new", after=2)) == LIVE


async def test_the_definition_of_an_occurrence_is_that_of_its_verdict(harness: Harness) -> None:
    """INV 26: the chain that goes on by itself is the one that the seeds want, and is left alone."""
    broker = harness.broker
    who, lease = await begin(broker)
    await settle(broker, who, lease, verdict.completed("task", follow=Occurrence(b"next", Due(after=5_000), "d1")))
    before = await look(broker, "a")
    assert await sow(broker, seed(after=9)) == LIVE
    assert await look(broker, "a") == before


async def test_an_older_definition_changes_nothing_that_is_live(harness: Harness) -> None:
    """SEMANTICS, Cron: old and new workers of a rolling deploy seed in turn; the one first seen last stays."""
    broker = harness.broker
    await sow(broker, seed("d1", after=1))
    assert await sow(broker, seed("d2", after=2)) == CHANGED
    before = await look(broker, "a")
    for _ in range(3):
        assert await sow(broker, seed("d1", after=1)) == OLDER
        assert await sow(broker, seed("d2", after=3)) == LIVE
    assert await look(broker, "a") == before


async def test_an_older_definition_is_better_than_none(harness: Harness) -> None:
    """INV 26: after a roll-back nobody seeds the newer one, and the chain must not end for that."""
    broker, who = harness.broker, worker()
    await broker.seed([seed("d1"), seed("d2", payload=b"new")], restart=True)
    await settle(broker, who, await take_one(broker, who), done())
    assert await sow(broker, seed("d1", payload=b"old", after=1)) == SEEDED
    assert await sow(broker, seed("d2", payload=b"new", after=2)) == CHANGED
    assert (await look(broker, "a")).payload == b"new"


async def test_the_definitions_that_are_remembered_are_few(harness: Harness) -> None:
    """INV 41: the latest eight of each key; one that was forgotten is new again."""
    broker = harness.broker
    await sow(broker, *(seed(f"d{number}", after=9) for number in range(9)))
    assert await sow(broker, seed("d1", after=9)) == OLDER
    assert await sow(broker, seed("d0", after=9)) == CHANGED
    assert await sow(broker, seed("d1", after=9)) == CHANGED
    assert await sow(broker, seed("d3", after=9)) == OLDER


async def test_a_call_that_somebody_placed_is_left_as_it_is(harness: Harness) -> None:
    """INV 25, INV 26: an external replace wins, at its time and with its arguments, until it has run."""
    broker, who = harness.broker, worker()
    await sow(broker, seed(after=1))
    await place(broker, instead("a", b"mine", after=60, run="one"))
    before = await look(broker, "a")
    assert await sow(broker, seed(), seed("d2")) == LIVE
    assert await look(broker, "a") == before
    await harness.pass_time(60)
    await settle(broker, who, await take_one(broker, who), done())
    assert await sow(broker, seed("d2")) == SEEDED


async def test_those_who_watch_a_call_hear_that_its_time_changed(harness: Harness) -> None:
    """INV 39: it is the same run, and its watchers are still told of its end."""
    broker = harness.broker
    await sow(broker, seed(after=5))
    async with harness.backend.event_bus.listen("a") as hints:
        await broker.read("a", Part.WATCH)
        await sow(broker, seed("d2", after=9), seed("d3"))
        assert [hint.what for hint in await hear(hints, 2)] == ["scheduled", "queued"]
        lease = await take_one(broker, worker())
        assert [(hint.what, hint.fence) for hint in await hear(hints, 1)] == [("running", lease.fence)]


ENDS: dict[str, Callable[[Lease], Verdict]] = {
    "completed": lambda _: done(b"result"),
    "failed": lambda _: verdict.failed("task", b"error"),
    "strike": lambda _: verdict.cancelled("task", reason="strike"),
    "run_at_most": lambda _: verdict.cancelled("task", reason="run_at_most"),
    "buried": dead,
}


@pytest.mark.parametrize("ttl", [900_000, 0])
@pytest.mark.parametrize("end", ENDS)
async def test_a_chain_that_broke_is_taken_up_again(harness: Harness, end: str, ttl: int) -> None:
    """INV 26: after every end that nobody decided on, a worker that runs on seeds it again."""
    broker = (await harness.open(Terms(execution_ttl=ttl))).broker
    who, lease = await begin(broker)
    await settle(broker, who, lease, ENDS[end](lease))
    assert await sow(broker, seed(after=5)) == SEEDED
    assert await state(broker, "a") == "scheduled"


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("size", [10, 100])
@pytest.mark.parametrize("cancelled", [False, True])
async def test_a_run_that_ended_is_still_found_when_its_key_is_seeded(
    harness: Harness, end: str, size: int, *, cancelled: bool
) -> None:
    """SEMANTICS: get_result answers for the run that the handle was returned for."""
    broker, who = harness.broker, worker()
    await sow(broker, seed(payload=b"x" * size))
    run = (await look(broker, "a")).run
    lease = await take_one(broker, who)
    await broker.report(lease, {"done": "half"})
    if cancelled:
        await broker.cancel("a")
    await settle(broker, who, lease, ENDS[end](lease))
    before = await look(broker, "a")
    assert await sow(broker, seed(), restart=True) == SEEDED
    assert await broker.read("a", EVERYTHING, run=run) == before
    assert (await look(broker, "a")).run != run
    assert await broker.progress("a") == {}


async def test_a_repeated_request_whose_key_was_seeded_since_still_gets_its_first_answer(harness: Harness) -> None:
    """SEMANTICS, repeats: somebody's call has run, and the seed took the key after it."""
    broker, who = harness.broker, worker()
    await place(broker, call("a", run="one"))
    await settle(broker, who, await take_one(broker, who), done())
    await sow(broker, seed(after=5))
    before = await look(broker, "a")
    (answer,) = await broker.schedule([instead("a", b"again", run="one")], repeated=True)
    assert (answer.placed, answer.run) == ("scheduled", "one")
    assert await look(broker, "a") == before


async def _cancelled_waiting(harness: Harness, broker: Broker) -> None:
    await sow(broker, seed(), restart=True)
    assert await broker.cancel("a") == "cancelled"


async def _cancelled_running(harness: Harness, broker: Broker) -> None:
    who, lease = await begin(broker)
    await broker.cancel("a")
    await settle(broker, who, lease, verdict.cancelled("task"))


async def _ignored_its_cancel(harness: Harness, broker: Broker) -> None:
    who, lease = await begin(broker)
    await broker.cancel("a")
    following = Occurrence(b"next", AT_ONCE, "d1")
    await settle(broker, who, lease, verdict.completed("task", reason="cancel_ignored", follow=following))


async def _cancelled_and_retried(harness: Harness, broker: Broker) -> None:
    who, lease = await begin(broker)
    await broker.cancel("a")
    assert await settle(broker, who, lease, retry(lease)) == "cancelled"


async def _cancelled_and_lost(harness: Harness, broker: Broker) -> None:
    await begin(broker)
    await broker.cancel("a")
    await harness.pass_time(LEASE + 1)
    assert await sweep(broker, worker()) == ()


async def _cancelled_and_buried(harness: Harness, broker: Broker) -> None:
    who, lease = await begin(broker)
    await broker.cancel("a")
    await settle(broker, who, lease, dead(lease))


async def _returned_as_the_last(harness: Harness, broker: Broker) -> None:
    who, lease = await begin(broker)
    await settle(broker, who, lease, verdict.completed("task", b"result", last=True))


async def _failed_as_the_last(harness: Harness, broker: Broker) -> None:
    who, lease = await begin(broker)
    await settle(broker, who, lease, verdict.failed("task", b"error", last=True))


async def _cancelled_by_its_own_body(harness: Harness, broker: Broker) -> None:
    who, lease = await begin(broker)
    await settle(broker, who, lease, verdict.cancelled("task"))


async def _placed_by_somebody(harness: Harness, broker: Broker) -> None:
    await sow(broker, seed(), restart=True)
    await place(broker, instead("a", run="one"))
    await broker.cancel("a")


DECISIONS = [
    _cancelled_waiting, _cancelled_running, _ignored_its_cancel, _cancelled_and_retried, _cancelled_and_lost,
    _cancelled_and_buried, _returned_as_the_last, _failed_as_the_last, _cancelled_by_its_own_body, _placed_by_somebody,
]  # fmt: skip


@pytest.mark.parametrize("ttl", [900_000, 0])
@pytest.mark.parametrize("decide", DECISIONS)
async def test_what_somebody_decided_against_is_not_seeded_until_a_worker_starts(
    harness: Harness, decide: Callable[[Harness, Broker], Awaitable[None]], ttl: int
) -> None:
    """INV 30: a cancelled chain stays so however long workers run, also when no record tells of it any more."""
    broker = (await harness.open(Terms(execution_ttl=ttl))).broker
    await decide(harness, broker)
    for definition in ("d1", "d1", "d2"):
        assert await sow(broker, seed(definition)) == CANCELLED
    assert await take(broker, worker()) == ()
    assert await sow(broker, seed("d2"), restart=True) == SEEDED
    who = worker()
    await settle(broker, who, await take_one(broker, who), done())
    assert await sow(broker, seed("d2")) == SEEDED


async def test_a_cleared_call_is_seeded_again(harness: Harness) -> None:
    """A clear empties the lines; it decides against no task."""
    await sow(harness.broker, seed(after=5))
    assert await harness.broker.clear() == 1
    assert await sow(harness.broker, seed(after=5)) == SEEDED


async def test_the_next_look_is_not_put_off_for_longer_than_its_time(harness: Harness) -> None:
    """INV 26: where something was lost, the wait for it ends with the patience at the latest."""
    broker = harness.broker
    assert await sow(broker, seed(after=5)) == SEEDED
    waiting = asyncio.create_task(broker.fallow(["a"], patience=0.05))
    await asyncio.sleep(0)
    assert await broker.clear() == 1
    async with asyncio.timeout(60):
        await waiting
    assert await sow(broker, seed(after=5)) == SEEDED


async def test_a_call_that_is_added_after_the_decision_takes_it_back(harness: Harness) -> None:
    """Somebody wants it again: from then on it is kept alive."""
    broker, who = harness.broker, worker()
    await _cancelled_waiting(harness, broker)
    await place(broker, call("a"))
    assert await sow(broker, seed()) == LIVE
    await settle(broker, who, await take_one(broker, who), done())
    assert await sow(broker, seed()) == SEEDED


async def test_the_call_that_takes_a_cancelled_key_is_no_chain_that_was_stopped(harness: Harness) -> None:
    """INV 31: the cancel of one run does not reach what was added after it."""
    broker, who = harness.broker, worker()
    who, lease = await begin(broker)
    await broker.cancel("a")
    await place(broker, call("a", run="two"))
    await settle(broker, who, lease, verdict.cancelled("task"))
    await settle(broker, who, await take_one(broker, who), done())
    assert await sow(broker, seed()) == SEEDED


async def test_a_cancel_of_a_key_that_nobody_seeds_is_remembered_by_nobody(real: ServerHarness) -> None:
    """INV 41: what is kept about schedules does not grow with the number of calls."""
    broker = real.broker
    await sow(broker, seed())
    kept = real.ask("HLEN", real.key("!schedules"))
    await place(broker, call("b"), call("c"))
    await broker.cancel("b")
    who = worker()
    for lease in await take(broker, who):
        await settle(broker, who, lease, verdict.completed("task", last=lease.key == "c"))
    assert real.ask("HLEN", real.key("!schedules")) == kept
    assert 0 < real.ask("PTTL", real.key("!schedules")) <= 30 * 24 * 3_600_000


async def test_each_seed_stands_alone(harness: Harness) -> None:
    """INV 9: every one has its answer, in order."""
    broker = harness.broker
    await broker.seed([seed(key="live"), seed(key="stopped"), seed(key="old", after=5)], restart=True)
    await broker.cancel("stopped")
    many = [
        seed(key="live"),
        seed(key="stopped"),
        seed("d2", key="old"),
        seed("d1", key="old"),
        seed(key="new"),
        seed(key="new"),
    ]
    assert await broker.seed(many, restart=False) == [LIVE, CANCELLED, CHANGED, OLDER, SEEDED, LIVE]
    assert await broker.seed([], restart=True) == []


async def test_more_seeds_than_one_script_handles_are_placed(harness: Harness) -> None:
    """INV 43: the adapter splits them."""
    many = [seed(key=f"k{number}") for number in range(450)]
    assert await harness.broker.seed(many, restart=True) == [SEEDED] * 450
    assert await harness.broker.seed(many, restart=True) == [LIVE] * 450


@pytest.mark.parametrize("key", ["seen:x", "stopped:x", "!schedules", "runs:x", "a\0b", "é" * 256, "%"])
async def test_any_key_can_be_seeded(harness: Harness, key: str) -> None:
    """INV 7: no name of a task meets what is kept about another."""
    broker = harness.broker
    assert await broker.seed([seed(key="x", after=5), seed(key=key, after=5)], restart=True) == [SEEDED] * 2
    await broker.cancel(key)
    assert await broker.seed([seed(key="x"), seed(key=key)], restart=False) == [LIVE, CANCELLED]
    assert await broker.seed([seed("d2", key="x")], restart=False) == [CHANGED]
    assert await broker.seed([seed("d1", key=key)], restart=True) == [SEEDED]


async def test_a_new_earliest_time_wakes_who_sleeps(real: ServerHarness) -> None:
    """Wake-ups: one ring for a call that can start, or for a time ahead of all others; none for a live one."""
    for wanted, rings in ((seed(after=9), 1), (seed(after=1), 1), (seed("d2", after=5), 2), (seed("d3"), 3)):
        await sow(real.broker, wanted)
        assert real.ask("LLEN", real.key("!bell")) == rings


async def test_a_seeded_record_stays_in_its_compact_encoding(real: ServerHarness) -> None:
    """Its definition is a small value."""
    await sow(real.broker, seed("d" * 64, payload=b"x" * 64, after=5))
    assert real.ask("OBJECT", "ENCODING", real.key("runs:a")) in {b"listpack", b"ziplist"}


@pytest.mark.parametrize("where", ["scheduled", "queued", "running"])
async def test_a_call_that_somebody_deleted_from_the_server_is_seeded_again(real: ServerHarness, where: str) -> None:
    """FAULT 52, INV 26: its record says that it lives, but nobody will ever run it."""
    broker, who = real.broker, worker()
    await sow(broker, seed(after=5 if where == "scheduled" else None))
    if where == "running":
        await take_one(broker, who)
        await place(broker, instead("a", run="next"))
    real.ask("DEL", real.key("queue"), real.key("stream"))
    assert await sow(broker, seed(payload=b"new")) == SEEDED
    assert (await take_one(broker, who)).payload == b"new"
    assert real.keys().isdisjoint({"!next:a"})


async def test_one_broken_record_stops_no_other_seed(real: ServerHarness) -> None:
    """INV 9, FAULT 51: its seed answers that it is broken, and nothing was changed."""
    real.ask("SET", real.key("runs:b"), "junk")
    seeds = [seed(key=key) for key in "abc"]
    assert await real.broker.seed(seeds, restart=True) == [SEEDED, Seeding.BROKEN, SEEDED]
    assert real.ask("GET", real.key("runs:b")) == b"junk"
    real.ask("DEL", real.key("runs:b"))


async def test_a_seeded_call_is_leased_like_any_other(harness: Harness) -> None:
    """By whoever looks next, in a claim or a turn."""
    await sow(harness.broker, seed())
    _, answer = await harness.broker.turn([], Order(worker(), 1))
    assert keys(answer.leases) == ["a"]
