"""Something of another type lies at a key of the gates, or something has vanished: server only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from shadows.core.gates import Cooldown, Debounce, Gate, Rate, Slots
from shadows.errors import BrokenKey
from shadows.ports.admission import Admission, Passage
from shadows.ports.broker import Order
from tests.contract.acts import (
    LEASE,
    admit,
    at_gates,
    back,
    call,
    claim,
    done,
    instead,
    keys,
    place,
    settle,
    state,
    sweep,
    take,
    take_one,
    worker,
)
from tests.contract.test_broken_keys import BIG, Scene, changed, overwrite

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from shadows.ports.broker import Lease
    from tests.contract.harness import ServerHarness

ADMITTED, PARKED = Admission(Passage.ADMITTED), Admission(Passage.PARKED)
ONE, RATE = Slots("one", 1), Rate("r", 1, 20_000)
COOLDOWN, DEBOUNCE = Cooldown("c", 20_000), Debounce("d", 10_000)
EVERY: tuple[Gate, ...] = (ONE, RATE, COOLDOWN)
SUFFIXES = [
    *(
        "concurrency:one",
        "!line:one",
        "!rate:20000:r",
        "!paced:20000:r",
        "!cooldown:c",
        "!debounce:d",
        "!parked",
        "!chores",
    ),
    *(f"!gates:{key}" for key in ("holding", "parked", "reserved", "settling", "new")),
    *(f"runs:{key}" for key in ("holding", "parked", "reserved", "settling")),
    *("parked", "reserved"),
]


class GatedScene(Scene):
    """The scene, and a call of every kind at its gates."""

    async def set(self) -> None:
        await super().set()
        self.gated = worker("gated", lease=3600)
        broker = self.broker
        await take(broker, worker("other"))
        await self.ask("holding", *EVERY)
        await self.ask("parked", ONE)
        await self.ask("reserved", RATE)
        await self.ask("settling", DEBOUNCE)
        await self.place(call("new", BIG), call("newer", BIG))
        for lease in await take(broker, self.gated):
            self.leases[lease.key] = lease

    async def ask(self, key: str, *gates: Gate) -> None:
        await self.place(call(key, BIG))
        self.leases[key] = await take_one(self.broker, self.gated)
        await admit(self.broker, self.gated, self.leases[key], *gates)

    def verbs(self) -> dict[str, Callable[[], Awaitable[Any]]]:
        """Return those that look, then those that meet gates."""
        broker, held = self.broker, self.leases
        usual = super().verbs()
        return {
            **{verb: usual[verb] for verb in ("survey", "look", "add", "replace")},
            "read": lambda: broker.read("parked"),
            "admit": lambda: broker.admit(self.gated, [(held["new"], [*EVERY, DEBOUNCE]), (held["newer"], EVERY)]),
            "admit again": lambda: admit(broker, self.gated, held["holding"], *EVERY),
            "replace gated": lambda: self.place(instead("reserved", BIG, after=60)),
            "settle": lambda: settle(broker, self.gated, held["holding"], back(held["holding"])),
            "turn": lambda: broker.turn([(held["newer"], done())], Order(self.gated, 10, sweep="-")),
            "later": self.later,
            "cancel": lambda: broker.cancel("parked"),
            "clear": broker.clear,
        }

    async def later(self) -> None:
        """Claim when every moment has come."""
        await self.real.pass_time(60)
        await claim(self.broker, self.gated, 10)


@pytest.mark.parametrize("suffix", SUFFIXES)
async def test_whatever_lies_at_a_key_of_the_gates_no_verb_breaks(real: ServerHarness, suffix: str) -> None:
    """FAULT 51, INV 15: each verb does its work, or raises BrokenKey, names the key and has changed nothing."""
    scene = GatedScene(real)
    await scene.set()
    overwrite(real, suffix)
    for verb, ask in scene.verbs().items():
        before = real.dump()
        try:
            await ask()
        except BrokenKey as broken:
            assert repr(real.key(suffix)) in str(broken), verb  # noqa: PT017
            assert changed(before, real.dump()) == set(), verb
    real.sweep_up()


@pytest.mark.parametrize(
    ("suffix", "gate"),
    [
        ("concurrency:one", ONE),
        ("!line:one", ONE),
        ("!rate:20000:r", RATE),
        ("!paced:20000:r", RATE),
        ("!cooldown:c", COOLDOWN),
        ("!debounce:d", DEBOUNCE),
        ("runs:a", ONE),
    ],
)
async def test_a_gate_that_cannot_be_asked_names_the_key_and_keeps_the_lease(
    real: ServerHarness, suffix: str, gate: Gate
) -> None:
    """FAULT 51: that call alone; when the key is deleted it goes on."""
    broker, who = real.broker, worker()
    await place(broker, call("a"), call("b"))
    a, b = await take(broker, who)
    real.ask("DEL", real.key(suffix))
    real.ask("PFADD" if suffix.startswith("runs:") else "RPUSH", real.key(suffix), "junk")
    answers = await broker.admit(who, [(a, [gate]), (b, [Slots("other", 1)])])
    assert answers == [Admission(Passage.BROKEN, real.key(suffix)), ADMITTED]
    real.ask("DEL", real.key(suffix))
    if suffix != "runs:a":
        assert (await admit(broker, who, a, gate)).passage == ("delayed" if gate == DEBOUNCE else "admitted")


async def test_a_line_at_slots_that_cannot_be_read_goes_on_afterwards(real: ServerHarness) -> None:
    """FAULT 51: nobody is forgotten in it: claims look again, a second later each time."""
    broker = real.broker
    who = worker(lease=3600)
    lease, _ = await at_gates(broker, "a", ONE, who=who)
    assert (await at_gates(broker, "b", ONE))[1] == PARKED
    overwrite(real, "concurrency:one")
    await settle(broker, who, lease, done())
    assert await state(broker, "b") == "parked"
    await real.pass_time(1)
    assert await take(broker, who) == ()
    real.ask("DEL", real.key("concurrency:one"))
    await real.pass_time(1)
    assert keys(await take(broker, who)) == ["b"]


async def test_a_parked_call_whose_second_gate_is_broken_waits_until_it_is_not(real: ServerHarness) -> None:
    """FAULT 51: it keeps its place in line."""
    broker, who = real.broker, worker(lease=3600)
    lease, _ = await at_gates(broker, "a", ONE, who=who)
    assert (await at_gates(broker, "b", ONE, RATE))[1] == PARKED
    overwrite(real, "!rate:20000:r")
    await settle(broker, who, lease, done())
    assert await state(broker, "b") == "parked"
    real.ask("DEL", real.key("!rate:20000:r"))
    await real.pass_time(1)
    assert [(one.key, one.admitted) for one in await take(broker, who)] == [("b", True)]


async def held(real: ServerHarness, key: str, *gates: Gate) -> tuple[Any, Lease]:
    who = worker()
    lease, admission = await at_gates(real.broker, key, *gates, who=who)
    assert admission == ADMITTED
    return who, lease


@pytest.mark.parametrize("way", ["settle", "sweep", "admit"])
async def test_an_evicted_record_takes_no_slot_with_it(real: ServerHarness, way: str) -> None:
    """FAULT 50, INV 21: what the call held is known beside the record, and given back."""
    broker = real.broker
    who, lease = await held(real, "a", ONE)
    real.ask("DEL", real.key("runs:a"))
    if way == "settle":
        assert await settle(broker, who, lease, done()) == "settled"
    elif way == "sweep":
        await real.pass_time(LEASE + 1)
        who = worker()
        (again,) = await sweep(broker, who)
        assert not again.admitted
        assert await admit(broker, who, again, ONE) == ADMITTED
        await settle(broker, who, again, done())
    else:
        assert await admit(broker, who, lease, ONE) == ADMITTED
        assert await settle(broker, who, lease, done()) == "settled"
    await held(real, "b", ONE)


async def test_a_call_whose_record_was_evicted_before_it_asked_is_admitted(real: ServerHarness) -> None:
    """FAULT 50: who has the message has the lease."""
    broker, who = real.broker, worker()
    await place(broker, call("a"))
    lease = await take_one(broker, who)
    real.ask("DEL", real.key("runs:a"))
    assert await admit(broker, worker(), lease, ONE) == Admission(Passage.SUPERSEDED)
    assert await admit(broker, who, lease, ONE) == ADMITTED
    assert await settle(broker, who, lease, done()) == "settled"


async def test_a_parked_call_whose_record_was_evicted_stops_nobody(real: ServerHarness) -> None:
    """FAULT 50: it is lost, and the next in line is woken."""
    broker = real.broker
    who, lease = await held(real, "a", ONE)
    for key in ("b", "c"):
        await at_gates(broker, key, ONE)
    real.ask("DEL", real.key("runs:b"), real.key("!gates:b"))
    await settle(broker, who, lease, done())
    assert keys(await take(broker, who)) == ["c"]


async def test_a_call_that_waited_for_its_moment_and_was_evicted_stops_nobody(real: ServerHarness) -> None:
    """FAULT 50: nobody waits behind a reservation that is nobody's."""
    broker, who = real.broker, worker()
    await held(real, "a", RATE)
    await at_gates(broker, "b", RATE)
    real.ask("DEL", real.key("runs:b"), real.key("!gates:b"))
    real.ask("ZREM", real.key("queue"), "b")
    await real.pass_time(60)
    assert (await at_gates(broker, "c", RATE, who=who))[1] == ADMITTED


async def test_a_call_that_is_not_the_newest_any_more_is_dropped_when_it_comes_back(real: ServerHarness) -> None:
    """INV 41: what a debounce keeps may have faded before the call was claimed, and then a newer one came."""
    broker, who = real.broker, worker()
    await at_gates(broker, "a", DEBOUNCE)
    real.ask("DEL", real.key("!debounce:d"))
    await at_gates(broker, "b", DEBOUNCE)
    await real.pass_time(10)
    leases = await take(broker, who)
    assert [(lease.key, lease.admitted, lease.dropped) for lease in leases] == [
        ("a", False, "debounced"),
        ("b", True, ""),
    ]


async def test_a_running_call_whose_message_was_deleted_gives_its_slot_back(real: ServerHarness) -> None:
    """FAULT 52: a new add of its key finds the slot free again."""
    broker = real.broker
    _, lease = await held(real, "a", ONE)
    real.ask("XDEL", real.key("stream"), lease.token)
    await place(broker, call("a"))
    who = worker()
    again = await take_one(broker, who)
    await held(real, "b", ONE)
    assert await admit(broker, who, again, ONE) == PARKED


async def test_what_is_kept_of_a_parked_call_may_vanish(real: ServerHarness) -> None:
    """FAULT 50: its time and its gates are lost; the key is not."""
    broker = real.broker
    who, lease = await held(real, "a", ONE)
    await at_gates(broker, "b", ONE)
    real.ask("DEL", real.key("!gates:b"))
    record = await broker.read("b")
    assert record is not None
    assert (record.state, record.due) == ("parked", None)
    assert [one.due for one in (await broker.survey(10)).records if one.key == "b"] == [None]
    assert await broker.cancel("b") == "cancelled"
    await settle(broker, who, lease, done())


async def test_flushing_everything_leaves_no_gate_closed(real: ServerHarness) -> None:
    """FAULT 52: bodies that still run end quietly, and calls from now on pass."""
    broker = real.broker
    who, lease = await held(real, "a", *EVERY)
    await at_gates(broker, "b", ONE)
    real.ask("FLUSHALL")
    real.set_clock()
    assert await settle(broker, who, lease, done()) == "superseded"
    await held(real, "c", *EVERY)


async def test_a_call_whose_message_was_deleted_passes_no_gate(real: ServerHarness) -> None:
    """FAULT 52: its worker is told that it has it no more, and its key can be used again."""
    broker, who = real.broker, worker()
    await place(broker, call("a", b"old"))
    lease = await take_one(broker, who)
    real.ask("XDEL", real.key("stream"), lease.token)
    assert await admit(broker, who, lease, ONE) == Admission(Passage.SUPERSEDED)
    assert await place(broker, call("a", b"new")) == ["scheduled"]
