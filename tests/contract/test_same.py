"""Drive the model and a real server with one random history, and compare every answer."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from shadows.core import verdict
from shadows.core.holder import Holder
from shadows.core.lifecycle import ExecutionState
from shadows.core.scheduling import AT_ONCE, Due
from shadows.core.verdict import Occurrence
from shadows.ports.backend import Terms
from shadows.ports.broker import Claim, Entry, Lease, OnLive, Order
from shadows.ports.letters import DeadLetter, Replay, Replayed
from shadows.ports.looking import Part, Record
from shadows.ports.seeding import Seed
from shadows.ports.strike_log import Instruction, News, StrikesMoved
from tests.contract.harness import MemoryHarness, ServerHarness

type Draw = Callable[[st.SearchStrategy[Any]], Any]

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from hypothesis.strategies import DataObject

    from shadows.core.verdict import Verdict
    from shadows.ports.broker import Broker
    from tests.contract.harness import Harness
    from tests.servers import Server, Servers

FEW, ENOUGH = 10, 60
"""So many histories are tried while somebody waits, and so many in CI, where each rare step must come about."""
HISTORIES = int(os.environ.get("HISTORIES", ENOUGH if os.environ.get("CI") == "true" else FEW))
SHRINK = "SHRINK" in os.environ
"""Whether a history that shows a difference is made as short as can be: minutes, so only when somebody looks at one."""
STEPS = 30
KEYS = ("!c", "a", "b")
"""One is reserved.  Stored it still sorts where it did, which decides between calls due at the same moment."""
RUNS = ("", "1", "2", "3")
HOLDERS = tuple(Holder(name, f"{name}@{name}:{ms}", ms) for name, ms in (("x", 29_900), ("y", 29_900), ("z", 5_900)))
"""Time passes in whole seconds, and a server's leases age besides while the test runs: of these lengths neither the
whole nor a half, which is what a silence is measured by, is over within 0.9 s of that.
"""
HORIZON = 30_000
"""ms, of which a server also counts those that the test takes: far more than one history does."""
RESTARTS = (False, False, False, True)
EVERYTHING = Part.PAYLOAD | Part.RESULT | Part.STANDING

keys = st.sampled_from(KEYS)
holders = st.sampled_from(HOLDERS)
payloads = st.one_of(st.binary(max_size=4), st.sampled_from([b"x" * 64, b"y" * 65, b"\0" * 300]))
dues = st.sampled_from([AT_ONCE, AT_ONCE, Due(after=10_000), Due(after=60_000), Due(at=0), Due(at=25_000)])
struck = st.sampled_from([False, False, False, True])
entries = st.builds(Entry, keys, payloads, dues, st.sampled_from(RUNS), st.sampled_from(OnLive), struck)
kinds = st.sampled_from(
    ["completed", "failed", "failed", "cancelled", "last", "again", "again", "back", "unknown", "dead", "dead", "hold"]
)
follows = st.one_of(st.none(), st.none(), st.builds(Occurrence, payloads, dues, st.sampled_from(["", "d1", "d2"])))
definitions = st.sampled_from(["d1", "d2", "d3"])
seeds = st.builds(Seed, keys, payloads, dues, definitions)
outcomes = st.tuples(
    kinds, payloads, st.sampled_from([AT_ONCE, Due(after=10_000)]), st.sampled_from(["", "word"]), follows
)
three_outcomes = st.lists(outcomes, min_size=3, max_size=3)


limits = st.integers(0, 4)
sweeps = st.sampled_from(["", "-"])
NAMES = "stu"
names = st.sampled_from(NAMES)
STEPS_OF_A_HISTORY = [
    *["schedule", "start", "start", "claim", "redeliver", "recover", "settle", "settle", "settle", "turn", "turn"],
    *["renew", "report", "cancel", "cancel", "clear", "seed", "seed", "pass_time", "check_in", "check_out"],
    *["strike", "restore", "overtake", "replay", "replay", "discard"],
]


@attrs.frozen
class Pair:
    """One lease as each side knows it; only the token differs."""

    holder: Holder
    real: Lease
    model: Lease


def outcome(
    lease: Lease, kind: str, body: bytes, due: Due, reason: str, follow: Occurrence | None, *, read: str = ""
) -> Verdict:
    """Return what has become of a lease; ``read`` is up to where this side has read the strikes."""
    strike = NAMES[len(body) % len(NAMES)]
    made: dict[str, Callable[[], Verdict]] = {
        "last": lambda: verdict.completed("task", body, last=True),
        "completed": lambda: verdict.completed("task", body, reason=reason, follow=follow),
        "failed": lambda: verdict.failed("task", body, reason=reason, follow=follow),
        "cancelled": lambda: verdict.cancelled("task", reason=reason or "cancelled", follow=follow),
        "again": lambda: verdict.again(body, attempt=lease.attempt + 1, due=due),
        "back": lambda: verdict.handed_back(lease.payload, attempt=lease.attempt),
        "hold": lambda: verdict.held(body, attempt=lease.attempt, strike=strike, strikes=read, due=lease.due),
        "unknown": lambda: verdict.unknown(lease.payload, attempt=lease.attempt),
        "dead": lambda: verdict.dead(body, attempt=lease.attempt, reason="undecodable"),
    }
    return made[kind]()


class SameAnswers(RuleBasedStateMachine):
    """One history for both.  Each answer is compared, and after each step each record, the counts and the keys."""

    where: Server
    loop: asyncio.AbstractEventLoop
    ran: Counter[str]
    keys: tuple[str, ...] = KEYS
    holders: st.SearchStrategy[Holder] = holders

    def __init__(self) -> None:
        super().__init__()
        self.opened = False

    @initialize(keep=st.sampled_from([0, 9_000_000]), dead_letters=st.sampled_from([2, 10_000]))
    def open(self, keep: int, dead_letters: int) -> None:
        terms = Terms(execution_ttl=keep, dead_letters=dead_letters, unknown_task_ttl=50_000)
        self.server = ServerHarness(self.where, terms)
        self.model = MemoryHarness(terms)
        self.model.now = self.server.now
        self.wait(self.server.__aenter__())
        self.wait(self.model.__aenter__())
        self.began = self.model.now
        self.states: dict[str, ExecutionState | None] = dict.fromkeys(self.keys)
        self.runs: dict[str, list[str]] = {key: [] for key in self.keys}
        self.pairs: list[Pair] = []
        self.left: set[Holder] = set()
        self.read = ("", "")
        self.opened = True
        self.ran["histories"] += 1

    def wait[T](self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def both(self, verb: str, *real: Any, model: tuple[Any, ...] | None = None, **options: Any) -> tuple[Any, Any]:
        """Ask both the same; a verb that both refuse differently is a difference as well."""

        def answer(broker: Broker, arguments: tuple[Any, ...]) -> Any:
            told = getattr(broker, verb)(*arguments, **options)
            return told if verb == "renew" else self.wait(told)

        return answer(self.server.broker, real), answer(self.model.broker, real if model is None else model)

    def same(self, verb: str, *arguments: Any, **options: Any) -> Any:
        real, model = self.both(verb, *arguments, **options)
        assert real == model
        return real

    # The verbs ----------------------------------------------------------------------------------------------

    @rule(what=st.sampled_from(STEPS_OF_A_HISTORY), data=st.data())
    def step(self, what: str, data: DataObject) -> None:
        """Do one thing of the list.  One rule, because Hypothesis leaves out some of many rules in each history."""
        self.ran[what] += 1
        getattr(self, what)(data.draw)

    def schedule(self, draw: Draw) -> None:
        drawn = draw(st.lists(entries, max_size=4))
        batch = [attrs.evolve(entry, due=self.dated(entry.due)) for entry in drawn]
        self.place(batch, repeated=draw(st.booleans()), read=draw(st.booleans()))

    def place(self, batch: list[Entry], *, repeated: bool = False, read: bool = True) -> None:
        """Place these, unless the strikes have moved since somebody read them."""
        if read:
            self.read_strikes()
        answers: list[Any] = []
        for side, position in zip(self.sides, self.read, strict=True):
            try:
                answers.append(self.wait(side.broker.schedule(batch, repeated=repeated, strikes=position)))
            except StrikesMoved as moved:
                self.ran["moved"] += 1
                answers.append((moved.news.instructions, moved.news.anew, moved.partly))
        assert answers[0] == answers[1]

    def read_strikes(self) -> None:
        self.news(*(self.wait(side.backend.strike_log.since(self.read[i])) for i, side in enumerate(self.sides)))
        found: list[News | None] = []
        for side, position in zip(self.sides, self.read, strict=True):  # only who may write puts the log in order
            try:
                self.wait(side.broker.schedule([], strikes=position))
                found.append(None)
            except StrikesMoved as moved:
                found.append(moved.news)
        self.news(*found)

    @property
    def sides(self) -> tuple[Harness, Harness]:
        return self.server, self.model

    def strike(self, draw: Draw) -> None:
        until = draw(st.sampled_from([None, None, Due(after=5_000), Due(at=self.began + 25_000)]))
        strike = Instruction(draw(names), draw(st.binary(min_size=1, max_size=3)), until, draw(st.booleans()))
        self.instruct(strike, ours=draw(st.booleans()))

    def overtake(self, draw: Draw) -> None:
        """Place under a position that somebody else's strike has just made old."""
        strike = Instruction(draw(names), draw(st.binary(min_size=1, max_size=3)), None, draw(st.booleans()))
        self.instruct(strike, ours=False)
        batch = [attrs.evolve(entry, due=AT_ONCE) for entry in draw(st.lists(entries, max_size=2))]
        self.place(batch, read=False)

    def restore(self, draw: Draw) -> None:
        self.instruct(Instruction(draw(names)), ours=draw(st.booleans()), pace=draw(st.sampled_from([0, 0, 5_000])))

    def instruct(self, instruction: Instruction, *, ours: bool, pace: int = 0) -> None:
        real, model = (
            self.wait(side.backend.strike_log.append(instruction, position=self.read[i], pace=pace))
            for i, side in enumerate(self.sides)
        )
        assert real.found is model.found
        self.ran["restored"] += real.found and not instruction.strike
        self.news(real.news, model.news, remember=ours)

    def news(self, real: News | None, model: News | None, *, remember: bool = True) -> None:
        """Compare what is new; the positions are each side's own."""
        assert (real is None) == (model is None)
        if real is not None and model is not None:
            assert (real.instructions, real.anew) == (model.instructions, model.anew)
            self.read = (real.position, model.position) if remember else self.read

    def dated(self, due: Due) -> Due:
        """Instants count from the beginning of the history."""
        return due if due.at is None else Due(at=self.began + due.at)

    def seed(self, draw: Draw) -> None:
        """Seed, half of the time one key under several definitions, and now and then what was cancelled just before."""
        drawn = draw(st.lists(seeds, min_size=1, max_size=3))
        if draw(st.booleans()):
            drawn = [attrs.evolve(one, key=drawn[0].key) for one in drawn]
        batch = [attrs.evolve(one, due=self.dated(one.due)) for one in drawn]
        if not draw(st.integers(0, 2)):
            self.same("seed", batch, restart=False)
            self.same("cancel", drawn[0].key)
        self.ran.update(f"seed {word}" for word in self.same("seed", batch, restart=draw(st.sampled_from(RESTARTS))))

    def claim(self, draw: Draw) -> None:
        order = Order(draw(self.holders), draw(limits), draw(st.sampled_from([1, 2, 5])), draw(sweeps), HORIZON)
        orders = [attrs.evolve(order, strikes=position) for position in self.read]
        self.compare(order.holder, *self.both("claim", orders[0], model=(orders[1],)))

    def start(self, draw: Draw) -> None:
        """Place and claim in one go: without this, most histories hold few leases."""
        batch = [attrs.evolve(entry, due=AT_ONCE) for entry in draw(st.lists(entries, min_size=1, max_size=3))]
        self.place(batch)
        order = Order(draw(self.holders), 4)
        self.compare(order.holder, *self.both("claim", order))

    def redeliver(self, draw: Draw) -> None:
        """Let leases run out, and look for them: when that was a silence, once more after the time that it spares."""
        if draw(st.booleans()):
            self.start(draw)
        lender, heir = draw(self.holders), draw(self.holders)
        self.compare(lender, *self.both("claim", Order(lender, 4, 5)))
        self.age(draw(st.sampled_from([6, 31, 31])))
        order = Order(heir, 4, draw(st.sampled_from([1, 3, 5])), "-", HORIZON)
        self.compare(heir, *self.both("claim", order))
        if draw(st.booleans()):
            self.age(11)
            self.compare(heir, *self.both("claim", order))

    def recover(self, draw: Draw) -> None:
        """Claim after a broken trip: some leases are known, some are not."""
        holder, limit = draw(self.holders), draw(limits)
        known = [pair for pair in self.some(draw) if pair.holder == holder]
        real = Order(holder, limit, known=tuple(pair.real.token for pair in known))
        model = Order(holder, limit, known=tuple(pair.model.token for pair in known))
        self.compare(holder, *self.both("claim", real, model=(model,)))

    def settle(self, draw: Draw) -> None:
        """Settle what was claimed of late, some of which has gone to others since, now and then by a wrong holder."""
        held = self.some(draw)
        real, model = self.batch(held, draw(three_outcomes))
        who = held[0].holder if held and draw(st.integers(0, 3)) else draw(self.holders)
        answer, expected = self.both("settle", who, real, model=(who, model))
        assert answer == expected
        self.ran.update(word.value for word in answer)

    def turn(self, draw: Draw) -> None:
        held = self.some(draw)
        real, model = self.batch(held, draw(three_outcomes))
        order = Order(held[0].holder if held else draw(self.holders), draw(limits), sweep=draw(sweeps), horizon=HORIZON)
        orders = [attrs.evolve(order, strikes=position) for position in self.read]
        (settled, claimed), (expected, wanted) = self.both("turn", real, orders[0], model=(model, orders[1]))
        assert settled == expected
        self.ran.update(word.value for word in settled)
        self.compare(order.holder, claimed, wanted)

    def renew(self, draw: Draw) -> None:
        held = self.some(draw)
        who = held[0].holder if held and draw(st.integers(0, 3)) else draw(self.holders)
        real, model = [pair.real.token for pair in held], [pair.model.token for pair in held]
        lost, expected = self.both("renew", who, real, model=(who, model))
        assert [token in lost for token in real] == [token in expected for token in model]

    def report(self, draw: Draw) -> None:
        for pair in self.some(draw)[:1]:
            fields = draw(st.dictionaries(st.sampled_from("pq"), st.text(max_size=3), min_size=1))
            real, model = self.both("report", pair.real, fields, model=(pair.model, fields))
            assert real is model

    def cancel(self, draw: Draw) -> None:
        self.ran[self.same("cancel", draw(keys)).value] += 1

    def replay(self, draw: Draw) -> None:
        """Replay dead letters, or failed runs by their keys; now and then once more, as if the answer was lost."""
        if draw(st.booleans()):
            self.bury(draw)
        self.read_strikes()
        batches: tuple[list[Replay], list[Replay]] = ([], [])
        for found in draw(st.lists(st.sampled_from([None, *self.letters()]), min_size=1, max_size=3)):
            key = (found[0].key if found else None) or draw(keys)
            asked = Replay(
                key, draw(st.sampled_from(["1", "4", "5", "6"])), "", self.dated(draw(dues)), draw(st.booleans())
            )
            for i, batch in enumerate(batches):
                batch.append(attrs.evolve(asked, letter=found[i].id if found else ""))
        repeated = draw(st.booleans())
        answers = [
            self.wait(side.broker.replay(batch, repeated=repeated, strikes=position))
            for side, batch, position in zip(self.sides, batches, self.read, strict=True)
        ]
        assert answers[0] == answers[1]
        self.ran.update(f"replay {word}" for word in answers[0])

    def bury(self, draw: Draw) -> None:
        """Give up what is claimed now: without this, most histories have no dead letter."""
        self.start(draw)
        real, model = self.batch(self.pairs[-1:], [("dead", b"", AT_ONCE, "", None)])
        for pair in self.pairs[-1:]:
            answer, expected = self.both("settle", pair.holder, real, model=(pair.holder, model))
            assert answer == expected

    def discard(self, draw: Draw) -> None:
        if draw(st.booleans()):
            self.bury(draw)
        some = [pair for pair in self.letters() if draw(st.booleans())]
        real, model = [pair[0].id for pair in some], [pair[1].id for pair in some]
        assert self.both("discard", [*real, "1-1"], model=([*model, "1-1"],)) == ([*[True] * len(some), False],) * 2
        self.ran["discarded"] += len(some)

    def letters(self) -> list[tuple[DeadLetter, DeadLetter]]:
        """Return the dead letters as each side knows them; only the ids differ."""
        real, model = (self.wait(side.broker.dead(limit=10)) for side in self.sides)
        assert [attrs.evolve(one, id="") for one in real] == [attrs.evolve(one, id="") for one in model]
        return [*zip(real, model, strict=True)]

    def clear(self, _: Draw) -> None:
        self.same("clear")

    def pass_time(self, draw: Draw) -> None:
        self.age(draw(st.sampled_from([1, 1, 6, 20, 31, 61])))

    def age(self, seconds: int) -> None:
        """Let so much time pass on both sides."""
        self.wait(self.server.pass_time(seconds))
        self.wait(self.model.pass_time(seconds))

    def check_in(self, draw: Draw) -> None:
        holder, tasks = draw(self.holders), draw(st.sets(st.sampled_from("pqr")))
        for side in (self.server, self.model):
            self.wait(side.backend.presence.check_in(holder, tasks, horizon=HORIZON))

    def check_out(self, draw: Draw) -> None:
        holder = draw(self.holders)
        self.left.add(holder)
        for side in (self.server, self.model):
            self.wait(side.backend.presence.check_out(holder))

    # What is compared ---------------------------------------------------------------------------------------

    def batch(self, held: list[Pair], how: list[Any]) -> tuple[list[Any], list[Any]]:
        how = [(*what, follow and attrs.evolve(follow, due=self.dated(follow.due))) for *what, follow in how]
        pairs = [*zip(held, how, strict=False)]
        self.ran.update(what[0] for what in how)
        real = [(pair.real, outcome(pair.real, *what, read=self.read[0])) for pair, what in pairs]
        return real, [(pair.model, outcome(pair.model, *what, read=self.read[1])) for pair, what in pairs]

    def some(self, draw: Draw) -> list[Pair]:
        """Draw up to three leases, newer ones rather than older ones, perhaps one of them twice."""
        if not self.pairs:
            return []
        drawn: list[Pair] = draw(st.lists(st.sampled_from(self.pairs[:-7:-1]), min_size=1, max_size=3))
        return drawn

    def compare(self, holder: Holder, real: Claim, model: Claim) -> None:
        """Compare two claims; what was placed for now has its time from the server's message number."""
        assert [self.visible(lease) for lease in real.leases] == [self.visible(lease) for lease in model.leases]
        assert (real.due_in, real.more, real.left) == (model.due_in, model.more, model.left)
        assert real.sweep in {"", "-"} or real.sweep[0] != model.sweep  # cursors are each side's own
        assert real.enrolled == model.enrolled
        self.news(real.strikes, model.strikes)
        if holder not in self.left:  # who has checked out is told nothing of what was asked before
            assert self.current(real) == self.current(model)
        self.ran["redelivered"] += any(lease.deliveries > 1 for lease in real.leases)
        self.pairs += [Pair(holder, *both) for both in zip(real.leases, model.leases, strict=True)]

    def current(self, claim: Claim) -> set[tuple[str, int]]:
        """Return the cancels of leases that are still out: a holder may be told of one that it has settled since."""
        running = self.wait(self.model.broker.survey(10)).records
        return set(claim.cancels) & {(record.key, record.fence or 0) for record in running}

    @staticmethod
    def visible(lease: Lease) -> Lease:
        return attrs.evolve(lease, token="", due=0)

    @staticmethod
    def without_time(record: Record | None) -> Record | None:
        """The number of a letter is each side's own as well."""
        if record is None:
            return record
        due = record.due if record.state is ExecutionState.SCHEDULED else None
        return attrs.evolve(record, due=due, letter=record.letter and "a letter")

    @invariant()
    def both_look_the_same(self) -> None:
        if self.opened:
            self.records_are_the_same()
            self.lists_are_the_same()
            self.nothing_lies_around_on_the_server()

    def records_are_the_same(self) -> None:
        for key in self.keys:
            real = self.wait(self.server.broker.read(key, EVERYTHING))
            model = self.wait(self.model.broker.read(key, EVERYTHING))
            assert self.without_time(real) == self.without_time(model)
            assert self.wait(self.server.broker.progress(key)) == self.wait(self.model.broker.progress(key))
            self.states[key] = None if real is None else real.state
            self.past_records_are_the_same(key, real.run if real else None)

    def past_records_are_the_same(self, key: str, current: str | None) -> None:
        """Look for the few runs that had this key before."""
        before = self.runs[key]
        for run in before:
            if run != current:
                real = self.wait(self.server.broker.read(key, EVERYTHING, run=run))
                assert self.without_time(real) == self.without_time(
                    self.wait(self.model.broker.read(key, EVERYTHING, run=run))
                )
                self.ran["past"] += real is not None and real.run == run
        if current is not None and current not in before:
            self.runs[key] = [*before, current][-3:]

    def lists_are_the_same(self) -> None:
        real, model = self.wait(self.server.broker.survey(10)), self.wait(self.model.broker.survey(10))
        assert (real.taken, real.counts) == (model.taken, model.counts)
        assert (real.oldest is None) == (model.oldest is None)
        self.ran["held"] += model.counts.parked > 0
        assert [shown(record) for record in real.records] == [shown(record) for record in model.records]
        letters = {real.id: model.id for real, model in self.letters()}
        for key in self.keys:
            ours, theirs = (self.wait(side.broker.read(key)) for side in self.sides)
            named = ours and ours.letter
            assert letters.get(named or "") in {None, theirs and theirs.letter}
        here = [self.wait(side.backend.presence.roster(horizon=HORIZON)) for side in (self.server, self.model)]
        assert here[0] == here[1]

    def nothing_lies_around_on_the_server(self) -> None:
        assert self.server.stray_keys() == []
        for key in self.keys:
            encoded = "%21c" if key == "!c" else key
            record = self.server.key(f"runs:{encoded}")
            lifetime, state = self.server.ask("PTTL", record), self.states[key]
            assert (lifetime == -2) if state is None else (lifetime == -1) == state.live, (key, state, lifetime)
            if state is None:
                assert not self.server.keys() & {f"results:{encoded}", encoded, f"!progress:{encoded}"}
            else:
                assert self.server.ask("OBJECT", "ENCODING", record) in {b"listpack", b"ziplist"}

    def teardown(self) -> None:
        if self.opened:
            self.wait(self.server.__aexit__())
            self.wait(self.model.__aexit__())


def shown(record: Record) -> Record:
    """Return a surveyed record without the time that the server's message number stands for."""
    return attrs.evolve(record, due=record.due if record.state is ExecutionState.SCHEDULED else None)


MUST_HAPPEN = {
    *STEPS_OF_A_HISTORY, "redelivered",
    "seed seeded", "seed live", "seed changed", "seed older", "seed cancelled", "past",
    "settled", "superseded", "buried", "cancelled", "requested", "not_live",
    "moved", "restored", "held", "discarded",
    *(f"replay {word}" for word in Replayed if word is not Replayed.BROKEN),
}  # fmt: skip


@pytest.mark.timeout(60 + HISTORIES * 2)
def test_no_history_tells_the_model_from_a_server(server_name: str, servers: Servers) -> None:
    """Whatever is asked in whatever order, every answer and every record is the same, and no key is left over."""
    loop = asyncio.new_event_loop()
    ran: Counter[str] = Counter()
    machine = type("Machine", (SameAnswers,), {"where": servers.get(server_name), "loop": loop, "ran": ran})
    try:
        run_state_machine_as_test(machine, settings=_settings(HISTORIES))
        while HISTORIES > FEW and (missing := {word for word in MUST_HAPPEN if not ran[word]}):
            assert ran["histories"] < HISTORIES + 200, missing
            run_state_machine_as_test(machine, settings=_settings(20))
    finally:
        loop.close()


def _settings(histories: int) -> settings:
    return settings(
        max_examples=histories,
        stateful_step_count=STEPS,
        deadline=None,
        derandomize=False,  # which it is by itself where CI=true, so that each further batch would be the first again
        database=None,
        phases=[Phase.generate, Phase.shrink] if SHRINK else [Phase.generate],
        print_blob=True,
        suppress_health_check=[*HealthCheck],  # pyright: ignore[reportArgumentType]
    )
