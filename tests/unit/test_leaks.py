"""What a worker uses may grow while it warms up, and not with the calls that it runs."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from tests.system.fire import report
from tests.system.fire.meter import DESCRIPTORS, growth, leaking
from tests.system.fire.tasks import OFTEN, used

if TYPE_CHECKING:
    from collections.abc import Callable

CALLS, PID = 40_000, 7


def lines(blocks: Callable[[int], float], kB: Callable[[int], float] = lambda _: 60_000, pid: int = PID) -> Any:  # noqa: N803
    """Return what a worker says that uses so much after so many calls, give or take what is in flight."""
    dice = random.Random(1)
    return [
        {
            "what": "used",
            "pid": pid,
            "bodies": bodies,
            "blocks": blocks(bodies) + dice.uniform(-200, 200),
            "kB": kB(bodies) + dice.uniform(-400, 400),
        }
        for bodies in range(OFTEN, CALLS, OFTEN)
    ]


def warm_up(most: float) -> Callable[[int], float]:
    """Return what grows by so much while caches are filled, and then no more."""
    return lambda bodies: most * min(1, bodies / (CALLS * 0.3))


def test_what_only_warms_up_is_no_leak() -> None:
    """A worker doubles what it uses within its first minutes, and keeps it."""
    assert leaking(growth(lines(warm_up(200_000), warm_up(30_000)), PID)) == {}


@pytest.mark.parametrize("kept", [0.05, 0.2, 1])
def test_a_block_that_each_call_keeps_is_a_leak(kept: float) -> None:
    """Also one that only each twentieth of them keeps."""
    found = leaking(growth(lines(lambda bodies: warm_up(200_000)(bodies) + kept * bodies), PID))
    assert found == {"blocks": pytest.approx(1000 * kept, rel=0.5)}


def test_memory_that_no_block_explains_is_a_leak() -> None:
    """What a library keeps is not counted in blocks: 50 bytes for each call."""
    found = leaking(growth(lines(lambda _: 1, lambda bodies: 60_000 + 0.05 * bodies), PID))
    assert found == {"kB": pytest.approx(50, rel=0.2)}


def test_only_the_worker_that_lives_longest_is_judged_and_not_by_a_few_looks() -> None:
    """Others are killed before they are warm."""
    assert growth(lines(lambda bodies: bodies, pid=8), PID) == {}
    assert growth(lines(lambda bodies: bodies)[:12], PID) == {}


@pytest.mark.parametrize(
    ("more", "leaks"),
    [
        ({}, False),
        ({"growth": {"blocks": 1.0, "kB": 10.0}}, False),
        ({"growth": {"blocks": 200.0, "kB": 10.0}}, True),
        ({"slopes": {DESCRIPTORS: (30.0, 1.0)}}, True),
    ],
)
def test_a_trial_in_which_a_worker_leaks_is_wrong(more: dict[str, Any], leaks: bool) -> None:  # noqa: FBT001
    """Memory with its calls, and descriptors with time."""
    (run, *_) = report.recorded()
    calm = attrs.evolve(run, wrong={}, leaked={}, growth={}, slopes={DESCRIPTORS: (9.0, 0.0)})
    assert attrs.evolve(calm, **more).is_wrong == leaks


def test_a_process_says_what_it_uses() -> None:
    """Blocks that are kept are seen."""
    before = used()
    kept = [object() for _ in range(10_000)]
    after = used()
    assert len(kept) <= after["blocks"] - before["blocks"] < 3 * len(kept)
    assert after["kB"] > 1000
