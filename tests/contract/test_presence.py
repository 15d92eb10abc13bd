from __future__ import annotations

from typing import TYPE_CHECKING

from shadows.testing.exam.acts import LEASE, call, claim, done, keys, pass_awake, place, settle, sweep, take_one, worker

if TYPE_CHECKING:
    from tests.contract.harness import Harness

HORIZON = 10_000


async def here(harness: Harness) -> list[str]:
    """Return the ids of those who are here."""
    return [one.holder for one in await harness.backend.presence.roster(horizon=HORIZON)]


async def test_a_worker_that_checked_in_is_here_with_its_tasks(harness: Harness) -> None:
    """INV 34: from the first moment, before it has claimed anything."""
    who = worker()
    await harness.backend.presence.check_in(who, ["b", "a"], horizon=HORIZON)
    (one,) = await harness.backend.presence.roster(horizon=HORIZON)
    assert (one.holder, one.last_seen, one.tasks) == (who.id, harness.now, frozenset({"a", "b"}))


async def test_workers_of_the_same_name_are_both_here(harness: Harness) -> None:
    """A name is for people and may repeat; the list is ordered by id."""
    first, second = worker("same"), worker("same")
    for who in (second, first):
        await harness.backend.presence.check_in(who, ["task"], horizon=HORIZON)
    assert await here(harness) == sorted([first.id, second.id])


async def test_a_silent_worker_is_forgotten(harness: Harness) -> None:
    """After the horizon without a heartbeat, whatever the number of its tasks."""
    await harness.backend.presence.check_in(worker(), [], horizon=HORIZON)
    await harness.pass_time(9)
    assert len(await here(harness)) == 1
    await harness.pass_time(2)
    assert await here(harness) == []


async def test_a_claim_with_a_sweep_is_a_heartbeat(harness: Harness) -> None:
    """INV 34: a worker that claims is here; one that only settles or reads is not thereby."""
    who = worker()
    await harness.backend.presence.check_in(who, ["task"], horizon=HORIZON)
    for _ in range(3):
        await harness.pass_time(9)
        assert (await claim(harness.broker, who, 0, sweep="-", horizon=HORIZON)).enrolled
    (one,) = await harness.backend.presence.roster(horizon=HORIZON)
    assert (one.holder, one.last_seen, one.tasks) == (who.id, harness.now, frozenset({"task"}))
    await harness.pass_time(9)
    await claim(harness.broker, who, 0)
    await harness.pass_time(2)
    assert await here(harness) == []


async def test_others_heartbeats_let_go_of_a_worker_that_vanished(harness: Harness) -> None:
    """It learns from its own next heartbeat that it is to check in again, and is here then."""
    lost, other = worker(), worker()
    for who in (lost, other):
        await harness.backend.presence.check_in(who, ["task"], horizon=HORIZON)
    await harness.pass_time(6)
    await claim(harness.broker, other, sweep="-", horizon=HORIZON)
    await harness.pass_time(6)
    assert (await claim(harness.broker, other, sweep="-", horizon=HORIZON)).enrolled
    assert not (await claim(harness.broker, lost, sweep="-", horizon=HORIZON)).enrolled
    await harness.backend.presence.check_in(lost, ["new task"], horizon=HORIZON)
    assert (await claim(harness.broker, lost, sweep="-", horizon=HORIZON)).enrolled
    tasks = {one.holder: one.tasks for one in await harness.backend.presence.roster(horizon=HORIZON)}
    assert tasks == {lost.id: {"new task"}, other.id: {"task"}}


async def test_a_worker_that_was_silent_too_long_learns_it_from_its_own_heartbeat(harness: Harness) -> None:
    """Also where nobody else was there to let it go; its tasks may be forgotten."""
    who = worker()
    await harness.backend.presence.check_in(who, ["task"], horizon=HORIZON)
    await harness.pass_time(11)
    for _ in range(2):
        assert not (await claim(harness.broker, who, sweep="-", horizon=HORIZON)).enrolled
    assert await here(harness) == []


async def test_a_check_in_tells_all_tasks_anew(harness: Harness) -> None:
    """What the worker does not name any more it does not know any more; there may be many."""
    who, presence = worker(), harness.backend.presence
    await presence.check_in(who, [f"task {number}" for number in range(1_200)], horizon=HORIZON)
    (one,) = await presence.roster(horizon=HORIZON)
    assert len(one.tasks) == 1_200
    await presence.check_in(who, ["é"], horizon=HORIZON)
    (one,) = await presence.roster(horizon=HORIZON)
    assert one.tasks == {"é"}


async def test_a_worker_that_checked_out_is_gone(harness: Harness) -> None:
    """INV 36: at once, and checking out twice or without ever having been here is no error."""
    who, other = worker(), worker()
    for one in (who, other):
        await harness.backend.presence.check_in(one, ["task"], horizon=HORIZON)
    for _ in range(2):
        await harness.backend.presence.check_out(who)
        assert await here(harness) == [other.id]


async def test_leases_of_a_worker_that_checked_out_keep_their_owner(harness: Harness) -> None:
    """INV 36: a body that outlives its worker may still settle, and is redelivered when it does not."""
    broker, who = harness.broker, worker()
    await harness.backend.presence.check_in(who, ["task"], horizon=HORIZON)
    await place(broker, call("a"), call("b"))
    leases = (await claim(broker, who)).leases
    await harness.backend.presence.check_out(who)
    assert await settle(broker, who, leases[0], done()) == "settled"
    assert await sweep(broker, worker()) == ()
    await pass_awake(harness, LEASE + 1)
    assert keys(await sweep(broker, worker())) == ["b"]


async def test_presence_of_one_shadow_is_not_seen_in_another(harness: Harness) -> None:
    """INV 8: each has its own list."""
    other = (await harness.open(name=harness.name + "-other")).presence
    await other.check_in(worker(), ["task"], horizon=HORIZON)
    assert await here(harness) == []


async def test_no_lease_depends_on_presence(harness: Harness) -> None:
    """A worker that never checked in works like any other."""
    broker, who = harness.broker, worker()
    await place(broker, call("a"))
    lease = await take_one(broker, who)
    assert await settle(broker, who, lease, done()) == "settled"
    assert await here(harness) == []
