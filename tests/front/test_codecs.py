"""Values on their way: which codec writes, which ones read, and what becomes of what a worker cannot rebuild."""

from __future__ import annotations

import asyncio
import enum
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from shadows import Perpetual, SerializationError, TaskFailed, in_process
from shadows.codecs import JsonCodec, Untyped
from tests.front.acts import finish, state_of

if TYPE_CHECKING:
    from shadows import Shadow
    from tests.front.places import Place

PLACED = datetime(2030, 1, 1, tzinfo=UTC)


class Speed(enum.Enum):
    SLOW = 1


@dataclass
class Order:
    number: int
    total: Decimal
    tags: set[str] = field(default_factory=set)


class OutOfStock(Exception):
    pass


ran: list[object] = []


async def ship(order: Order, *, at: datetime, speed: Speed = Speed.SLOW) -> list[Order]:
    ran.append((order, at, speed))
    return [order]


async def vague(order: object) -> None:
    ran.append(order)


async def fail(kind: str) -> None:
    raise {"value": ValueError, "stock": OutOfStock}[kind]("no more")


@in_process
def double(order: Order) -> Order:
    return Order(order.number * 2, order.total * 2)


async def count(left: int, perpetual: Perpetual = Perpetual()) -> None:
    ran.append(left)
    if left:
        perpetual.perpetuate(left - 1)
    else:
        perpetual.cancel()


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    ran.clear()


async def test_with_json_a_task_gets_what_its_annotations_say(place: Place) -> None:
    """And so does whoever waits for the result."""
    async with place.shadow(codec="json") as shadows:
        order = Order(7, Decimal("1.50"), {"gift"})
        execution = await shadows.add(ship)(order, at=PLACED, speed=Speed.SLOW)
        seen = await shadows.get_execution(execution.key)
        assert seen is not None
        assert (seen.args, seen.kwargs) == ((order,), {"at": PLACED, "speed": Speed.SLOW})
        await finish(shadows)
        assert ran == [(order, PLACED, Speed.SLOW)]
        assert await execution.get_result() == [order]


async def test_a_look_from_elsewhere_shows_what_it_can(place: Place) -> None:
    """Who knows the name of the task alone."""
    async with place.shadow(codec="json") as shadows, place.shadow(codec="json") as looking:
        await shadows.add(ship, key="k")(Order(7, Decimal(1)), at=PLACED)
        seen = await looking.get_execution("k")
        assert seen is not None
        assert isinstance(seen.args[0], Untyped)
        assert seen.kwargs == {"at": PLACED}
        await shadows.clear()


async def test_what_a_worker_could_not_rebuild_is_not_placed(place: Place) -> None:
    """FAULT 4: the producer hears of it."""
    async with place.shadow(codec="json") as shadows:
        with pytest.raises(SerializationError, match="Order has come where the annotation names no such class"):
            await shadows.add(vague)(Order(7, Decimal(1)))
        with pytest.raises(SerializationError, match=r"args\[0\].total is a object, which JSON cannot tell"):
            await shadows.add(ship)(Order(7, object()), at=PLACED)  # type: ignore[arg-type]


async def test_with_json_exceptions_come_back(place: Place) -> None:
    """Built-in ones as they are, those that the codec was told of too, others in words."""
    async with place.shadow(codec="json") as shadows:
        known, other = await shadows.add(fail)("value"), await shadows.add(fail)("stock")
        await finish(shadows)
        with pytest.raises(ValueError, match="no more"):
            await known.get_result()
        with pytest.raises(TaskFailed, match="OutOfStock: no more"):
            await other.get_result()
    async with place.shadow(codec=JsonCodec(OutOfStock)) as shadows:
        told = await shadows.add(fail)("stock")
        await finish(shadows)
        with pytest.raises(OutOfStock, match="no more"):
            await told.get_result()


async def test_with_json_a_task_may_run_in_a_process_and_come_again(place: Place) -> None:
    """What a worker tells its own processes is nobody else's affair; the next occurrence is written like a call."""
    async with place.shadow(codec="json") as shadows:
        doubled = await shadows.add(double)(Order(7, Decimal(1)))
        await shadows.add(count)(2)
        await finish(shadows)
        assert await doubled.get_result() == Order(14, Decimal(2))
        assert ran == [2, 1, 0]


async def test_with_json_strikes_compare_values(place: Place) -> None:
    """Of whatever type JSON can tell."""
    async with place.shadow(codec="json") as shadows:
        await shadows.strike(ship, "at", "<=", PLACED)
        execution = await shadows.add(ship)(Order(7, Decimal(1)), at=PLACED)
        assert execution.disposition.value == "struck"
        assert await shadows.restore(ship, "at", "<=", PLACED)
        with pytest.raises(SerializationError, match="Speed"):
            await shadows.strike(ship, "speed", "==", Speed.SLOW)


async def test_several_codecs_let_a_deployment_change_over(place: Place) -> None:
    """The first one writes, all of them read."""
    async with place.shadow() as old, place.shadow(codec=["json", "cloudpickle"]) as new:
        executions = [await old.add(ship)(Order(1, Decimal(1)), at=PLACED)]
        executions += [await new.add(ship)(Order(2, Decimal(1)), at=PLACED)]
        await finish(new)
        results = [await new_handle(new, one.key) for one in executions]
        assert results == [[Order(1, Decimal(1))], [Order(2, Decimal(1))]]


async def new_handle(shadows: Shadow, key: str) -> object:
    execution = await shadows.get_execution(key)
    assert execution is not None
    return await execution.get_result()


@pytest.mark.pickles
async def test_a_message_of_a_codec_that_is_not_configured_is_not_read(place: Place) -> None:
    """FAULT 44: it goes back for a worker that has it; nothing of it was decoded."""
    async with place.shadow() as old, place.shadow(codec="json") as new:
        await old.add(ship, key="k")(Order(1, Decimal(1)), at=PLACED)
        new.register(ship)
        async with asyncio.timeout(15):
            await finish(new)
        assert (ran, await state_of(new, "k")) == ([], "scheduled")
        await old.clear()
