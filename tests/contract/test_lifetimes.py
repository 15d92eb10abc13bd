"""What a server keeps, for how long, and in which form: server only, for a model has no keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shadows.core import verdict
from shadows.ports.backend import Terms
from tests.contract.acts import (
    LEASE,
    back,
    call,
    claim,
    dead,
    done,
    instead,
    pass_awake,
    place,
    retry,
    run,
    settle,
    sweep,
    take,
    take_one,
    unknown,
    worker,
)

if TYPE_CHECKING:
    from tests.contract.harness import ServerHarness

DAY = 24 * 3_600_000
ALWAYS = {"stream", "!fence"}


def lifetime(real: ServerHarness, suffix: str) -> int:
    """Return the TTL of a key in whole seconds; -1 is none, -2 no key."""
    found: int = real.ask("PTTL", real.key(suffix))
    return found if found < 0 else round(found / 1000)


async def test_ended_runs_expire_and_live_ones_do_not(real: ServerHarness) -> None:
    """INV 5, INV 41: record, result, payload and progress of an ended run go together; a reused key keeps no TTL."""
    broker, who = real.broker, worker()
    await place(broker, call("a", b"x" * 100))
    lease = await take_one(broker, who)
    await broker.report(lease, {"done": "all"})
    assert lifetime(real, "runs:a") == lifetime(real, "!progress:a") == -1
    await settle(broker, who, lease, verdict.failed("task", b"error"))
    for suffix in ("runs:a", "results:a", "a", "!progress:a"):
        assert lifetime(real, suffix) == 900, suffix
    await place(broker, call("a", b"x" * 100, after=5))
    assert [lifetime(real, suffix) for suffix in ("runs:a", "a", "results:a", "!progress:a")] == [-1, -1, -2, -2]


async def test_a_cancelled_or_cleared_call_expires_and_keeps_no_payload(real: ServerHarness) -> None:
    """INV 41: its record alone stays, for as long as others."""
    broker = real.broker
    await place(broker, *(call(key, b"x" * 100, after=5) for key in "ab"), call("c", b"x" * 100))
    await broker.cancel("a")
    await broker.clear()
    assert {suffix: lifetime(real, suffix) for suffix in real.keys() - {"!bell", "stream", "!dead"}} == {
        "runs:a": 900,
        "runs:b": 900,
        "runs:c": 900,
    }


@pytest.mark.parametrize("ttl", [900_000, 0])
async def test_a_dead_run_is_kept_as_long_as_its_letter(real: ServerHarness, ttl: int) -> None:
    """INV 14, INV 41: seven days, whatever the lifetime of other records is."""
    broker, who = (await real.open(Terms(execution_ttl=ttl))).broker, worker()
    await place(broker, call("a", b"x" * 100))
    lease = await take_one(broker, who)
    await broker.report(lease, {"done": "half"})
    await settle(broker, who, lease, dead(lease))
    assert lifetime(real, "runs:a") == 7 * DAY // 1000
    assert lifetime(real, "!dead") == -1


async def test_dead_letters_fade(real: ServerHarness) -> None:
    """SEMANTICS, dead letter: after seven days the next one takes the old ones along, but for a few."""
    broker, who = real.broker, worker()
    await place(broker, *(call(f"k{number}") for number in range(200)))
    await broker.settle(who, [(lease, dead(lease)) for lease in await take(broker, who, 200)])
    await real.pass_time(8 * DAY / 1000)
    await place(broker, call("new"))
    lease = await take_one(broker, who)
    await settle(broker, who, lease, dead(lease))
    assert real.ask("XLEN", real.key("!dead")) <= 100


async def test_only_so_many_requests_are_remembered(real: ServerHarness) -> None:
    """INV 41: what tells a repeat from a new request does not grow with the number of calls, but forgets the oldest."""
    requests = real.key("!requests")
    for start in range(0, 10_050, 1_050):
        real.ask("ZADD", requests, *(part for n in range(start, start + 1_050) for part in (real.now - 1, f"run {n}")))
    await place(real.broker, call("a", run="one"), instead("a", run="two"))
    assert real.ask("ZCARD", requests) == 10_000
    assert real.ask("ZSCORE", requests, "run one") is not None


async def test_nothing_is_left_where_nothing_is_kept(real: ServerHarness) -> None:
    """INV 41, INV 42: after any way to end, only the fixed few keys and what fades within a minute are there."""
    broker, who = (await real.open(Terms(execution_ttl=0))).broker, worker()
    await place(broker, *(call(key, b"x" * 100) for key in "abcde"), call("f", b"x" * 100, after=5))
    a, b, c, d, _ = await take(broker, who)
    for lease in (a, b, c, d):
        await broker.report(lease, {"done": "half"})
    await settle(broker, who, a, done(b"result"))
    await settle(broker, who, b, verdict.failed("task", b"error"))
    await broker.cancel("c")
    await settle(broker, who, c, back(c))
    await place(broker, instead("d", b"x" * 100))
    await settle(broker, who, d, done(b"result"))
    await broker.cancel("d")
    await broker.cancel("f")
    await broker.cancel("e")
    await real.pass_time(LEASE + 1)
    await sweep(broker, worker())
    fading = {suffix for suffix in list(real.keys()) if 0 < lifetime(real, suffix) <= 60}
    assert real.keys() - fading - {"workers", "!heard"} <= ALWAYS


async def test_a_cancel_of_an_unknown_key_writes_nothing(real: ServerHarness) -> None:
    """INV 6: nor do a read, a watch, a report or a renewal of what never was."""
    await real.broker.cancel("a")
    await real.broker.read("a")
    await real.broker.progress("a")
    real.broker.renew(worker(), ["1-1"])
    await real.broker.clear()
    await real.broker.survey(10)
    assert real.keys() == set()


@pytest.mark.parametrize("size", [0, 64, 65, 10_000])
async def test_a_record_stays_in_its_compact_encoding(real: ServerHarness, size: int) -> None:
    """A payload longer than 64 bytes lies beside it, so that each record stays small, in every state."""
    broker, who = real.broker, worker()
    encodings = set()

    def note() -> None:
        encodings.add(real.ask("OBJECT", "ENCODING", real.key("runs:a")))

    await place(broker, call("a", b"x" * size, after=1, run="r" * 32))
    note()
    await real.pass_time(1)
    lease = await take_one(broker, who)
    note()
    await settle(broker, who, lease, unknown(lease))
    note()
    await real.pass_time(1)
    lease = await take_one(broker, who)
    await place(broker, instead("a", b"x" * size, after=1, run="s" * 32))
    note()
    await settle(broker, who, lease, retry(lease))
    await real.pass_time(1)
    lease = await take_one(broker, who)
    await settle(broker, who, lease, verdict.failed("t" * 64, b"error", reason="r" * 64))
    note()
    assert encodings <= {b"listpack", b"ziplist"}


async def test_settled_messages_leave_the_stream(real: ServerHarness) -> None:
    """INV 10: acknowledged and deleted in the same step, whatever the verdict was."""
    broker, who = real.broker, worker()
    await place(broker, *(call(key) for key in "abcd"))
    a, b, c, d = await take(broker, who)
    for lease, outcome in ((a, done()), (b, retry(b, after=5)), (c, unknown(c)), (d, dead(d))):
        await settle(broker, who, lease, outcome)
    assert real.ask("XLEN", real.key("stream")) == 0
    assert real.pending() == []


async def test_a_stale_message_is_removed_where_it_is_found(real: ServerHarness) -> None:
    """INV 11: its record has moved on to another message, so it is acknowledged, deleted and never run."""
    broker, who = real.broker, worker()
    await place(broker, call("a"))
    (entry,) = real.ask("XRANGE", real.key("stream"), "-", "+")
    real.ask("XADD", real.key("stream"), "*", *entry[1])
    lease = await take_one(broker, who)
    assert lease.token == entry[0].decode()
    await settle(broker, who, lease, done())
    assert real.ask("XLEN", real.key("stream")) == 0
    assert real.pending() == []


async def test_a_batch_rings_at_most_64_times_and_an_empty_stream_silences_the_bell(real: ServerHarness) -> None:
    """A bell that nobody hears grows no further, and fades."""
    broker, who = real.broker, worker()
    await place(broker, *(call(f"k{number}") for number in range(100)))
    await place(broker, *(call(f"l{number}") for number in range(100)))
    assert real.ask("LLEN", real.key("!bell")) == 64
    assert 0 < lifetime(real, "!bell") <= 60
    await take(broker, who, 150)
    assert real.ask("EXISTS", real.key("!bell")) == 1
    await take(broker, who, 150)
    assert real.ask("EXISTS", real.key("!bell")) == 0


async def test_only_a_call_ahead_of_all_others_rings_for_its_time(real: ServerHarness) -> None:
    """Sleepers hear of a new earliest call, and of no later one."""
    await place(real.broker, call("a", after=10))
    assert real.ask("LLEN", real.key("!bell")) == 1
    await place(real.broker, call("b", after=20))
    assert real.ask("LLEN", real.key("!bell")) == 1
    await place(real.broker, call("c", after=5))
    assert real.ask("LLEN", real.key("!bell")) == 2


async def test_a_worker_that_leaves_takes_its_consumer_with_it(real: ServerHarness) -> None:
    """INV 36, FAULT 53: all that is kept for it goes; with leases out, the last of them takes the consumer along."""
    broker, presence, heir = real.broker, real.backend.presence, worker()
    idle, busy, silent = worker("idle"), worker("busy"), worker("silent")
    for who in (idle, busy, silent):
        await presence.check_in(who, ["task"], horizon=10_000)
        await claim(broker, who, 0, sweep="-")
    await place(broker, call("a"))
    await take_one(broker, busy)
    await take(broker, idle)
    await take(broker, silent)
    await presence.check_out(idle)
    await presence.check_out(busy)
    consumers = {consumer[1] for consumer in real.ask("XINFO", "CONSUMERS", real.key("stream"), "workers")}
    assert busy.id.encode() in consumers
    assert idle.id.encode() not in consumers
    await pass_awake(real, LEASE + 1)
    await presence.check_in(heir, ["task"], horizon=10_000)
    (lease,) = await sweep(broker, heir)
    await settle(broker, heir, lease, done())
    await claim(broker, heir, 0, sweep="-")
    consumers = {consumer[1] for consumer in real.ask("XINFO", "CONSUMERS", real.key("stream"), "workers")}
    assert consumers == {heir.id.encode()}
    assert real.ask("ZRANGE", real.key("workers"), 0, -1) == [heir.id.encode()]


async def test_hints_are_published_only_to_those_who_asked(real: ServerHarness) -> None:
    """A run that nobody watches costs no PUBLISH."""
    real.ask("CONFIG", "RESETSTAT")
    await run(real.broker, "a", b"result")
    assert b"cmdstat_publish:" not in real.ask("INFO", "commandstats")
