from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shadows.core import verdict
from shadows.ports.broker import Order, Placed
from shadows.ports.looking import Part
from shadows.testing.exam.acts import call, instead, keys, look, place, settle, state, take, worker

if TYPE_CHECKING:
    from tests.contract.harness import Harness

STRANGE = [
    "stream", "queue", "workers", "strikes", "runs", "results", "concurrency", "worker-tasks", "-",
    "runs:x", "results:x", "worker-tasks:x", "concurrency:x", "runs:runs:x", "x", "stream:", "stream:x", ":", ":x",
    "!fence", "!bell", "!dead", "!unknown", "!requests", "!next:x", "!progress:x", "!inbox:x", "!clock", "!",
    "!past:x:x", "!schedules", "%73tream", "%2573tream", "%", "%%", "%21fence", "%0A", "%00",
    "a:b", "a:b:c", "{x}", "{x", "}x{", "{}", "*", "?", "[a-z]", "\\*", "a*", "a b", " ", "\t",
    "\0", "a\0b", "\n", "a\r\nb", "\r\n", "\x7f", "\x85", "\u2028",
    "\u00e9", "e\u0301", "😀", "日本語", "\u202e", "\ufeff",
    "'", '"', "$1", "KEYS[1]", "redis.call('PING')", "-1", "0", "nil", "false", "x" * 512, "é" * 256,
]  # fmt: skip


async def test_no_key_of_a_user_meets_another_or_one_of_ours(harness: Harness) -> None:
    """INV 7: reserved words, globs, braces, colons, NUL, newlines, emoji, 512 bytes: all just work, side by side."""
    broker, who = harness.broker, worker()
    calls = [call(key, key.encode(), after=number % 2 or None) for number, key in enumerate(STRANGE)]
    assert await place(broker, *calls) == [Placed.SCHEDULED] * len(STRANGE)
    assert await place(broker, *calls) == [Placed.ALREADY] * len(STRANGE)
    for key in STRANGE:
        assert (await look(broker, key)).payload == key.encode(), key
    assert {record.key for record in (await broker.survey(200)).records} == set(STRANGE)
    await harness.pass_time(1)
    leases = await take(broker, who, 200)
    assert sorted(keys(leases)) == sorted(STRANGE)
    assert all(lease.payload == lease.key.encode() for lease in leases)
    for lease in leases:
        assert await broker.report(lease, {"key": lease.key})
    await place(broker, *(instead(key, key.encode() + b"!" * 65, after=1) for key in STRANGE[::3]))
    done = [(lease, verdict.completed("task", lease.key.encode())) for lease in leases]
    assert await broker.settle(who, done) == ["settled"] * len(leases)
    for number, key in enumerate(STRANGE):
        if number % 3:
            assert (await look(broker, key)).result == key.encode(), key
            assert await broker.progress(key) == {"key": key}
        else:
            assert (await look(broker, key)).payload == key.encode() + b"!" * 65, key


@pytest.mark.parametrize("key", ["*", "?", "a*", "[ab]", "{a}", "%61"])
async def test_a_key_is_never_read_as_a_pattern(harness: Harness, key: str) -> None:
    """INV 7: a cancel or a read of a key that looks like a glob reaches that key alone."""
    await place(harness.broker, call("a"), call("b"), call("ab"))
    assert await harness.broker.cancel(key) == "not_live"
    assert await harness.broker.read(key, Part.PAYLOAD) is None
    assert [await state(harness.broker, name) for name in ("a", "b", "ab")] == ["queued"] * 3


@pytest.mark.parametrize("key", ["runs:x", "stream", "!next:x", "a\0b", "é" * 256])
async def test_a_strange_key_goes_through_every_state(harness: Harness, key: str) -> None:
    """INV 7: retried, unknown, dead, cancelled and added again like any other; its letter bears its name."""
    broker, who = harness.broker, worker()
    await place(broker, call(key, b"x" * 65))
    (lease,) = await take(broker, who)
    await settle(broker, who, lease, verdict.again(b"x" * 65, attempt=2))
    (lease,) = await take(broker, who)
    await settle(broker, who, lease, verdict.unknown(b"x" * 65, attempt=2))
    await harness.pass_time(1)
    (lease,) = await take(broker, who)
    await settle(broker, who, lease, verdict.dead(b"x" * 65, attempt=2, reason="undecodable"))
    (letter,) = await broker.dead(limit=10)
    assert (letter.key, letter.payload) == (key, b"x" * 65)
    await place(broker, call(key))
    assert (await broker.cancel(key)).value == "cancelled"
    await place(broker, call(key))
    (lease,) = await take(broker, who)
    await broker.cancel(key)
    assert (await broker.turn([], Order(who, 0)))[1].cancels == ((key, lease.fence),)
    await settle(broker, who, lease, verdict.cancelled("task"))
