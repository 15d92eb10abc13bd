"""Bad input at the front door: FAULTS, producer input."""

from __future__ import annotations

import asyncio
import socket
import threading
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from shadows import (
    ConfigurationError,
    Disposition,
    ExecutionState,
    PayloadTooLarge,
    SerializationError,
    Shadow,
    TaskFailed,
    UnknownTask,
    Worker,
)
from tests.front.acts import DEADLINE, HOUR, comes_true, finish, state_of, working

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.front.places import Place


async def ship(order: object, to: object = "here", *, express: object = False) -> None: ...


class Unreadable:
    """It can be written, but not be read again."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return int, ("no number",)


def _deep() -> list[Any]:
    whole: list[Any] = []
    for _ in range(100_000):
        whole = [whole]
    return whole


def _generator() -> Any:
    yield 1


class Session:
    """Something that holds what cannot travel."""

    def __init__(self) -> None:
        self.lock = threading.Lock()


untyped: Any = ship
five: Any = 5
seven: Any = 7
REFUSED: list[tuple[str, Callable[[Shadow], Any], type[Exception], str]] = [
    ("1 too few", lambda shadows: shadows.add(untyped)(), TypeError, "'order'"),
    ("1 too many", lambda shadows: shadows.add(untyped)(1, 2, 3), TypeError, "at most 2"),
    ("1 unknown", lambda shadows: shadows.add(untyped)(1, colour=2), TypeError, "'colour'"),
    ("1 twice", lambda shadows: shadows.add(untyped)(1, order=2), TypeError, "'order'"),
    ("1 by name", lambda shadows: shadows.add("ship")(), TypeError, "'order'"),
    ("1 replace", lambda shadows: shadows.replace(untyped, None, "k")(), TypeError, "'order'"),
    ("3 lock", lambda shadows: shadows.add(untyped)(1, to=Session()), SerializationError, r"kwargs\['to'\].lock"),
    (
        "3 generator",
        lambda shadows: shadows.add(untyped)(_generator()),
        SerializationError,
        "is a generator",
    ),
    ("6 too deep", lambda shadows: shadows.add(untyped)(_deep()), SerializationError, r"args\[0\] is nested deeper"),
    ("7 10 MB", lambda shadows: shadows.add(untyped)(b"x" * 10_000_000), PayloadTooLarge, "10,000,0.*8,388,608"),
    ("9 long key", lambda shadows: shadows.add(untyped, key="ä" * 257)(1), ConfigurationError, "514 bytes"),
    ("10 surrogate key", lambda shadows: shadows.add(untyped, key="\ud800")(1), ConfigurationError, "key.*surrogate"),
    ("10 surrogate", lambda shadows: shadows.add(untyped)(1, "\udfff"), ConfigurationError, r"args\[1\].*surrogate"),
    ("11 empty key", lambda shadows: shadows.add(untyped, key="")(1), ConfigurationError, "key.*empty"),
    ("11 number", lambda shadows: shadows.add(untyped, key=seven)(1), TypeError, "key must be a string"),
    ("14 naive", lambda shadows: shadows.add(untyped, when=datetime(2030, 1, 1))(1), ConfigurationError, "naive"),  # noqa: DTZ001
    ("16 9999", lambda shadows: shadows.add(untyped, when=datetime(9999, 1, 1, tzinfo=UTC))(1), ValueError, "horizon"),
    ("16 far", lambda shadows: shadows.add(untyped, when=timedelta.max)(1), ValueError, "horizon"),
    ("17 number", lambda shadows: shadows.add(untyped, when=five)(1), ConfigurationError, "when=5 is of type int"),
    ("17 arguments", lambda shadows: shadows.add(untyped, five), ConfigurationError, r"add\(task\)\(arguments\)"),
    ("17 call", lambda shadows: shadows.call(untyped, five), ConfigurationError, r"add\(task\)\(arguments\)"),
    ("20 unknown", lambda shadows: shadows.add("shipp")(1), UnknownTask, "did you mean ship"),
    ("20 replace", lambda shadows: shadows.replace("other", None, "k")(1), KeyError, "register it first"),
]


@pytest.mark.pickles
@pytest.mark.parametrize(("call", "error", "text"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
async def test_what_could_never_run_is_refused_and_nothing_is_written(
    shadows: Shadow, call: Callable[[Shadow], Any], error: type[Exception], text: str
) -> None:
    """FAULTS 1, 3, 6, 7, 9-11, 14, 16, 17, 20: at the call, in words that name what is wrong with what."""
    shadows.register(ship)
    with pytest.raises(error, match=text):
        await call(shadows)
    assert (await shadows.snapshot()).total_tasks == 0


async def test_an_open_socket_cannot_travel(shadows: Shadow) -> None:
    """FAULT 3."""
    with socket.socket() as open_one, pytest.raises(SerializationError, match=r"args\[0\]\['s'\] is a socket"):
        await shadows.add(ship)({"s": open_one})


@pytest.mark.pickles
async def test_what_cannot_be_read_back_is_found_in_debug_mode(shadows: Shadow) -> None:
    """FAULT 4: asyncio's debug mode pays for a second decoding."""
    asyncio.get_running_loop().set_debug(True)
    try:
        with pytest.raises(SerializationError, match="not read back"):
            await shadows.add(ship)(Unreadable())
    finally:
        asyncio.get_running_loop().set_debug(False)


@pytest.mark.pickles
async def test_what_cannot_be_read_back_is_quarantined_after_one_delivery(shadows: Shadow) -> None:
    """FAULT 4: otherwise the first worker finds out; it is a dead letter, and the worker goes on."""
    broken = await shadows.add(ship, key="broken")(Unreadable())
    sound = await shadows.add(ship)(1)
    async with working(shadows):
        with pytest.raises(TaskFailed, match="undecodable"):
            await broken.get_result(timeout=DEADLINE)
        await sound.get_result(timeout=DEADLINE)
    (letter,) = await shadows.backend().broker.dead(limit=10)
    assert (letter.key, letter.reason, letter.attempt) == ("broken", "undecodable", 1)
    assert letter.deliveries <= 1


async def test_no_limit_can_be_set_above_what_a_server_takes(place: Place) -> None:
    """FAULT 8: so every payload that a server would refuse is refused here, before it is sent."""
    with pytest.raises(ConfigurationError, match="max_payload"):
        place.shadow(max_payload=512 * 1024 * 1024)
    async with place.shadow(max_payload=100) as shadows:
        with pytest.raises(PayloadTooLarge, match="100 are allowed"):
            await shadows.add(ship)("x" * 100)


@pytest.mark.parametrize(
    "key",
    ["\0", "a\nb\r\n", "🐌", "{a}{b}", "runs:x", "stream", "queue", "!fence", "-", "a:*?[b]", "%41", " ", "k" * 512],
)
async def test_a_key_may_be_any_text(shadows: Shadow, key: str) -> None:
    """INV 7, FAULT 9: it dedupes, is found, replaced, run and cancelled like any other, and nothing else is."""
    other = await shadows.add(ship, key="A", when=HOUR)(0)
    first = await shadows.add(ship, key=key, when=HOUR)(1)
    assert (await shadows.add(ship, key=key)(2)).disposition is Disposition.ALREADY_SCHEDULED
    await shadows.replace(ship, HOUR, key)(3)
    found = await shadows.get_execution(key)
    assert found is not None
    assert (found.key, found.args, found.state) == (key, (3,), ExecutionState.SCHEDULED)
    await shadows.cancel(key)
    await first.sync()
    assert first.state is ExecutionState.CANCELLED
    last = await shadows.add(ship, key=key)(4)
    async with working(shadows):
        await last.get_result(timeout=DEADLINE)
    assert await state_of(shadows, other.key) == "scheduled"
    await shadows.cancel(other.key)


@pytest.mark.parametrize("name", ["a{b}", "a:b", "a*", "a b", "", "a\0", "ä", "x" * 65, "a/b"])
def test_a_shadow_name_needs_no_escaping_anywhere(name: str) -> None:
    """FAULTS 12 and 13: the allowed pattern is in the message."""
    if name:
        with pytest.raises(ConfigurationError, match=r"\[A-Za-z0-9\._-\]"):
            Shadow(name, "memory://names")
    else:
        with pytest.raises(ConfigurationError, match="name"):
            Shadow(name, "memory://names")


@pytest.mark.parametrize(
    "when",
    [
        timedelta(0),
        timedelta(seconds=-5),
        timedelta.min,
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(1969, 7, 20, tzinfo=timezone(timedelta(hours=14))),
        datetime.min.replace(tzinfo=timezone(timedelta(hours=23))),
    ],
)
async def test_what_is_past_runs_now(place: Place, when: timedelta | datetime) -> None:
    """FAULT 15: however long past; ``strict_when`` refuses it instead."""
    async with place.shadow() as shadows:
        execution = await shadows.add(ship, when=when)(1)
        await execution.sync()
        assert execution.state is ExecutionState.QUEUED
        await finish(shadows)
        await execution.get_result(timeout=DEADLINE)
    if when != timedelta(0):
        async with place.shadow(strict_when=True) as strict:
            with pytest.raises(ConfigurationError, match="strict_when"):
                await strict.add(ship, when=when)(1)


async def test_ten_years_ahead_is_near_enough(shadows: Shadow) -> None:
    """FAULT 16: what lies within the horizon keeps its time to the millisecond."""
    when = (datetime.now(UTC) + timedelta(days=3650)).replace(microsecond=123000)
    await shadows.add(ship, when=when, key="far")(1)
    found = await shadows.get_execution("far")
    assert found is not None
    assert found.when == when
    await shadows.cancel("far")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), True, timedelta(seconds=-1), "5parsecs", "-5s"])
@pytest.mark.parametrize("option", ["execution_ttl", "add_deadline", "heartbeat_interval", "redelivery_timeout"])
def test_a_duration_that_makes_no_sense_is_named(option: str, value: Any) -> None:
    """FAULT 17: one validator for the client and the worker: a line with the option and an example."""
    make = Worker if option == "redelivery_timeout" else Shadow
    where: Any = Shadow("d", "memory://d") if make is Worker else "d"
    with pytest.raises(ConfigurationError, match=rf"^{option}=.*write for example 10m[^\n]*$"):
        make(where, **{option: value})


async def test_a_producer_that_knows_no_tasks_places_calls_by_name(place: Place) -> None:
    """FAULT 20: with ``allow_unknown``; a worker that knows the task runs them."""
    async with place.shadow(allow_unknown=True) as producer, place.shadow() as shadows:
        execution = await producer.add("ship")(1, express=True)
        with pytest.raises(UnknownTask):
            await shadows.add("ship")(1)
        shadows.register(ship)
        async with working(shadows):
            await execution.get_result(timeout=DEADLINE)
        assert execution.function is None


async def test_what_a_stranger_placed_is_shown_as_far_as_it_can_be_read(shadows: Shadow) -> None:
    """INV 15: a payload that cannot be decoded here spoils neither a snapshot nor ``get_execution``."""
    from shadows.core.envelope import Envelope, pack  # noqa: PLC0415 - only a stranger needs them
    from shadows.ports.broker import Entry  # noqa: PLC0415

    broker = shadows.backend().broker
    envelopes = [("p", b"rubbish"), ("p", b"\x80\x05K\x01."), ("?", b"")]
    payloads = [b"\xff", *(pack(Envelope("ship", codec, {}, data)) for codec, data in envelopes)]
    await broker.schedule([Entry(f"k{number}", payload) for number, payload in enumerate(payloads)])
    seen = {each.key: (each.function_name, each.args) for each in (await shadows.snapshot()).future}
    assert seen == {"k0": ("", ()), "k1": ("ship", ()), "k2": ("ship", ()), "k3": ("ship", ())}
    shadows.register(ship)
    async with working(shadows):
        await comes_true(lambda: _dead(shadows, 3))
    assert await state_of(shadows, "k3") == "scheduled"  # another worker may have that codec
    await shadows.clear()


async def _dead(shadows: Shadow, count: int) -> bool:
    return (await shadows.snapshot()).dead == count
