from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from shadows.ports.broker import Order
from shadows.testing.exam.acts import (
    LEASE,
    call,
    claim,
    done,
    instead,
    keys,
    look,
    pass_awake,
    place,
    retry,
    run,
    settle,
    state,
    sweep,
    take,
    take_one,
    worker,
)

if TYPE_CHECKING:
    from tests.contract.harness import Harness


async def test_ready_calls_are_leased_oldest_first_and_never_more_than_the_limit(harness: Harness) -> None:
    """First come, first served; what exceeds the limit waits for the next claim."""
    await place(harness.broker, *(call(key) for key in "abcde"))
    assert keys(await take(harness.broker, worker(), 3)) == ["a", "b", "c"]
    assert keys(await take(harness.broker, worker(), 3)) == ["d", "e"]
    assert await take(harness.broker, worker(), 3) == ()


async def test_a_claimed_call_is_running_under_its_holder(harness: Harness) -> None:
    """The step that leases a call marks it: whose it is, since when, under which fence."""
    who = worker()
    await place(harness.broker, call("a", b"1", run="one"))
    lease = await take_one(harness.broker, who)
    record = await look(harness.broker, "a")
    assert (record.state, record.holder, record.fence) == ("running", who.id, lease.fence)
    assert (record.started, record.deliveries, record.run) == (harness.now, 1, "one")
    assert (lease.started, record.payload) == (harness.now, b"1")


async def test_a_claim_tells_what_time_it_is_for_the_broker(harness: Harness) -> None:
    """FAULT 76: also one that finds nothing, and one that settles besides."""
    broker, who = harness.broker, worker()
    for _ in range(2):
        assert (await claim(broker, who)).now == harness.now
        assert (await broker.turn([], Order(who, 0)))[1].now == harness.now
        await harness.pass_time(3600)


async def test_no_fence_is_given_twice(harness: Harness) -> None:
    """INV 4: over redelivery, retry, new runs and a clear, each lease has a higher number."""
    broker, who, fences = harness.broker, worker(), []
    await place(broker, call("a"), call("b"))
    first = await take(broker, worker())
    fences += [lease.fence for lease in first]
    await harness.pass_time(LEASE + 1)
    again = await sweep(broker, who)
    fences += [lease.fence for lease in again]
    await settle(broker, who, again[0], retry(again[0]))
    await settle(broker, who, again[1], done())
    await broker.clear()
    await place(broker, call("a"), call("b"))
    fences += [lease.fence for lease in await take(broker, who)]
    assert fences == sorted(set(fences))
    assert len(fences) == 6


async def test_nobody_gets_a_call_that_somebody_has(harness: Harness) -> None:
    """INV 1: workers that claim at once share what there is, and no call goes to two of them."""
    await place(harness.broker, *(call(f"k{number}") for number in range(100)))
    claims = await asyncio.gather(*(take(harness.broker, worker(), 7) for _ in range(20)))
    taken = [key for leases in claims for key in keys(leases)]
    assert sorted(taken) == sorted(f"k{number}" for number in range(100))


async def test_a_claim_of_nothing_only_looks_after_the_holders_affairs(harness: Harness) -> None:
    """A limit of 0 leases nothing, and tells all the rest."""
    broker, who = harness.broker, worker()
    await place(broker, call("mine"))
    lease = await take_one(broker, who)
    await place(broker, call("a"), call("later", after=2))
    await broker.cancel("mine")
    answer = await claim(broker, who, 0)
    assert (answer.leases, answer.due_in, answer.left) == ((), 2.0, 3)
    assert answer.cancels == (("mine", lease.fence),)
    assert await state(broker, "a") == "queued"


async def test_due_calls_become_ready_by_time_and_then_by_key(harness: Harness) -> None:
    """What came due is leased in the order of its time; at the same millisecond the key decides."""
    broker = harness.broker
    await place(
        broker, call("z", after=1), call("b", after=2), call("é", after=2), call("a", after=2), call("y", after=3)
    )
    await harness.pass_time(3)
    assert keys(await take(broker, worker())) == ["z", "a", "b", "é", "y"]


async def test_calls_that_are_due_queue_up_behind_those_that_are_ready(harness: Harness) -> None:
    """A call that waited for its time does not overtake what was ready before."""
    await place(harness.broker, call("later", after=1), call("now"))
    await harness.pass_time(1)
    assert keys(await take(harness.broker, worker())) == ["now", "later"]


async def test_a_claim_moves_a_bounded_number_of_due_calls(harness: Harness) -> None:
    """INV 43: 120 calls due at once take three claims; each says that there is more to move at once."""
    broker, who = harness.broker, worker()
    await place(broker, *(call(f"k{number:03}", after=1) for number in range(120)))
    await harness.pass_time(1)
    sizes = []
    for _ in range(3):
        answer = await claim(broker, who, 200)
        sizes.append(len(answer.leases))
        assert answer.due_in == (0 if sum(sizes) < 120 else None)
    assert sizes == [50, 50, 20]


async def test_a_claim_says_when_the_next_call_is_due(harness: Harness) -> None:
    """By the broker's clock, to the millisecond, and None when nothing is scheduled."""
    broker, who = harness.broker, worker()
    assert (await claim(broker, who)).due_in is None
    await place(broker, call("b", after=20), call("a", after=3.5))
    assert (await claim(broker, who)).due_in == 3.5
    await harness.pass_time(1)
    assert (await claim(broker, who)).due_in == 2.5
    await broker.cancel("a")
    assert (await claim(broker, who)).due_in == 19.0


async def test_a_claim_says_whether_to_look_again_at_once(harness: Harness) -> None:
    """More is likely when as many were ready as were wanted; then nobody rings for the rest."""
    broker, who = harness.broker, worker()
    await place(broker, *(call(key) for key in "abc"))
    assert (await claim(broker, who, 2)).more
    assert not (await claim(broker, who, 2)).more


async def test_a_claim_says_how_many_live_calls_are_left(harness: Harness) -> None:
    """Scheduled, ready and running ones count; those that ended do not."""
    broker, who = harness.broker, worker()
    await place(broker, call("a"), call("b"), call("c", after=9))
    first = await claim(broker, who, 1)
    assert first.left == 3
    await settle(broker, who, first.leases[0], done())
    assert (await claim(broker, who, 0)).left == 2
    await broker.clear()
    assert (await claim(broker, who, 0)).left == 0


async def test_a_claim_counts_only_when_it_is_asked_to(harness: Harness) -> None:
    """Nearly nobody needs to know, and it takes four commands."""
    broker, who = harness.broker, worker()
    await place(broker, call("a"))
    assert (await broker.claim(Order(who, 0, count=False))).left is None
    (lease,) = await take(broker, who)
    assert (await broker.turn([(lease, done())], Order(who, 1, count=False)))[1].left is None


async def test_a_lease_is_redelivered_when_its_holder_stopped_renewing(harness: Harness) -> None:
    """INV 12: same attempt and message, a delivery more, and a new fence; the old lease is worth nothing."""
    broker, old, new = harness.broker, worker("old"), worker("new")
    await place(broker, call("a", b"1"))
    lost = await take_one(broker, old)
    await harness.pass_time(LEASE - 1)
    assert await sweep(broker, new) == ()
    await harness.pass_time(2)
    (lease,) = await sweep(broker, new)
    assert (lease.key, lease.token, lease.attempt, lease.payload) == ("a", lost.token, 1, b"1")
    assert lease.deliveries == 2
    assert lease.fence > lost.fence
    assert (await look(broker, "a")).holder == new.id
    assert await settle(broker, old, lost, done()) == "superseded"
    assert await settle(broker, new, lease, done()) == "settled"


async def test_a_lease_lasts_as_long_as_its_holder_said_whoever_looks(harness: Harness) -> None:
    """INV 12: a worker with leases of 1 s and one of 60 s side by side; each is judged by its own."""
    broker, short, long = harness.broker, worker("short", lease=1), worker("long", lease=60)
    await place(broker, call("long"), call("short"))
    assert keys(await take(broker, long, 1)) == ["long"]
    assert keys(await take(broker, short, 1)) == ["short"]
    await harness.pass_time(2)
    assert keys(await sweep(broker, worker("third", lease=1))) == ["short"]
    await harness.pass_time(57)
    assert "long" not in keys(await sweep(broker, short))
    await harness.pass_time(2)
    assert "long" in keys(await sweep(broker, short))


async def test_nobody_takes_a_lease_from_himself(harness: Harness) -> None:
    """An expired lease of the holder's own is left to others: its body may still run here."""
    broker, who = harness.broker, worker()
    await place(broker, call("a"))
    await take_one(broker, who)
    await harness.pass_time(LEASE + 1)
    assert await sweep(broker, who) == ()
    assert keys(await sweep(broker, worker("other"))) == ["a"]


async def test_expired_leases_are_looked_for_only_on_request(harness: Harness) -> None:
    """A claim without a sweep cursor leaves them alone, one with it answers where to go on."""
    broker, who = harness.broker, worker()
    await place(broker, call("a"))
    await take_one(broker, worker("gone"))
    await harness.pass_time(LEASE + 1)
    assert (await claim(broker, who)).leases == ()
    answer = await claim(broker, who, sweep="-")
    assert (keys(answer.leases), answer.sweep) == (["a"], "-")


async def test_a_bounded_sweep_reaches_every_expired_lease(harness: Harness) -> None:
    """INV 13, FAULT 53: it goes on where it stopped, past leases that are fresh, until it has seen all."""
    broker, who = harness.broker, worker()
    await place(broker, *(call(f"k{number}") for number in range(250)))
    assert len(await take(broker, worker("steady", lease=9_999), 100)) == 100
    assert len(await take(broker, worker("gone"), 150)) == 150
    await harness.pass_time(LEASE + 1)
    seen, cursor = [], "-"
    for _ in range(30):
        answer = await claim(broker, who, 10, sweep=cursor)
        assert len(answer.leases) <= 10
        seen += keys(answer.leases)
        cursor = answer.sweep
        if cursor == "-":
            break
    assert sorted(seen) == sorted(f"k{number}" for number in range(100, 250))


async def test_a_sweep_looks_at_a_bounded_number_of_leases(harness: Harness) -> None:
    """INV 13, INV 43: however many there are; the next one goes on where it ended."""
    broker, who = harness.broker, worker()
    await place(broker, *(call(f"k{number}") for number in range(250)))
    for _ in range(2):
        await take(broker, worker(), 200)
    cursors = [(await claim(broker, who, sweep="-")).sweep]
    while cursors[-1] != "-":
        cursors.append((await claim(broker, who, sweep=cursors[-1])).sweep)
    assert len(set(cursors)) == len(cursors) == 3


async def test_expired_leases_go_before_ready_calls_within_the_limit(harness: Harness) -> None:
    """What was lost has waited longer than what is new."""
    broker = harness.broker
    await place(broker, call("a"), call("b"))
    await take(broker, worker("gone"))
    await place(broker, call("c"))
    await harness.pass_time(LEASE + 1)
    assert keys(await sweep(broker, worker(), 2)) == ["a", "b"]
    assert keys(await sweep(broker, worker(), 2)) == ["c"]


async def test_a_call_that_loses_its_workers_is_buried(harness: Harness) -> None:
    """INV 14: after so many deliveries it is a dead letter, with arguments and reason; nothing loops for ever."""
    broker = harness.broker
    await place(broker, call("a", b"arguments"))
    assert (await take_one(broker, worker())).deliveries == 1
    for deliveries in (2, 3):
        await pass_awake(harness, LEASE + 1)
        (lease,) = await sweep(broker, worker(), max_deliveries=3)
        assert lease.deliveries == deliveries
    await pass_awake(harness, LEASE + 1)
    assert await sweep(broker, worker(), max_deliveries=3) == ()
    record = await look(broker, "a")
    assert (record.state, record.reason, record.payload) == ("failed", "worker-lost", b"arguments")
    (letter,) = await broker.dead(limit=10)
    assert (letter.key, letter.reason, letter.payload) == ("a", "worker-lost", b"arguments")
    assert (letter.attempt, letter.deliveries, letter.died) == (1, 3, harness.now)
    assert await place(broker, call("a")) == ["scheduled"]


async def test_a_call_lost_for_good_gives_its_key_to_the_successor(harness: Harness) -> None:
    """INV 3: the successor starts also when the old body's end will never be told."""
    broker = harness.broker
    await place(broker, call("a", b"old"))
    await take_one(broker, worker())
    await place(broker, instead("a", b"new"))
    await harness.pass_time(LEASE + 1)
    assert keys(await sweep(broker, worker(), max_deliveries=1)) in ([], ["a"])
    record = await look(broker, "a")
    assert record.payload == b"new"
    assert [letter.payload for letter in await broker.dead(limit=10)] == [b"old"]


async def test_a_lost_call_is_redelivered_before_its_successor_starts(harness: Harness) -> None:
    """INV 3: a lease that expired is not the end of the run; the next holder's settle is."""
    broker, who = harness.broker, worker()
    await place(broker, call("a", b"old"))
    await take_one(broker, worker("gone"))
    await place(broker, instead("a", b"new"))
    await harness.pass_time(LEASE + 1)
    (lease,) = await sweep(broker, who)
    assert (lease.payload, lease.deliveries) == (b"old", 2)
    await settle(broker, who, lease, done())
    assert (await take_one(broker, who)).payload == b"new"


async def test_a_lost_call_whose_cancel_was_requested_never_starts_again(harness: Harness) -> None:
    """INV 29: the sweep that finds it ends it."""
    broker = harness.broker
    await place(broker, call("a"))
    await take_one(broker, worker("gone"))
    await broker.cancel("a")
    await harness.pass_time(LEASE + 1)
    assert await sweep(broker, worker()) == ()
    record = await look(broker, "a")
    assert (record.state, record.reason) == ("cancelled", "cancelled")
    assert await broker.dead(limit=10) == []


async def test_a_call_that_was_cancelled_while_it_waited_never_starts(harness: Harness) -> None:
    """INV 29: wherever it waited, no claim finds it."""
    await place(harness.broker, call("a"), call("b", after=1), call("c"))
    for key in "ab":
        await harness.broker.cancel(key)
    await harness.pass_time(1)
    assert keys(await take(harness.broker, worker())) == ["c"]


async def test_a_lost_reply_strands_nothing(harness: Harness) -> None:
    """INV 17: what the holder does not know that it has comes back first, uncounted, under a new fence."""
    broker, who = harness.broker, worker()
    await place(broker, *(call(key) for key in "abc"))
    (known,) = await take(broker, who, 1)
    (unheard,) = await take(broker, who, 1)
    leases = await take(broker, who, 10, known=(known.token,))
    assert keys(leases) == ["b", "c"]
    assert (leases[0].token, leases[0].deliveries) == (unheard.token, 1)
    assert leases[0].fence > unheard.fence
    assert await settle(broker, who, unheard, done()) == "superseded"
    assert await settle(broker, who, leases[0], done()) == "settled"
    assert await settle(broker, who, known, done()) == "settled"


async def test_coming_back_counts_no_delivery_later_either(harness: Harness) -> None:
    """INV 12, INV 14: two lost replies and one lost worker make a second delivery, not a fourth."""
    broker, who = harness.broker, worker()
    await place(broker, call("a"))
    await take_one(broker, who)
    for _ in range(2):
        assert (await take_one(broker, who, known=())).deliveries == 1
    assert (await look(broker, "a")).deliveries == 1
    await harness.pass_time(LEASE + 1)
    (lease,) = await sweep(broker, worker())
    assert lease.deliveries == 2


async def test_what_comes_back_keeps_to_the_limit(harness: Harness) -> None:
    """INV 17: a holder with few free slots gets few, is told that there is more, and gets the rest next time."""
    broker, who = harness.broker, worker()
    await place(broker, *(call(key) for key in "abc"))
    await take(broker, who)
    answer = await claim(broker, who, 2, known=())
    assert (keys(answer.leases), answer.more) == (["a", "b"], True)
    held = tuple(lease.token for lease in answer.leases)
    assert keys(await take(broker, who, 2, known=held)) == ["c"]


async def test_what_comes_back_is_found_among_any_number_of_known_leases(harness: Harness) -> None:
    """INV 13, INV 17: a worker of 450 slots finds the one lease that it does not know of."""
    broker, who = harness.broker, worker()
    await place(broker, *(call(f"k{number}") for number in range(450)))
    held = [lease for _ in range(3) for lease in await take(broker, who, 150)]
    known = tuple(lease.token for lease in held if lease.key not in {"k230", "k449"})
    assert keys(await take(broker, who, 10, known=known)) == ["k230", "k449"]


async def test_what_others_hold_does_not_come_back(harness: Harness) -> None:
    """INV 17: a holder that knows of nothing gets only what is its own."""
    await place(harness.broker, call("a"))
    await take_one(harness.broker, worker("same name"))
    assert await take(harness.broker, worker("same name"), known=()) == ()


async def test_a_heartbeat_tells_a_holder_that_presence_has_forgotten_it(harness: Harness) -> None:
    """And goes on telling it until it has checked in again."""
    who = worker()
    for _ in range(2):
        assert not (await claim(harness.broker, who, sweep="-")).enrolled
    await harness.backend.presence.check_in(who, ["task"], horizon=10_000)
    assert (await claim(harness.broker, who, sweep="-")).enrolled


async def test_nothing_of_an_ended_run_is_claimed(harness: Harness) -> None:
    """INV 10: the message of a settled call is gone with it."""
    await run(harness.broker, "a")
    await harness.pass_time(LEASE + 1)
    assert await sweep(harness.broker, worker()) == ()
