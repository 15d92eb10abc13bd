"""After a time in which nobody could reach the broker, those who live renew before their leases are taken over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shadows.testing.exam.acts import LEASE, call, keys, place, sweep, take_one, worker

if TYPE_CHECKING:
    from shadows.core.holder import Holder
    from tests.contract.harness import Harness

HALF, GRACE = LEASE // 2, 10


async def beats(harness: Harness, who: Holder, seconds: int) -> list[str]:
    """Let somebody look once a second, as workers do; return what was given to him."""
    given: list[str] = []
    for _ in range(seconds):
        await harness.pass_time(1)
        given += keys(await sweep(harness.broker, who))
    return given


async def test_after_a_silence_those_who_live_keep_their_leases(harness: Harness) -> None:
    """INV 12: nobody was heard for longer than a lease, so nobody could renew; the first one back takes nothing."""
    broker, living, other = harness.broker, worker("living"), worker("other")
    await place(broker, call("a"))
    lease = await take_one(broker, living)
    assert await beats(harness, other, 1) == []
    await harness.pass_time(LEASE + 1)
    assert await sweep(broker, other) == ()
    assert await beats(harness, other, 2) == []
    assert broker.renew(living, [lease.token]) == frozenset()
    assert await beats(harness, other, LEASE - 1) == []


async def test_after_a_silence_the_leases_of_the_dead_are_taken_over_a_little_later(harness: Harness) -> None:
    """INV 12: who has not renewed ten seconds after others were heard again is dead."""
    broker, other = harness.broker, worker("other")
    await place(broker, call("a"))
    await take_one(broker, worker("dead"))
    assert await beats(harness, other, 1) == []
    await harness.pass_time(LEASE + 1)
    assert await sweep(broker, other) == ()
    assert await beats(harness, other, GRACE - 1) == []
    assert await beats(harness, other, 1) == ["a"]


async def test_of_a_short_lease_the_silence_spares_a_half(harness: Harness) -> None:
    """INV 12: who holds leases of 6 s renews them within a second or two, or not at all."""
    broker, other = harness.broker, worker("other")
    await place(broker, call("a"))
    await take_one(broker, worker("dead", lease=6))
    assert await beats(harness, other, 1) == []
    await harness.pass_time(7)
    assert await sweep(broker, other) == ()
    assert await beats(harness, other, 2) == []
    assert await beats(harness, other, 1) == ["a"]


async def test_a_silence_spares_nobody_who_had_fallen_silent_before(harness: Harness) -> None:
    """INV 12: whoever had not renewed for half a lease when the silence began was dead by then."""
    broker, other = harness.broker, worker("other")
    await place(broker, call("a"))
    await take_one(broker, worker("dead"))
    assert await beats(harness, other, HALF + 1) == []
    await harness.pass_time(HALF + 1)
    assert keys(await sweep(broker, other)) == ["a"]


async def test_a_silence_that_leaves_time_to_renew_spares_nobody(harness: Harness) -> None:
    """INV 12: of half a lease, after which those who live have a quarter left."""
    broker, other = harness.broker, worker("other")
    await place(broker, call("a"))
    await take_one(broker, worker("dead"))
    assert await beats(harness, other, HALF - 1) == []
    await harness.pass_time(HALF)
    assert await sweep(broker, other) == ()
    assert await beats(harness, other, 2) == ["a"]


async def test_a_worker_that_looks_rarely_takes_over_what_the_dead_held(harness: Harness) -> None:
    """INV 12: where silences are the rule, each spares only who renewed before it."""
    broker, other = harness.broker, worker("other")
    await sweep(broker, other)
    await place(broker, call("a"))
    await take_one(broker, worker("dead"))
    given: list[str] = []
    for _ in range(3):
        await harness.pass_time(HALF + 1)
        given += keys(await sweep(broker, other))
    assert given == ["a"]


async def test_a_clock_that_was_set_back_leaves_no_silence(harness: Harness) -> None:
    """FAULT 76: a silence that ends in an hour spares nobody until then."""
    broker, other = harness.broker, worker("other")
    await sweep(broker, other)
    await harness.pass_time(3600)
    await sweep(broker, other)
    await harness.pass_time(-3600)
    await place(broker, call("a"))
    await take_one(broker, worker("dead"))
    assert await beats(harness, other, LEASE - 1) == []
    assert await beats(harness, other, 2) == ["a"]
