"""The examples of seed 004 about striking run as printed, block after block, and do what their comments say.

The seeds lie beside the checkout; where they are missing, the same is tested in our own words by test_strikes.py.
"""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from shadows import Disposition, Execution, Shadow
from tests.front.acts import SOON, finish

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

SEED = Path(__file__).parents[3] / "shared" / "seeds" / "004_0a36ae86d9713ac7.txt"
SECTION = ("## striking and restoring tasks", "## advanced logging and debugging")
BLOCKS = 3

pytestmark = pytest.mark.skipif(not SEED.is_file(), reason=f"{SEED} is not there")
ran: list[dict[str, Any]] = []


async def process_order(order_id: int = 0, customer_id: str = "", amount: float = 0, priority: str = "normal") -> None:
    """Stand for a task of the reader's own."""
    ran.append({"order_id": order_id, "customer_id": customer_id, "amount": amount})


async def process_payment(amount: float) -> None:
    """Stand for another one."""
    ran.append({"amount": amount})


def blocks() -> list[str]:
    """Give the Python blocks of the section, in order."""
    text = SEED.read_text()
    section = text[text.index(SECTION[0]) : text.index(SECTION[1])]
    return re.findall(r"^```python\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)


class Watching:
    """The shadow that the blocks use; it remembers what they added."""

    def __init__(self, shadows: Shadow) -> None:
        self.shadows = shadows
        self.added: list[Execution[Any]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.shadows, name)

    def add(self, function: Callable[..., Any]) -> Callable[..., Coroutine[Any, Any, None]]:
        """Place a call."""

        async def place(*args: Any, **kwargs: Any) -> None:
            self.added.append(await self.shadows.add(function)(*args, **kwargs))

        return place

    async def types(self, number: int) -> list[str]:
        """Run one block as printed and return the dispositions of what it added."""
        self.added.clear()
        code = compile(blocks()[number], f"seed 004, striking, block {number}", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        names = {"shadows": self, "process_order": process_order, "process_payment": process_payment}
        running = eval(code, names)  # noqa: S307 - this is the point
        if inspect.isawaitable(running):
            await running
        return [execution.disposition.value for execution in self.added]


@pytest.fixture
def reader(shadows: Shadow) -> Watching:
    ran.clear()
    return Watching(shadows)


def test_every_block_of_the_section_is_run() -> None:
    """None is left out by accident."""
    assert len(blocks()) == BLOCKS


async def test_striking_entire_task_types(reader: Watching, shadows: Shadow) -> None:
    """Seed 004: orders added meanwhile won't run; the block ends by restoring the task."""
    waiting = await shadows.add(process_order, when=SOON)(order_id=1)
    assert await reader.types(0) == ["struck", "struck"]
    assert await shadows.strikes() == []
    await finish(shadows)
    assert [order["order_id"] for order in ran] == [1]
    assert waiting.disposition is Disposition.SCHEDULED


async def test_striking_by_parameter_values(reader: Watching, shadows: Shadow) -> None:
    """Seed 004: what the block restores runs again, the strike that it leaves is in force."""
    assert await reader.types(1) == []
    (left,) = await shadows.strikes()
    assert (left.function, left.conditions[0].operator, left.conditions[0].value) == ("process_payment", ">", 10000)
    refused = await shadows.add(process_payment)(10_001)
    taken = [
        await shadows.add(process_payment)(10_000),
        await shadows.add(process_order)(customer_id="12345", priority="low"),
    ]
    assert refused.disposition is Disposition.STRUCK
    assert {each.disposition for each in taken} == {Disposition.SCHEDULED}
    await finish(shadows)


async def test_its_strikes_stop_what_they_say(shadows: Shadow) -> None:
    """Seed 004: the same strikes, before they are restored: "high" < "low" as text, so it is struck as well."""
    await shadows.strike(None, "customer_id", "==", "12345")
    await shadows.strike(process_order, "priority", "<=", "low")
    found = [
        (await shadows.add(process_order)(customer_id="12345")).disposition,
        (await shadows.add(process_order)(priority="low")).disposition,
        (await shadows.add(process_order)(priority="normal")).disposition,
    ]
    assert found == [Disposition.STRUCK, Disposition.STRUCK, Disposition.SCHEDULED]
    await finish(shadows)


async def test_striking_specific_combinations(reader: Watching, shadows: Shadow) -> None:
    """Seed 004, as SPEC 1 corrects it: each strike stands alone, so the order of another customer above 1000 is
    struck, too; for both there is one compound strike.
    """
    assert await reader.types(2) == ["struck", "struck", "struck"]
    await shadows.restore(process_order, "customer_id", "==", "12345")
    await shadows.restore(process_order, "amount", ">", 1000)
    await shadows.strike(process_order, where={"customer_id": ("==", "12345"), "amount": (">", 1000)})
    reader.added.clear()
    for customer, amount in (("12345", 500), ("12345", 2000), ("67890", 2000)):
        await reader.add(process_order)(customer_id=customer, amount=amount)
    assert [execution.disposition.value for execution in reader.added] == ["scheduled", "struck", "scheduled"]
    await finish(shadows)
    assert [(order["customer_id"], order["amount"]) for order in ran] == [("12345", 500), ("67890", 2000)]
