"""Something of another type lies at one of our keys: server only."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from shadows.core.scheduling import AT_ONCE, Due
from shadows.core.verdict import Occurrence, completed, failed
from shadows.errors import BrokenKey
from shadows.ports.broker import Order
from shadows.ports.letters import Replay, Replayed
from shadows.ports.looking import Part
from shadows.ports.seeding import Seed
from shadows.ports.strike_log import Instruction, StrikesMoved
from tests.contract.acts import (
    LEASE,
    back,
    call,
    claim,
    dead,
    done,
    instead,
    keys,
    place,
    retry,
    settle,
    state,
    sweep,
    take,
    take_one,
    unknown,
    worker,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from shadows.core.holder import Holder
    from shadows.ports.broker import Entry, Lease, Placed
    from tests.contract.harness import ServerHarness

BIG = b"x" * 65
SEEDED = ("seeded", "ended", "running", "chained", "new")
FOLLOWED = completed("task", b"result", follow=Occurrence(BIG, AT_ONCE))
STRIKE = Instruction("one", b"strike")


def overwrite(real: ServerHarness, suffix: str) -> None:
    """Put something there that is neither hash, stream, set, list nor number."""
    real.ask("DEL", real.key(suffix))
    if suffix.startswith(("results:", "!heard", "!recovered:")):
        real.ask("RPUSH", real.key(suffix), "junk")
    else:
        real.ask("SET", real.key(suffix), "junk")


SHARED = [
    *("stream", "queue", "workers", "strikes", "!fence", "!bell", "!dead", "!unknown", "!requests", "!schedules"),
    "!heard",
]
HOLDERS = ["!inbox:{}", "worker-tasks:{}", "!recovered:{}"]
RECORDS = [
    *(
        f"runs:{key}"
        for key in ("scheduled", "queued", "running", "followed", "cancelled", "ended", "stranger", "lost", "later")
    ),
    *("scheduled", "stranger", "running", "ended"),
    *("runs:failed", "failed", "results:failed", "runs:dead", "!gates:scheduled"),
    *("results:ended", "results:running", "results:scheduled"),
    *("!next:followed", "!next:running", "!next:scheduled"),
    *("!progress:running", "!progress:followed", "!progress:scheduled"),
    *("!past:chained:chained", "!past:later:later", "later", "results:later"),
    *("runs:seeded", "seeded", "results:seeded", "!past:ended:ended"),
]


def changed(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    """Return the keys that are not what they were."""
    return {suffix for suffix in before.keys() | after.keys() if before.get(suffix) != after.get(suffix)}


class Scene:
    """A shadow in which something of every kind is going on."""

    def __init__(self, real: ServerHarness) -> None:
        self.real = real
        self.broker = real.broker
        self.who: Holder = worker()
        self.gone: Holder = worker("gone")
        self.leases: dict[str, Lease] = {}
        self.letter = ""

    async def set(self) -> None:
        """Bring every kind of record into being."""
        broker = self.broker
        await self.real.backend.presence.check_in(self.who, ["task"], horizon=10_000)
        await place(broker, call("lost", BIG))
        await take_one(broker, self.gone)
        await self.real.pass_time(LEASE + 1)
        running = ["running", "followed", "cancelled", "ended", "stranger", "spare", "chained", "later"]
        running += ["failed", "dead"]
        await place(broker, *(call(key, BIG, run=key) for key in running))
        self.leases = {lease.key: lease for lease in await take(broker, self.who)}
        for key in ("running", "followed"):
            await broker.report(self.leases[key], {"done": "half"})
        await place(broker, instead("followed", BIG, run="next"))
        await settle(broker, self.who, self.leases["ended"], done(b"result"))
        await settle(broker, self.who, self.leases["stranger"], unknown(self.leases["stranger"]))
        await settle(broker, self.who, self.leases["failed"], failed("task", b"error"))
        await settle(broker, self.who, self.leases["dead"], dead(self.leases["dead"]))
        (self.letter,) = [letter.id for letter in await broker.dead(limit=10)]
        await broker.cancel("cancelled")
        await settle(broker, self.who, self.leases["chained"], FOLLOWED)
        await place(broker, call("scheduled", BIG, after=1), call("queued", BIG))
        await broker.seed([Seed("seeded", BIG, Due(after=9_000), "d1")], restart=True)
        await self.real.pass_time(1)
        await self.real.backend.strike_log.append(STRIKE)

    async def place(self, *entries: Entry, repeated: bool = False) -> list[Placed]:
        """Place these, with the strikes that are in force."""
        try:
            return await place(self.broker, *entries, repeated=repeated)
        except StrikesMoved as moved:
            return await place(self.broker, *entries, repeated=repeated, strikes=moved.news.position)

    def verbs(self) -> dict[str, Callable[[], Awaitable[Any]]]:
        """Return every verb of every port, from those that look to those that change most."""
        broker, presence, log = self.broker, self.real.backend.presence, self.real.backend.strike_log
        held = self.leases
        return {
            **{f"read {key}": partial(broker.read, key, ~Part.NOTHING) for key in [*held, "scheduled", "lost"]},
            "read past": lambda: broker.read("chained", ~Part.NOTHING, run="chained"),
            "progress": lambda: broker.progress("running"),
            "survey": lambda: broker.survey(100),
            "dead": lambda: broker.dead(limit=10),
            "letter": lambda: broker.letter(self.letter),
            "roster": lambda: presence.roster(horizon=10_000),
            "since": log.since,
            "append": lambda: log.append(attrs.evolve(STRIKE, name="other")),
            "check_in": lambda: presence.check_in(self.who, ["task"], horizon=10_000),
            "renew": self.renew,
            "report": lambda: broker.report(held["running"], {"more": "1"}),
            "look": lambda: claim(broker, self.who, 0),
            "ring": lambda: broker.ring(self.who),
            "patient": lambda: broker.claim(Order(self.who, 0), patience=0.01),
            "sweep": lambda: claim(broker, self.who, 10, sweep="-"),
            "known": lambda: claim(broker, self.who, 10, known=()),
            "add": lambda: self.place(*(call(key, BIG, run="new") for key in ["new", *held, "scheduled"])),
            "again": lambda: self.place(call("ended", run="new"), repeated=True),
            "replace": lambda: self.place(*(instead(key, BIG, after=9) for key in ["queued", "ended", "running"])),
            "settle": lambda: broker.settle(self.who, self.outcomes()),
            "seed": lambda: broker.seed([Seed(key, BIG, AT_ONCE, "d2") for key in SEEDED], restart=True),
            "replay": lambda: self.replay(*(Replay(key, "r") for key in ["ended", "failed", "dead", "queued"])),
            "replay letter": lambda: self.replay(Replay("dead", "r2", self.letter)),
            "discard": lambda: broker.discard([self.letter]),
            "cancel": lambda: broker.cancel("scheduled"),
            "cancel seeded": lambda: broker.cancel("seeded"),
            "cancel running": lambda: broker.cancel("spare"),
            "turn": lambda: broker.turn([(held["spare"], retry(held["spare"]))], Order(self.who, 10, sweep="-")),
            "clear": broker.clear,
            "check_out": lambda: presence.check_out(self.who),
        }

    async def replay(self, *replays: Replay) -> list[Replayed]:
        """Replay these, with the strikes that are in force."""
        try:
            return await self.broker.replay(replays)
        except StrikesMoved as moved:
            return await self.broker.replay(replays, strikes=moved.news.position)

    async def renew(self) -> frozenset[str]:
        """Renew as if it were a coroutine."""
        return self.broker.renew(self.who, [lease.token for lease in self.leases.values()])

    def outcomes(self) -> list[Any]:
        """Settle each lease in a way of its own."""
        held = self.leases
        return [
            (held["running"], dead(held["running"])),
            (held["followed"], retry(held["followed"])),
            (held["cancelled"], back(held["cancelled"])),
            (held["later"], FOLLOWED),
        ]


@pytest.mark.parametrize("suffix", [*SHARED, *HOLDERS, *RECORDS])
async def test_whatever_lies_at_one_of_our_keys_no_verb_breaks(real: ServerHarness, suffix: str) -> None:
    """FAULT 51, INV 15: each verb does its work, or raises BrokenKey, names the key and has changed nothing."""
    scene = Scene(real)
    await scene.set()
    suffix = suffix.format(scene.who.id)
    verbs = scene.verbs()
    overwrite(real, suffix)
    for verb, ask in verbs.items():
        before = real.dump()
        try:
            await ask()
        except BrokenKey as broken:
            assert repr(real.key(suffix)) in str(broken), verb  # noqa: PT017
            heard = {f"!inbox:{scene.who.id}"} if verb == "patient" else set[str]()  # taken before the script ran
            assert changed(before, real.dump()) <= heard, verb
    real.sweep_up()


@pytest.mark.parametrize(
    ("verb", "suffix"),
    [
        *(
            (verb, suffix)
            for verb in ("schedule", "replay", "seed", "claim", "settle", "turn", "cancel", "survey", "clear")
            for suffix in ("stream", "queue")
        ),
        ("renew", "stream"),
        *((verb, "!fence") for verb in ("seed", "claim", "turn")),
        ("seed", "!schedules"),
        *((verb, "!dead") for verb in ("bury", "dead", "letter", "replay", "discard")),
        ("roster", "workers"),
        ("check_in", "workers"),
        *((verb, "strikes") for verb in ("append", "since", "schedule", "replay", "claim", "turn")),
    ],
)
async def test_a_verb_that_cannot_do_without_a_key_names_it(real: ServerHarness, suffix: str, verb: str) -> None:
    """FAULT 51: one line tells which key to delete, and after that everything goes on."""
    scene = Scene(real)
    await scene.set()
    presence, log = real.backend.presence, real.backend.strike_log
    lease = scene.leases["running"]
    asks: dict[str, Callable[[], Awaitable[Any]]] = {
        "schedule": lambda: scene.place(call("new", after=1), call("newer")),
        "seed": lambda: scene.broker.seed([Seed("new", BIG, AT_ONCE, "d1")], restart=False),
        "claim": lambda: claim(scene.broker, scene.who),
        "settle": lambda: settle(scene.broker, scene.who, lease, done()),
        "turn": lambda: scene.broker.turn([(lease, done())], Order(scene.who, 10)),
        "cancel": lambda: scene.broker.cancel("scheduled"),
        "survey": lambda: scene.broker.survey(10),
        "clear": scene.broker.clear,
        "renew": scene.renew,
        "bury": lambda: settle(scene.broker, scene.who, lease, dead(lease)),
        "dead": lambda: scene.broker.dead(limit=10),
        "letter": lambda: scene.broker.letter("1-1"),
        "replay": lambda: scene.replay(Replay("failed", "r")),
        "discard": lambda: scene.broker.discard(["1-1"]),
        "roster": lambda: presence.roster(horizon=10_000),
        "check_in": lambda: presence.check_in(scene.who, ["task"], horizon=10_000),
        "since": log.since,
        "append": lambda: log.append(attrs.evolve(STRIKE, name="other")),
    }
    overwrite(real, suffix)
    before = real.dump()
    with pytest.raises(BrokenKey, match=suffix):
        await asks[verb]()
    assert changed(before, real.dump()) == set()
    real.ask("DEL", real.key(suffix))
    await asks[verb]()
    real.sweep_up()


@pytest.mark.parametrize(
    ("suffix", "entry"),
    [
        ("stream", call("new", run="r")),
        ("queue", call("new", BIG, after=1)),
        *(
            (suffix, instead(key, after=1))
            for suffix in ("stream", "queue")
            for key in ("scheduled", "queued", "ended")
        ),
    ],
)
async def test_a_call_that_comes_alone_names_the_key_that_it_needs(
    real: ServerHarness, suffix: str, entry: Entry
) -> None:
    """FAULT 51: nobody has looked before, and nothing is written."""
    scene = Scene(real)
    await scene.set()
    await scene.place()
    overwrite(real, suffix)
    before = real.dump()
    with pytest.raises(BrokenKey, match=suffix):
        await scene.place(entry)
    assert changed(before, real.dump()) == set()
    real.ask("DEL", real.key(suffix))
    assert await scene.place(entry) == ["scheduled"]
    real.sweep_up()


async def test_a_call_that_comes_alone_does_not_look_at_what_it_does_not_need(real: ServerHarness) -> None:
    """It costs no command, and the broken key stops only those that need it."""
    overwrite(real, "queue")
    assert await place(real.broker, call("new")) == ["scheduled"]
    real.ask("DEL", real.key("queue"))
    assert keys(await take(real.broker, worker())) == ["new"]


@pytest.mark.parametrize("later", [None, 1.0])
async def test_one_broken_record_stops_nobody_from_being_claimed(real: ServerHarness, later: float | None) -> None:
    """INV 15, FAULT 51: what waited under it is quarantined, the calls around it run."""
    await place(real.broker, *(call(key, BIG, after=later) for key in "abc"))
    overwrite(real, "runs:b")
    await real.pass_time(1)
    assert keys(await take(real.broker, worker())) == ["a", "c"]
    (letter,) = await real.broker.dead(limit=10)
    assert letter.reason == "undecodable"
    assert real.ask("XLEN", real.key("stream")) == 2
    assert real.ask("ZCARD", real.key("queue")) == 0
    real.ask("DEL", real.key("runs:b"))


async def test_one_broken_record_stops_nobody_from_being_redelivered(real: ServerHarness) -> None:
    """INV 13, INV 15: the sweep buries it and goes on."""
    await place(real.broker, *(call(key) for key in "abc"))
    await take(real.broker, worker())
    overwrite(real, "runs:b")
    await real.pass_time(LEASE + 1)
    assert keys(await sweep(real.broker, worker())) == ["a", "c"]
    assert len(real.pending()) == 2
    real.ask("DEL", real.key("runs:b"))


async def test_one_broken_record_stops_nobody_from_being_settled(real: ServerHarness) -> None:
    """INV 9, INV 15: its lease answers that the record is broken, its message goes, the others are settled."""
    broker, who = real.broker, worker()
    await place(broker, *(call(key) for key in "abc"))
    leases = await take(broker, who)
    overwrite(real, "runs:b")
    assert await broker.settle(who, [(lease, done()) for lease in leases]) == ["settled", "broken", "settled"]
    assert real.pending() == []
    assert real.ask("GET", real.key("runs:b")) == b"junk"
    real.ask("DEL", real.key("runs:b"))


async def test_one_broken_record_stops_nobody_from_being_scheduled(real: ServerHarness) -> None:
    """INV 9, FAULT 51: its entry answers that the record is broken and nothing was changed; the others are placed."""
    overwrite(real, "runs:b")
    assert await place(real.broker, call("a"), call("b"), instead("b"), call("c")) == [
        "scheduled",
        "broken",
        "broken",
        "scheduled",
    ]
    assert keys(await take(real.broker, worker())) == ["a", "c"]
    assert real.ask("GET", real.key("runs:b")) == b"junk"
    real.ask("DEL", real.key("runs:b"))
    assert await place(real.broker, call("b")) == ["scheduled"]


async def test_one_broken_record_cannot_be_read_or_cancelled_and_is_named(real: ServerHarness) -> None:
    """FAULT 51: the text says which key it is."""
    overwrite(real, "runs:b")
    for ask in (real.broker.read, real.broker.cancel):
        with pytest.raises(BrokenKey, match="runs:b"):
            await ask("b")
    real.ask("DEL", real.key("runs:b"))


async def test_broken_helpers_are_repaired_on_the_way(real: ServerHarness) -> None:
    """FAULT 51: bell, inbox and memory of requests hold nothing that cannot be done without."""
    broker, who = real.broker, worker()
    for suffix in ("!bell", "!requests", f"!inbox:{who.id}"):
        overwrite(real, suffix)
    await place(broker, call("a"))
    lease = await take_one(broker, who)
    assert await broker.cancel("a") == "requested"
    assert (await claim(broker, who)).cancels == (("a", lease.fence),)
    assert await settle(broker, who, lease, done()) == "settled"
    assert await state(broker, "a") == "completed"
    real.ask("DEL", *(real.key(suffix) for suffix in ("!bell", "!requests")))
