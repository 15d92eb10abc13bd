from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from shadows import ConfigurationError, Disposition, ExecutionCancelled, SerializationError, Shadow, TaskCall
from tests.front.acts import HOUR, finish

if TYPE_CHECKING:
    from collections.abc import Callable


async def double(number: int) -> int:
    return 2 * number


async def test_many_calls_have_each_their_own_disposition(shadows: Shadow) -> None:
    """INV 9: they come back in order; a key that is taken, also within the batch, disturbs no other."""
    await shadows.add(double, key="taken", when=HOUR)(0)
    calls = [shadows.call(double, key=key)(1) for key in ("a", "taken", "b", "a")]
    executions = await shadows.add_many(calls)
    assert [each.key for each in executions] == ["a", "taken", "b", "a"]
    placed, already = Disposition.SCHEDULED, Disposition.ALREADY_SCHEDULED
    assert [each.disposition for each in executions] == [placed, already, placed, already]
    await shadows.cancel("taken")
    await finish(shadows)
    assert [await executions[i].get_result() for i in (0, 2, 3)] == [2, 2, 2]


async def test_many_calls_replace_what_waits(shadows: Shadow) -> None:
    """INV 9: ``replace_many`` is ``replace`` for each; of the same key twice the last one stays."""
    old = await shadows.add(double, key="a", when=HOUR)(0)
    calls = [shadows.call("double", key=key)(number) for key, number in (("a", 1), ("b", 2), ("b", 3))]
    executions = await shadows.replace_many(calls)
    assert {each.disposition for each in executions} == {Disposition.SCHEDULED}
    await finish(shadows)
    assert [await executions[i].get_result() for i in (0, 2)] == [2, 6]
    for superseded in (old, executions[1]):
        with pytest.raises(ExecutionCancelled, match="superseded"):
            await superseded.get_result()


async def test_thousands_go_out_in_chunks(shadows: Shadow) -> None:
    """SEMANTICS: ``chunk_size`` is the pipeline's; no script handles more than 200 calls, nobody is left out."""
    calls = [shadows.call(double, key=f"k{n}")(n) for n in range(1201)]
    executions = await shadows.add_many(iter(calls), chunk_size=250)
    assert [each.key for each in executions] == [f"k{n}" for n in range(1201)]
    assert (await shadows.snapshot(limit=0)).queued == 1201
    assert await shadows.add_many([]) == []
    assert await shadows.clear() == 1201


@pytest.mark.parametrize(
    ("broken", "error", "named"),
    [
        (lambda shadows: shadows.call(double)(threading.Lock()), SerializationError, r"args\[0\]"),
        (lambda shadows: shadows.call(double)(), TypeError, "number"),
        (lambda shadows: shadows.call(double, key="")(1), ConfigurationError, "key"),
        (lambda shadows: shadows.call("duoble")(1), KeyError, "double"),
        (lambda shadows: shadows.call(double, when=datetime(2030, 1, 1))(1), ConfigurationError, "naive"),  # noqa: DTZ001
        (lambda shadows: shadows.call(double, when=timedelta(days=20 * 365))(1), ConfigurationError, "horizon"),
    ],
)
async def test_a_batch_is_checked_before_anything_is_sent(
    shadows: Shadow, broken: Callable[[Shadow], TaskCall], error: type[Exception], named: str
) -> None:
    """INV 9: one call that could never run, and none is placed."""
    shadows.register(double)

    def calls() -> Any:
        yield shadows.call(double)(1)
        yield broken(shadows)

    with pytest.raises(error, match=named):
        await shadows.add_many(calls())
    assert (await shadows.snapshot()).total_tasks == 0


def test_a_call_can_be_made_where_no_loop_runs() -> None:
    """It is only checked; placing it comes later."""
    call = Shadow("calls", "memory://calls").call(double, when=HOUR, key="k")(4)
    assert (call.function_name, call.args, call.key, call.when) == ("double", (4,), "k", HOUR)
