"""What is done with leaves the stream, however much of it at once and in whatever order: server only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shadows.ports.backend import Terms
from shadows.ports.broker import Order
from tests.contract.acts import call, claim, done, keys, place, take, worker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shadows.core.holder import Holder
    from shadows.ports.broker import Broker, Lease
    from tests.contract.harness import ServerHarness

ALL = [f"k{number}" for number in range(8)]


def waiting(real: ServerHarness) -> list[str]:
    """Return the keys of the messages that are still there."""
    return [fields[1].decode() for _, fields in real.ask("XRANGE", real.key("stream"), "-", "+")]


def pending(real: ServerHarness) -> int:
    count: int = real.ask("XPENDING", real.key("stream"), "workers")[0]
    return count


async def end(broker: Broker, who: Holder, leases: Sequence[Lease]) -> None:
    assert await broker.settle(who, [(lease, done()) for lease in leases]) == ["settled"] * len(leases)


@pytest.mark.parametrize(
    "order",
    [
        pytest.param([[0, 1, 2], [3, 4, 5]], id="the oldest first"),
        pytest.param([[3, 4, 5], [0, 1, 2]], id="the youngest first"),
        pytest.param([[0, 1, 4], [2, 3, 5]], id="one in between goes on"),
        pytest.param([[4, 1, 0, 2], [5, 3]], id="in no order"),
        pytest.param([[0, 1, 2, 3, 4, 5]], id="all"),
        pytest.param([[0], [2], [1], [3, 5], [4]], id="few at a time"),
    ],
)
async def test_what_is_done_with_goes_and_what_is_not_stays(real: ServerHarness, order: list[list[int]]) -> None:
    """INV 11, 13: whoever runs still has his message, and who waits is found by the next claim."""
    broker, who = real.broker, worker()
    await place(broker, *(call(key) for key in ALL))
    leases = await take(broker, who, 6)
    left = [*ALL]
    for together in order:
        await end(broker, who, [leases[number] for number in together])
        left = [key for key in left if key not in {ALL[number] for number in together}]
        assert waiting(real) == left
        assert pending(real) == len(left) - 2
    assert keys(await take(broker, who, 10)) == ALL[6:]


async def test_what_another_worker_runs_is_not_cut_off(real: ServerHarness) -> None:
    """INV 13: the younger calls end while older ones run elsewhere, and the other way round."""
    broker, slow, fast = real.broker, worker("slow"), worker("fast")
    await place(broker, *(call(key) for key in ALL))
    first, second = await take(broker, slow, 3), await take(broker, fast, 3)
    await end(broker, fast, second)
    assert waiting(real) == [*ALL[:3], *ALL[6:]]
    third = await take(broker, fast, 1)
    await end(broker, slow, first)
    assert (waiting(real), pending(real)) == (ALL[6:], 1)
    await end(broker, fast, third)
    assert waiting(real) == ALL[7:]


async def test_a_message_that_somebody_deleted_keeps_nothing_from_going(real: ServerHarness) -> None:
    """INV 11: it is still pending, and the oldest that is."""
    broker, who = real.broker, worker()
    await place(broker, *(call(key) for key in ALL))
    leases = await take(broker, who, 6)
    (oldest, _), *_ = real.ask("XRANGE", real.key("stream"), "-", "+", "COUNT", 1)
    real.ask("XDEL", real.key("stream"), oldest)
    await end(broker, who, leases[1:5])
    assert waiting(real) == ALL[5:]
    await end(broker, who, [leases[0], leases[5]])
    assert (waiting(real), pending(real)) == (ALL[6:], 0)


async def test_a_turn_forgets_what_it_settles_after_it_has_claimed(real: ServerHarness) -> None:
    """INV 11, 13: all that the holder had ends, and in the same step it takes the next ones, which stay."""
    broker, who = real.broker, worker()
    await place(broker, *(call(key) for key in ALL))
    leases = await take(broker, who, 4)
    _, answer = await broker.turn([(lease, done()) for lease in leases], Order(who, 3))
    assert (keys(answer.leases), waiting(real), pending(real)) == (ALL[4:7], ALL[4:], 3)


@pytest.mark.parametrize("ttl", [0, 900_000])
async def test_what_a_turn_settles_is_not_recovered_by_it(real: ServerHarness, ttl: int) -> None:
    """INV 12: to a holder whose trips broke comes back what it knows nothing of, and not what it ends now."""
    broker, who = (await real.open(Terms(execution_ttl=ttl))).broker, worker()
    await place(broker, *(call(key) for key in ALL))
    known = await take(broker, who, 4)
    await claim(broker, who, 2)
    _, answer = await broker.turn([(lease, done()) for lease in known], Order(who, 8, known=(), recovery=1))
    assert sorted(keys(answer.leases)) == ALL[4:]
    assert waiting(real) == ALL[4:]
