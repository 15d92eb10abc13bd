"""Calls that are held at strikes, and let go when those are lifted."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from shadows.core import verdict
from shadows.core.scheduling import Due
from shadows.ports.broker import Claim, Entry, Order
from shadows.ports.strike_log import Instruction
from tests.contract.acts import (
    LEASE,
    call,
    claim,
    done,
    instead,
    keys,
    look,
    place,
    retry,
    settle,
    state,
    sweep,
    worker,
)

if TYPE_CHECKING:
    from shadows.core.holder import Holder
    from shadows.ports.broker import Lease, Settlement
    from tests.contract.harness import Harness, ServerHarness

STRIKE = Instruction("one", b"strike", hold=True)
OTHER = Instruction("two", b"strike", hold=True)
BIG = b"x" * 65


class Scene:
    """A worker that holds back what it claims, at a strike or another."""

    def __init__(self, harness: Harness) -> None:
        self.harness = harness
        self.broker = harness.broker
        self.who: Holder = worker()
        self.position = ""

    async def tell(self, instruction: Instruction, *, pace: int = 0) -> None:
        """Write into the log, and know it."""
        noted = await self.harness.backend.strike_log.append(instruction, position=self.position, pace=pace)
        assert noted.news is not None
        self.position = noted.news.position

    async def place(self, *entries: Entry) -> None:
        """Place calls, with the strikes that are known."""
        answers = await place(self.broker, *entries, strikes=self.position)
        assert set(answers) == {"scheduled"}

    async def claim(self, limit: int = 10) -> Claim:
        """Claim, and know what is new."""
        told = await claim(self.broker, self.who, limit, strikes=self.position)
        if told.strikes is not None:
            self.position = told.strikes.position
        return told

    async def hold(self, lease: Lease, strike: Instruction = STRIKE) -> Settlement:
        """Hold this call back at a strike."""
        judged = verdict.held(
            lease.payload, attempt=lease.attempt, strike=strike.name, strikes=self.position, due=lease.due
        )
        return await settle(self.broker, self.who, lease, judged)

    async def held(self, *names: str, strike: Instruction = STRIKE, payload: bytes = b"payload") -> None:
        """Place calls, and hold them back."""
        await self.place(*(call(name, payload, run=name) for name in names))
        for lease in (await self.claim()).leases:
            assert await self.hold(lease, strike) == "settled"


@pytest.fixture
async def scene(harness: Harness) -> Scene:
    made = Scene(harness)
    await made.tell(STRIKE)
    return made


async def test_a_held_call_waits_and_is_in_nobodys_way(scene: Scene) -> None:
    """Issue 4, ``hold``: parked, counted, listed with its arguments; what is left to do does not count it."""
    await scene.held("b", "a", payload=BIG)
    told = await scene.claim()
    assert (told.leases, told.left, told.more, told.due_in) == ((), 0, False, None)
    survey = await scene.broker.survey(10)
    assert (survey.counts.parked, survey.counts.scheduled, survey.counts.queued, survey.counts.running) == (2, 0, 0, 0)
    assert [(one.key, one.state.value, one.payload, one.run) for one in survey.records] == [
        ("b", "parked", BIG, "b"),
        ("a", "parked", BIG, "a"),
    ]
    assert (await look(scene.broker, "a")).payload == BIG
    assert await place(scene.broker, call("a"), strikes=scene.position) == ["already"]


async def test_a_restore_lets_go_in_the_order_in_which_they_came(scene: Scene) -> None:
    """Issue 4, ``restore``: the next claim finds them, each as it was; no attempt and no delivery is used up."""
    await scene.place(call("again", run="1"))
    (lease,) = (await scene.claim()).leases
    await settle(scene.broker, scene.who, lease, retry(lease))
    (lease,) = (await scene.claim()).leases
    await scene.harness.pass_time(LEASE + 1)
    first, scene.who = scene.who, worker("other")
    (lost,) = await sweep(scene.broker, scene.who, strikes=scene.position)
    assert (lost.attempt, lost.deliveries) == (2, 2)
    assert first != scene.who
    assert await scene.hold(lost) == "settled"
    await scene.held("z", "b", "c", payload=BIG)
    await scene.tell(Instruction("one"))
    told = await scene.claim()
    assert keys(told.leases) == ["again", "z", "b", "c"]
    assert [(one.attempt, one.deliveries, one.payload) for one in told.leases] == [
        (2, 2, b"payload"),
        *[(1, 1, BIG)] * 3,
    ]
    assert told.left == 4
    for each in told.leases:
        await settle(scene.broker, scene.who, each, done())
    assert (await scene.broker.survey(0)).counts.parked == 0


async def test_only_what_is_held_at_the_lifted_strike_is_let_go(scene: Scene) -> None:
    """Issue 4, ``restore``: the others wait on."""
    await scene.tell(OTHER)
    await scene.held("a")
    await scene.held("b", strike=OTHER)
    await scene.held("c")
    await scene.tell(Instruction("one"))
    assert keys((await scene.claim()).leases) == ["a", "c"]
    assert await state(scene.broker, "b") == "parked"
    await scene.tell(Instruction("two"))
    assert keys((await scene.claim()).leases) == ["b"]


async def test_they_are_let_go_at_a_pace(scene: Scene) -> None:
    """Issue 4, ``pace``: each has its own moment; a new call of theirs need not queue up behind them."""
    await scene.held("a", "b", "c", "d")
    await scene.tell(Instruction("one"), pace=10_000)
    told = await scene.claim()
    assert (keys(told.leases), told.due_in, told.left) == (["a"], 10, 4)
    assert [await state(scene.broker, key) for key in "bcd"] == ["scheduled"] * 3
    await scene.place(call("new"))
    assert keys((await scene.claim()).leases) == ["new"]
    await scene.harness.pass_time(10)
    assert keys((await scene.claim()).leases) == ["b"]
    await scene.harness.pass_time(20)
    assert keys((await scene.claim()).leases) == ["c", "d"]


@pytest.mark.parametrize("how", ["ends", "drops"])
async def test_a_strike_that_holds_no_more_lets_go(scene: Scene, how: str) -> None:
    """Issue 4, ``until``: also when it ended by itself, or is struck again without ``hold``."""
    if how == "ends":
        await scene.tell(Instruction("one", b"strike", Due(after=5_000), hold=True))
    await scene.held("a", "b")
    if how == "drops":
        await scene.tell(Instruction("one", b"strike"))
    else:
        await scene.harness.pass_time(5)
    assert keys((await scene.claim()).leases) == ["a", "b"]


async def test_struck_again_it_holds_on(scene: Scene) -> None:
    """Issue 4, ``hold``: new terms of the same strike let nothing go."""
    await scene.held("a")
    await scene.tell(Instruction("one", b"other terms", hold=True))
    assert (await scene.claim()).leases == ()
    assert await state(scene.broker, "a") == "parked"


async def test_a_call_that_was_judged_by_an_older_list_is_judged_again(scene: Scene) -> None:
    """INV 46: restored between the claim and the settle, it must not wait for a restore that has been."""
    await scene.place(call("a"))
    (lease,) = (await scene.claim()).leases
    await scene.harness.backend.strike_log.append(Instruction("one"))
    assert await scene.hold(lease) == "settled"
    assert await state(scene.broker, "a") == "queued"
    (again,) = (await scene.claim()).leases
    assert (again.attempt, again.deliveries) == (1, 1)


async def test_a_held_call_can_be_cancelled_replaced_and_cleared(scene: Scene) -> None:
    """SPEC 1: a parked call is known by its key; what is gone is not let go later."""
    await scene.held("cancelled", "replaced", "cleared", "stays", payload=BIG)
    assert await scene.broker.cancel("cancelled") == "cancelled"
    await scene.place(instead("replaced", b"new", run="new"))
    (lease,) = (await scene.claim()).leases
    assert lease.payload == b"new"
    await settle(scene.broker, scene.who, lease, done())
    assert (await scene.broker.survey(0)).counts.parked == 2
    assert await scene.broker.clear() == 2
    assert await state(scene.broker, "stays") == "cancelled"
    await scene.held("later")
    await scene.tell(Instruction("one"))
    assert keys((await scene.claim()).leases) == ["later"]


async def test_a_cancel_or_a_successor_goes_before_a_hold(scene: Scene) -> None:
    """INV 3, INV 29: what somebody asked for while the call was running."""
    await scene.place(call("a", run="1"), call("b", run="2"))
    first, second = (await scene.claim()).leases
    await scene.broker.cancel("a")
    await scene.place(instead("b", b"next", run="3"))
    assert await scene.hold(first) == "cancelled"
    assert await scene.hold(second) == "settled"
    assert [await state(scene.broker, key) for key in "ab"] == ["cancelled", "queued"]
    assert await scene.hold(first) == "superseded"


async def test_a_lost_lease_counts_though_the_call_is_judged_anew(scene: Scene) -> None:
    """INV 14: the list moved on between the judgement and the hold, and one worker had died of the call before."""
    await scene.place(call("a"))
    await scene.claim()
    await scene.harness.pass_time(LEASE + 1)
    scene.who = worker("other")
    (lease,) = await sweep(scene.broker, scene.who, strikes=scene.position)
    judged = verdict.held(lease.payload, attempt=1, strike="one", strikes=scene.position, due=lease.due)
    await scene.tell(Instruction("two", b"strike"))
    assert await settle(scene.broker, scene.who, lease, judged) == "settled"
    (again,) = (await scene.claim()).leases
    assert again.deliveries == 2


async def test_very_many_are_let_go_in_bounded_steps(scene: Scene) -> None:
    """INV 43: each claim does a part and says that there is more; nobody is forgotten, the order stays."""
    names = [f"k{number:03}" for number in range(450)]
    await scene.place(*(call(name) for name in names))
    while leases := (await scene.claim(200)).leases:
        strikes = ("one", "two") * 100
        done_with = [
            (
                lease,
                verdict.held(lease.payload, attempt=1, strike=strike, strikes=scene.position, due=lease.due),
            )
            for lease, strike in zip(leases, strikes, strict=False)
        ]
        await scene.broker.settle(scene.who, done_with)
    await scene.tell(Instruction("one"))
    found: list[str] = []
    rounds, more = 0, True
    while more:
        told = await scene.claim(200)
        found += keys(told.leases)
        for lease in told.leases:
            await settle(scene.broker, scene.who, lease, done())
        rounds, more = rounds + 1, told.more
    assert rounds > 2
    assert found == names[::2]
    assert (await scene.broker.survey(0)).counts.parked == 225


async def test_an_idle_worker_is_woken_by_a_restore(scene: Scene) -> None:
    """SEMANTICS, wake-ups: it does not wait for its own next look."""
    await scene.held("a")
    waiting = asyncio.create_task(scene.broker.claim(Order(scene.who, 10, strikes=scene.position), patience=20))
    await scene.harness.somebody_waits()
    await scene.tell(Instruction("one"))
    assert keys((await waiting).leases) == ["a"]


@pytest.mark.parametrize("suffix", ["!held", "!releases", "!chores", "runs:a", "!gates:a"])
async def test_whatever_lies_at_the_keys_of_a_hold_nothing_breaks(real: ServerHarness, suffix: str) -> None:
    """FAULT 51: a helper that is not ours is repaired or passed over; strikes, restores and claims go on."""
    scene = Scene(real)
    await scene.tell(STRIKE)
    await scene.held("a", "b")
    await scene.tell(OTHER)
    await scene.held("c", strike=OTHER)
    real.ask("DEL", real.key(suffix))
    real.ask("SET", real.key(suffix), "junk")
    await scene.place(call("d"))
    (lease,) = (await scene.claim()).leases
    await scene.hold(lease)
    await scene.tell(Instruction("one"))
    await scene.claim()
    await real.broker.survey(10)
    await real.broker.clear()
    real.sweep_up()
