"""The patterns for striking and restoring run as printed (seed 004), on memory, a Redis and a Valkey."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import pytest

from shadows import Disposition, Shadow
from tests.system.reading import SEEDS
from tests.system.workers import Remembering, working

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from tests.system.reading import Reader

pytestmark = pytest.mark.skipif(not SEEDS.is_dir(), reason=f"{SEEDS} is not there")

STRUCK, PLACED = Disposition.STRUCK, Disposition.SCHEDULED


@attrs.define(eq=False)
class Shop:
    """A shadow that remembers what it placed, its tasks, and what they did."""

    shadows: Remembering
    done: list[tuple[object, ...]] = attrs.field(factory=list[tuple[object, ...]])

    async def process_order(
        self, order_id: int = 0, customer_id: str | int = "", priority: str = "normal", amount: float = 0
    ) -> None:
        """Stand for a task of the reader's own."""
        del priority
        self.done.append(("order", order_id or customer_id, amount))

    async def process_payment(self, customer_id: str, amount: float) -> None:
        """Stand for another one."""
        self.done.append(("payment", customer_id, amount))

    async def send_invoice(self, customer_id: str) -> None:
        """Stand for a third one, which the reader does not strike by name."""
        self.done.append(("invoice", customer_id))

    @property
    def came_to(self) -> list[Disposition]:
        """What became of the calls since somebody last looked."""
        seen = [execution.disposition for execution in self.shadows.placed]
        self.shadows.placed.clear()
        return seen


@pytest.fixture
async def shop(reader: Callable[[str], Reader]) -> AsyncGenerator[Shop]:
    """Give the shop of this test; it is open."""
    async with Shadow() as shadow:
        yield Shop(Remembering(shadow))


async def run(shop: Shop) -> list[tuple[object, ...]]:
    """Let a worker do all that waits, and give what was done."""
    async with working(shop.process_order, shop.process_payment, shop.send_invoice):
        pass
    return sorted(shop.done, key=str)


async def test_striking_entire_task_types(reader: Callable[[str], Reader], shop: Shop) -> None:
    """No order is placed while they are struck, nor later; what is added after the restore is processed."""
    typing = reader("004")
    typing.names.update(shadows=shop.shadows, process_order=shop.process_order)
    await typing.types(6, until="# Re-enable when ready")
    assert shop.came_to == [STRUCK, STRUCK]
    await shop.shadows.add(shop.send_invoice)("1")
    assert shop.came_to == [PLACED]
    assert await run(shop) == [("invoice", "1")]
    await typing.types(6, since="# Re-enable when ready")
    await shop.shadows.add(shop.process_order)(order_id=3)
    assert shop.came_to == [PLACED]
    assert await run(shop) == [("invoice", "1"), ("order", 3, 0)]


async def test_striking_entire_task_types_in_one_go(reader: Callable[[str], Reader], shop: Shop) -> None:
    """The whole program, typed at once: neither order was processed."""
    typing = reader("004")
    typing.names.update(shadows=shop.shadows, process_order=shop.process_order)
    await typing.types(6)
    assert shop.came_to == [STRUCK, STRUCK]
    assert await run(shop) == []


async def test_striking_by_parameter_values(reader: Callable[[str], Reader], shop: Shop) -> None:
    """Each strike stops what matches it, over all tasks or one; a restore lifts that one alone."""
    typing = reader("004")
    shadows = typing.names["shadows"] = shop.shadows
    typing.names.update(process_order=shop.process_order, process_payment=shop.process_payment)
    await typing.types(7, until="# Later, restore them")
    await shadows.add(shop.send_invoice)("12345")
    await shadows.add(shop.process_payment)("12345", 5)
    await shadows.add(shop.process_order)(customer_id="12345")
    await shadows.add(shop.process_order)(customer_id="1", priority="low")
    await shadows.add(shop.process_order)(customer_id="2", priority="high")  # as texts, it comes before "low"
    await shadows.add(shop.process_payment)("3", 10001)
    await shadows.add(shop.process_payment)("3", amount=10001)
    assert shop.came_to == [STRUCK] * 7
    await shadows.add(shop.process_order)(customer_id="4", priority="normal", amount=20000)
    await shadows.add(shop.process_payment)("4", 10000)
    await shadows.add(shop.send_invoice)("4")
    await shadows.add(shop.process_order)(customer_id=12345)  # a number is not that text
    assert shop.came_to == [PLACED] * 4
    await typing.types(7, since="# Later, restore them")
    await shadows.add(shop.send_invoice)("12345")
    await shadows.add(shop.process_order)(customer_id="12345", priority="low")
    assert shop.came_to == [PLACED] * 2
    await shadows.add(shop.process_payment)("12345", 10001)  # the printed program does not restore it
    assert shop.came_to == [STRUCK]
    assert await run(shop) == [
        ("invoice", "12345"),
        ("invoice", "4"),
        ("order", "12345", 0),
        ("order", "4", 20000),
        ("order", 12345, 0),
        ("payment", "4", 10000),
    ]


async def test_striking_specific_combinations(reader: Callable[[str], Reader], shop: Shop) -> None:
    """Each strike stands alone: the third call is struck, too, whatever the printed comment says (SPEC 1)."""
    typing = reader("004")
    shadows = typing.names["shadows"] = shop.shadows
    typing.names["process_order"] = shop.process_order
    await typing.types(8)
    assert shop.came_to == [STRUCK, STRUCK, STRUCK]
    await shadows.add(shop.process_order)(customer_id="67890", amount=1000)
    assert shop.came_to == [PLACED]
    assert await run(shop) == [("order", "67890", 1000)]


async def test_one_strike_for_both(reader: Callable[[str], Reader], shop: Shop) -> None:
    """SPEC 1: a compound strike does what that printed comment promises."""
    typing = reader("004")
    shadows = typing.names["shadows"] = shop.shadows
    typing.names["process_order"] = shop.process_order
    await shadows.strike(shop.process_order, where={"customer_id": ("==", "12345"), "amount": (">", 1000)})
    await typing.types(8, since="# This order won't run (blocked customer)")
    assert shop.came_to == [PLACED, STRUCK, PLACED]
    assert await run(shop) == [("order", "12345", 500), ("order", "67890", 2000)]
