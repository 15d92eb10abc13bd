"""Scripts, groups and whole databases vanish: server only."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from shadows.core.scheduling import AT_ONCE
from shadows.ports.broker import Order
from shadows.ports.seeding import Seed
from tests.contract.acts import LEASE, call, claim, done, keys, look, place, settle, sweep, take, take_one, worker
from tests.contract.test_broken_keys import FOLLOWED, Scene

if TYPE_CHECKING:
    from tests.contract.harness import ServerHarness


async def test_every_verb_survives_a_server_that_forgot_the_scripts(real: ServerHarness) -> None:
    """INV 35, FAULT 63: before each verb the scripts are flushed, and it is as if nothing had been."""
    scene = Scene(real)
    await scene.set()
    for ask in scene.verbs().values():
        real.ask("SCRIPT", "FLUSH")
        await ask()
    real.sweep_up()


async def test_a_turn_is_carried_out_once_when_its_script_was_forgotten(real: ServerHarness) -> None:
    """INV 35: neither settled twice nor leased to nobody."""
    broker, who = real.broker, worker()
    await place(broker, call("a"), call("b"))
    (lease,) = await take(broker, who, 1)
    real.ask("SCRIPT", "FLUSH")
    settled, answer = await broker.turn([(lease, done())], Order(who, 5))
    assert (settled, keys(answer.leases)) == (["settled"], ["b"])


async def test_a_pipeline_of_scripts_is_repeated_only_where_they_were_missing(real: ServerHarness) -> None:
    """INV 35: three scripts in one trip, all forgotten; each entry is placed once and answered in order."""
    real.ask("SCRIPT", "FLUSH")
    entries = [call(f"k{number}") for number in range(450)]
    assert await place(real.broker, *entries) == ["scheduled"] * 450
    assert (await real.broker.survey(0)).counts.queued == 450


async def test_scripts_forgotten_while_a_claim_waits_strand_nothing(real: ServerHarness) -> None:
    """INV 35: BLPOP and the claim travel together; when the bell rings the claim's script is gone."""
    sleeping = asyncio.create_task(real.broker.claim(Order(worker(), 10), patience=30))
    await real.somebody_waits()
    producer = (await real.open()).broker
    await producer.survey(0)
    real.ask("SCRIPT", "FLUSH")
    await place(producer, call("a"))
    assert keys((await asyncio.wait_for(sleeping, 5)).leases) == ["a"]


async def test_a_cancel_heard_while_scripts_were_forgotten_is_not_lost(real: ServerHarness) -> None:
    """INV 35: the message that ended the wait is told with the claim that is sent again."""
    who = worker()
    await place(real.broker, call("a"))
    lease = await take_one(real.broker, who)
    sleeping = asyncio.create_task(real.broker.claim(Order(who, 0), patience=30))
    await real.somebody_waits()
    producer = (await real.open()).broker
    await producer.survey(0)
    real.ask("SCRIPT", "FLUSH")
    await producer.cancel("a")
    assert (await asyncio.wait_for(sleeping, 5)).cancels == (("a", lease.fence),)


def destroy(real: ServerHarness, what: str) -> None:
    """Delete the group, the stream, or everything."""
    match what:
        case "group":
            real.ask("XGROUP", "DESTROY", real.key("stream"), "workers")
        case "stream":
            real.ask("DEL", real.key("stream"))
        case _:
            real.ask("FLUSHALL")
            real.set_clock()


@pytest.mark.parametrize("what", ["group", "stream", "everything"])
async def test_every_verb_survives_the_loss_of_the_group(real: ServerHarness, what: str) -> None:
    """INV 35, FAULT 52: none raises, whatever it is asked for next."""
    scene = Scene(real)
    await scene.set()
    for verb, ask in scene.verbs().items():
        if verb == "append" or not real.ask("EXISTS", real.key("stream")):
            await scene.place(call(f"after {verb}"))
        destroy(real, what)
        await ask()
    real.sweep_up()


@pytest.mark.parametrize("what", ["group", "stream", "everything"])
async def test_work_goes_on_after_a_loss(real: ServerHarness, what: str) -> None:
    """FAULT 52: the first claim afterwards heals; what is added then runs to its end."""
    broker, who = real.broker, worker()
    await place(broker, call("before"))
    await take_one(broker, who)
    destroy(real, what)
    await place(broker, call("after"))
    leases = [lease for lease in await take(broker, who, 10, sweep="-") if lease.key == "after"]
    assert await settle(broker, who, leases[0], done(b"result")) == "settled"
    assert broker.renew(who, [leases[0].token]) == {leases[0].token}
    real.sweep_up()


async def test_a_lost_group_loses_no_call(real: ServerHarness) -> None:
    """FAULT 52: with the pending list gone, what was running is delivered anew, and the old lease is superseded."""
    broker, who = real.broker, worker()
    await place(broker, call("a"), call("b"), call("c"))
    a, b = await take(broker, who, 2)
    await settle(broker, who, a, done())
    destroy(real, "group")
    leases = await take(broker, heir := worker())
    assert keys(leases) == ["b", "c"]
    assert await settle(broker, who, b, done()) == "superseded"
    assert await broker.settle(heir, [(lease, done()) for lease in leases]) == ["settled"] * 2


async def test_clear_leaves_running_calls_alone_also_without_a_group(real: ServerHarness) -> None:
    """FAULT 52: where the list of what is leased is gone, the records still tell what runs."""
    broker, who = real.broker, worker()
    await place(broker, call("a"), call("b"))
    (lease,) = await take(broker, who, 1)
    destroy(real, "group")
    assert await broker.clear() == 1
    assert await settle(broker, who, lease, done()) == "settled"


async def test_a_running_body_still_settles_before_anybody_noticed_the_loss_of_the_group(real: ServerHarness) -> None:
    """FAULT 52: in-flight work finishes; its message is deleted, so nobody runs it again."""
    broker, who = real.broker, worker()
    await place(broker, call("a"))
    lease = await take_one(broker, who)
    destroy(real, "group")
    assert await settle(broker, who, lease, done(b"result")) == "settled"
    assert await take(broker, worker()) == ()
    assert real.ask("XLEN", real.key("stream")) == 0


async def test_after_losing_everything_in_flight_work_ends_without_a_storm(real: ServerHarness) -> None:
    """FAULT 52: what was deleted is lost; settle, report, renewal and hand-back of it are refusals, not errors."""
    broker, who = real.broker, worker()
    await place(broker, call("a"), call("b", after=5))
    lease = await take_one(broker, who)
    destroy(real, "everything")
    assert not await broker.report(lease, {"done": "half"})
    assert broker.renew(who, [lease.token]) == {lease.token}
    assert await settle(broker, who, lease, done()) == "superseded"
    await real.pass_time(LEASE + 1)
    assert await sweep(broker, who) == ()
    assert (await claim(broker, who)).left == 0
    assert await place(broker, call("a"), call("b")) == ["scheduled"] * 2


async def test_a_fence_given_after_losing_everything_fits_no_older_lease(real: ServerHarness) -> None:
    """INV 4, FAULT 52: also where the counter itself was deleted, a settle of before cannot hit a run of after."""
    broker, who = real.broker, worker()
    await place(broker, call("a"))
    old = await take_one(broker, who)
    destroy(real, "everything")
    while milliseconds(real) == old.token.partition("-")[0]:
        continue  # the server numbers its messages by the millisecond, and this one must not get the same number
    await place(broker, call("a"))
    new = await take_one(broker, worker())
    assert await settle(broker, who, old, done(b"old")) == "superseded"
    assert await settle(broker, worker(), new, done(b"new")) == "settled"


async def test_a_lease_that_the_server_has_forgotten_settles_nothing(real: ServerHarness) -> None:
    """INV 4, FAULT 74: an older copy of the memory comes back, or a replica that had not heard of the last second.

    A has the call when that happens; then the server knows of no lease, and B gets the call: the same message, and the
    counter stands where it stood when A came.  A's settle must find another fence there.
    """
    broker, one, other = real.broker, worker("a"), worker("b")
    await place(broker, call("before"), call("a"))
    await take(broker, worker("c"), 1)
    copy = real.dump()
    old = await take_one(broker, one)
    destroy(real, "everything")
    for suffix, value in copy.items():
        real.ask("RESTORE", real.key(suffix), 0, value)
    await real.pass_time(0.001)
    new = await take_one(broker, other)
    assert new.token == old.token
    assert await settle(broker, one, old, done(b"old")) == "superseded"
    assert await settle(broker, other, new, done(b"new")) == "settled"
    assert (await look(broker, "a")).fence == new.fence


def milliseconds(real: ServerHarness) -> str:
    """Return the server's clock as its messages are numbered."""
    seconds, micros = real.ask("TIME")
    return f"{int(seconds) * 1000 + int(micros) // 1000}"


NOT_OURS = {b"cmdstat_" + name for name in (b"config", b"info", b"ping", b"publish", b"client", b"replconf")}
"""What asks for these counts, and what Sentinels and replicas send besides; of these calls nobody wants to hear."""


async def commands_of(real: ServerHarness, work: Any) -> dict[bytes, int]:
    """Return how often the server ran each command for this work, those inside scripts included."""
    real.ask("CONFIG", "RESETSTAT")
    await work
    lines = real.ask("INFO", "commandstats").splitlines()
    counted = {
        name: int(rest.split(b"=")[1].split(b",")[0]) for name, _, rest in (line.partition(b":") for line in lines[1:])
    }
    return {name: calls for name, calls in counted.items() if name.partition(b"|")[0] not in NOT_OURS}


async def test_no_verb_does_more_where_more_waits(real: ServerHarness) -> None:
    """INV 43: with 200 or with 2,000 calls of every kind around, each verb sends the server the same commands."""
    told: list[dict[str, dict[bytes, int]]] = []
    for size in (20, 200, 2_000):  # the first teaches the server its scripts
        backend = await real.open(name=real.server.beside(real.name, str(size)))
        broker, who = backend.broker, worker()
        await place(broker, *(call(f"r{number}") for number in range(size)))
        for _ in range(0, size, 200):
            await take(broker, worker("gone"), 200)
        await place(broker, *(call(f"q{number}") for number in range(size)))
        await place(broker, *(call(f"d{number}", after=1) for number in range(size + 700)))
        await place(broker, *(call(f"s{number}", after=500) for number in range(size)))
        await real.pass_time(LEASE + 1)
        await claim(broker, who, 0)
        commands: dict[str, dict[bytes, int]] = {}
        held = await take(broker, who, 5)
        work = {
            "schedule": place(broker, call("new"), call("q1"), call("s1"), call("r1")),
            "claim": claim(broker, who, 10),
            "sweep": claim(broker, who, 10, sweep="-"),
            "known": claim(broker, who, 10, known=tuple(lease.token for lease in held)),
            "settle": broker.settle(who, [(held[0], done())]),
            "follow": broker.settle(who, [(held[3], FOLLOWED)]),
            "seed": broker.seed([Seed(key, b"", AT_ONCE, "d") for key in ("q2", "s2", "r2", "seeded")], restart=True),
            "turn": broker.turn([(held[1], done())], Order(who, 10, sweep="-")),
            "cancel": broker.cancel("q100"),
            "cancel later": broker.cancel("s100"),
            "read": broker.read("q101"),
            "survey": broker.survey(10),
            "report": broker.report(held[2], {"done": "half"}),
            "check_out": backend.presence.check_out(who),
        }
        for verb, one in work.items():
            commands[verb] = await commands_of(real, one)
        told.append(commands)
    assert told[1] == told[2]
    assert all(sum(commands.values()) < 1_500 for commands in told[2].values())
