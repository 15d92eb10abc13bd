"""Entries as they lie on a server, changed at random: whoever reads them hears Undecodable, and nothing else happens.

The entries are real: a shadow wrote them.  What is not sealed is fuzzed as JSON alone, for a pickle does what it says;
sealed pickles are fuzzed too, and none that was changed is ever loaded.  `EXECUTIONS=1000000` reads so many entries.
"""

from __future__ import annotations

import asyncio
import enum
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any
from uuid import UUID

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadows import NotAuthentic, Shadow, Undecodable, Worker
from shadows.core import strikes
from shadows.core.envelope import unpack
from shadows.engine.outcomes import Outcomes
from shadows.ports.looking import Part

if TYPE_CHECKING:
    from shadows import Execution
    from shadows.engine.wire import Wire

EXECUTIONS = int(os.environ.get("EXECUTIONS", "6000"))
BATCH = 100
"""So many entries are read in each of Hypothesis's examples."""
SECRET = b"a secret for fuzzing only"
TAGS = (
    b"call dict tuple set frozenset bytes float datetime date time timedelta uuid decimal path error os.system".split()
)
HEADS = [b"\x01" + codec for codec in (b"p", b"j", b"s", b"e")]
PIECES = b'{"! ": [[ ]] {} null 1e999 -0 NaN \\ud800 \xff \x00 __class__ ValueError'.split()
TOKENS = [*(b"!" + tag for tag in TAGS), *HEADS, *PIECES, b"9" * 40]


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Line:
    sku: str
    price: Decimal
    colours: set[Colour] = field(default_factory=set)


@attrs.frozen
class Order:
    lines: list[Line]
    placed: datetime
    id: UUID


async def ship(order: Order, *more: object, speed: float = 1.0, note: str | None = None) -> Order:
    return order


async def fail(why: str, code: int) -> None:
    raise ExceptionGroup(why, [ValueError(code), KeyError(why)])


TASKS: dict[str, Callable[..., Any]] = {"ship": ship, "fail": fail}
ORDER = Order(
    [Line("a", Decimal("1.5"), {Colour.RED}), Line("ü", Decimal(0))], datetime(2030, 1, 1, tzinfo=UTC), UUID(int=7)
)


@attrs.frozen
class Real:
    """An entry that a shadow wrote, and how it is read."""

    data: bytes
    read: Callable[[bytes], object]


async def written(**options: Any) -> list[Real]:
    """Place and run calls, and strike; return what lies on the server then."""
    shadow = Shadow(f"fuzz-{options}".translate(str.maketrans(" {}':,", "------"))[:64], "memory://fuzz", **options)
    async with shadow as shadows:
        broker, wire = shadows.backend().broker, shadows.calls.wire
        outcomes = Outcomes(wire, 1 << 20)
        calls: list[Execution[Any]] = [
            await shadows.add(ship, timedelta(hours=1), key="k1")(ORDER, (1, b"x", {2: [None]}), note="y"),
            await shadows.add(fail, timedelta(hours=1), key="k2")("no", 5),
        ]
        found = [_call(wire, each.key, (await _kept(broker, each.key, Part.PAYLOAD)).payload) for each in calls]
        ran: list[Execution[Any]] = [await shadows.add(ship)(ORDER), await shadows.add(fail)("no", 5)]
        async with Worker(shadows) as worker:
            running = asyncio.create_task(worker.run_forever())
            for each in ran:
                await asyncio.wait([asyncio.ensure_future(each.get_result())])
            worker.stop()
            await running
        for each in ran:
            record = await _kept(broker, each.key, Part.RESULT)
            found.append(_outcome(outcomes, each.key, record.fence, record.result))
        await shadows.strike("ship", where={"speed": (">", 1.5), "note": ("==", "x")}, reason="why")
        news = await shadows.backend().strike_log.since()
        assert news is not None
        found += [_strike(wire, one.name, one.strike) for one in news.instructions]
    return found


async def _kept(broker: Any, key: str, part: Part) -> Any:
    return await broker.read(key, part)


def _call(wire: Wire, key: str, data: bytes) -> Real:
    def read(changed: bytes) -> object:
        envelope = unpack(changed)
        function = TASKS.get(envelope.task)
        return wire.arguments(envelope, key, None), wire.arguments(envelope, key, function)

    return Real(data, read)


def _outcome(outcomes: Outcomes, key: str, fence: int, data: bytes) -> Real:
    def read(changed: bytes) -> object:
        assert isinstance(outcomes.in_words(changed, key, fence), str | None)
        error = outcomes.error(changed, key, fence)
        return outcomes.result(changed, key, fence, ship) if error is None else repr(error)

    return Real(data, read)


def _strike(wire: Wire, name: str, data: bytes) -> Real:
    def read(changed: bytes) -> object:
        codec, body = wire.open(*strikes.opened(changed), "strike", name, "False")
        return strikes.read(codec.decode(body))

    return Real(data, read)


def changed(entries: list[Real], random: Random) -> tuple[Real, bytes]:
    """Return an entry, and what a few changes make of it."""
    real = random.choice(entries)
    data = bytearray(real.data)
    for _ in range(random.choice((1, 1, 1, 2, 3, 8))):
        at, size = random.randrange(len(data) + 1), random.choice((1, 1, 2, 4, 16, 64))
        match random.randrange(7):
            case 0 if at < len(data):
                data[at] ^= 1 << random.randrange(8)
            case 1:
                data[at : at + 1] = random.randbytes(1)
            case 2:
                del data[at : at + size]
            case 3:
                data[at:at] = random.choice(TOKENS)
            case 4:
                data[at : at + size] = random.choice(TOKENS)
            case 5:
                other = random.choice(entries).data
                start = random.randrange(len(other) + 1)
                data[at : at + random.choice((0, size))] = other[start : start + size]
            case _:
                data[at:at] = data[at : at + size] * random.choice((1, 2, 50))
    return real, bytes(data)


WAYS: dict[str, dict[str, Any]] = {
    "json": {"codec": "json"},
    "json, signed": {"codec": "json", "secret": SECRET},
    "pickle, signed": {"codec": "cloudpickle", "secret": SECRET},
    "pickle, encrypted": {"codec": "cloudpickle", "secret": SECRET, "seal": "encrypt"},
}


@pytest.mark.timeout(0 if EXECUTIONS > 100_000 else 60)
@pytest.mark.parametrize("way", WAYS)
def test_a_changed_entry_is_read_as_it_was_or_not_at_all(way: str) -> None:
    """FAULT 44, FAULT 48, INV 15: no other exception, and with a secret no other value."""
    entries = asyncio.run(written(**WAYS[way]))
    values = {id(each): each.read(each.data) for each in entries}
    assert len(entries) == 5
    seen = {"same": 0, "another": 0, "undecodable": 0, "not authentic": 0}

    @settings(
        max_examples=max(1, EXECUTIONS // len(WAYS) // BATCH),
        deadline=None,
        database=None,
    )
    @given(st.integers(0, 2**64 - 1))
    def fuzz(seed: int) -> None:
        random = Random(seed)
        for _ in range(BATCH):
            real, data = changed(entries, random)
            try:
                same = real.read(data) == values[id(real)]
            except NotAuthentic:
                seen["not authentic"] += 1
            except Undecodable:
                seen["undecodable"] += 1
            else:
                seen["same" if same else "another"] += 1
                assert same or "secret" not in WAYS[way], data

    fuzz()
    assert sum(seen.values()) >= min(EXECUTIONS // len(WAYS), 250_000) // BATCH * BATCH
    assert seen["undecodable"] > 0
    if "secret" in WAYS[way]:
        assert seen["not authentic"] > seen["undecodable"]
