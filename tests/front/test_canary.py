"""The canary: with a secret, nothing that somebody without it has written is ever decoded, let alone run."""

from __future__ import annotations

import logging
import os
import pickle
from typing import TYPE_CHECKING, Any, cast

import attrs
import pytest

from shadows import NotAuthentic, Shadow
from shadows.core import outcome, strikes, verdict
from shadows.core.envelope import Envelope, pack, unpack
from shadows.core.lifecycle import ExecutionState
from shadows.engine.wire import Wire
from shadows.ports.broker import Entry, OnLive
from shadows.ports.looking import Part
from shadows.ports.strike_log import Instruction
from shadows.strike_list import StrikeList
from tests.contract.acts import settle, take_one, worker
from tests.front.acts import comes_true, finish, state_of, working

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.front.places import Place

SECRET = "the secret of all who may place and run calls".replace(" ", "-")
THEIRS = "what-somebody-else-has-made-up"

sung: list[str] = []


def sing(song: str) -> str:
    sung.append(song)
    return song


class Canary:
    """Whoever decodes it hears it."""

    def __init__(self, song: str) -> None:
        self.song = song

    def __reduce__(self) -> tuple[Callable[[str], str], tuple[str]]:
        return sing, (self.song,)


class Unhappy(Exception):
    def __reduce__(self) -> tuple[Any, ...]:
        return sing, ("exception",)


async def ship(order: object = None) -> object:
    sung.append(f"ran {order}")
    return order


async def refund(order: object = None) -> None:
    sung.append(f"refunded {order}")


def song(name: str) -> bytes:
    return pickle.dumps(((Canary(name),), {}))


@pytest.fixture(params=["sign", "encrypt"])
async def sealed(place: Place, request: pytest.FixtureRequest) -> AsyncIterator[Shadow]:
    """Give a client that seals, either way, and that knows the tasks."""
    sung.clear()
    async with place.shadow(secret=SECRET, seal=request.param, codec="cloudpickle,json") as shadows:
        shadows.register(ship)
        shadows.register(refund)
        yield shadows


async def forge(shadows: Shadow, key: str, payload: bytes) -> None:
    """Write to the server what a client of ours would not."""
    await shadows.backend().broker.schedule([Entry(key, payload, on_live=OnLive.REPLACE)])


async def payload_of(shadows: Shadow, key: str) -> bytes:
    record = await shadows.backend().broker.read(key, Part.PAYLOAD)
    assert record is not None
    assert record.payload is not None
    return record.payload


@pytest.mark.pickles
async def test_no_forged_payload_runs(sealed: Shadow, place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """FAULT 48: unsigned, signed by somebody else, changed, cut, moved to another key or task: none is decoded."""
    async with place.shadow(secret=THEIRS) as stranger, place.shadow() as careless:
        await stranger.add(ship, key="stranger")(Canary("stranger"))
        await careless.add(ship, key="careless")(Canary("careless"))
    genuine = await sealed.add(ship, key="genuine")(1)
    mine = await payload_of(sealed, "genuine")
    envelope = unpack(mine)
    forged = {
        "unsigned": pack(Envelope("ship", "p", {}, song("unsigned"))),
        "json": pack(Envelope("ship", "j", {}, b'{"!call":[["json"],{}]}')),
        "unknown-task": pack(Envelope("nobody", "p", {}, song("unknown-task"))),
        "empty": pack(Envelope("ship", "s", {}, b"")),
        "encrypted": pack(Envelope("ship", "e", {}, bytes(36) + song("encrypted"))),
        "zeros": pack(Envelope("ship", "s", {}, bytes(36) + b"p" + song("zeros"))),
        "appended": pack(attrs.evolve(envelope, arguments=envelope.arguments[:36] + b"p" + song("appended"))),
        "cut": mine[:-1],
        "moved": mine,
        "other-task": pack(attrs.evolve(envelope, task="refund")),
    }
    for key, payload in forged.items():
        await forge(sealed, key, payload)
    keys = [*forged, "stranger", "careless"]
    assert sung == []
    with caplog.at_level(logging.ERROR, "shadows.security"):
        await finish(sealed)
    assert sung == ["ran 1"]
    assert await genuine.get_result() == 1
    letters = await sealed.dead_letters()
    assert sorted(letter.key or "" for letter in letters) == sorted(keys)
    assert {letter.reason for letter in letters} == {"undecodable"}
    assert all(letter.unreadable for letter in letters)
    told = [record.getMessage() for record in caplog.records if record.name == "shadows.security"]
    assert sorted(line.split()[2] for line in told) == sorted(keys)
    for letter in letters:
        await sealed.replay(letter)  # to place it once more makes it no better
    await finish(sealed)
    assert sung == ["ran 1"]
    assert await sealed.discard(*await sealed.dead_letters()) == len(keys)


async def test_to_look_at_what_is_forged_decodes_nothing(sealed: Shadow, place: Place) -> None:
    """Who lists calls is as much at risk as who runs them."""
    await forge(sealed, "k", pack(Envelope("ship", "p", {}, song("unsigned"))))
    seen = await sealed.get_execution("k")
    assert seen is not None
    assert (seen.function_name, seen.args, sung) == ("ship", (), [])
    assert [each.key for each in (await sealed.snapshot()).future] == ["k"]
    assert sung == []
    await sealed.clear()


@pytest.mark.parametrize("codec", ["p", "j", "s", "e"])
@pytest.mark.parametrize("kind", [outcome.OutcomeKind.RETURNED, outcome.OutcomeKind.RAISED])
async def test_no_forged_outcome_is_decoded(sealed: Shadow, codec: str, kind: outcome.OutcomeKind) -> None:
    """FAULT 48: nor one that was written for another run, or as something else."""
    other = await sealed.add(ship)("other")
    await finish(sealed)
    genuine = await sealed.backend().broker.read(other.key, Part.RESULT)
    assert genuine is not None
    assert genuine.result is not None
    sung.clear()
    canary = pickle.dumps(
        Canary("result") if kind is outcome.OutcomeKind.RETURNED else ["a", "b", "c", pickle.dumps(Unhappy())]
    )
    bodies = [canary, bytes(36) + b"p" + canary, outcome.unpack(genuine.result).body]
    who, broker = worker(), sealed.backend().broker
    for body in bodies:
        execution = await sealed.add(ship)(1)
        lease = await take_one(broker, who)
        data = outcome.pack(outcome.Outcome(kind, codec, body))
        judged = (
            verdict.completed("ship", data) if kind is outcome.OutcomeKind.RETURNED else verdict.failed("ship", data)
        )
        await settle(broker, who, lease, judged)
        with pytest.raises(NotAuthentic):
            await execution.get_result()
        await execution.sync()
        assert execution.state in {ExecutionState.COMPLETED, ExecutionState.FAILED}
    await sealed.backend().presence.check_out(who)
    assert sung == []


async def test_no_forged_strike_is_decoded(sealed: Shadow, place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """FAULT 48: it forbids nothing, and whoever reads the list goes on; a genuine one counts."""
    body = pickle.dumps([None, [["order", "==", Canary("strike")]], None])
    log = sealed.backend().strike_log
    for name, codec in [("a", "p"), ("b", "s"), ("c", "e")]:
        await log.append(Instruction(name, strikes.pack(codec, body)))
    await sealed.strike(refund, reason="genuine")
    genuine = cast("Any", await log.since()).instructions[-1]
    await log.append(attrs.evolve(genuine, name="d"))
    await log.append(attrs.evolve(genuine, name="e", hold=True))
    async with place.shadow(secret=SECRET) as reader:
        with caplog.at_level(logging.ERROR, "shadows.security"):
            assert [one.reason for one in await reader.strikes()] == ["genuine"]
        struck, placed = await reader.add(refund)(1), await reader.add(ship)(1)
    assert (struck.disposition.value, placed.disposition.value, sung) == ("struck", "scheduled", [])
    assert len({record.getMessage() for record in caplog.records if record.name == "shadows.security"}) == 5
    async with StrikeList(place.url, place.name, secret=SECRET) as listed:
        assert listed.is_stricken({}, function="refund")
        assert not listed.is_stricken({}, function="ship")
    assert sung == []
    for name in "abcde":
        await log.append(Instruction(name))
    await sealed.restore(refund)
    await sealed.clear()


async def test_nobody_makes_a_strike_hold_what_it_was_to_drop(sealed: Shadow, place: Place) -> None:
    """FAULT 48: what a strike does to those that wait is sealed with it."""
    await sealed.strike(refund)
    log = sealed.backend().strike_log
    (genuine,) = cast("Any", await log.since()).instructions
    await log.append(attrs.evolve(genuine, hold=True))
    async with place.shadow(secret=SECRET) as reader:
        assert await reader.strikes() == []
    await log.append(Instruction(genuine.name))


async def test_until_the_change_over_has_ended_what_is_unsigned_runs(place: Place) -> None:
    """``accept_unsigned_until`` is for what waits from before; from then on it is refused."""
    sung.clear()
    async with place.shadow() as before:
        await before.add(ship, key="waits")(1)
    until = "2999-01-01T00:00:00Z"
    async with place.shadow(secret=SECRET, accept_unsigned_until=until) as changing:
        changing.register(ship)
        await finish(changing)
    assert sung == ["ran 1"]


async def test_who_does_not_know_the_secret_yet_leaves_the_call_to_those_who_do(place: Place) -> None:
    """In a rolling deploy nothing is lost."""
    sung.clear()
    async with place.shadow() as before, place.shadow(secret=SECRET) as after:
        before.register(ship)
        await after.add(ship, key="k")(1)
        await finish(before)
        assert (await state_of(before, "k"), sung) == ("scheduled", [])
        after.register(ship)
        async with working(after):
            await comes_true(lambda: sung == ["ran 1"])


async def test_a_secret_is_replaced_without_a_gap(place: Place) -> None:
    """First all know the new one, then it seals, then the old one goes."""
    sung.clear()
    async with place.shadow(secret=THEIRS) as old, place.shadow(secret=[SECRET, THEIRS]) as both:
        both.register(ship)
        await old.add(ship)(1)
        await both.add(ship)(2)
        await finish(both)
    assert sorted(sung) == ["ran 1", "ran 2"]


def test_this_canary_sings() -> None:
    """Without a secret it would be heard: the tests above show something."""
    sung.clear()
    wire = Wire.of(cast("Any", pytest.importorskip("shadows.codecs")).CloudpickleCodec())
    wire.arguments(unpack(pack(Envelope("ship", "p", {}, song("heard")))), f"k{os.getpid()}")
    assert sung == ["heard"]
