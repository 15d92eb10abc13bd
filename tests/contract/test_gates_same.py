"""The same history of calls with gates for the model and a real server, and what no history may break."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule, run_state_machine_as_test

from shadows.adapters.memory.broker import MemoryBroker
from shadows.core.gates import Cooldown, Debounce, Gate, Rate, Slots
from shadows.core.holder import Holder
from shadows.core.lifecycle import ExecutionState
from shadows.core.scheduling import AT_ONCE
from shadows.ports.broker import Entry, Order
from tests.contract import test_same as same

if TYPE_CHECKING:
    from hypothesis.strategies import DataObject

    from shadows.adapters.memory.doors import Doors
    from shadows.adapters.memory.store import Store
    from tests.servers import Servers

HISTORIES = min(same.HISTORIES, int(os.environ.get("HISTORIES", "30")))
STEPS_OF_A_HISTORY = [
    *[
        "start",
        "start",
        "start",
        "start",
        "admit",
        "settle",
        "settle",
        "settle",
        "turn",
        "turn",
        "turn",
        "claim",
        "claim",
    ],
    *["schedule", "redeliver", "recover", "cancel", "cancel", "clear", "pass_time", "pass_time"],
]

SLOTS = (Slots("one", 1), Slots("two", 2), Slots("two", 1))
"""Of the same slots some calls want two, some no more than one."""
RATES = (Rate("r", 2, 20_000), Rate("r", 1, 20_000), Rate("r", 1, 40_000), Rate("d", 1, 20_000, drop=True))
PLACES = ((20_000, "r"), (40_000, "r"), (20_000, "d"))
DECODED = {b"%21c": "!c", b"a": "a", b"b": "b", b"d": "d", b"e": "e"}
OTHERS = (Cooldown("c", 20_000), Debounce("b", 10_000), Debounce("a", 20_000))
"""No window is shorter than a history takes, for a server's own clock ends what it keeps of them."""
THEMES: tuple[tuple[Gate, ...], ...] = (
    SLOTS,
    SLOTS,
    RATES,
    OTHERS,
    (*SLOTS[:1], *RATES[:2]),
    (*SLOTS, *RATES, *OTHERS),
)

HOLDERS = tuple(Holder(name, f"{name}@{name}:{ms}", ms) for name, ms in (("x", 35_000), ("y", 35_000), ("z", 15_000)))
"""Time passes by tens of seconds: a server's leases may age by five more while the test runs."""

keys = st.sampled_from(sorted(DECODED.values()))
entries = st.builds(Entry, keys, same.payloads, st.just(AT_ONCE), st.sampled_from(["", "1", "2", "3"]))


class SameAtTheGates(same.SameAnswers):
    """One history for both, in which most calls have gates."""

    keys = tuple(sorted(DECODED.values()))
    holders = st.sampled_from(HOLDERS)
    theme: tuple[Gate, ...] = ()

    @initialize(theme=st.sampled_from(THEMES))
    def choose(self, theme: tuple[Gate, ...]) -> None:
        """Few kinds of gates meet more often than many."""
        self.theme = theme

    @rule(what=st.sampled_from(STEPS_OF_A_HISTORY), data=st.data())
    def step(self, what: str, data: DataObject) -> None:
        self.ran[what] += 1
        getattr(self, what)(data.draw)

    def start(self, draw: same.Draw) -> None:
        """Place, claim and ask in one go."""
        self.same("schedule", draw(st.lists(entries, min_size=2, max_size=4)))
        order, before = Order(draw(self.holders), 4), len(self.pairs)
        self.compare(order.holder, *self.both("claim", order))
        asking = [pair for pair in self.pairs[before:] if not (pair.real.admitted or pair.real.dropped)]
        self.ask(asking, [self.gates(draw) for _ in asking])

    def age(self, seconds: int) -> None:
        super().age(10 * (1 + seconds // 20))

    def admit(self, draw: same.Draw) -> None:
        """Ask for some that were claimed of late; they may have asked before, or gone to others."""
        held = self.some(draw)
        self.ask(held, [self.gates(draw) for _ in held])

    def gates(self, draw: same.Draw) -> list[Gate]:
        drawn: list[Gate] = draw(st.lists(st.sampled_from(self.theme), min_size=1, max_size=3))
        return drawn

    def some(self, draw: same.Draw) -> list[same.Pair]:
        """Most of those that are drawn still hold."""
        held = [pair for pair in self.pairs if pair.model.fence in {hold.fence for hold in self.store.held.values()}]
        if not held or not draw(st.integers(0, 4)):
            return super().some(draw)
        drawn: list[same.Pair] = draw(st.lists(st.sampled_from(held[-6:]), min_size=1, max_size=3))
        return drawn

    def ask(self, held: list[same.Pair], gates: list[list[Gate]]) -> None:
        if not held:
            return
        real = [(pair.real, asked) for pair, asked in zip(held, gates, strict=True)]
        model = [(pair.model, asked) for pair, asked in zip(held, gates, strict=True)]
        answer, expected = self.both("admit", held[0].holder, real, model=(held[0].holder, model))
        assert answer == expected
        self.ran.update(f"{each.passage.value} {each.reason}".strip() for each in answer)

    def compare(self, holder: Any, real: Any, model: Any) -> None:
        super().compare(holder, real, model)
        self.ran["leased with its gates"] += any(lease.admitted and lease.deliveries == 1 for lease in real.leases)
        self.ran["redelivered with its gates"] += any(lease.admitted and lease.deliveries > 1 for lease in real.leases)
        self.ran["leased to be dropped"] += any(lease.dropped for lease in real.leases)

    @property
    def store(self) -> Store:
        broker = self.model.broker
        assert isinstance(broker, MemoryBroker)
        return broker.store

    @property
    def doors(self) -> Doors:
        return self.store.doors

    @invariant()
    def nothing_is_wrong_at_the_gates(self) -> None:
        if self.opened:
            self.what_is_kept_is_the_same()
            self.no_more_run_than_are_allowed()
            self.nobody_is_parked_at_an_open_gate()

    def what_is_kept_is_the_same(self) -> None:
        """Slots, tokens and lines, which no verb shows."""
        doors = self.doors
        pipe = self.server.line.pipeline(transaction=False)
        for name in ("one", "two"):
            pipe.execute_command("SMEMBERS", self.server.key(f"concurrency:{name}"))
            pipe.execute_command("ZRANGE", self.server.key(f"!line:{name}"), 0, -1)
        for per, name in PLACES:
            pipe.execute_command("ZRANGE", self.server.key(f"!rate:{per}:{name}"), 0, -1, "WITHSCORES")
            pipe.execute_command("ZRANGE", self.server.key(f"!paced:{per}:{name}"), 0, -1)
        found = iter(pipe.execute())
        for name in ("one", "two"):
            assert {DECODED[member] for member in next(found)} == doors.slots.get(name, set())
            assert [DECODED[member] for member in next(found)] == [key for _, key in doors.lines.get(name, [])]
        for place in PLACES:
            rows = next(found)
            tokens = {int(member): int(score) for member, score in zip(rows[::2], rows[1::2], strict=True)}
            assert tokens == doors.tokens.get(place, {})
            assert [DECODED[member] for member in next(found)] == [key for _, key in doors.paced.get(place, [])]

    def no_more_run_than_are_allowed(self) -> None:
        doors = self.doors
        assert len(doors.slots.get("one", ())) <= 1
        assert len(doors.slots.get("two", ())) <= 2
        for rate in RATES:
            moments = sorted(doors.tokens.get((rate.per, rate.name), {}).values())
            most = max(other.limit for other in RATES if (other.per, other.name) == (rate.per, rate.name))
            for first, later in zip(moments, moments[most:], strict=False):
                assert later - first >= rate.per

    def nobody_is_parked_at_an_open_gate(self) -> None:
        store = self.store
        waiting = [key for line in store.doors.lines.values() for _, key in line]
        parked = {key for key, run in store.runs.items() if run.state is ExecutionState.PARKED}
        assert sorted(waiting) == sorted(parked - store.at_strikes.keys())
        for name, line in store.doors.lines.items():
            if line:
                at = store.runs[line[0][1]].standing.at
                assert isinstance(at, Slots)
                assert len(store.doors.slots.get(name, ())) >= at.most
        self.ran["parked together"] += len(waiting) > 1


MUST_HAPPEN = {
    *STEPS_OF_A_HISTORY, "admitted", "parked", "delayed", "dropped cooldown", "dropped rate_limit", "dropped debounced",
    "cancelled", "superseded", "leased with its gates", "redelivered with its gates", "leased to be dropped",
    "parked together",
}  # fmt: skip


@pytest.mark.timeout(120 + HISTORIES * 6)
def test_no_history_tells_the_model_from_a_server_at_the_gates(server_name: str, servers: Servers) -> None:
    """INV 20, 21, 22: never more run than are allowed, nobody is parked at an open gate, and no slot is left over."""
    loop = asyncio.new_event_loop()
    ran: Counter[str] = Counter()
    world = {"where": servers.get(server_name), "loop": loop, "ran": ran}
    machine = type("Machine", (SameAtTheGates,), world)
    try:
        run_state_machine_as_test(machine, settings=same._settings(HISTORIES))
        while HISTORIES > same.FEW and (missing := {word for word in MUST_HAPPEN if not ran[word]}):
            assert ran["histories"] < HISTORIES + 300, missing
            run_state_machine_as_test(machine, settings=same._settings(20))
    finally:
        loop.close()
