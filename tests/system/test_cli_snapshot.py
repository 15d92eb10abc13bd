"""`shadows snapshot`, as it looks."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from shadows.core.holder import holder
from shadows.core.scheduling import Due
from shadows.core.verdict import again
from shadows.ports.broker import Order
from tests.system.conftest import attend, on

if TYPE_CHECKING:
    from collections.abc import Callable

    from shadows import Shadow
    from tests.system.conftest import Said

    type Run = Callable[..., Said]


async def send_invoice_reminder_to_customer(customer_id: int) -> None:
    """Have a long name."""


async def busy(shadow: Shadow) -> None:
    """Leave behind one call that runs and two that wait, one of them for its second attempt."""
    place = shadow.add(send_invoice_reminder_to_customer)
    await place(1)
    await place(2)
    its = holder("worker-eu-west-1a-0001", timedelta(minutes=1), nonce="n")
    broker = shadow.backend().broker
    (lease,) = (await broker.claim(Order(its, 1))).leases
    await broker.settle(its, [(lease, again(lease.payload, attempt=2, due=Due(after=3_600_000)))])
    await broker.claim(Order(its, 1))
    await shadow.add(send_invoice_reminder_to_customer, when=timedelta(days=35))(3)


@pytest.mark.parametrize("columns", [80, 120])
def test_a_snapshot_fits_the_terminal_and_folds_no_key(
    shadows: Run, here: tuple[str, str], monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    """One can copy a key, whatever tasks and workers are called."""
    monkeypatch.setenv("COLUMNS", str(columns))
    on(*here, busy)
    attend(*here, "worker-eu-west-1a-0001", *(f"task_number_{n}" for n in range(40)))
    said = shadows("snapshot", "--stats")
    assert said.code == 0
    assert max(map(len, said.out.splitlines())) <= columns
    execution = on(*here, lambda shadow: shadow.snapshot())
    keys = [one.key for one in execution.future] + [one.execution.key for one in execution.running]
    assert len(keys) == 3
    assert all(key in said.out for key in keys), said.out
    assert "in 35d" in said.out
    if columns > 80:
        assert re.search(r"running .* for \S+ on worker-eu-west-1a-0001 *\n", said.out), said.out
        assert re.search(r"scheduled .* in (1h|59m\d\ds), attempt 2 *\n", said.out), said.out


def test_a_long_key_is_folded_and_not_cut(shadows: Run, here: tuple[str, str]) -> None:
    """The table stays as wide as the terminal."""
    key = "k" * 300
    on(*here, lambda shadow: shadow.add(send_invoice_reminder_to_customer, key=key)(1))
    said = shadows("snapshot")
    assert said.out.count("k") >= 300
    assert max(map(len, said.out.splitlines())) <= 80
