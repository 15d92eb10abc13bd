"""What others may put into our keys, or take out of them: server only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shadows.core import verdict
from shadows.ports.looking import Part
from tests.contract.acts import (
    LEASE,
    call,
    claim,
    done,
    instead,
    keys,
    look,
    place,
    settle,
    state,
    sweep,
    take,
    take_one,
    worker,
)

if TYPE_CHECKING:
    from tests.contract.harness import ServerHarness

type Fields = list[str | bytes]


def entry(**changes: str | bytes) -> Fields:
    """Return the fields of a sound entry with some of them changed."""
    fields: dict[str, str | bytes] = {"v1": "a", "payload": "p"}
    return [part for pair in (fields | changes).items() for part in pair]


def entry_of(version: str) -> Fields:
    """Return an entry as that version would begin it."""
    return [version, "a", "payload", "p"]


FOREIGN: dict[str, Fields] = {
    "a field of somebody else's": ["x", "y"],
    "our names in another order": ["payload", "p", "v1", "a"],
    "too few fields": ["v1", "a"],
    "no payload": ["v1", "a", "attempt", "1", "when", "", "x", "y"],
    "a version of words": entry_of("vone"),
    "no version": entry_of("v"),
    "version 0": entry_of("v0"),
    "a negative version": entry_of("v-1"),
    "a version in five digits": entry_of("v10000"),
    "many fields": ["k"] * 18_000,
    "attempt many": entry(attempt="many"),
    "attempt nan": entry(attempt="nan"),
    "attempt inf": entry(attempt="inf"),
    "attempt hex": entry(attempt="0x10"),
    "attempt float": entry(attempt="1.5"),
    "attempt exponent": entry(attempt="1e3"),
    "attempt 0": entry(attempt="0"),
    "a negative attempt": entry(attempt="-1"),
    "no attempt": entry(attempt=""),
    "a huge attempt": entry(attempt="9" * 400),
    "a bad date": entry(when="yesterday"),
    "a date that is no number": entry(when="nan"),
    "a date in words of C": entry(when="0x10"),
    "a key that is no text": entry(v1=b"\xff\xfe"),
    "a key whose escapes are no text": entry(v1="%FF"),
    "an empty key": entry(v1=""),
}


@pytest.mark.parametrize("what", FOREIGN)
async def test_an_entry_that_cannot_be_read_is_quarantined_and_the_rest_runs(real: ServerHarness, what: str) -> None:
    """FAULT 43, FAULT 44, FAULT 45, INV 15: it becomes a dead letter, raw, and stops nobody, ready or redelivered."""
    fields = FOREIGN[what]
    await place(real.broker, call("a"))
    real.ask("XADD", real.key("stream"), "*", *fields)
    await place(real.broker, call("b"))
    assert [record.key for record in (await real.broker.survey(10)).records] == ["a", "b"]
    assert keys(await take(real.broker, worker())) == ["a", "b"]
    (letter,) = await real.broker.dead(limit=10)
    assert (letter.key, letter.reason) == (None, "undecodable")
    raw = [field.encode() if isinstance(field, str) else field for field in fields]
    assert all(field in letter.payload for field in raw[:20])
    assert real.ask("XLEN", real.key("stream")) == len(real.pending()) == 2
    assert (await claim(real.broker, worker(), sweep="-")).left == 2


@pytest.mark.parametrize("what", FOREIGN)
async def test_clear_passes_over_entries_that_cannot_be_read(real: ServerHarness, what: str) -> None:
    """FAULT 43: they are no calls; the calls around them are ended and counted."""
    await place(real.broker, call("a"))
    real.ask("XADD", real.key("stream"), "*", *FOREIGN[what])
    await place(real.broker, call("b"))
    assert await real.broker.clear() == 2
    assert [await state(real.broker, key) for key in "ab"] == ["cancelled"] * 2


async def test_a_claim_may_meet_nothing_but_strangers(real: ServerHarness) -> None:
    """FAULT 43: it comes back empty, says that there may be more, and the next one finds the call behind them."""
    for _ in range(10):
        real.ask("XADD", real.key("stream"), "*", "x", "y")
    await place(real.broker, call("a"))
    first = await claim(real.broker, worker(), 10)
    assert (first.leases, first.more) == ((), True)
    assert keys(await take(real.broker, worker())) == ["a"]


async def test_what_version_1_wrote_is_read(real: ServerHarness) -> None:
    """INV 47: messages and records as the first version stores them, and fields that a later one may add."""
    real.ask("XGROUP", "CREATE", real.key("stream"), "workers", "0", "MKSTREAM")
    token = real.ask(
        "XADD", real.key("stream"), "*", *entry(v1="%73tream", attempt="2", when="1234", payload=b"\0\xff"), "x", "y"
    )
    real.ask("HSET", real.key("runs:%73tream"), "state", "queued", "id", token, "run", "one", "later", "field")
    real.ask("ZADD", real.key("queue"), real.now - 5, "short", real.now - 4, "long")
    real.ask("HSET", real.key("runs:short"), "state", "scheduled", "payload", "inline")
    real.ask("HSET", real.key("runs:long"), "state", "scheduled", "attempt", "3")
    real.ask("HSET", real.key("long"), "payload", "x" * 65)
    leases = await take(real.broker, who := worker())
    assert [(lease.key, lease.attempt, lease.payload) for lease in leases] == [
        ("stream", 2, b"\0\xff"),
        ("short", 1, b"inline"),
        ("long", 3, b"x" * 65),
    ]
    assert leases[0].due == 1234
    assert await real.broker.settle(who, [(lease, done()) for lease in leases]) == ["settled"] * 3


async def test_an_entry_of_a_newer_version_waits_for_a_newer_worker(real: ServerHarness) -> None:
    """FAULT 44, INV 47: neither run, nor dead, nor counted as left; its minute over, it is shown again."""
    token = real.ask("XADD", real.key("stream"), "*", *entry_of("v2"))
    await place(real.broker, call("b"))
    answer = await claim(real.broker, who := worker())
    assert (keys(answer.leases), answer.left) == (["b"], 1)
    for _ in range(7):
        await real.pass_time(61)
        real.broker.renew(who, [answer.leases[0].token])
        assert await sweep(real.broker, worker()) == ()
        held = {found: consumer for found, consumer, _ in real.pending()}
        assert held[token.decode()] == "!newer:60000"
    await settle(real.broker, who, answer.leases[0], done())
    answer = await claim(real.broker, who, sweep="-")
    assert (answer.left, await real.broker.dead(limit=10)) == (0, [])
    assert real.ask("XLEN", real.key("stream")) == 1
    survey = await real.broker.survey(10)
    assert (survey.counts.running, survey.counts.queued) == (0, 1)
    assert survey.oldest == int(token.partition(b"-")[0])


async def test_a_ready_call_whose_record_was_evicted_runs_all_the_same(real: ServerHarness) -> None:
    """FAULT 50: its entry has all that it takes; the record is rebuilt."""
    broker, who = real.broker, worker()
    await place(broker, call("a", b"1"))
    real.ask("DEL", real.key("runs:a"))
    lease = await take_one(broker, who)
    assert (lease.key, lease.payload, await state(broker, "a")) == ("a", b"1", "running")
    assert await settle(broker, who, lease, done(b"result")) == "settled"
    assert (await look(broker, "a")).result == b"result"


@pytest.mark.parametrize("kind", ["end", "fail", "again", "back", "unknown", "bury"])
async def test_a_running_call_whose_record_was_evicted_is_settled_by_its_holder(real: ServerHarness, kind: str) -> None:
    """FAULT 50: who has the message has the lease; nobody else does, and nothing is left that nobody accounts for."""
    broker, who = real.broker, worker()
    await place(broker, call("a", b"1"))
    lease = await take_one(broker, who)
    await broker.report(lease, {"done": "half"})
    real.ask("DEL", real.key("runs:a"))
    outcomes = {
        "end": done(b"result"),
        "fail": verdict.failed("task", b"error"),
        "again": verdict.again(b"1", attempt=2),
        "back": verdict.handed_back(b"1", attempt=1),
        "unknown": verdict.unknown(b"1", attempt=1),
        "bury": verdict.dead(b"1", attempt=1, reason="undecodable"),
    }
    ends = {
        "end": "completed",
        "fail": "failed",
        "again": "queued",
        "back": "queued",
        "unknown": "scheduled",
        "bury": "failed",
    }
    assert await settle(broker, worker(), lease, outcomes[kind]) == "superseded"
    assert await settle(broker, who, lease, outcomes[kind]) == ("buried" if kind == "bury" else "settled")
    assert await state(broker, "a") == ends[kind]
    assert real.pending() == []


async def test_a_lost_call_whose_record_was_evicted_is_redelivered(real: ServerHarness) -> None:
    """FAULT 50: with its deliveries, which the message itself remembers."""
    await place(real.broker, call("a", b"1"))
    await take_one(real.broker, worker())
    real.ask("DEL", real.key("runs:a"))
    await real.pass_time(LEASE + 1)
    (lease,) = await sweep(real.broker, who := worker())
    assert (lease.payload, lease.deliveries) == (b"1", 2)
    assert await settle(real.broker, who, lease, done()) == "settled"


async def test_a_scheduled_call_whose_record_was_evicted_runs_all_the_same(real: ServerHarness) -> None:
    """FAULT 50: a payload that lies beside the record is enough to rebuild it."""
    await place(real.broker, call("a", b"x" * 65, after=1))
    real.ask("DEL", real.key("runs:a"))
    await real.pass_time(1)
    assert (await take_one(real.broker, worker())).payload == b"x" * 65


@pytest.mark.parametrize("payload", [b"x" * 64, b"x" * 65])
async def test_a_scheduled_call_that_lost_its_payload_is_buried_and_the_rest_runs(
    real: ServerHarness, payload: bytes
) -> None:
    """FAULT 50: nothing can be run of it, so it is dead with a reason, and its key is free."""
    await place(real.broker, call("gone", payload, after=1), call("here", b"x" * 65, after=1))
    real.ask("DEL", real.key("runs:gone" if len(payload) == 64 else "gone"))
    await real.pass_time(1)
    assert keys(await take(real.broker, worker())) == ["here"]
    (letter,) = await real.broker.dead(limit=10)
    assert (letter.key, letter.reason) == ("gone", "undecodable")
    assert await place(real.broker, call("gone")) == ["scheduled"]


async def test_a_successor_that_was_evicted_leaves_the_key_free(real: ServerHarness) -> None:
    """FAULT 50: only what was deleted is lost."""
    broker, who = real.broker, worker()
    await place(broker, call("a"))
    lease = await take_one(broker, who)
    await place(broker, instead("a", b"new"))
    real.ask("DEL", real.key("!next:a"))
    assert await settle(broker, who, lease, done()) == "settled"
    assert await place(broker, call("a")) == ["scheduled"]
    assert keys(await take(broker, who)) == ["a"]


@pytest.mark.parametrize("how", ["settle", "redeliver"])
async def test_a_successor_outlives_the_record_of_the_call_that_it_follows(real: ServerHarness, how: str) -> None:
    """FAULT 50: the record of the running call was evicted, what is to follow it was not."""
    broker, who = real.broker, worker()
    await place(broker, call("a", b"old"))
    lease = await take_one(broker, who)
    await place(broker, instead("a", b"new"))
    real.ask("DEL", real.key("runs:a"))
    if how == "redeliver":
        await real.pass_time(LEASE + 1)
        (lease,) = await sweep(broker, who := worker())
    assert await settle(broker, who, lease, done()) == "settled"
    assert (await take_one(broker, who)).payload == b"new"


async def test_clear_forgets_scheduled_calls_whose_record_was_evicted(real: ServerHarness) -> None:
    """FAULT 50: nothing of them stays behind."""
    await place(real.broker, call("a", b"x" * 65, after=5), call("b", after=5))
    real.ask("DEL", real.key("runs:a"))
    assert await real.broker.clear() in {1, 2}
    assert {"a"}.isdisjoint(real.keys())
    assert (await real.broker.survey(0)).counts.scheduled == 0


async def test_calls_that_nobody_knew_are_not_counted_when_they_were_deleted(real: ServerHarness) -> None:
    """FAULT 52: `left` is a number of calls, whatever somebody took away."""
    broker, who = real.broker, worker()
    real.ask("XADD", real.key("stream"), "*", *entry_of("v2"))
    await place(broker, call("a"))
    lease = await take_one(broker, who)
    await settle(broker, who, lease, verdict.unknown(lease.payload, attempt=1))
    real.ask("DEL", real.key("stream"), real.key("queue"))
    assert (await claim(broker, who, sweep="-")).left == 0
    real.sweep_up()


async def test_a_message_that_was_deleted_while_pending_leaves_the_pending_list(real: ServerHarness) -> None:
    """FAULT 52: the sweep that meets it removes it, redelivers the others, and the renewal tells its holder."""
    broker, who = real.broker, worker()
    await place(broker, call("a"), call("b"))
    a, b = await take(broker, who)
    await real.pass_time(LEASE + 1)
    real.ask("XDEL", real.key("stream"), a.token)
    assert broker.renew(who, [a.token]) == {a.token}
    assert [(lease.key, lease.deliveries) for lease in await sweep(broker, worker())] == [("b", 2)]
    assert [token for token, _, _ in real.pending()] == [b.token]
    assert await take(broker, who, known=(b.token,)) == ()


async def test_the_holder_of_a_deleted_message_still_settles(real: ServerHarness) -> None:
    """FAULT 52: its body ran, and what came of it counts."""
    broker, who = real.broker, worker()
    await place(broker, call("a", b"1"))
    lease = await take_one(broker, who)
    real.ask("XDEL", real.key("stream"), lease.token)
    assert await settle(broker, who, lease, verdict.failed("task", b"error")) == "settled"
    record = await look(broker, "a")
    assert (record.state, record.result) == ("failed", b"error")


async def test_a_successor_is_placed_for_a_call_whose_message_was_deleted(real: ServerHarness) -> None:
    """FAULT 52: the settle of the old body is enough."""
    broker, who = real.broker, worker()
    await place(broker, call("a", b"old"))
    lease = await take_one(broker, who)
    await place(broker, instead("a", b"new"))
    real.ask("XDEL", real.key("stream"), lease.token)
    assert await settle(broker, who, lease, done()) == "settled"
    assert (await take_one(broker, who)).payload == b"new"


@pytest.mark.parametrize("where", ["queued", "running"])
async def test_a_key_whose_message_was_deleted_can_be_used_again(real: ServerHarness, where: str) -> None:
    """FAULT 52: the call is lost with its message, its key is not: nobody would ever end that run."""
    broker, who = real.broker, worker()
    await place(broker, call("a", b"old"))
    if where == "running":
        await take_one(broker, worker())
    real.ask("DEL", real.key("stream"))
    assert await place(broker, call("a", b"new")) == ["scheduled"]
    assert (await take_one(broker, who)).payload == b"new"


async def test_the_format_of_the_stream_is_the_one_agreed_upon(real: ServerHarness) -> None:
    """INV 47: the version with the key, the payload, and only what not every call has; readers of other versions rely
    on it.
    """
    await place(real.broker, call("runs:a", b"1"), call("b", b"2", after=1))
    due = real.now + 1_000
    await real.pass_time(1)
    await claim(real.broker, worker(), 0)
    entries = [fields for _, fields in real.ask("XRANGE", real.key("stream"), "-", "+")]
    assert entries == [
        [b"v1", b"%72uns:a", b"payload", b"1"],
        [b"v1", b"b", b"payload", b"2", b"when", b"%d" % due],
    ]
    record = await real.broker.read("runs:a", Part.PAYLOAD)
    assert record is not None
    assert record.payload == b"1"


async def test_a_lone_call_is_written_like_one_of_many(real: ServerHarness) -> None:
    """INV 47: its straight way through the script ends where the usual one does."""
    await place(real.broker, call("a", run="1"))
    alone = real.ask("XRANGE", real.key("stream"), "-", "+")[0][1], real.ask("HGETALL", real.key("runs:a"))
    await place(real.broker, call("b", run="2"), call("c", run="3"))
    together = real.ask("XRANGE", real.key("stream"), "-", "+")[1][1], real.ask("HGETALL", real.key("runs:b"))
    assert [fields[::2] for fields in alone] == [fields[::2] for fields in together]
    assert real.ask("LLEN", real.key("!bell")) == 3
